/*
 * Looking for an image id reads nothing outside of the file, and what it finds stands in it.
 */
#include "mp_image.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t id[MP_IMAGE_ID_MAX];
    uint8_t len = mp_image_find_id(data, size, id);
    bool there = len == 0;

    for (size_t i = 0; !there && i + len <= size; i++)
        there = memcmp(data + i, id, len) == 0;
    if (len > MP_IMAGE_ID_MAX || !there)
        abort();
    return 0;
}
