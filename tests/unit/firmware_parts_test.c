/*
 * The plant and the text of the sample firmware, by themselves.
 */
#include "fw_plant.h"
#include "fw_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void run(struct fw_plant *plant, int seconds)
{
    for (int i = 0; i < seconds * 1000000 / (int)FW_PLANT_STEP_US; i++)
        fw_plant_step(plant);
}

static void at_rest_it_stays_where_it_is(void **state)
{
    struct fw_plant plant;
    (void)state;
    fw_plant_init(&plant, 1);
    run(&plant, 600);
    assert_in_range(plant.temperature_uc, 39900000, 40100000);
    assert_int_equal(plant.humidity_ppm, 450000);
    assert_int_equal(plant.pressure_mpa, 0);
}

static void the_motor_at_full_speed_cools_to_25_degrees_and_off_it_warms_again(void **state)
{
    struct fw_plant plant;
    (void)state;
    fw_plant_init(&plant, 1);
    plant.motor_percent = 100;
    run(&plant, 20);
    assert_in_range(plant.temperature_uc, 24900000, 25200000);
    plant.motor_percent = 0;
    run(&plant, 120);
    assert_in_range(plant.temperature_uc, 39800000, 40100000);
}

static void the_faster_the_motor_the_cooler_it_gets(void **state)
{
    int32_t before = INT32_MAX;
    (void)state;
    for (int percent = 0; percent <= 100; percent += 10) {
        struct fw_plant plant;
        fw_plant_init(&plant, 1);
        plant.motor_percent = percent;
        run(&plant, 120);
        assert_true(plant.temperature_uc < before);
        before = plant.temperature_uc;
    }
}

static void the_open_valve_moistens_and_takes_50_hectopascals(void **state)
{
    struct fw_plant plant;
    (void)state;
    fw_plant_init(&plant, 1);
    plant.valve_permille = 1000;
    run(&plant, 60);
    assert_in_range(plant.humidity_ppm, 799000, 800000);
    assert_in_range(plant.pressure_mpa + 5001000, 1000, 3000);
}

static void daylight_comes_and_goes_within_its_bounds(void **state)
{
    struct fw_plant plant;
    int32_t least = INT32_MAX, most = 0;
    (void)state;
    fw_plant_init(&plant, 1);
    for (int second = 0; second < 60; second++) {
        int32_t light = fw_plant_read(&plant).illuminance_dlx;
        least = light < least ? light : least;
        most = light > most ? light : most;
        run(&plant, 1);
    }
    assert_in_range(least, 990, 1300);
    assert_in_range(most, 8700, 9010);
}

static void the_same_seed_gives_the_same_noise(void **state)
{
    struct fw_plant a, b, c;
    int differ = 0;
    (void)state;
    fw_plant_init(&a, 5);
    fw_plant_init(&b, 5);
    fw_plant_init(&c, 6);
    for (int i = 0; i < 100; i++) {
        struct fw_plant_reading of_a = fw_plant_read(&a), of_b = fw_plant_read(&b);
        assert_int_equal(of_a.temperature_cc, of_b.temperature_cc);
        differ += of_a.temperature_cc != fw_plant_read(&c).temperature_cc;
    }
    assert_true(differ > 10);
}

static void numbers_are_written_with_their_decimals(void **state)
{
    static const struct {
        int32_t value;
        uint8_t decimals;
        const char *text;
    } cases[] = {{0, 0, "0"},
                 {7, 0, "7"},
                 {-7, 0, "-7"},
                 {2345, 2, "23.45"},
                 {5, 2, "0.05"},
                 {-5, 2, "-0.05"},
                 {1000, 3, "1.000"},
                 {0, 3, "0.000"},
                 {INT32_MAX, 0, "2147483647"},
                 {INT32_MIN, 9, "-2.147483648"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[16];
        struct fw_text text;
        fw_text_begin(&text, line, sizeof line);
        fw_text_add_number(&text, cases[i].value, cases[i].decimals);
        assert_string_equal(line, cases[i].text);
    }
}

static void text_that_does_not_fit_is_left_out(void **state)
{
    char line[6];
    struct fw_text text;
    (void)state;
    fw_text_begin(&text, line, sizeof line);
    fw_text_add(&text, "abc");
    fw_text_add(&text, "defgh");
    assert_string_equal(line, "abcde");
    assert_int_equal(text.len, 5);
}

static void numbers_are_read_as_they_are_or_not_at_all(void **state)
{
    static const struct {
        const char *text;
        uint8_t decimals;
        bool good;
        int32_t value;
    } cases[] = {{"40", 0, true, 40},      {"-3", 0, true, -3},     {"0.5", 3, true, 500},
                 {"1", 3, true, 1000},     {"0.125", 3, true, 125}, {"1000000", 0, true, 1000000},
                 {"1000001", 0, false, 0}, {"1.5", 0, false, 0},    {"0.1234", 3, false, 0},
                 {"", 0, false, 0},        {"-", 0, false, 0},      {".5", 3, false, 0},
                 {"5.", 3, false, 0},      {"4x", 0, false, 0},     {"1001", 3, false, 0},
                 {" 4", 0, false, 0},      {"nan", 3, false, 0},    {"99999999999", 0, false, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int32_t value = 0;
        assert_int_equal(fw_text_read_number(cases[i].text, cases[i].decimals, &value),
                         cases[i].good);
        if (cases[i].good)
            assert_int_equal(value, cases[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_rest_it_stays_where_it_is),
        cmocka_unit_test(the_motor_at_full_speed_cools_to_25_degrees_and_off_it_warms_again),
        cmocka_unit_test(the_faster_the_motor_the_cooler_it_gets),
        cmocka_unit_test(the_open_valve_moistens_and_takes_50_hectopascals),
        cmocka_unit_test(daylight_comes_and_goes_within_its_bounds),
        cmocka_unit_test(the_same_seed_gives_the_same_noise),
        cmocka_unit_test(numbers_are_written_with_their_decimals),
        cmocka_unit_test(text_that_does_not_fit_is_left_out),
        cmocka_unit_test(numbers_are_read_as_they_are_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
