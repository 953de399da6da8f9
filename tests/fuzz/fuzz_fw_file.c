/* A file from anyone: never more than refused, with a reason, and nothing handed out beyond what
 * the file's own meta.conf announces. */
#include "fw/fw_file.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count(void *user, const uint8_t *bytes, size_t n)
{
    (void)bytes;
    *(uint64_t *)user += n;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fw_meta meta;
    char why[FW_WHY_MAX];
    uint64_t taken = 0;
    struct fw_sink sink = {"firmware.hex", &taken, count};
    enum fw_verdict verdict = fw_check_memory(data, size, NULL, 1 << 20, &sink, &meta, why);
    if (taken > 1 << 20 || (verdict == FW_GOOD) != (why[0] == '\0'))
        abort();
    return 0;
}
