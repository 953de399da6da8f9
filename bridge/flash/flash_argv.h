/*
 * flash_argv.h - the argument list of an external flasher: the words of the configuration, with
 * {port}, {file} and {baud} replaced inside them. No I/O, and never a shell: a word stays one
 * argument whatever it is filled with.
 */
#ifndef FLASH_ARGV_H
#define FLASH_ARGV_H

#include <stddef.h>
#include <stdint.h>

#define FLASH_ARGV_WORDS_MAX 64

/* What the words are filled with. */
struct flash_argv_values {
    const char *port; /* whole paths, so that no program takes them for an option */
    const char *file;
    uint32_t baud;
};

/* Whether `words`, NULL-terminated, can be a flasher: a program that is named without a
 * placeholder, {file} somewhere, no more than FLASH_ARGV_WORDS_MAX words, and nothing in braces of
 * lower-case letters alone but the three names. Other braces are the program's own. Returns 0, or
 * -1 with one line in `why` that says what to change. */
int flash_argv_check(const char *const *words, char *why, size_t why_cap);

/* The list for one run; values are not looked into for placeholders. NULL: out of memory. */
char **flash_argv_fill(const char *const *words, const struct flash_argv_values *values);

/* The words as they are; NULL: out of memory. */
char **flash_argv_copy(const char *const *words);

void flash_argv_free(char **argv); /* NULL is allowed */

#endif
