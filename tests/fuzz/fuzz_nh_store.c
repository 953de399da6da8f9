/* A record or a firmware's description that a disk has spoilt is no record, or a sane one. */
#include "nerveshub/nh_store.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define UUID "2cc211b5-e7c5-5b9c-b678-c70df78babe5"

static char folder[] = "/tmp/fuzz_nh_store_XXXXXX";
static char record_path[128], firmware_path[128];

static void remove_all(void)
{
    unlink(record_path);
    unlink(firmware_path);
    rmdir(folder);
}

static void begin(void)
{
    char id[NH_UUID_TEXT];
    if (mkdtemp(folder) == NULL)
        abort();
    nh_board_id("bench 1", id);
    snprintf(record_path, sizeof(record_path), "%s/board-%s.json", folder, id);
    snprintf(firmware_path, sizeof(firmware_path), "%s/" UUID ".json", folder);
    atexit(remove_all);
}

static void put(const char *path, const uint8_t *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nh_record record;
    struct nh_firmware firmware;
    if (record_path[0] == '\0')
        begin();
    put(record_path, data, size);
    nh_store_load(folder, "bench 1", &record);
    assert(record.stage == NH_IDLE || record.uuid[0] != '\0');
    assert(record.stage >= NH_IDLE && record.stage <= NH_RESTORING);
    put(firmware_path, data, size);
    if (nh_store_find(folder, (const uint8_t *)"12345678", 8, "", &firmware))
        assert(nh_firmware_is_known(&firmware));
    return 0;
}
