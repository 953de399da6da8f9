/*
 * fw_image.h - a firmware image as a board's flash will hold it, and the id that it will say it
 * has.
 *
 * Taken: raw binaries, and Intel HEX (data, extended segment and linear address, end; other records
 * are refused), gaps filled with 0xff. The id is the GNU build id that the linker put into the
 * image (note type 3 of owner "GNU", as `ld --build-id` writes it), which a board that keeps to
 * PORTING.md says in its hello.
 */
#ifndef FW_IMAGE_H
#define FW_IMAGE_H

#include "mp_schema.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FW_IMAGE_MAX    (16u * 1024 * 1024) /* bytes, gaps included */
#define FW_IMAGE_ID_MAX MP_IMAGE_ID_MAX

struct fw_image {
    uint8_t *bytes; /* freed with fw_image_free */
    size_t length;
    uint32_t base; /* address of the first byte; 0 for a raw binary */
};

/* Reads a whole image from memory. Returns 0, or -1 with `why` (FW_WHY_MAX bytes of fw_meta.h). */
int fw_image_read(const uint8_t *file, size_t length, struct fw_image *image, char *why);
/* The same from a file. */
int fw_image_load(const char *path, struct fw_image *image, char *why);
void fw_image_free(struct fw_image *image);

/* Its build id, as mp_image_find_id. */
size_t fw_image_id(const struct fw_image *image, uint8_t id[static FW_IMAGE_ID_MAX]);

#endif
