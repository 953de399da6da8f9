/*
 * Numbers as text. Scaled integers and floats of few decimals, which is nearly all that sensors
 * send, are written digit by digit; the rest tries printf's precisions until one reads back the
 * same.
 */
#include "profile_number.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPONENT_MAX   12   /* of a description, both ways */
#define FLOAT_DECIMALS 6    /* of the fast path */
#define FLOAT_FAST_MAX 1e9f /* below it, six decimals more still fit an exact double */

/* `digits` with the decimal point moved `decimals` to the left, without trailing zeros. */
static size_t put_decimal(bool negative, uint64_t digits, unsigned decimals, char *out)
{
    while (decimals > 0 && digits % 10 == 0) {
        digits /= 10;
        decimals--;
    }
    char reversed[PROFILE_NUMBER_MAX];
    size_t n = 0;
    for (unsigned place = 0; digits > 0 || place <= decimals; place++, digits /= 10) {
        if (place == decimals && decimals > 0)
            reversed[n++] = '.';
        reversed[n++] = (char)('0' + digits % 10);
    }
    if (negative)
        reversed[n++] = '-';
    for (size_t i = 0; i < n; i++)
        out[i] = reversed[n - 1 - i];
    return n;
}

static size_t put_integer(int32_t value, int8_t exponent, char *out)
{
    if (exponent < -EXPONENT_MAX || exponent > EXPONENT_MAX)
        return 0;
    bool negative = value < 0;
    uint64_t digits = negative ? (uint64_t)(-(int64_t)value) : (uint64_t)value;
    if (digits == 0 || exponent <= 0)
        return put_decimal(negative, digits, digits == 0 ? 0u : (unsigned)-exponent, out);
    size_t n = put_decimal(negative, digits, 0, out);
    memset(out + n, '0', (size_t)exponent);
    return n + (size_t)exponent;
}

static size_t put_float_fast(float value, char *out)
{
    static const double powers[FLOAT_DECIMALS + 1] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    double magnitude = fabs((double)value);
    if (magnitude >= (double)FLOAT_FAST_MAX)
        return 0;
    for (unsigned decimals = 0; decimals <= FLOAT_DECIMALS; decimals++) {
        double scaled = nearbyint(magnitude * powers[decimals]);
        if ((float)(scaled / powers[decimals]) == (float)magnitude)
            return put_decimal(value < 0, (uint64_t)scaled, decimals, out);
    }
    return 0;
}

static size_t put_float(float value, char *out)
{
    if (!isfinite(value))
        return 0;
    if (value == 0)
        return put_decimal(false, 0, 0, out);
    size_t n = put_float_fast(value, out);
    for (int precision = 1; n == 0 && precision <= 9; precision++) {
        char text[PROFILE_NUMBER_MAX];
        int len = snprintf(text, sizeof text, "%.*g", precision, (double)value);
        if (len > 0 && (size_t)len < sizeof text && strtof(text, NULL) == value) {
            memcpy(out, text, (size_t)len);
            n = (size_t)len;
        }
    }
    return n;
}

size_t profile_number(uint8_t type, int8_t exponent, union mp_value value,
                      char out[PROFILE_NUMBER_MAX])
{
    switch ((enum mp_type)type) {
    case MP_TYPE_BOOL:
    case MP_TYPE_I16:
    case MP_TYPE_I32:
        return put_integer(value.i, exponent, out);
    case MP_TYPE_F32:
        return put_float(value.f, out);
    case MP_TYPE_COUNT:
        break;
    }
    return 0;
}
