/* UTF-8, checked as strictly as RFC 3629 has it. */
#include "json.h"

static size_t utf8_length(unsigned char lead)
{
    if (lead < 0x80) {
        return 1;
    }
    if (lead >= 0xC2 && lead <= 0xDF) {
        return 2;
    }
    if (lead >= 0xE0 && lead <= 0xEF) {
        return 3;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        return 4;
    }
    return 0;
}

/* The second byte rules out overlong forms, surrogates and what lies beyond U+10FFFF. */
static bool utf8_second_ok(unsigned char lead, unsigned char second)
{
    unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    return second >= low && second <= high;
}

size_t utf8_valid_prefix(const char *bytes, size_t n, bool *incomplete)
{
    const unsigned char *p = (const unsigned char *)bytes;
    size_t i = 0;
    *incomplete = false;
    while (i < n) {
        size_t len = utf8_length(p[i]);
        if (len == 0) {
            return i;
        }
        for (size_t k = 1; k < len; k++) {
            if (i + k == n) {
                *incomplete = true;
                return i;
            }
            bool ok = k == 1 ? utf8_second_ok(p[i], p[i + 1]) : (p[i + k] & 0xC0) == 0x80;
            if (!ok) {
                return i;
            }
        }
        i += len;
    }
    return i;
}
