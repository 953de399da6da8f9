/*
 * The order in which readings come when several uploads are in flight and some are refused: the
 * server takes what it gets, in the order of pushing, and may refuse one, or its reply may be late
 * or lost. The last time that each reading of a sensor comes must be in order, and each must come
 * or be parked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "uplink/uplink.h"

#include <stdlib.h>
#include <string.h>

#define READINGS_MAX 6000
#define WIRE_MAX     512
#define A_MESSAGE    6 /* readings, in turn of ... */
#define SENSORS      2

static const struct uplink_sensor sensors[SENSORS] = {{"a", "temperature", MP_TYPE_I32, 0},
                                                      {"b", "temperature", MP_TYPE_I32, 0}};

/* An upload that was pushed: readings first to first + count - 1. */
struct flight {
    int slot; /* UPLINK_NONE: nobody waits for its reply any more */
    int32_t first, count;
    bool served, taken;
};

static struct {
    struct flight wire[WIRE_MAX]; /* in the order of pushing */
    size_t count;
    uint32_t last[READINGS_MAX]; /* when each reading was taken last; 0: never */
    uint32_t taken;
    int32_t repeated;
    bool parked[READINGS_MAX];
} server;

static void on_parked(void *user, const struct profile_sensor *sensor,
                      const struct profile_reading *reading)
{
    (void)user;
    (void)sensor;
    server.parked[reading->value.i] = true;
}

static void on_refused(void *user, const struct uplink_sensor *sensor)
{
    (void)user;
    (void)sensor;
    fail();
}

static struct uplink make(bool identity)
{
    const struct uplink_config config = {
        .profile = &profile_microcontrollers,
        .buffer_bytes = 65536,
        .batch_readings = 8,
        .batch_ms = 10,
        .retry_min_ms = 20,
        .retry_max_ms = 100,
        .identity = identity,
        .io = {.parked = on_parked},
    };
    struct uplink uplink;
    memset(&server, 0, sizeof server);
    assert_int_equal(uplink_init(&uplink, &config), 0);
    assert_int_equal(uplink_describe(&uplink, sensors, SENSORS, on_refused, NULL), 0);
    uplink_board(&uplink, (const uint8_t *)"d", 1, NULL);
    uplink_session(&uplink, 1, 0);
    return uplink;
}

/* Message n has the readings n * A_MESSAGE and so on. */
static void add(struct uplink *uplink, uint32_t number, uint64_t now_ms)
{
    struct uplink_reading readings[A_MESSAGE];
    for (uint32_t i = 0; i < A_MESSAGE; i++)
        readings[i] = (struct uplink_reading){.slot = (uint8_t)(i % SENSORS),
                                              .value.i = (int32_t)(number * A_MESSAGE + i)};
    assert_int_equal(uplink_add(uplink, number, readings, A_MESSAGE, now_ms), UPLINK_TAKEN);
}

static bool push(struct uplink *uplink, uint64_t now_ms)
{
    struct profile_upload upload;
    uint32_t clock;
    int slot = uplink_due(uplink, now_ms, &upload, &clock);
    if (slot == UPLINK_NONE)
        return false;
    assert_true(server.count < WIRE_MAX);
    server.wire[server.count++] = (struct flight){
        .slot = slot, .first = upload.readings[0].value.i, .count = (int32_t)upload.reading_count};
    uplink_on_pushed(uplink, slot);
    return true;
}

static void serve(struct flight *flight, bool take)
{
    flight->served = true;
    flight->taken = take;
    for (int32_t i = flight->first; take && i < flight->first + flight->count; i++) {
        server.repeated += server.last[i] != 0 ? 1 : 0;
        server.last[i] = ++server.taken;
    }
}

static void end_flight(struct uplink *uplink, struct flight *flight, bool ok,
                       enum uplink_failure why, uint64_t now_ms)
{
    int slot = flight->slot;
    flight->slot = UPLINK_NONE;
    if (ok)
        uplink_on_ok(uplink, slot);
    else
        uplink_on_failure(uplink, slot, why, now_ms);
}

static void forget_ended(void)
{
    size_t kept = 0;
    for (size_t i = 0; i < server.count; i++)
        if (!server.wire[i].served || server.wire[i].slot != UPLINK_NONE)
            server.wire[kept++] = server.wire[i];
    server.count = kept;
}

static void assert_in_order(uint32_t readings)
{
    uint32_t before[SENSORS] = {0};
    for (uint32_t i = 0; i < readings; i++) {
        if (server.parked[i])
            continue;
        assert_true(server.last[i] > before[i % SENSORS]);
        before[i % SENSORS] = server.last[i];
    }
}

static void what_overtook_a_refused_upload_comes_again_behind_it(void **state)
{
    (void)state;
    struct uplink uplink = make(true);
    uint64_t now_ms = 0;
    for (uint32_t number = 0; number < 8; number++)
        add(&uplink, number, 0);
    for (size_t i = 0; i < UPLINK_FLIGHT_MAX; i++)
        assert_true(push(&uplink, 0));
    for (size_t i = 0; i < UPLINK_FLIGHT_MAX; i++)
        serve(&server.wire[i], i != 1);
    end_flight(&uplink, &server.wire[0], true, UPLINK_ERROR, 0);
    end_flight(&uplink, &server.wire[1], false, UPLINK_ERROR, 0);
    end_flight(&uplink, &server.wire[2], true, UPLINK_ERROR, 0);
    assert_false(push(&uplink, 1000)); /* the last one is in flight: it would be overtaken again */
    end_flight(&uplink, &server.wire[3], true, UPLINK_ERROR, 0);
    assert_true(push(&uplink, 1000));
    assert_int_equal(server.wire[4].first, server.wire[1].first);
    assert_false(push(&uplink, 1000)); /* nothing else before it is answered */
    serve(&server.wire[4], true);
    end_flight(&uplink, &server.wire[4], true, UPLINK_ERROR, 1000);
    for (size_t i = 5; !uplink_is_empty(&uplink); i++, now_ms += 1000) {
        assert_true(push(&uplink, 2000 + now_ms));
        serve(&server.wire[i], true);
        end_flight(&uplink, &server.wire[i], true, UPLINK_ERROR, 2000);
    }
    assert_in_order(8 * A_MESSAGE);
    assert_int_equal(server.repeated, 16);
    assert_int_equal(uplink.counts.uploaded, 8 * A_MESSAGE);
    uplink_deinit(&uplink);
}

static void replies_in_another_order_repeat_nothing(void **state)
{
    (void)state;
    struct uplink uplink = make(true);
    for (uint32_t number = 0; number < 8; number++)
        add(&uplink, number, 0);
    for (size_t i = 0; i < UPLINK_FLIGHT_MAX; i++) {
        assert_true(push(&uplink, 0));
        serve(&server.wire[i], true);
    }
    for (size_t i = UPLINK_FLIGHT_MAX; i-- > 0;)
        end_flight(&uplink, &server.wire[i], true, UPLINK_ERROR, 0);
    assert_int_equal(uplink_waiting(&uplink), 8 * A_MESSAGE - 32);
    uplink_deinit(&uplink);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 16;
}

static struct flight *first_unserved(void)
{
    for (size_t i = 0; i < server.count; i++)
        if (!server.wire[i].served)
            return &server.wire[i];
    return NULL;
}

/* Any that somebody waits for. */
static struct flight *any_awaited(uint32_t dice)
{
    for (size_t i = 0; i < server.count; i++) {
        struct flight *flight = &server.wire[(i + dice) % server.count];
        if (flight->slot != UPLINK_NONE)
            return flight;
    }
    return NULL;
}

/* What the server has not read by then is gone. */
static void lose_connection(struct uplink *uplink, uint64_t now_ms)
{
    for (size_t i = 0; i < server.count; i++) {
        server.wire[i].served = true;
        if (server.wire[i].slot != UPLINK_NONE)
            end_flight(uplink, &server.wire[i], false, UPLINK_LOST, now_ms);
    }
}

static void something(struct uplink *uplink, uint32_t dice, uint32_t harm, uint64_t now_ms)
{
    struct flight *unserved = first_unserved(), *awaited = any_awaited(dice);
    switch (dice % 8) {
    case 0:
    case 1:
    case 2:
        push(uplink, now_ms);
        break;
    case 3:
    case 4:
        if (unserved != NULL)
            serve(unserved, dice / 8 % 100 >= harm);
        break;
    case 5:
        if (awaited != NULL && awaited->served)
            end_flight(uplink, awaited, awaited->taken, UPLINK_ERROR, now_ms);
        break;
    case 6:
        if (awaited != NULL && dice / 8 % 100 < harm)
            end_flight(uplink, awaited, false, UPLINK_LATE, now_ms);
        break;
    default:
        if (dice / 8 % 500 < harm)
            lose_connection(uplink, now_ms);
    }
    forget_ended();
}

static void whatever_is_refused_late_or_lost_the_last_of_each_is_in_order(void **state)
{
    (void)state;
    const char *given = getenv("UPLINK_SEED");
    uint32_t seed = given != NULL ? (uint32_t)strtoul(given, NULL, 0) : 20261121u;
    print_message("seed %u\n", seed);
    for (int round = 0; round < 60; round++) {
        struct uplink uplink = make(round % 4 != 0);
        uint32_t number = 0, harm = (uint32_t)round % 3 * 15;
        uint64_t now_ms = 0;
        for (int step = 0; step < 3000 || !uplink_is_empty(&uplink); step++) {
            uint32_t dice = next_random(&seed);
            now_ms += dice % 7;
            if (step < 3000 && dice % 11 == 0 && number < READINGS_MAX / A_MESSAGE)
                add(&uplink, number++, now_ms);
            something(&uplink, next_random(&seed), step < 3000 ? harm : 0, now_ms);
            assert_true(step < 60000);
        }
        assert_true(number > 100);
        assert_in_order(number * A_MESSAGE);
        assert_true(harm > 0 || server.repeated + (int)uplink.counts.parked == 0);
        assert_int_equal(uplink.counts.uploaded + uplink.counts.parked, number * A_MESSAGE);
        uplink_deinit(&uplink);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_overtook_a_refused_upload_comes_again_behind_it),
        cmocka_unit_test(replies_in_another_order_repeat_nothing),
        cmocka_unit_test(whatever_is_refused_late_or_lost_the_last_of_each_is_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
