/*
 * flash_tail.h - the last lines that a program printed, for the reason of its failure. No I/O; a
 * fixed size, whatever is printed.
 */
#ifndef FLASH_TAIL_H
#define FLASH_TAIL_H

#include <stdbool.h>
#include <stddef.h>

#define FLASH_TAIL_LINES    4
#define FLASH_TAIL_LINE_MAX 120 /* bytes kept of a line; the rest of it is dropped */
#define FLASH_TAIL_TEXT_MAX (FLASH_TAIL_LINES * (3 * FLASH_TAIL_LINE_MAX + 3) + 1)

struct flash_tail {
    char lines[FLASH_TAIL_LINES][FLASH_TAIL_LINE_MAX];
    size_t lens[FLASH_TAIL_LINES];
    size_t at;    /* the line that grows */
    bool growing; /* it holds something */
};

/* All zero is a fresh one. Takes the next bytes, however cut. Lines without a letter or a digit
 * are left out. */
void flash_tail_bytes(struct flash_tail *tail, const char *bytes, size_t n);

/* The lines kept, oldest first, as one line with " / " between them: valid UTF-8 without control
 * characters. Returns its length; 0: nothing was printed. */
size_t flash_tail_text(const struct flash_tail *tail, char out[static FLASH_TAIL_TEXT_MAX]);

#endif
