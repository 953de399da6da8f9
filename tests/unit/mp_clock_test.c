/*
 * The clock estimate from made-up questions and answers. How good it is on real kinds of line is
 * tests/sim/clock.c's.
 */
#include "mp_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define START_US 1000000000ull

static struct mp_clock clock;

/* Asked at `at_us` of the host; `there` and `back` in microseconds; a device whose clock is the
 * host's less START_US and runs `ppm` slow. */
static uint64_t device_time(uint64_t at_us, int64_t ppm)
{
    int64_t since = (int64_t)(at_us - START_US);
    return (uint64_t)(since - since * ppm / 1000000);
}

static bool exchange(uint64_t at_us, uint32_t there, uint32_t back, int64_t ppm)
{
    struct mp_clock_sample sample = {.asked_us = at_us,
                                     .answered_us = at_us + there + 30 + back,
                                     .device_us = device_time(at_us + there, ppm),
                                     .turnaround_us = 30};
    return mp_clock_sample(&clock, &sample);
}

static int set_up(void **state)
{
    (void)state;
    mp_clock_reset(&clock);
    return 0;
}

static void nothing_is_known_before_the_first_answer(void **state)
{
    (void)state;
    mp_clock_age(&clock, START_US);
    assert_int_equal(clock.bound_us, MP_CLOCK_UNKNOWN);
    assert_true(mp_clock_is_poor(&clock));
}

static void one_answer_is_right_to_within_half_its_span(void **state)
{
    (void)state;
    assert_true(exchange(START_US + 5000, 100, 1900, 0));
    assert_in_range(clock.bound_us, 1000, 1025);
    assert_in_range(llabs(clock.offset_us - (int64_t)START_US), 890, 910);
    assert_false(mp_clock_is_poor(&clock));
}

static void a_device_that_takes_longer_than_the_host_waited_is_not_believed(void **state)
{
    struct mp_clock_sample sample = {.asked_us = 100, .answered_us = 200, .turnaround_us = 101};
    (void)state;
    assert_false(mp_clock_sample(&clock, &sample));
    assert_int_equal(clock.bound_us, MP_CLOCK_UNKNOWN);
}

static void the_best_question_and_the_best_answer_need_not_be_one_exchange(void **state)
{
    (void)state;
    exchange(START_US + 5000, 10, 9000, 0);
    exchange(START_US + 25000, 9000, 10, 0);
    assert_true(llabs(clock.offset_us - (int64_t)START_US) < 200);
    assert_true(llabs(clock.offset_us - (int64_t)START_US) <= clock.bound_us);
}

/* An adapter's timer: every answer waits for up to 16 ms. Half of what is between the walls would
 * be some hundred microseconds, all of it on the side of the answers. */
static void the_wall_of_the_uneven_direction_counts_less(void **state)
{
    uint64_t at_us = START_US;
    uint32_t random = 1;
    (void)state;
    for (int i = 0; i < 100; i++, at_us += 100000) {
        random = random * 1664525u + 1013904223u;
        exchange(at_us, 10 + (random >> 8) % 50, 600 + (random >> 16) % 16000, 0);
    }
    assert_in_range(clock.bound_us, 300, 2000);
    assert_true(llabs(clock.offset_us - (int64_t)START_US) < 60);
}

static void a_crystal_that_is_off_is_learnt_and_foreseen(void **state)
{
    uint64_t at_us = START_US;
    (void)state;
    for (int i = 0; i < 100; i++, at_us += 400000)
        exchange(at_us, 20, 20, 3000);
    mp_clock_age(&clock, at_us + 2000000);
    int64_t wrong =
        (int64_t)(at_us + 2000000) - clock.offset_us - (int64_t)device_time(at_us + 2000000, 3000);
    assert_true(llabs(wrong) < 20);
    assert_true(llabs(wrong) <= clock.bound_us);
    assert_true(clock.bound_us < 200);
}

static void a_silence_makes_the_bound_grow_until_it_is_poor(void **state)
{
    (void)state;
    exchange(START_US, 20, 20, 0);
    uint32_t bound_us = clock.bound_us;
    mp_clock_age(&clock, START_US + 100000);
    assert_true(clock.bound_us > bound_us);
    assert_false(mp_clock_is_poor(&clock));
    mp_clock_age(&clock, START_US + 60000000);
    assert_true(mp_clock_is_poor(&clock));
}

static void a_clock_that_jumps_is_followed_at_the_next_answer(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 40; i++)
        exchange(START_US + i * 100000, 50, 50, 0);
    struct mp_clock_sample sample = {
        .asked_us = START_US + 5000000, .answered_us = START_US + 5000100, .device_us = 7000050};
    mp_clock_sample(&clock, &sample);
    assert_true(llabs(clock.offset_us - ((int64_t)START_US - 2000000)) <= clock.bound_us);
}

/* One that came through the CRC damaged, or of a device that makes them up. */
static void a_clock_that_no_device_can_have_is_not_believed(void **state)
{
    static const uint64_t impossible[] = {UINT64_MAX, (uint64_t)1 << 63, ((uint64_t)1 << 63) - 1,
                                          (uint64_t)1 << 62, (uint64_t)1 << 53};
    (void)state;
    for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++) {
        struct mp_clock_sample sample = {
            .asked_us = START_US, .answered_us = START_US + 100, .device_us = impossible[i]};
        mp_clock_reset(&clock);
        assert_false(mp_clock_sample(&clock, &sample));
        assert_int_equal(clock.bound_us, MP_CLOCK_UNKNOWN);
        assert_true(exchange(START_US, 50, 50, 0));
        assert_false(mp_clock_sample(&clock, &sample));
        assert_in_range(clock.offset_us, START_US - 100, START_US + 100);
    }
}

static void the_oldest_device_there_can_be_is_believed(void **state)
{
    struct mp_clock_sample sample = {
        .asked_us = START_US, .answered_us = START_US + 100, .device_us = ((uint64_t)1 << 53) - 1};
    (void)state;
    assert_true(exchange(START_US, 50, 50, 0));
    assert_true(mp_clock_sample(&clock, &sample));
    assert_true(llabs(clock.offset_us + ((int64_t)1 << 53) - (int64_t)START_US) <= clock.bound_us);
}

static void a_line_faster_than_its_speed_is_not_taken_at_its_word(void **state)
{
    struct mp_clock_sample sample = {.asked_us = START_US,
                                     .answered_us = START_US + 3000,
                                     .device_us = 2000,
                                     .ask_line_us = 800,
                                     .answer_line_us = 1800};
    (void)state;
    mp_clock_sample(&clock, &sample);
    assert_true(clock.bound_us < 300);
    sample.asked_us += 20000;
    sample.answered_us = sample.asked_us + 100;
    sample.device_us += 20000 - 1950;
    mp_clock_sample(&clock, &sample);
    assert_in_range(clock.bound_us, 50, 60);
    assert_in_range(clock.offset_us, (int64_t)START_US - 1, (int64_t)START_US + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_is_known_before_the_first_answer, set_up),
        cmocka_unit_test_setup(one_answer_is_right_to_within_half_its_span, set_up),
        cmocka_unit_test_setup(a_device_that_takes_longer_than_the_host_waited_is_not_believed,
                               set_up),
        cmocka_unit_test_setup(the_best_question_and_the_best_answer_need_not_be_one_exchange,
                               set_up),
        cmocka_unit_test_setup(the_wall_of_the_uneven_direction_counts_less, set_up),
        cmocka_unit_test_setup(a_crystal_that_is_off_is_learnt_and_foreseen, set_up),
        cmocka_unit_test_setup(a_silence_makes_the_bound_grow_until_it_is_poor, set_up),
        cmocka_unit_test_setup(a_clock_that_jumps_is_followed_at_the_next_answer, set_up),
        cmocka_unit_test_setup(a_clock_that_no_device_can_have_is_not_believed, set_up),
        cmocka_unit_test_setup(the_oldest_device_there_can_be_is_believed, set_up),
        cmocka_unit_test_setup(a_line_faster_than_its_speed_is_not_taken_at_its_word, set_up),
    };
    return cmocka_run_group_tests_name("mp_clock", tests, NULL, NULL);
}
