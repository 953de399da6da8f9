/*
 * Placeholders in words. What the words are for, and whether the program exists, is
 * flash_command.c's affair.
 */
#include "flash_argv.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LETTERS  "abcdefghijklmnopqrstuvwxyz"
#define BAUD_MAX 11

enum slot { SLOT_PORT, SLOT_FILE, SLOT_BAUD, SLOT_UNKNOWN, SLOT_NONE };

static const char *const slot_names[] = {"{port}", "{file}", "{baud}"};

/* What stands at `text`; *len: its length, braces included. */
static enum slot slot_at(const char *text, size_t *len)
{
    if (*text != '{')
        return SLOT_NONE;
    size_t letters = strspn(text + 1, LETTERS);
    if (letters == 0 || text[1 + letters] != '}')
        return SLOT_NONE;
    *len = letters + 2;
    for (size_t i = 0; i < sizeof(slot_names) / sizeof(*slot_names); i++)
        if (strlen(slot_names[i]) == *len && memcmp(text, slot_names[i], *len) == 0)
            return (enum slot)i;
    return SLOT_UNKNOWN;
}

static int check_word(const char *word, bool *has_slot, bool *has_file, char *why, size_t why_cap)
{
    *has_slot = false;
    for (size_t len = 1; *word != '\0'; word += len) {
        len = 1;
        enum slot slot = slot_at(word, &len);
        if (slot == SLOT_UNKNOWN) {
            snprintf(why, why_cap,
                     "%.*s is nothing that a flasher's words are filled with; write {port}, "
                     "{file} or {baud}",
                     len < 40 ? (int)len : 40, word);
            return -1;
        }
        *has_slot |= slot != SLOT_NONE;
        *has_file |= slot == SLOT_FILE;
    }
    return 0;
}

int flash_argv_check(const char *const *words, char *why, size_t why_cap)
{
    bool has_slot, has_file = false;
    size_t n = 0;

    for (; words[n] != NULL; n++) {
        if (n == FLASH_ARGV_WORDS_MAX) {
            snprintf(why, why_cap, "a flasher takes at most %d words", FLASH_ARGV_WORDS_MAX);
            return -1;
        }
        if (check_word(words[n], &has_slot, &has_file, why, why_cap) != 0)
            return -1;
        if (n == 0 && (has_slot || *words[n] == '\0')) {
            snprintf(why, why_cap, "the first word must be the flasher's program itself");
            return -1;
        }
    }
    if (has_file)
        return 0;
    snprintf(why, why_cap,
             n == 0 ? "a flasher needs a program, as its first word"
                    : "a flasher needs {file} in one of its words, where the "
                      "firmware's path is to stand");
    return -1;
}

static const char *value_of(enum slot slot, const struct flash_argv_values *values,
                            const char *baud)
{
    switch (slot) {
    case SLOT_PORT:
        return values->port;
    case SLOT_FILE:
        return values->file;
    case SLOT_BAUD:
        return baud;
    case SLOT_UNKNOWN:
    case SLOT_NONE:
        break;
    }
    return NULL;
}

/* Appends `word`, filled, to `out`, or only counts when that is NULL. Returns its length. */
static size_t fill(const char *word, const struct flash_argv_values *values, const char *baud,
                   char *out)
{
    size_t n = 0, len;

    for (; *word != '\0'; word += len) {
        len = 1;
        const char *value = value_of(slot_at(word, &len), values, baud);
        const char *from = value ? value : word;
        size_t bytes = value ? strlen(value) : len;
        if (out)
            memcpy(out + n, from, bytes);
        n += bytes;
    }
    return n;
}

static char *fill_word(const char *word, const struct flash_argv_values *values)
{
    char baud[BAUD_MAX];

    snprintf(baud, sizeof(baud), "%" PRIu32, values->baud);
    char *filled = calloc(1, fill(word, values, baud, NULL) + 1);
    if (filled)
        fill(word, values, baud, filled);
    return filled;
}

char **flash_argv_fill(const char *const *words, const struct flash_argv_values *values)
{
    size_t n = 0;

    while (words[n] != NULL)
        n++;
    char **argv = calloc(n + 1, sizeof(*argv));
    for (size_t i = 0; argv && i < n; i++) {
        argv[i] = values ? fill_word(words[i], values) : strdup(words[i]);
        if (argv[i] == NULL) {
            flash_argv_free(argv);
            return NULL;
        }
    }
    return argv;
}

char **flash_argv_copy(const char *const *words)
{
    return flash_argv_fill(words, NULL);
}

void flash_argv_free(char **argv)
{
    for (size_t i = 0; argv && argv[i] != NULL; i++)
        free(argv[i]);
    free(argv);
}
