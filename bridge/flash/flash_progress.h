/*
 * flash_progress.h - how far an external flasher is, from what it prints. No I/O.
 *
 * Two ways of saying it are known: a number before a percent sign ("42%", "(42 %)", "42.50%"), and
 * avrdude's bar without a terminal, a line "Writing | ####", where each '#' is two percent. Lines
 * whose first word begins with read, veri or eras are about something else than writing and do
 * not count. Lines end with a line feed or a carriage return.
 */
#ifndef FLASH_PROGRESS_H
#define FLASH_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

#define FLASH_PROGRESS_WORD 4

struct flash_progress {
    unsigned percent; /* the highest so far, 0 to 100: it never goes back */
    /* The rest is its own: where in a line it is. */
    enum { FLASH_BAR_NO, FLASH_BAR_BEGUN, FLASH_BAR_ENDED } bar;
    char word[FLASH_PROGRESS_WORD]; /* how the line begins, in lower case */
    unsigned word_len;
    bool word_ended, other; /* other: not about writing */
    enum {
        FLASH_NUMBER_NONE,
        FLASH_NUMBER_WHOLE,
        FLASH_NUMBER_FRACTION,
        FLASH_NUMBER_SPACE,
        FLASH_NUMBER_NOT /* part of a name or of something longer */
    } number;
    unsigned value, hashes;
};

/* All zero is a fresh one. Takes the next bytes, however cut; true: `percent` has risen. */
bool flash_progress_bytes(struct flash_progress *progress, const char *bytes, size_t n);

#endif
