/* The shared-secret headers are those that the servers accepted, and a 401 tells the time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nerveshub/nh_auth.h"

#include <string.h>

static void tokens_are_the_ones_that_the_server_accepted(void **state)
{
    (void)state;
    struct nh_headers headers;
    assert_int_equal(nh_sign("NH1-HMAC-SHA256-1000-32", "nhp_abc123", "s3cret-value", "my-device",
                             1787120842, &headers),
                     0);
    assert_string_equal(headers.token, "SFMyNTY.g2gDbQAAAAlteS1kZXZpY2VuBgAQ9bMYoAFiAAFRgA."
                                       "9qXfZC7_ENQyT5_LZc6LsXd_uEoUB2V-IZDqcmNd7gQ");
    assert_int_equal(
        nh_sign(NH_ALG, "nhd_TESTKEY", "TESTSECRET", "bridge-mcu-0001", 1700000000, &headers), 0);
    assert_string_equal(headers.time, "1700000000");
    assert_string_equal(headers.token, "SFMyNTY.g2gDbQAAAA9icmlkZ2UtbWN1LTAwMDFuBgAAaOXPiwFiAAFRgA."
                                       "Os9GenbKdUn-fkcB-t6vDUGNVFVDpkDZxZxjwGZMMPk");
}

static void what_no_server_takes_is_not_signed(void **state)
{
    (void)state;
    struct nh_headers headers;
    char longest[NH_IDENTIFIER_MAX + 2];
    memset(longest, 'x', sizeof(longest));
    longest[NH_IDENTIFIER_MAX + 1] = '\0';
    assert_int_equal(nh_sign(NH_ALG, "k", "s", longest, 1, &headers), -1);
    longest[NH_IDENTIFIER_MAX] = '\0';
    assert_int_equal(nh_sign(NH_ALG, "k", "s", longest, INT64_C(253402300799), &headers), 0);
    assert_int_equal(nh_sign(NH_ALG, "k", "s", "", 1, &headers), -1);
    assert_int_equal(nh_sign(NH_ALG, "k", "", "d", 1, &headers), -1);
    assert_int_equal(nh_sign(NH_ALG, "", "s", "d", 1, &headers), -1);
}

static void a_clock_that_is_off_either_way_signs_with_the_servers_date(void **state)
{
    (void)state;
    struct nh_clock clock = {0};
    assert_int_equal(nh_clock_now(&clock, 1000), 1000);
    assert_true(nh_clock_refused(&clock, 1001, 1000)); /* ahead, by one second */
    assert_int_equal(nh_clock_now(&clock, 1010), 1009);
    clock.ahead_s = 0;
    assert_true(nh_clock_refused(&clock, 100000, 900000)); /* behind */
    assert_int_equal(nh_clock_now(&clock, 100001), 900001);
}

static void a_wrong_secret_is_told_from_a_wrong_clock_by_the_date(void **state)
{
    (void)state;
    struct nh_clock clock = {0};
    assert_false(nh_clock_refused(&clock, 1000, 1000));
    assert_false(nh_clock_refused(&clock, 1000, 1090));
    assert_true(nh_clock_refused(&clock, 1000, 1181));
    assert_false(nh_clock_refused(&clock, 1000, 0));
    assert_int_equal(nh_clock_now(&clock, 1000), 1181);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_the_ones_that_the_server_accepted),
        cmocka_unit_test(what_no_server_takes_is_not_signed),
        cmocka_unit_test(a_clock_that_is_off_either_way_signs_with_the_servers_date),
        cmocka_unit_test(a_wrong_secret_is_told_from_a_wrong_clock_by_the_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
