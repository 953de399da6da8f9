/*
 * utf8.h - text of other people: is it UTF-8 (RFC 3629), and what if not.
 */
#ifndef UTF8_H
#define UTF8_H

#include <stddef.h>

/* Length of the valid UTF-8 sequence at `bytes` (1 to 4), 0 when there is none within `n` bytes. */
size_t utf8_sequence(const unsigned char *bytes, size_t n);

/* Copies `n` bytes as a NUL-terminated text into `out`; what is no UTF-8, and NUL, comes out as
 * U+FFFD. Cut at a whole character when `cap` is too small. Returns the length of the text. */
size_t utf8_clean(const char *bytes, size_t n, char *out, size_t cap);

#endif
