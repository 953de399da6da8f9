/*
 * Values, readings and physical units.
 */
#include "mp_host.h"
#include "mp_queue.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void every_type_comes_back_through_bytes_and_bits(void **state)
{
    static const int32_t ints[] = {0, 1, -1, 127, -128, 32767, -32768, 0x7fffffff, INT32_MIN};
    uint8_t bytes[4];
    (void)state;
    for (size_t i = 0; i < sizeof ints / sizeof ints[0]; i++) {
        union mp_value in = {.i = ints[i]};
        for (uint8_t type = 0; type < MP_TYPE_F32; type++) {
            if (!mp_value_of_type(type, in))
                continue;
            assert_int_equal(mp_value_put(type, in, bytes), mp_type_size(type));
            assert_int_equal(mp_value_get(type, bytes).i, in.i);
            assert_int_equal(mp_value_from_bits(type, mp_value_to_bits(type, in)).i, in.i);
        }
    }
    union mp_value f = {.f = -12.375f};
    assert_int_equal(mp_value_put(MP_TYPE_F32, f, bytes), 4);
    assert_true(mp_value_get(MP_TYPE_F32, bytes).f == -12.375f);
    assert_int_equal(mp_type_size(MP_TYPE_COUNT), 0);
}

static void a_range_takes_its_bounds_and_nothing_else(void **state)
{
    union mp_value lo = {.i = -5}, hi = {.i = 5};
    (void)state;
    for (int i = -7; i <= 7; i++)
        assert_int_equal(mp_value_in_range(MP_TYPE_I16, (union mp_value){.i = i}, lo, hi),
                         i >= -5 && i <= 5);
    assert_false(mp_value_in_range(MP_TYPE_I16, (union mp_value){.i = 40000},
                                   (union mp_value){.i = 0}, (union mp_value){.i = 50000}));
    assert_false(mp_value_in_range(MP_TYPE_BOOL, (union mp_value){.i = 2}, (union mp_value){.i = 0},
                                   (union mp_value){.i = 2}));
}

static void nan_and_infinity_are_no_values(void **state)
{
    union mp_value lo = {.f = -INFINITY}, hi = {.f = INFINITY};
    (void)state;
    assert_false(mp_value_in_range(MP_TYPE_F32, (union mp_value){.f = NAN}, lo, hi));
    assert_false(mp_value_in_range(MP_TYPE_F32, (union mp_value){.f = INFINITY}, lo, hi));
    assert_true(mp_value_in_range(MP_TYPE_F32, (union mp_value){.f = -0.0f},
                                  (union mp_value){.f = 0}, (union mp_value){.f = 0}));
}

static int walk(const uint8_t *entries, size_t n, uint32_t *last_ticks)
{
    static const uint8_t types[] = {MP_TYPE_I16, MP_TYPE_F32};
    struct mp_readings_iter iter;
    struct mp_reading reading;
    int count = 0, more;
    mp_readings_begin(&iter, 1000, entries, n, types, 2);
    while ((more = mp_readings_next(&iter, &reading)) > 0) {
        count++;
        *last_ticks = reading.ticks;
    }
    return more < 0 ? -1 : count;
}

static void readings_add_up_their_times(void **state)
{
    /* i16, then 300 ticks later f32, then one tick back */
    static const uint8_t entries[] = {0,    0xff, 0xff, 1,    0xac, 0x02, 0,    0,    0x80,
                                      0x3f, 0,    0xff, 0xff, 0xff, 0xff, 0x0f, 0x01, 0x00};
    uint32_t ticks = 0;
    (void)state;
    assert_int_equal(walk(entries, sizeof entries, &ticks), 3);
    assert_int_equal(ticks, 1299);
    assert_int_equal(walk(entries, 3, &ticks), 1);
    assert_int_equal(walk(entries, 0, &ticks), 0);
}

static void malformed_readings_are_refused(void **state)
{
    static const struct {
        const char *what;
        uint8_t bytes[16];
        size_t n;
    } cases[] = {
        {"unknown slot", {2, 0, 0}, 3},
        {"value cut short", {0, 0}, 2},
        {"slot alone", {0}, 1},
        {"no varint", {0, 0, 0, 0}, 4},
        {"endless varint", {0, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0}, 10},
        {"varint of 33 bits", {0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x1f, 0, 0}, 11},
        {"varint not shortest", {0, 0, 0, 0, 0x80, 0x00, 0, 0}, 8},
        {"NaN", {1, 0, 0, 0xc0, 0x7f}, 5},
        {"infinity", {1, 0, 0, 0x80, 0xff}, 5},
    };
    uint32_t ticks;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (walk(cases[i].bytes, cases[i].n, &ticks) != -1)
            fail_msg("taken: %s", cases[i].what);
}

static void varints_are_shortest_and_come_back(void **state)
{
    static const uint32_t values[] = {0, 1, 127, 128, 16383, 16384, 0x7fffffff, UINT32_MAX};
    static const size_t sizes[] = {1, 1, 1, 2, 2, 3, 5, 5};
    uint8_t bytes[MP_VARINT_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        assert_int_equal(mp_varint_put(values[i], bytes), sizes[i]);
}

static void physical_values_are_the_nearest_decimal(void **state)
{
    union mp_value v;
    (void)state;
    assert_true(mp_value_to_physical(MP_TYPE_I16, -2, (union mp_value){.i = 2151}) == 21.51);
    assert_true(mp_value_to_physical(MP_TYPE_I32, 3, (union mp_value){.i = -7}) == -7000.0);
    assert_int_equal(mp_value_to_wire(MP_TYPE_I16, -1, 12.34, &v), MP_OK);
    assert_int_equal(v.i, 123);
    assert_int_equal(mp_value_to_wire(MP_TYPE_I16, -1, -12.36, &v), MP_OK);
    assert_int_equal(v.i, -124);
    assert_int_equal(mp_value_to_wire(MP_TYPE_I32, 2, 5000, &v), MP_OK);
    assert_int_equal(v.i, 50);
}

static void what_no_type_can_carry_is_refused(void **state)
{
    union mp_value v;
    (void)state;
    assert_int_equal(mp_value_to_wire(MP_TYPE_I16, 0, 32768, &v), MP_ERR_BAD_VALUE);
    assert_int_equal(mp_value_to_wire(MP_TYPE_I32, -12, 1e9, &v), MP_ERR_BAD_VALUE);
    assert_int_equal(mp_value_to_wire(MP_TYPE_F32, 0, 1e300, &v), MP_ERR_BAD_VALUE);
    assert_int_equal(mp_value_to_wire(MP_TYPE_F32, 0, (double)NAN, &v), MP_ERR_BAD_VALUE);
    assert_int_equal(mp_value_to_wire(MP_TYPE_BOOL, 0, 2, &v), MP_ERR_BAD_VALUE);
    assert_int_equal(mp_value_to_wire(MP_TYPE_I32, 0, (double)INFINITY, &v), MP_ERR_BAD_VALUE);
}

static void a_queue_gives_back_what_was_put_from_anywhere(void **state)
{
    uint8_t queue[6 * 7 + 1] = {0};
    (void)state;
    for (uint8_t i = 0; i < 6; i++) {
        uint8_t *record = mp_queue_put(queue, 7);
        assert_int_equal(record[0], 7);
        record[6] = i;
    }
    assert_int_equal(mp_queue_used(queue), 6 * 7);
    uint8_t *second = queue + *queue;
    mp_queue_take(second);
    assert_int_equal(second[6], 2);
    assert_int_equal(mp_queue_used(queue), 5 * 7);
    while (*queue != 0)
        mp_queue_take(queue);
    assert_int_equal(mp_queue_used(queue), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_comes_back_through_bytes_and_bits),
        cmocka_unit_test(a_range_takes_its_bounds_and_nothing_else),
        cmocka_unit_test(nan_and_infinity_are_no_values),
        cmocka_unit_test(readings_add_up_their_times),
        cmocka_unit_test(malformed_readings_are_refused),
        cmocka_unit_test(varints_are_shortest_and_come_back),
        cmocka_unit_test(physical_values_are_the_nearest_decimal),
        cmocka_unit_test(what_no_type_can_carry_is_refused),
        cmocka_unit_test(a_queue_gives_back_what_was_put_from_anywhere),
    };
    return cmocka_run_group_tests_name("mp_value", tests, NULL, NULL);
}
