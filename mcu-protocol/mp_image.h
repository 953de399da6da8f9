/*
 * mp_image.h - for the host: which image id a board will say once it runs what is in a file. It is
 * the GNU build id, whose note the linker leaves in the ELF file and in the raw image made of it.
 */
#ifndef MP_IMAGE_H
#define MP_IMAGE_H

#include "mp_schema.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Finds the whole notes of a build id anywhere in `n` bytes, and copies as much of the id as a
 * hello carries. Returns the id's length, 1 to MP_IMAGE_ID_MAX; 0: there is none, or several that
 * differ, of which the board's own cannot be told. */
uint8_t mp_image_find_id(const uint8_t *bytes, size_t n, uint8_t out[MP_IMAGE_ID_MAX]);

#ifdef __cplusplus
}
#endif

#endif
