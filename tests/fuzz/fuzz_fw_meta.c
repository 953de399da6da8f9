/* A meta.conf from anyone: never more than refused, and what is taken is text. */
#include "fw/fw_meta.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ends(const char *text, size_t cap)
{
    if (memchr(text, '\0', cap) == NULL)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fw_meta meta;
    char why[FW_WHY_MAX] = "";
    int result = fw_meta_parse((const char *)data, size, &meta, why);
    if (result != 0 && why[0] == '\0')
        abort();
    if (result == 0) {
        ends(meta.product, sizeof(meta.product));
        ends(meta.misc, sizeof(meta.misc));
        if (meta.resource_count > FW_RESOURCES_MAX)
            abort();
    }
    return 0;
}
