/*
 * UTF-8 as RFC 3629 defines it: no overlong sequence, no surrogate, nothing beyond U+10FFFF.
 */
#include "utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD"

/* The shortest and longest code point that a sequence of each length may say (RFC 3629). */
static bool code_point_fits(uint32_t code, size_t length)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    return code >= least[length] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
}

size_t utf8_sequence(const unsigned char *bytes, size_t n)
{
    if (n == 0)
        return 0;
    if (bytes[0] < 0x80)
        return 1;
    size_t length = (bytes[0] & 0xE0) == 0xC0   ? 2
                    : (bytes[0] & 0xF0) == 0xE0 ? 3
                    : (bytes[0] & 0xF8) == 0xF0 ? 4
                                                : 0;
    if (length == 0 || length > n)
        return 0;
    uint32_t code = bytes[0] & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (bytes[i] & 0x3Fu);
    }
    return code_point_fits(code, length) ? length : 0;
}

size_t utf8_clean(const char *bytes, size_t n, char *out, size_t cap)
{
    size_t length = 0;
    for (size_t i = 0; i < n;) {
        size_t taken = utf8_sequence((const unsigned char *)bytes + i, n - i);
        bool bad = taken == 0 || bytes[i] == '\0';
        const char *from = bad ? REPLACEMENT : bytes + i;
        size_t size = bad ? strlen(REPLACEMENT) : taken;
        if (length + size >= cap)
            break;
        memcpy(out + length, from, size);
        length += size;
        i += bad ? 1 : taken;
    }
    if (cap > 0)
        out[length] = '\0';
    return length;
}
