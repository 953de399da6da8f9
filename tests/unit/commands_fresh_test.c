/*
 * How old may be what a connection brings: the bound holds whatever the connection does, and a
 * connection that answers is never doubted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/commands_fresh.h"

#define PROBE_MS 5000
#define LATE_MS  COMMANDS_FRESH_LATE_MS
#define BOUND_MS (PROBE_MS + 2 * LATE_MS)

static struct commands_fresh fresh;

static void begin(void)
{
    commands_fresh_init(&fresh, PROBE_MS);
    commands_fresh_on_connected(&fresh, 1000);
    commands_fresh_want(&fresh, true);
}

static void an_idle_connection_is_asked_and_stays_fresh_while_it_answers(void **state)
{
    (void)state;
    begin();
    uint64_t now_ms = 1000;
    for (int i = 0; i < 100; i++) {
        assert_true(commands_fresh_is(&fresh, now_ms));
        assert_int_equal(commands_fresh_due_at(&fresh), now_ms + PROBE_MS);
        assert_false(commands_fresh_probe(&fresh, now_ms + PROBE_MS - 1));
        now_ms += PROBE_MS;
        assert_true(commands_fresh_is(&fresh, now_ms));
        assert_true(commands_fresh_probe(&fresh, now_ms));
        assert_false(commands_fresh_probe(&fresh, now_ms + 10));
        assert_true(commands_fresh_is(&fresh, now_ms + LATE_MS - 1));
        assert_false(commands_fresh_on_heartbeat(&fresh));
    }
}

static void a_control_out_of_a_stalled_connection_is_not_fresh(void **state)
{
    (void)state;
    begin();
    assert_true(commands_fresh_probe(&fresh, 6000));
    assert_true(commands_fresh_is(&fresh, 6000 + LATE_MS - 1));
    assert_false(commands_fresh_is(&fresh, 6000 + LATE_MS));
    assert_false(commands_fresh_is(&fresh, 90000));
    assert_false(commands_fresh_on_heartbeat(&fresh));
    /* What comes after the answer was sent after the question, whenever that was. */
    assert_false(commands_fresh_is(&fresh, 90000));
    assert_true(commands_fresh_probe(&fresh, 90000));
    commands_fresh_on_heartbeat(&fresh);
    assert_true(commands_fresh_is(&fresh, 90010));
}

static void an_upload_that_is_replied_to_vouches_from_its_push_on(void **state)
{
    (void)state;
    begin();
    commands_fresh_on_push(&fresh, 4000);
    commands_fresh_on_push_end(&fresh, true, 4000, UINT64_MAX);
    assert_int_equal(commands_fresh_due_at(&fresh), 4000 + PROBE_MS);
    commands_fresh_on_push(&fresh, 5000);
    commands_fresh_on_push_end(&fresh, false, 5000, UINT64_MAX); /* lost */
    assert_int_equal(commands_fresh_due_at(&fresh), 4000 + PROBE_MS);
}

static void nothing_is_taken_while_the_reply_of_an_upload_is_late(void **state)
{
    (void)state;
    begin();
    commands_fresh_on_push(&fresh, 2000);
    assert_true(commands_fresh_is(&fresh, 2000 + LATE_MS - 1));
    assert_false(commands_fresh_is(&fresh, 2000 + LATE_MS));
    assert_true(commands_fresh_probe(&fresh, 2000 + LATE_MS));
    assert_false(commands_fresh_is(&fresh, 2000 + LATE_MS + 1));
    commands_fresh_on_heartbeat(&fresh); /* the server is slow, not the line */
    assert_true(commands_fresh_is(&fresh, 2000 + LATE_MS + 2));
}

static void after_a_gap_only_an_answer_to_a_question_of_afterwards_counts(void **state)
{
    (void)state;
    begin();
    commands_fresh_on_push(&fresh, 5900);
    assert_true(commands_fresh_probe(&fresh, 6000));
    commands_fresh_on_gap(&fresh);
    assert_false(commands_fresh_is(&fresh, 6001));
    assert_false(commands_fresh_on_heartbeat(&fresh)); /* it lay there */
    commands_fresh_on_push_end(&fresh, true, 5900, UINT64_MAX);
    assert_false(commands_fresh_is(&fresh, 6002));
    assert_true(commands_fresh_probe(&fresh, 6003));
    assert_true(commands_fresh_on_heartbeat(&fresh));
    assert_true(commands_fresh_is(&fresh, 6004));
}

static void nothing_is_asked_where_no_control_can_come(void **state)
{
    (void)state;
    begin();
    commands_fresh_want(&fresh, false);
    assert_int_equal(commands_fresh_due_at(&fresh), UINT64_MAX);
    assert_false(commands_fresh_probe(&fresh, 100000));
    commands_fresh_want(&fresh, true);
    assert_false(commands_fresh_is(&fresh, 100000));
    assert_true(commands_fresh_probe(&fresh, 100000));
}

static void a_new_connection_owes_nothing_to_the_old_one(void **state)
{
    (void)state;
    begin();
    commands_fresh_on_push(&fresh, 1000);
    commands_fresh_on_gap(&fresh);
    commands_fresh_on_connected(&fresh, 50000);
    commands_fresh_want(&fresh, true);
    assert_true(commands_fresh_is(&fresh, 50001));
    assert_int_equal(commands_fresh_due_at(&fresh), 50000 + PROBE_MS);
}

/* A connection whose both ways stall and go on at random: whatever counts as fresh is younger than
 * the bound. Messages arrive in order; `control_ms` is when the server sent the one at hand. */
static void whatever_counts_as_fresh_is_younger_than_the_bound(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 200; seed++) {
        uint32_t random = seed;
        uint64_t stall_until_ms = 0, probe_sent_ms = UINT64_MAX, control_ms = 0;
        begin();
        for (uint64_t now_ms = 1000; now_ms < 300000; now_ms += 100) {
            random = random * 1664525u + 1013904223u;
            if (now_ms >= stall_until_ms && random >> 24 == 0)
                stall_until_ms = now_ms + (random >> 8) % 60000;
            if (commands_fresh_probe(&fresh, now_ms))
                probe_sent_ms = now_ms;
            if (now_ms < stall_until_ms)
                continue;
            /* The line lets everything through: first the oldest control that was held up. */
            if (commands_fresh_is(&fresh, now_ms))
                assert_true(now_ms - control_ms <= BOUND_MS);
            control_ms = now_ms;
            if (probe_sent_ms != UINT64_MAX)
                commands_fresh_on_heartbeat(&fresh);
            probe_sent_ms = UINT64_MAX;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_connection_is_asked_and_stays_fresh_while_it_answers),
        cmocka_unit_test(a_control_out_of_a_stalled_connection_is_not_fresh),
        cmocka_unit_test(an_upload_that_is_replied_to_vouches_from_its_push_on),
        cmocka_unit_test(nothing_is_taken_while_the_reply_of_an_upload_is_late),
        cmocka_unit_test(after_a_gap_only_an_answer_to_a_question_of_afterwards_counts),
        cmocka_unit_test(nothing_is_asked_where_no_control_can_come),
        cmocka_unit_test(a_new_connection_owes_nothing_to_the_old_one),
        cmocka_unit_test(whatever_counts_as_fresh_is_younger_than_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
