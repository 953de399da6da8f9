/*
 * The uplink: order, batches, what is safe when, what happens when it is full.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "uplink/uplink.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH 77u

static const struct uplink_sensor sensors[] = {
    {"bme280", "temperature", MP_TYPE_I16, -2},
    {"imu", "acceleration", MP_TYPE_F32, 0},
    {"bh1750", "illuminance", MP_TYPE_F32, 0},
};

static size_t refusals;

static void on_refused(void *user, const struct uplink_sensor *sensor)
{
    (void)user;
    assert_string_equal(sensor->name, "imu");
    refusals++;
}

static struct uplink make(size_t rows, uint32_t batch_readings)
{
    const struct uplink_config config = {
        .profile = &profile_microcontrollers,
        .buffer_bytes = rows * sizeof(struct profile_reading),
        .batch_readings = batch_readings,
        .batch_ms = 100,
        .retry_min_ms = 500,
        .retry_max_ms = 4000,
    };
    struct uplink uplink;
    assert_int_equal(uplink_init(&uplink, &config), 0);
    refusals = 0;
    assert_int_equal(uplink_describe(&uplink, sensors, 3, on_refused, NULL), 0);
    uplink_session(&uplink, EPOCH, 0);
    return uplink;
}

static enum uplink_taken add(struct uplink *uplink, uint32_t number, size_t n, uint64_t now_ms)
{
    struct uplink_reading readings[64];
    for (size_t i = 0; i < n; i++)
        readings[i] =
            (struct uplink_reading){.slot = 0, .value.i = (int32_t)(number * 100 + (uint32_t)i)};
    return uplink_add(uplink, number, readings, n, now_ms);
}

static int slot; /* of the latest push */

static bool is_due(struct uplink *uplink, uint64_t now_ms, struct profile_upload *upload)
{
    uint32_t clock;
    int due = uplink_due(uplink, now_ms, upload, &clock);
    slot = due != UPLINK_NONE ? due : slot;
    return due != UPLINK_NONE;
}

/* Pushes what is due; returns how many readings, and of the first its value. */
static size_t push(struct uplink *uplink, uint64_t now_ms, int32_t *first)
{
    struct profile_upload upload = {0};
    if (!is_due(uplink, now_ms, &upload))
        return 0;
    *first = upload.readings[0].value.i;
    uplink_on_pushed(uplink, slot);
    return upload.reading_count;
}

static void a_batch_waits_for_company_but_not_longer_than_batch_ms(void **state)
{
    (void)state;
    struct uplink uplink = make(1000, 500);
    int32_t first = 0;
    assert_int_equal(uplink_due_at(&uplink), UINT64_MAX);
    add(&uplink, 0, 1, 1000);
    assert_int_equal(uplink_due_at(&uplink), 1100);
    add(&uplink, 1, 1, 1050);
    assert_int_equal(push(&uplink, 1099, &first), 0);
    assert_int_equal(push(&uplink, 1100, &first), 2);
    uplink_deinit(&uplink);
}

static void a_full_batch_does_not_wait(void **state)
{
    (void)state;
    struct uplink uplink = make(1000, 3);
    int32_t first = 0;
    add(&uplink, 0, 4, 1000);
    assert_int_equal(push(&uplink, 1000, &first), 3);
    uplink_deinit(&uplink);
}

static void one_upload_is_in_flight(void **state)
{
    (void)state;
    struct uplink uplink = make(1000, 2);
    int32_t first = 0;
    add(&uplink, 0, 5, 0);
    assert_int_equal(push(&uplink, 0, &first), 2);
    assert_true(uplink_is_in_flight(&uplink));
    assert_int_equal(push(&uplink, 100000, &first), 0);
    assert_int_equal(uplink_due_at(&uplink), UINT64_MAX);
    uplink_on_ok(&uplink, slot);
    assert_int_equal(push(&uplink, 100000, &first), 2);
    assert_int_equal(first, 2);
    uplink_deinit(&uplink);
}

static void nothing_is_safe_before_the_reply(void **state)
{
    (void)state;
    struct uplink uplink = make(1000, 500);
    int32_t first = 0;
    add(&uplink, 0, 2, 0);
    add(&uplink, 1, 2, 0);
    assert_int_equal(uplink_safe(&uplink), 0);
    push(&uplink, 1000, &first);
    assert_int_equal(uplink_safe(&uplink), 0);
    uplink_on_ok(&uplink, slot);
    assert_int_equal(uplink_safe(&uplink), 2);
    assert_true(uplink_is_empty(&uplink));
    uplink_deinit(&uplink);
}

static void a_message_cut_by_a_batch_is_safe_with_its_last_reading(void **state)
{
    (void)state;
    struct uplink uplink = make(1000, 3);
    int32_t first = 0;
    add(&uplink, 0, 2, 0);
    add(&uplink, 1, 2, 0);
    push(&uplink, 0, &first);
    uplink_on_ok(&uplink, slot);
    assert_int_equal(uplink_safe(&uplink), 1);
    push(&uplink, 1000, &first);
    uplink_on_ok(&uplink, slot);
    assert_int_equal(uplink_safe(&uplink), 2);
    uplink_deinit(&uplink);
}

static void a_message_without_readings_is_safe_when_those_before_are(void **state)
{
    (void)state;
    struct uplink uplink = make(1000, 500);
    int32_t first = 0;
    assert_int_equal(add(&uplink, 0, 0, 0), UPLINK_TAKEN);
    assert_int_equal(uplink_safe(&uplink), 1);
    add(&uplink, 1, 1, 0);
    add(&uplink, 2, 0, 0);
    assert_int_equal(uplink_safe(&uplink), 1);
    push(&uplink, 1000, &first);
    uplink_on_ok(&uplink, slot);
    assert_int_equal(uplink_safe(&uplink), 3);
    uplink_deinit(&uplink);
}

static void a_failed_batch_goes_again_unchanged_after_a_growing_pause(void **state)
{
    (void)state;
    struct uplink uplink = make(1000, 2);
    int32_t first = 0;
    add(&uplink, 0, 1, 0);
    assert_int_equal(push(&uplink, 100, &first), 1);
    add(&uplink, 1, 10, 100); /* what comes meanwhile does not join it */
    const uint64_t pauses[] = {500, 1000, 2000, 4000, 4000};
    uint64_t now_ms = 200;
    for (size_t i = 0; i < sizeof pauses / sizeof pauses[0]; i++) {
        assert_int_equal(uplink_on_failure(&uplink, slot, UPLINK_LATE, now_ms), i + 1);
        assert_int_equal(push(&uplink, now_ms + pauses[i] - 1, &first), 0);
        now_ms += pauses[i];
        assert_int_equal(uplink_due_at(&uplink), now_ms);
        assert_int_equal(push(&uplink, now_ms, &first), 1);
        assert_int_equal(first, 0);
    }
    uplink_on_ok(&uplink, slot);
    assert_int_equal(push(&uplink, now_ms, &first), 2);
    assert_int_equal(first, 100);
    assert_int_equal(uplink_on_failure(&uplink, slot, UPLINK_ERROR, now_ms), 1);
    uplink_deinit(&uplink);
}

static void a_lost_batch_goes_again_at_once_the_first_time(void **state)
{
    (void)state;
    struct uplink uplink = make(1000, 2);
    int32_t first = 0;
    add(&uplink, 0, 1, 0);
    push(&uplink, 100, &first);
    assert_int_equal(uplink_on_failure(&uplink, slot, UPLINK_LOST, 200), 1);
    assert_int_equal(push(&uplink, 200, &first), 1);
    assert_int_equal(uplink_on_failure(&uplink, slot, UPLINK_LOST, 300), 2);
    assert_int_equal(push(&uplink, 799, &first), 0);
    assert_int_equal(push(&uplink, 800, &first), 1);
    uplink_deinit(&uplink);
}

static void a_message_that_came_before_is_not_taken_again(void **state)
{
    (void)state;
    struct uplink uplink = make(1000, 500);
    int32_t first = 0;
    add(&uplink, 0, 1, 0);
    add(&uplink, 1, 1, 0);
    uplink_session(&uplink, EPOCH, 0); /* the board on another port: it resends what is not safe */
    assert_int_equal(add(&uplink, 0, 1, 0), UPLINK_REPEATED);
    assert_int_equal(add(&uplink, 1, 1, 0), UPLINK_REPEATED);
    assert_int_equal(add(&uplink, 2, 1, 0), UPLINK_TAKEN);
    assert_int_equal(push(&uplink, 1000, &first), 3);
    assert_int_equal(uplink.counts.repeated, 2);
    assert_int_equal(uplink.counts.missing, 0);
    uplink_deinit(&uplink);
}

static void numbers_begin_anew_with_each_epoch(void **state)
{
    (void)state;
    struct uplink uplink = make(1000, 500);
    int32_t first = 0;
    add(&uplink, 0, 1, 0);
    add(&uplink, 1, 1, 0);
    uplink_session(&uplink, EPOCH + 1, 0);
    assert_int_equal(uplink_safe(&uplink), 0);
    assert_int_equal(add(&uplink, 0, 1, 0), UPLINK_TAKEN);
    assert_int_equal(uplink_safe(&uplink), 0);
    assert_int_equal(push(&uplink, 1000, &first), 3);
    uplink_on_ok(&uplink, slot);
    assert_int_equal(uplink_safe(&uplink), 1);
    uplink_deinit(&uplink);
}

static void numbers_may_wrap(void **state)
{
    (void)state;
    struct uplink uplink = make(1000, 500);
    int32_t first = 0;
    uplink_session(&uplink, EPOCH + 1, UINT32_MAX);
    assert_int_equal(add(&uplink, UINT32_MAX, 1, 0), UPLINK_TAKEN);
    assert_int_equal(add(&uplink, 0, 1, 0), UPLINK_TAKEN);
    assert_int_equal(add(&uplink, UINT32_MAX, 1, 0), UPLINK_REPEATED);
    assert_int_equal(uplink_safe(&uplink), UINT32_MAX);
    push(&uplink, 1000, &first);
    uplink_on_ok(&uplink, slot);
    assert_int_equal(uplink_safe(&uplink), 1);
    uplink_deinit(&uplink);
}

static void messages_that_are_gone_are_counted(void **state)
{
    (void)state;
    struct uplink uplink = make(1000, 500);
    add(&uplink, 0, 1, 0);
    uplink_session(&uplink, EPOCH, 5);
    assert_int_equal(uplink.counts.missing, 4);
    assert_int_equal(add(&uplink, 5, 1, 0), UPLINK_TAKEN);
    assert_int_equal(uplink.counts.missing, 4);
    uplink_deinit(&uplink);
}

static void a_full_uplink_takes_nothing_and_loses_nothing(void **state)
{
    (void)state;
    struct uplink uplink = make(10, 4);
    int32_t first = 0;
    assert_int_equal(add(&uplink, 0, 6, 0), UPLINK_TAKEN);
    assert_int_equal(add(&uplink, 1, 5, 0), UPLINK_FULL);
    assert_int_equal(add(&uplink, 1, 4, 0), UPLINK_TAKEN);
    assert_int_equal(add(&uplink, 2, 1, 0), UPLINK_FULL);
    assert_int_equal(push(&uplink, 0, &first), 4);
    uplink_on_ok(&uplink, slot);
    assert_int_equal(add(&uplink, 2, 4, 0), UPLINK_TAKEN);
    assert_int_equal(push(&uplink, 0, &first), 4);
    assert_int_equal(first, 4);
    uplink_on_ok(&uplink, slot);
    assert_int_equal(uplink.counts.readings, 14);
    assert_int_equal(uplink.counts.uploaded, 8);
    uplink_deinit(&uplink);
}

static void messages_within_the_credit_always_fit(void **state)
{
    (void)state;
    struct uplink uplink = make(400, 50);
    add(&uplink, 0, 60, 0);
    uplink_session(&uplink, EPOCH + 1, 0); /* those of the earlier epoch stay */
    struct uplink_reading once = {.slot = 0};
    while (uplink_add_once(&uplink, &once, 0))
        ;
    assert_int_equal(uplink.counts.dropped, 1);
    size_t credit = uplink_credit(&uplink);
    assert_true(credit > 240);
    for (uint32_t number = 0; credit >= 60; number++, credit -= 60)
        assert_int_equal(add(&uplink, number, 20, 0), UPLINK_TAKEN);
    uplink_deinit(&uplink);
}

static void credit_grows_back_when_earlier_readings_have_left(void **state)
{
    (void)state;
    struct uplink uplink = make(400, 50);
    int32_t first = 0;
    uint16_t whole = uplink_credit(&uplink);
    add(&uplink, 0, 60, 0);
    assert_int_equal(uplink_credit(&uplink), whole);
    uplink_session(&uplink, EPOCH + 1, 0);
    assert_int_equal(uplink_credit(&uplink), whole - 180);
    push(&uplink, 1000, &first);
    uplink_on_ok(&uplink, slot);
    assert_int_equal(uplink_credit(&uplink), whole - 30);
    uplink_deinit(&uplink);
}

static void a_sensor_of_a_kind_the_server_does_not_know_is_refused_once(void **state)
{
    (void)state;
    struct uplink uplink = make(1000, 500);
    assert_int_equal(refusals, 1);
    const struct uplink_reading readings[] = {
        {.slot = 0, .value.i = 1}, {.slot = 1, .value.f = 9.81f}, {.slot = 2, .value.f = 1}};
    struct profile_upload upload = {0};
    uplink_add(&uplink, 0, readings, 3, 0);
    assert_true(is_due(&uplink, 1000, &upload));
    assert_int_equal(upload.reading_count, 2);
    assert_string_equal(upload.sensors[upload.readings[1].sensor].name, "bh1750");
    assert_int_equal(uplink.counts.refused, 1);
    uplink_deinit(&uplink);
}

static void what_is_not_finite_or_not_described_is_not_kept(void **state)
{
    (void)state;
    struct uplink uplink = make(1000, 500);
    const struct uplink_reading readings[] = {{.slot = 2, .value.f = NAN},
                                              {.slot = 2, .value.f = INFINITY},
                                              {.slot = 3, .value.i = 1},
                                              {.slot = 255, .value.i = 1}};
    assert_int_equal(uplink_add(&uplink, 0, readings, 4, 0), UPLINK_TAKEN);
    assert_true(uplink_is_empty(&uplink));
    assert_int_equal(uplink.counts.not_finite, 2);
    assert_int_equal(uplink.counts.refused, 2);
    assert_int_equal(uplink_safe(&uplink), 1);
    uplink_deinit(&uplink);
}

static void readings_outlive_the_description_they_came_with(void **state)
{
    (void)state;
    struct uplink uplink = make(1000, 500);
    static const struct uplink_sensor other[] = {{"dht", "humidity", MP_TYPE_I16, -1}};
    struct profile_upload upload = {0};
    add(&uplink, 0, 1, 0);
    assert_int_equal(uplink_describe(&uplink, other, 1, on_refused, NULL), 0);
    uplink_session(&uplink, EPOCH + 1, 0);
    add(&uplink, 0, 1, 0);
    assert_true(is_due(&uplink, 1000, &upload));
    assert_string_equal(upload.sensors[upload.readings[0].sensor].name, "bme280");
    assert_string_equal(upload.sensors[upload.readings[1].sensor].name, "dht");
    uplink_deinit(&uplink);
}

static void too_many_descriptions_at_once_are_told(void **state)
{
    (void)state;
    struct uplink uplink = make(1000, 500);
    char name[4] = "s00";
    struct uplink_sensor many[UPLINK_SLOTS_MAX];
    int32_t first = 0;
    add(&uplink, 0, 1, 0);
    int result = 0;
    for (int round = 0; round < 5 && result == 0; round++) {
        for (size_t i = 0; i < UPLINK_SLOTS_MAX; i++)
            many[i] = (struct uplink_sensor){name, "humidity", MP_TYPE_I16,
                                             (int8_t)(round * 2 + (int)(i & 1))};
        for (size_t i = 0; i < UPLINK_SLOTS_MAX && result == 0; i += 2) {
            name[1] = (char)('a' + i / 2);
            name[2] = (char)('a' + round);
            result = uplink_describe(&uplink, many, 2, on_refused, NULL);
        }
    }
    assert_int_equal(result, -1);
    push(&uplink, 1000, &first);
    uplink_on_ok(&uplink, slot);
    assert_int_equal(uplink_describe(&uplink, many, 2, on_refused, NULL), 0);
    uplink_deinit(&uplink);
}

/* Random additions, replies, failures and moves between ports against a plain model: everything
 * taken goes up once and in order as long as every upload ends in an ok. */
static void whatever_happens_order_holds_and_nothing_is_lost(void **state)
{
    (void)state;
    const char *given = getenv("UPLINK_SEED");
    uint32_t seed = given != NULL ? (uint32_t)strtoul(given, NULL, 0) : 20261121u;
    print_message("seed %u\n", seed);
    struct uplink uplink = make(300, 17);
    uint32_t next = 0, uploaded = 0;
    uint64_t now_ms = 0;
    int32_t expected = 0;
    for (int step = 0; step < 50000; step++) {
        seed = seed * 1664525u + 1013904223u;
        uint32_t dice = seed >> 24;
        struct profile_upload upload = {0};
        now_ms += dice & 63;
        if (dice < 120) {
            const struct uplink_reading reading = {.slot = 0, .value.i = (int32_t)next};
            if (uplink_add(&uplink, next, &reading, 1, now_ms) == UPLINK_TAKEN)
                next++;
        } else if (dice < 140) {
            uplink_session(&uplink, EPOCH, uplink_safe(&uplink));
            for (uint32_t n = uplink_safe(&uplink); n != next; n++)
                assert_int_equal(uplink_add(&uplink, n, NULL, 0, now_ms), UPLINK_REPEATED);
        } else if (uplink_is_in_flight(&uplink)) {
            if (dice < 180) {
                uint64_t before = uplink.counts.uploaded;
                uplink_on_ok(&uplink, slot);
                uploaded += (uint32_t)(uplink.counts.uploaded - before);
                expected = (int32_t)uploaded;
            } else if (dice < 200) {
                uplink_on_failure(&uplink, slot, UPLINK_LATE, now_ms);
            } else {
                uplink_on_failure(&uplink, slot, UPLINK_LOST, now_ms);
            }
        } else if (is_due(&uplink, now_ms, &upload)) {
            for (size_t i = 0; i < upload.reading_count; i++)
                assert_int_equal(upload.readings[i].value.i, expected + (int32_t)i);
            uplink_on_pushed(&uplink, slot);
        }
        assert_int_equal(uplink_safe(&uplink), uploaded);
    }
    assert_true(uploaded > 1000);
    uplink_deinit(&uplink);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_waits_for_company_but_not_longer_than_batch_ms),
        cmocka_unit_test(a_full_batch_does_not_wait),
        cmocka_unit_test(one_upload_is_in_flight),
        cmocka_unit_test(nothing_is_safe_before_the_reply),
        cmocka_unit_test(a_message_cut_by_a_batch_is_safe_with_its_last_reading),
        cmocka_unit_test(a_message_without_readings_is_safe_when_those_before_are),
        cmocka_unit_test(a_failed_batch_goes_again_unchanged_after_a_growing_pause),
        cmocka_unit_test(a_lost_batch_goes_again_at_once_the_first_time),
        cmocka_unit_test(a_message_that_came_before_is_not_taken_again),
        cmocka_unit_test(numbers_begin_anew_with_each_epoch),
        cmocka_unit_test(numbers_may_wrap),
        cmocka_unit_test(messages_that_are_gone_are_counted),
        cmocka_unit_test(a_full_uplink_takes_nothing_and_loses_nothing),
        cmocka_unit_test(messages_within_the_credit_always_fit),
        cmocka_unit_test(credit_grows_back_when_earlier_readings_have_left),
        cmocka_unit_test(a_sensor_of_a_kind_the_server_does_not_know_is_refused_once),
        cmocka_unit_test(what_is_not_finite_or_not_described_is_not_kept),
        cmocka_unit_test(readings_outlive_the_description_they_came_with),
        cmocka_unit_test(too_many_descriptions_at_once_are_told),
        cmocka_unit_test(whatever_happens_order_holds_and_nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
