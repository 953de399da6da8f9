/*
 * fw_image.h - how an image says which kind of board it is for: an fw_image_info that stands in it
 * at the place its port gives (FW_IMAGE_INFO_AT in boot_map.h), so that a board takes no image of
 * another kind.
 */
#ifndef FW_IMAGE_H
#define FW_IMAGE_H

#include <stdbool.h>
#include <string.h>

#define FW_IMAGE_MAGIC "MCUi"

struct fw_image_info {
    char magic[4];
    char platform[16]; /* as port_platform says; zero-padded */
};

static inline bool fw_image_same_board(const struct fw_image_info *one,
                                       const struct fw_image_info *other)
{
    return memcmp(one->magic, other->magic, sizeof one->magic) == 0 &&
           memcmp(one->platform, other->platform, sizeof one->platform) == 0;
}

#endif
