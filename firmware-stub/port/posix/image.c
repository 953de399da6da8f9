/*
 * Where the process keeps an uploaded image: beside the file of its state, as FILE.image once it is
 * whole, and as FILE.HASH.part before. Without such a file it stores none.
 */
#define _GNU_SOURCE
#include "board.h"
#include "port.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE_MAX (16u << 20)

static const char *base; /* NULL: none */
static char part[400], whole[400];
static int file = -1;

static bool name_files(const uint8_t hash[MP_SHA256_BYTES])
{
    char hex[2 * MP_SHA256_BYTES + 1];

    for (size_t i = 0; i < MP_SHA256_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    return snprintf(part, sizeof part, "%s.%s.part", base, hex) < (int)sizeof part &&
           snprintf(whole, sizeof whole, "%s.image", base) < (int)sizeof whole;
}

static void close_file(void)
{
    if (file >= 0)
        close(file);
    file = -1;
}

static enum mp_status begin(void *user, uint32_t size, const uint8_t hash[MP_SHA256_BYTES],
                            uint32_t *have)
{
    struct stat about;

    (void)user;
    if (size > IMAGE_MAX)
        return MP_STATUS_TOO_LARGE;
    close_file();
    if (name_files(hash))
        file = open(part, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0 || fstat(file, &about) != 0)
        return MP_STATUS_FAILED;
    *have = about.st_size <= (off_t)size ? (uint32_t)about.st_size : 0;
    return ftruncate(file, (off_t)*have) == 0 ? MP_STATUS_DONE : MP_STATUS_FAILED;
}

static enum mp_status keep(void *user, uint32_t offset, const uint8_t *bytes, size_t n)
{
    (void)user;
    return pwrite(file, bytes, n, (off_t)offset) == (ssize_t)n ? MP_STATUS_DONE : MP_STATUS_FAILED;
}

static bool read_back(void *user, uint32_t offset, uint8_t *out, size_t n)
{
    (void)user;
    return pread(file, out, n, (off_t)offset) == (ssize_t)n;
}

static enum mp_status commit(void *user)
{
    bool good = fsync(file) == 0 && rename(part, whole) == 0;

    (void)user;
    close_file();
    return good ? MP_STATUS_DONE : MP_STATUS_FAILED;
}

static void drop(void *user)
{
    (void)user;
    close_file();
    unlink(part);
}

void board_keep_images(const char *beside)
{
    base = beside;
}

const struct mp_bulk_store *port_image_store(void)
{
    static const struct mp_bulk_store store = {NULL, begin, keep, read_back, commit, drop};

    return base != NULL ? &store : NULL;
}

enum port_image_state port_image_state(void)
{
    return PORT_IMAGE_SETTLED;
}

void port_image_confirm(void)
{
}
