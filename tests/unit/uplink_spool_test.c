/*
 * The uplink with a spool: what is safe when, what is loaded, live readings and backlog, several
 * uploads in flight, and the reading that the server never takes. The spool is an array here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "uplink/uplink.h"

#include <stdlib.h>
#include <string.h>

#define EPOCH    77u
#define CLOCK    3u
#define DISK_MAX 4096

static const struct uplink_sensor sensors[] = {{"s", "temperature", MP_TYPE_I32, 0}};

/* Stored groups; deliveries are kept back until settle(). */
static struct {
    uint8_t *bytes[DISK_MAX];
    size_t len[DISK_MAX];
    uint32_t upto[DISK_MAX];
    bool gone[DISK_MAX];
    size_t count; /* ids 1 to count */
    unsigned parked;
    int32_t parked_value;
    uint64_t damaged;
} disk;

static void on_delivered(void *user, uint64_t id, uint32_t upto, bool whole)
{
    (void)user;
    assert_true(upto > disk.upto[id] && !disk.gone[id]);
    disk.upto[id] = upto;
    disk.gone[id] = whole;
}

static void on_damaged(void *user, uint64_t id)
{
    (void)user;
    disk.damaged = id;
}

static void on_parked(void *user, const struct profile_sensor *sensor,
                      const struct profile_reading *reading)
{
    (void)user;
    assert_string_equal(sensor->name, "s");
    disk.parked++;
    disk.parked_value = reading->value.i;
}

static void on_refused(void *user, const struct uplink_sensor *sensor)
{
    (void)user;
    (void)sensor;
    fail();
}

static struct uplink make(bool identity, uint32_t batch)
{
    const struct uplink_config config = {
        .profile = &profile_microcontrollers,
        .buffer_bytes = 4096,
        .batch_readings = batch,
        .batch_ms = 1000,
        .retry_min_ms = 500,
        .retry_max_ms = 4000,
        .identity = identity,
        .spooled = true,
        .commit_ms = 250,
        .io = {.delivered = on_delivered, .damaged = on_damaged, .parked = on_parked},
    };
    struct uplink uplink;
    assert_int_equal(uplink_init(&uplink, &config), 0);
    assert_int_equal(uplink_describe(&uplink, sensors, 1, on_refused, NULL), 0);
    uplink_board(&uplink, (const uint8_t *)"d", 1, NULL);
    uplink_session(&uplink, EPOCH, 0);
    return uplink;
}

static void clean(void)
{
    for (size_t i = 0; i <= disk.count; i++)
        free(disk.bytes[i]);
    memset(&disk, 0, sizeof disk);
}

static void end(struct uplink *uplink)
{
    uplink_deinit(uplink);
    clean();
}

/* Message `number` with the readings number * 10 and so on. */
static enum uplink_taken add(struct uplink *uplink, uint32_t number, size_t n, uint64_t now_ms)
{
    struct uplink_reading readings[64];
    for (size_t i = 0; i < n; i++)
        readings[i] = (struct uplink_reading){.value.i = (int32_t)(number * 10 + i), .at_us = 1};
    return uplink_add(uplink, number, readings, n, now_ms);
}

/* Stores what is due; returns whether something was. */
static bool store(struct uplink *uplink, uint64_t now_ms)
{
    struct uplink_group *group = uplink_group_due(uplink, now_ms, false);
    if (group == NULL)
        return false;
    size_t id = ++disk.count;
    assert_true(id < DISK_MAX);
    disk.bytes[id] = malloc(group->len);
    memcpy(disk.bytes[id], group->bytes, group->len);
    disk.len[id] = group->len;
    uplink_on_committed(uplink, id, CLOCK);
    return true;
}

/* Loads what is wanted, at most `most` groups. */
static bool load(struct uplink *uplink, size_t most)
{
    uint64_t after;
    if (!uplink_wants(uplink, &after))
        return false;
    size_t id = (size_t)after + 1;
    for (; id <= disk.count && most > 0; id++) {
        if (disk.gone[id])
            continue;
        most--;
        if (!uplink_on_row(uplink, id, CLOCK, disk.upto[id], disk.bytes[id], disk.len[id]))
            break;
    }
    uplink_on_loaded(uplink, id > disk.count);
    return true;
}

static int push(struct uplink *uplink, uint64_t now_ms, struct profile_upload *upload)
{
    uint32_t clock = 0;
    int slot = uplink_due(uplink, now_ms, upload, &clock);
    if (slot == UPLINK_NONE)
        return slot;
    assert_int_equal(clock, CLOCK);
    uplink_on_pushed(uplink, slot);
    return slot;
}

static void nothing_is_safe_before_the_commit(void **state)
{
    (void)state;
    struct uplink uplink = make(false, 100);
    assert_int_equal(add(&uplink, 0, 2, 1000), UPLINK_TAKEN);
    add(&uplink, 1, 2, 1100);
    assert_int_equal(uplink_safe(&uplink), 0);
    assert_int_equal(uplink_group_due_at(&uplink), 1250);
    assert_false(uplink_is_storing(&uplink));
    struct uplink_group *group = uplink_group_due(&uplink, 1250, false);
    assert_non_null(group);
    assert_true(uplink_is_storing(&uplink));
    assert_int_equal(group->following, 2);
    add(&uplink, 2, 2, 1260);
    assert_int_equal(uplink_safe(&uplink), 0);
    assert_null(uplink_group_due(&uplink, 9000, false)); /* one at a time */
    uplink_on_committed(&uplink, 1, CLOCK);
    assert_false(uplink_is_storing(&uplink));
    assert_int_equal(uplink_safe(&uplink), 2);
    assert_true(store(&uplink, 9000));
    assert_int_equal(uplink_safe(&uplink), 3);
    end(&uplink);
}

static void a_message_without_readings_needs_no_commit_of_its_own(void **state)
{
    (void)state;
    struct uplink uplink = make(false, 100);
    add(&uplink, 0, 0, 0);
    assert_int_equal(uplink_safe(&uplink), 1);
    add(&uplink, 1, 1, 0);
    add(&uplink, 2, 0, 0);
    assert_int_equal(uplink_safe(&uplink), 1);
    assert_true(store(&uplink, 250));
    assert_int_equal(uplink_safe(&uplink), 3);
    end(&uplink);
}

static void half_of_what_a_board_ever_had_unsafe_is_due_at_once(void **state)
{
    (void)state;
    struct uplink uplink = make(false, 100);
    uint32_t number = 0;
    while (uplink_group_due_at(&uplink) != 0)
        add(&uplink, number++, 10, 0);
    assert_in_range(uplink.groups->load, 128, 200);
    struct uplink_group *group = uplink_group_due(&uplink, 0, false);
    assert_non_null(group);
    for (int i = 0; i < 20; i++) /* the disk is slow */
        add(&uplink, number++, 10, 0);
    uplink_on_committed(&uplink, 1, CLOCK);
    size_t most = uplink.load_most;
    assert_true(store(&uplink, 0));
    add(&uplink, number++, 1, 0);
    assert_int_not_equal(uplink_group_due_at(&uplink), 0);
    while (uplink_group_due_at(&uplink) != 0)
        add(&uplink, number++, 10, 0);
    assert_in_range(uplink.groups->load, most / 2, most / 2 + 60);
    end(&uplink);
}

static void without_identity_the_next_upload_waits_until_the_last_has_left_the_disk(void **state)
{
    (void)state;
    struct uplink uplink = make(false, 2);
    struct profile_upload upload;
    load(&uplink, 10);
    add(&uplink, 0, 5, 0);
    store(&uplink, 250);
    int slot = push(&uplink, 250, &upload);
    assert_int_equal(upload.reading_count, 2);
    assert_int_equal(push(&uplink, 9000, &upload), UPLINK_NONE);
    uplink_on_ok(&uplink, slot);
    assert_int_equal(disk.upto[1], 2);
    assert_int_equal(push(&uplink, 9000, &upload), UPLINK_NONE);
    assert_int_equal(uplink_due_at(&uplink), UINT64_MAX);
    uplink_on_settled(&uplink);
    assert_int_not_equal(push(&uplink, 9000, &upload), UPLINK_NONE);
    assert_int_equal(upload.readings[0].value.i, 2);
    end(&uplink);
}

static void with_identity_several_are_in_flight_and_leave_in_order(void **state)
{
    (void)state;
    struct uplink uplink = make(true, 2);
    struct profile_upload upload;
    int slots[UPLINK_FLIGHT_MAX];
    load(&uplink, 10);
    add(&uplink, 0, 20, 0);
    store(&uplink, 250);
    for (int i = 0; i < UPLINK_FLIGHT_MAX; i++) {
        slots[i] = push(&uplink, 250, &upload);
        assert_int_not_equal(slots[i], UPLINK_NONE);
        assert_int_equal(upload.readings[0].value.i, 2 * i);
    }
    assert_int_equal(push(&uplink, 9000, &upload), UPLINK_NONE);
    uplink_on_ok(&uplink, slots[2]);
    uplink_on_ok(&uplink, slots[1]);
    assert_int_equal(disk.upto[1], 0);
    uplink_on_ok(&uplink, slots[0]);
    assert_int_equal(disk.upto[1], 6);
    end(&uplink);
}

/* Fills disk and memory while nothing is pushed; returns the next message. */
static uint32_t outage(struct uplink *uplink, uint32_t number, unsigned messages)
{
    for (unsigned i = 0; i < messages; i++) {
        assert_int_equal(add(uplink, number++, 10, i * 300), UPLINK_TAKEN);
        store(uplink, i * 300 + 250);
        load(uplink, 5);
    }
    return number;
}

static void memory_stays_bounded_while_the_server_is_away_and_order_holds(void **state)
{
    (void)state;
    struct uplink uplink = make(false, 50);
    struct profile_upload upload;
    int32_t expected = 0;
    load(&uplink, 5);
    outage(&uplink, 0, 1000);
    assert_true(uplink_waiting(&uplink) < 300);
    while (!uplink_is_empty(&uplink)) {
        int slot = push(&uplink, 1000000, &upload);
        if (slot != UPLINK_NONE) {
            for (size_t i = 0; i < upload.reading_count; i++)
                assert_int_equal(upload.readings[i].value.i, expected++);
            uplink_on_ok(&uplink, slot);
            uplink_on_settled(&uplink);
        }
        load(&uplink, 5);
    }
    assert_int_equal(expected, 10000);
    end(&uplink);
}

static void with_identity_live_readings_do_not_wait_behind_the_backlog(void **state)
{
    (void)state;
    struct uplink uplink = make(true, 50);
    struct profile_upload upload;
    uint8_t *seen = calloc(20000, 1);
    int32_t newest_old = -1, newest_live = -1;
    load(&uplink, 5);
    uint32_t number = outage(&uplink, 0, 1000);
    uint64_t now_ms = 1000000;
    for (int round = 0; !uplink_is_empty(&uplink); round++, now_ms += 2000) {
        int32_t fresh = round < 20 ? (int32_t)number * 10 : INT32_MAX;
        if (round < 20) {
            add(&uplink, number++, 10, now_ms - 1500);
            store(&uplink, now_ms);
        }
        int slots[UPLINK_FLIGHT_MAX + 1], n = 0;
        bool has_fresh = false;
        while ((slots[n] = push(&uplink, now_ms, &upload)) != UPLINK_NONE) {
            bool live = upload.readings[0].value.i > newest_live || newest_live < 0;
            for (size_t i = 0; i < upload.reading_count; i++) {
                int32_t value = upload.readings[i].value.i;
                assert_int_equal(seen[value]++, 0);
                has_fresh |= value >= fresh;
                newest_live = value > newest_live ? value : newest_live;
                newest_old = !live && value > newest_old ? value : newest_old;
            }
            n++;
        }
        assert_true(round >= 20 || round < 3 || has_fresh); /* a full live queue is two rounds */
        while (n-- > 0)
            uplink_on_ok(&uplink, slots[n]);
        load(&uplink, 5);
    }
    for (uint32_t value = 0; value < number * 10; value++)
        assert_int_equal(seen[value], 1);
    free(seen);
    end(&uplink);
}

static void what_was_stored_by_an_earlier_process_is_not_taken_again(void **state)
{
    (void)state;
    struct uplink uplink = make(false, 50);
    const struct uplink_mark known = {EPOCH + 1, 7};
    uplink_board(&uplink, (const uint8_t *)"other", 5, &known);
    uplink_session(&uplink, EPOCH + 1, 4);
    assert_int_equal(uplink_safe(&uplink), 7);
    assert_int_equal(add(&uplink, 5, 1, 0), UPLINK_REPEATED);
    assert_int_equal(add(&uplink, 6, 1, 0), UPLINK_REPEATED);
    assert_int_equal(add(&uplink, 7, 1, 0), UPLINK_TAKEN);
    end(&uplink);
}

static void readings_of_another_epoch_or_board_are_in_a_group_of_their_own(void **state)
{
    (void)state;
    struct uplink uplink = make(false, 50);
    struct profile_upload upload;
    load(&uplink, 1);
    add(&uplink, 0, 1, 0);
    uplink_session(&uplink, EPOCH + 1, 0);
    add(&uplink, 0, 1, 0);
    uplink_board(&uplink, (const uint8_t *)"other", 5, NULL);
    uplink_session(&uplink, EPOCH + 1, 0);
    assert_int_equal(uplink_safe(&uplink), 0);
    add(&uplink, 0, 1, 0);
    assert_int_equal(uplink_safe(&uplink), 0);
    assert_true(store(&uplink, 0)); /* closed ones are due at once */
    assert_true(store(&uplink, 0));
    assert_int_equal(uplink_safe(&uplink), 0);
    assert_false(store(&uplink, 0));
    assert_true(store(&uplink, 250));
    assert_int_equal(uplink_safe(&uplink), 1);
    assert_int_not_equal(push(&uplink, 1000, &upload), UPLINK_NONE);
    assert_int_equal(upload.reading_count, 3);
    assert_int_equal(upload.readings[0].epoch, EPOCH);
    assert_int_equal(upload.readings[1].epoch, EPOCH + 1);
    end(&uplink);
}

static void a_full_disk_stops_the_board_and_nothing_else(void **state)
{
    (void)state;
    struct uplink uplink = make(false, 50);
    size_t credit = uplink_credit(&uplink);
    uint32_t number = 0;
    assert_true(credit >= 256);
    /* Whatever fits into the credit is taken though nothing is stored: 3 bytes a reading. */
    for (size_t sent = 0; sent + 30 <= credit; sent += 30)
        assert_int_equal(add(&uplink, number++, 10, 0), UPLINK_TAKEN);
    while (add(&uplink, number, 60, 0) == UPLINK_TAKEN)
        number++;
    assert_int_equal(uplink_safe(&uplink), 0);
    assert_true(number < 500);
    store(&uplink, 0);
    assert_int_equal(add(&uplink, number, 60, 0), UPLINK_TAKEN);
    end(&uplink);
}

static void a_damaged_group_is_told_and_passed_over(void **state)
{
    (void)state;
    struct uplink uplink = make(false, 50);
    struct profile_upload upload;
    add(&uplink, 0, 1, 0);
    store(&uplink, 250);
    add(&uplink, 1, 1, 250);
    store(&uplink, 500);
    disk.bytes[1][3] ^= 1;
    load(&uplink, 10);
    assert_int_equal(disk.damaged, 1);
    assert_int_equal(uplink.counts.damaged, 1);
    assert_int_not_equal(push(&uplink, 9000, &upload), UPLINK_NONE);
    assert_int_equal(upload.reading_count, 1);
    assert_int_equal(upload.readings[0].value.i, 10);
    end(&uplink);
}

static void what_is_too_old_is_delivered_to_nobody(void **state)
{
    (void)state;
    struct uplink uplink = make(false, 50);
    load(&uplink, 1);
    add(&uplink, 0, 3, 0);
    store(&uplink, 250);
    uplink_expire(&uplink, CLOCK + 1, 100);
    uplink_expire(&uplink, CLOCK, 1);
    uplink_expire(&uplink, CLOCK, -1); /* before the clock began: so young is everything */
    assert_int_equal(uplink.counts.expired, 0);
    uplink_expire(&uplink, CLOCK, 2);
    assert_int_equal(uplink.counts.expired, 3);
    assert_true(disk.gone[1]);
    end(&uplink);
}

/* A server that refuses whatever holds `poison`. Returns uploads needed until all is delivered. */
static unsigned serve(struct uplink *uplink, int32_t poison, unsigned most, bool down)
{
    struct profile_upload upload;
    uint64_t now_ms = 1000000;
    unsigned uploads = 0;
    while (!uplink_is_empty(uplink) && uploads < most) {
        int slot = push(uplink, now_ms, &upload);
        now_ms += 5000;
        if (slot == UPLINK_NONE)
            continue;
        uploads++;
        bool bad = down;
        for (size_t i = 0; i < upload.reading_count; i++)
            bad |= upload.readings[i].value.i == poison;
        if (bad)
            uplink_on_failure(uplink, slot, uploads % 2 == 0 ? UPLINK_CRASH : UPLINK_ERROR, now_ms);
        else
            uplink_on_ok(uplink, slot);
        uplink_on_settled(uplink);
    }
    return uploads;
}

static void a_reading_that_is_never_taken_is_found_and_parked(void **state)
{
    (void)state;
    for (int identity = 0; identity < 2; identity++)
        for (int32_t poison = 0; poison < 50; poison++) {
            struct uplink uplink = make(identity != 0, 16);
            load(&uplink, 1);
            add(&uplink, 0, 50, 0);
            store(&uplink, 250);
            unsigned uploads = serve(&uplink, poison, 200, false);
            /* The last one has no neighbour: it waits for one. */
            assert_int_equal(disk.parked, poison == 49 ? 0 : 1);
            if (poison < 49) {
                assert_in_range(uploads, 5, 60);
                assert_int_equal(disk.parked_value, poison);
                assert_int_equal(uplink.counts.uploaded, 49);
                assert_true(uplink_is_empty(&uplink));
            }
            end(&uplink);
        }
}

static void a_server_that_takes_nothing_makes_nothing_poison(void **state)
{
    (void)state;
    struct uplink uplink = make(false, 16);
    load(&uplink, 1);
    add(&uplink, 0, 50, 0);
    store(&uplink, 250);
    serve(&uplink, -1, 200, true);
    assert_int_equal(disk.parked, 0);
    serve(&uplink, -1, 200, false);
    assert_true(uplink_is_empty(&uplink));
    assert_int_equal(uplink.counts.uploaded, 50);
    end(&uplink);
}

/* Anything in any order, against counting: each reading leaves once, in order without identity. */
static void whatever_happens_each_reading_goes_up_once(void **state)
{
    (void)state;
    const char *given = getenv("UPLINK_SEED");
    uint32_t seed = given != NULL ? (uint32_t)strtoul(given, NULL, 0) : 20261121u;
    print_message("seed %u\n", seed);
    for (int identity = 0; identity < 2; identity++) {
        struct uplink uplink = make(identity != 0, 17);
        uint8_t *acked = calloc(200000, 1);
        int32_t first[UPLINK_FLIGHT_MAX], count[UPLINK_FLIGHT_MAX];
        bool flying[UPLINK_FLIGHT_MAX] = {false};
        uint32_t number = 0;
        int32_t expected = 0;
        uint64_t now_ms = 0;
        static int32_t values[UPLINK_FLIGHT_MAX][64];
        for (int step = 0; step < 40000 && disk.count < DISK_MAX - 2; step++) {
            seed = seed * 1664525u + 1013904223u;
            uint32_t dice = seed >> 24;
            struct profile_upload upload;
            now_ms += dice & 31;
            if (dice < 60) {
                if (add(&uplink, number, 10, now_ms) == UPLINK_TAKEN)
                    number++;
            } else if (dice < 100) {
                store(&uplink, now_ms);
            } else if (dice < 140) {
                load(&uplink, 1 + dice % 7);
            } else if (dice < 200) {
                int slot = push(&uplink, now_ms, &upload);
                if (slot != UPLINK_NONE) {
                    flying[slot] = true;
                    count[slot] = (int32_t)upload.reading_count;
                    first[slot] = upload.readings[0].value.i;
                    for (int32_t i = 0; i < count[slot]; i++)
                        values[slot][i] = upload.readings[i].value.i;
                }
            } else {
                int slot = (int)(dice % UPLINK_FLIGHT_MAX);
                if (!flying[slot])
                    continue;
                flying[slot] = false;
                if (dice < 236) {
                    for (int32_t i = 0; i < count[slot]; i++)
                        assert_true(acked[values[slot][i]]++ == 0 || identity);
                    assert_true(identity || first[slot] == expected);
                    expected += count[slot];
                    uplink_on_ok(&uplink, slot);
                } else {
                    uplink_on_failure(&uplink, slot, dice & 1 ? UPLINK_LOST : UPLINK_LATE, now_ms);
                }
                uplink_on_settled(&uplink);
            }
        }
        assert_true(expected > 5000);
        free(acked);
        end(&uplink);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_safe_before_the_commit),
        cmocka_unit_test(a_message_without_readings_needs_no_commit_of_its_own),
        cmocka_unit_test(half_of_what_a_board_ever_had_unsafe_is_due_at_once),
        cmocka_unit_test(without_identity_the_next_upload_waits_until_the_last_has_left_the_disk),
        cmocka_unit_test(with_identity_several_are_in_flight_and_leave_in_order),
        cmocka_unit_test(memory_stays_bounded_while_the_server_is_away_and_order_holds),
        cmocka_unit_test(with_identity_live_readings_do_not_wait_behind_the_backlog),
        cmocka_unit_test(what_was_stored_by_an_earlier_process_is_not_taken_again),
        cmocka_unit_test(readings_of_another_epoch_or_board_are_in_a_group_of_their_own),
        cmocka_unit_test(a_full_disk_stops_the_board_and_nothing_else),
        cmocka_unit_test(a_damaged_group_is_told_and_passed_over),
        cmocka_unit_test(what_is_too_old_is_delivered_to_nobody),
        cmocka_unit_test(a_reading_that_is_never_taken_is_found_and_parked),
        cmocka_unit_test(a_server_that_takes_nothing_makes_nothing_poison),
        cmocka_unit_test(whatever_happens_each_reading_goes_up_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
