/*
 * fw_text.h - lines of text without printf: put together piece by piece into the caller's memory,
 * and decimal numbers read from it. Fixed words stay in the image's read-only memory, which
 * an AVR cannot reach by an ordinary pointer: FW_ROM("words") names them.
 */
#ifndef FW_TEXT_H
#define FW_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined __AVR__
#include <avr/pgmspace.h>
#define FW_ROM(words)   PSTR(words)
#define FW_ROM_CHAR(at) ((char)pgm_read_byte(at))
#else
#define FW_ROM(words)   (words)
#define FW_ROM_CHAR(at) (*(at))
#endif

/* What does not fit is left out; `at` is always NUL-terminated. */
struct fw_text {
    char *at;
    size_t cap; /* at least 1, NUL included */
    size_t len;
};

void fw_text_begin(struct fw_text *text, char *at, size_t cap);
/* `piece`: made by FW_ROM. */
void fw_text_add(struct fw_text *text, const char *piece);
/* `piece`: ordinary text. */
void fw_text_add_plain(struct fw_text *text, const char *piece);

/* value * 10^-decimals, such as 2345 with 2 decimals as 23.45; decimals at most 9. */
void fw_text_add_number(struct fw_text *text, int32_t value, uint8_t decimals);

/* Reads such as "-12.5" as an integer in units of 10^-decimals, decimals at most 4. False when it
 * is no such number, has more decimals, or is beyond a million. */
bool fw_text_read_number(const char *text, uint8_t decimals, int32_t *value);

#endif
