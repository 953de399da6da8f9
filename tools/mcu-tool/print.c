/*
 * print.c - identities, values and reasons as text.
 */
#include "print.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

static int is_text(const uint8_t *id, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (id[i] <= 0x20 || id[i] >= 0x7F)
            return 0;
    return !(length >= 2 && memcmp(id, "0x", 2) == 0);
}

const char *print_device(char *out, size_t cap, const uint8_t *id, size_t length)
{
    if (length == 0)
        snprintf(out, cap, "-");
    else if (is_text(id, length))
        snprintf(out, cap, "%.*s", (int)length, (const char *)id);
    else {
        size_t used = (size_t)snprintf(out, cap, "0x");
        for (size_t i = 0; i < length && used + 3 <= cap; i++)
            used += (size_t)snprintf(out + used, cap - used, "%02x", id[i]);
    }
    return out;
}

const char *print_value(char *out, size_t cap, uint8_t type, int8_t exponent, double value)
{
    if (type == MP_TYPE_F32)
        snprintf(out, cap, "%.7g", value);
    else if (type == MP_TYPE_BOOL)
        snprintf(out, cap, "%s", value != 0 ? "true" : "false");
    else
        snprintf(out, cap, "%.*f", exponent < 0 ? -exponent : 0, value);
    return out;
}
