/*
 * Groups: what is written comes back, and what is damaged is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "uplink/uplink_group.h"

#include <stdlib.h>
#include <string.h>

static const struct profile_sensor sensors[] = {
    {"bme280", "temperature", MP_TYPE_I16, -2, 0},
    {"bme280", "pressure", MP_TYPE_F32, 0, 0},
    {"door", "open", MP_TYPE_BOOL, 0, 2},
    {"", "", MP_TYPE_I32, 3, 3},
};

static const struct profile_reading readings[] = {
    {.at_us = 5000000, .number = 4000000000u, .value.i = -32768, .index = 0, .sensor = 0},
    {.at_us = 5000001, .number = 4000000000u, .value.f = 1013.25f, .index = 1, .sensor = 1},
    {.at_us = 4999000, .number = 4000000000u, .value.i = 1, .index = 5, .sensor = 2},
    {.at_us = 5000003, .number = 0, .value.i = 7, .index = PROFILE_ONCE, .sensor = 0},
    {.at_us = UINT64_MAX, .number = 4000000001u, .value.i = INT32_MIN, .index = 2, .sensor = 3},
    {.at_us = 0, .number = 2, .value.i = INT32_MAX, .index = 0, .sensor = 3}, /* it has wrapped */
    {.at_us = 17, .number = 2, .value.i = 32767, .index = 65534, .sensor = 0},
};
#define COUNT (sizeof readings / sizeof readings[0])

static struct uplink_group *make(void)
{
    struct uplink_group *group = uplink_group_new(0xfeedbeef, 42);
    assert_non_null(group);
    for (size_t i = 0; i < COUNT; i++)
        assert_true(uplink_group_add(group, (uint8_t)readings[i].sensor,
                                     &sensors[readings[i].sensor], &readings[i]));
    assert_true(uplink_group_seal(group));
    return group;
}

static void what_is_written_comes_back(void **state)
{
    (void)state;
    struct uplink_group *group = make();
    struct uplink_group_reader reader;
    struct uplink_group_entry entry;
    size_t place[4], described = 0;
    assert_int_equal(group->count, COUNT);
    assert_int_equal(group->first, 4000000000u);
    assert_true(uplink_group_begin(&reader, group->bytes, group->len));
    for (size_t i = 0; i < COUNT; i++) {
        const struct profile_reading *sent = &readings[i];
        assert_int_equal(uplink_group_next(&reader, &entry), 1);
        if (entry.fresh) {
            place[described++] = sent->sensor;
            assert_string_equal(entry.sensor.name, sensors[sent->sensor].name);
            assert_string_equal(entry.sensor.kind, sensors[sent->sensor].kind);
            assert_int_equal(entry.sensor.type, sensors[sent->sensor].type);
            assert_int_equal(entry.sensor.exponent, sensors[sent->sensor].exponent);
        }
        assert_int_equal(place[entry.reading.sensor], sent->sensor);
        assert_int_equal(entry.reading.epoch, 0xfeedbeef);
        assert_true(entry.reading.at_us == sent->at_us);
        assert_int_equal(entry.reading.index, sent->index);
        assert_int_equal(entry.reading.value.i, sent->value.i);
        if (sent->index != PROFILE_ONCE)
            assert_int_equal(entry.reading.number, sent->number);
    }
    assert_int_equal(described, 4);
    assert_int_equal(uplink_group_next(&reader, &entry), 0);
    uplink_group_free(group);
}

static void a_damaged_byte_is_found_wherever_it_is(void **state)
{
    (void)state;
    struct uplink_group *group = make();
    struct uplink_group_reader reader;
    for (size_t i = 0; i < group->len; i++) {
        group->bytes[i] ^= 0x10;
        assert_false(uplink_group_begin(&reader, group->bytes, group->len));
        group->bytes[i] ^= 0x10;
    }
    for (size_t n = 0; n < group->len; n++)
        assert_false(uplink_group_begin(&reader, group->bytes, n));
    uplink_group_free(group);
}

static void many_readings_take_few_bytes_each(void **state)
{
    (void)state;
    struct uplink_group *group = uplink_group_new(1, 0);
    for (uint32_t i = 0; i < 1000; i++) {
        const struct profile_reading reading = {.at_us = 1000000 + i * UINT64_C(1000),
                                                .number = i / 10,
                                                .value.i = (int32_t)(2000 + i % 50),
                                                .index = (uint16_t)(i % 10)};
        assert_true(uplink_group_add(group, 0, &sensors[0], &reading));
    }
    assert_true(uplink_group_seal(group));
    assert_true(group->len < 6000);
    uplink_group_free(group);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_comes_back),
        cmocka_unit_test(a_damaged_byte_is_found_wherever_it_is),
        cmocka_unit_test(many_readings_take_few_bytes_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
