/*
 * A backlog of boards that described more sensors than an uplink has places for: whose a reading is
 * stays with it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "uplink/uplink.h"

#include <stdio.h>

#define CLOCK 3u
#define NAMES 2 /* sensors of a group */

static const struct uplink_sensor own[] = {{"own", "temperature", MP_TYPE_I32, 0}};

static void on_refused(void *user, const struct uplink_sensor *sensor)
{
    (void)user;
    (void)sensor;
    fail();
}

static struct uplink make(void)
{
    const struct uplink_config config = {
        .profile = &profile_microcontrollers,
        .buffer_bytes = 65536,
        .batch_readings = 500,
        .batch_ms = 1000,
        .retry_min_ms = 500,
        .retry_max_ms = 4000,
        .identity = true,
        .spooled = true,
        .commit_ms = 250,
    };
    struct uplink uplink;
    assert_int_equal(uplink_init(&uplink, &config), 0);
    assert_int_equal(uplink_describe(&uplink, own, 1, on_refused, NULL), 0);
    uplink_board(&uplink, (const uint8_t *)"d", 1, NULL);
    uplink_session(&uplink, 1, 0);
    return uplink;
}

/* A stored group: readings of the sensors a<id>, b<id> and a<id> again. */
static bool give(struct uplink *uplink, uint64_t id, uint32_t upto)
{
    char names[NAMES][16];
    struct profile_sensor sensors[NAMES];
    struct uplink_group *group = uplink_group_new(1, 0);
    for (uint8_t i = 0; i < NAMES; i++) {
        snprintf(names[i], sizeof names[i], "%c%u", 'a' + i, (unsigned)id);
        sensors[i] = (struct profile_sensor){names[i], "temperature", MP_TYPE_I32, 0, i};
    }
    for (uint16_t i = 0; i <= NAMES; i++) {
        const struct profile_reading reading = {.at_us = 1, .number = (uint32_t)id, .index = i};
        assert_true(uplink_group_add(group, (uint8_t)(i % NAMES), &sensors[i % NAMES], &reading));
    }
    assert_true(uplink_group_seal(group));
    bool taken = uplink_on_row(uplink, id, CLOCK, upto, group->bytes, group->len);
    uplink_group_free(group);
    return taken;
}

/* Takes what is due and sees that it is of the sensors of group `id`, the first from `upto` on. */
static void deliver(struct uplink *uplink, uint64_t id, uint32_t upto)
{
    struct profile_upload upload;
    char name[16];
    uint32_t clock;
    int slot = uplink_due(uplink, 9000, &upload, &clock);
    assert_int_not_equal(slot, UPLINK_NONE);
    assert_int_equal(upload.reading_count, NAMES + 1 - upto);
    for (size_t i = 0; i < upload.reading_count; i++) {
        assert_in_range(upload.readings[i].sensor, 0, upload.sensor_count - 1);
        snprintf(name, sizeof name, "%c%u", 'a' + (int)((i + upto) % NAMES), (unsigned)id);
        assert_string_equal(upload.sensors[upload.readings[i].sensor].name, name);
    }
    uplink_on_pushed(uplink, slot);
    uplink_on_ok(uplink, slot);
}

static void more_sensors_than_places_are_not_mistaken_one_for_another(void **state)
{
    (void)state;
    for (uint32_t upto = 0; upto < NAMES; upto++) {
        struct uplink uplink = make();
        uint64_t after;
        for (uint64_t id = 1; id < PROFILE_SENSORS_MAX; id++) {
            assert_true(uplink_wants(&uplink, &after));
            assert_true(give(&uplink, id, upto));
            uplink_on_loaded(&uplink, false);
            deliver(&uplink, id, upto);
        }
        uplink_deinit(&uplink);
    }
}

/* As while the disk is full. */
static void best_effort_readings_make_no_group_that_is_larger_than_memory(void **state)
{
    (void)state;
    struct uplink uplink = make();
    const struct uplink_reading reading = {.value.i = 1, .at_us = 1};
    size_t most = uplink.queues[UPLINK_MAIN].max, taken = 0;
    while (uplink_add_once(&uplink, &reading, 0))
        taken++;
    assert_true(taken > most / 2);
    for (const struct uplink_group *group = uplink.groups; group != NULL; group = group->next)
        assert_true(group->count <= most / 2);
    uplink_deinit(&uplink);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_sensors_than_places_are_not_mistaken_one_for_another),
        cmocka_unit_test(best_effort_readings_make_no_group_that_is_larger_than_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
