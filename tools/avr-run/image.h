/*
 * image.h - an AVR's ELF file, or Intel HEX, as the bytes of its flash.
 */
#ifndef IMAGE_H
#define IMAGE_H

#include <stddef.h>
#include <stdint.h>

struct image {
    uint8_t *flash; /* image_free */
    size_t first;   /* address of the lowest segment */
    size_t bytes;
    uint32_t ram_end; /* first address of data memory behind the variables; Intel HEX: 0, unknown */
};

/* Reads every loadable segment or record to where a programmer would put it. Returns 0, or -1 with
 * one line in `why`: no such file, not an AVR's, or more than `most` bytes of flash. */
int image_read(struct image *image, const char *path, size_t most, char *why, size_t why_cap);
void image_free(struct image *image);

#endif
