/*
 * Numbers as text: exact for scaled integers, shortest for floats.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "profile/profile_number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *number(uint8_t type, int8_t exponent, union mp_value value)
{
    static char text[PROFILE_NUMBER_MAX + 1];
    char out[PROFILE_NUMBER_MAX];
    size_t n = profile_number(type, exponent, value, out);
    memcpy(text, out, n);
    text[n] = '\0';
    return text;
}

static const char *integer(int32_t value, int8_t exponent)
{
    return number(MP_TYPE_I32, exponent, (union mp_value){.i = value});
}

static const char *real(float value)
{
    return number(MP_TYPE_F32, 0, (union mp_value){.f = value});
}

static void scaled_integers_are_exact(void **state)
{
    (void)state;
    assert_string_equal(integer(2150, -2), "21.5");
    assert_string_equal(integer(-2150, -2), "-21.5");
    assert_string_equal(integer(-5, -2), "-0.05");
    assert_string_equal(integer(0, -2), "0");
    assert_string_equal(integer(0, 5), "0");
    assert_string_equal(integer(7, 0), "7");
    assert_string_equal(integer(2100, -2), "21");
    assert_string_equal(integer(40, 3), "40000");
    assert_string_equal(integer(101325, -2), "1013.25");
    assert_string_equal(integer(INT32_MIN, 0), "-2147483648");
    assert_string_equal(integer(INT32_MAX, 12), "2147483647000000000000");
    assert_string_equal(integer(INT32_MIN, -12), "-0.002147483648");
    assert_string_equal(number(MP_TYPE_BOOL, 0, (union mp_value){.i = 1}), "1");
    assert_string_equal(number(MP_TYPE_I16, -1, (union mp_value){.i = -1}), "-0.1");
}

static void an_exponent_that_no_description_has_is_no_number(void **state)
{
    (void)state;
    assert_string_equal(integer(1, 13), "");
    assert_string_equal(integer(1, -13), "");
    assert_string_equal(number(MP_TYPE_COUNT, 0, (union mp_value){.i = 1}), "");
}

static void floats_are_the_shortest_that_read_back_the_same(void **state)
{
    (void)state;
    assert_string_equal(real(21.3f), "21.3");
    assert_string_equal(real(0.1f), "0.1");
    assert_string_equal(real(-0.001f), "-0.001");
    assert_string_equal(real(16777216.0f), "16777216");
    assert_string_equal(real(1.0f / 3), "0.33333334");
    assert_string_equal(real(0.0f), "0");
    assert_string_equal(real(-0.0f), "0");
    assert_string_equal(real(3.4028235e38f), "3.4028235e+38");
    assert_string_equal(real(1e-45f), "1e-45");
}

static void what_is_not_finite_is_no_number(void **state)
{
    (void)state;
    assert_string_equal(real(NAN), "");
    assert_string_equal(real(INFINITY), "");
    assert_string_equal(real(-INFINITY), "");
}

/* Every float reads back as itself, and no text of fewer digits does. */
static void any_float_survives_the_way(void **state)
{
    (void)state;
    uint32_t bits = 1;
    for (int i = 0; i < 200000; i++) {
        bits = bits * 1664525u + 1013904223u;
        float value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        const char *text = real(value);
        if (strtof(text, NULL) != value)
            fail_msg("%a became %s", (double)value, text);
    }
}

static void floats_of_few_decimals_keep_them(void **state)
{
    (void)state;
    char expected[32];
    for (int i = -99999; i <= 99999; i++) {
        int n = snprintf(expected, sizeof expected, "%s%d.%03d", i < 0 ? "-" : "", abs(i) / 1000,
                         abs(i) % 1000);
        while (expected[n - 1] == '0')
            n--;
        if (expected[n - 1] == '.')
            n--;
        expected[n] = '\0';
        assert_string_equal(real((float)i / 1000.0f), i == 0 ? "0" : expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scaled_integers_are_exact),
        cmocka_unit_test(an_exponent_that_no_description_has_is_no_number),
        cmocka_unit_test(floats_are_the_shortest_that_read_back_the_same),
        cmocka_unit_test(what_is_not_finite_is_no_number),
        cmocka_unit_test(any_float_survives_the_way),
        cmocka_unit_test(floats_of_few_decimals_keep_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
