/* An image from anyone: refused, or of the length that it says. */
#include "fw/fw_image.h"
#include "fw/fw_meta.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fw_image image;
    uint8_t id[FW_IMAGE_ID_MAX];
    char why[FW_WHY_MAX];
    if (fw_image_read(data, size, &image, why) == 0) {
        if (image.length == 0 || image.length > FW_IMAGE_MAX)
            abort();
        fw_image_id(&image, id);
    }
    fw_image_free(&image);
    return 0;
}
