/*
 * phx_machine_test.c - the rules of a Phoenix socket, one test a rule.
 */
#include "phx_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- heartbeat ---- */

static void a_heartbeat_goes_out_every_30_s(void **state)
{
    struct rig rig;

    (void)state;
    rig_up(&rig, PHX_V2);
    rig_pass(&rig, 29999);
    rig_expect(&rig, "");
    rig_pass(&rig, 1);
    rig_expect(&rig, "> [null,\"1\",\"phoenix\",\"heartbeat\",{}]\n");
    rig_pass(&rig, 5000);
    rig_server(&rig, "[null,\"1\",\"phoenix\",\"phx_reply\"," OK "]");
    rig_expect(&rig, "heartbeat\n");
    rig_pass(&rig, 24999);
    rig_expect(&rig, "");
    rig_pass(&rig, 1);
    rig_expect(&rig, "> [null,\"2\",\"phoenix\",\"heartbeat\",{}]\n");
    rig_deinit(&rig);
}

static void without_a_heartbeat_reply_the_connection_is_given_up(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    rig_push(&rig, 0, "slow", "{}", 0);
    rig_pass(&rig, 30000);
    rig_forget(&rig);
    rig_server(&rig, "[null,\"1\",\"phoenix\",\"phx_reply\"," OK "]");
    rig_server(&rig, "[null,3,\"phoenix\",\"phx_reply\"," OK "]");
    rig_pass(&rig, 9999);
    rig_expect(&rig, "");
    rig_pass(&rig, 1);
    rig_expect(&rig, "drop\ndown heartbeat in soon\n");
    rig_deinit(&rig);
}

static void a_heartbeat_overtakes_what_is_queued(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    rig_pass(&rig, 29999);
    rig_push(&rig, 0, "ping", "{}", 0);
    rig_pass(&rig, 1);
    rig_expect(&rig, "> [null,\"3\",\"phoenix\",\"heartbeat\",{}]\n"
                     "> [\"1\",\"2\",\"room:1\",\"ping\",{}]\n");
    rig_deinit(&rig);
}

static void a_connection_is_doubtful_when_the_heartbeat_is_overdue(void **state)
{
    struct rig rig;

    (void)state;
    rig_up(&rig, PHX_V2);
    rig_pass(&rig, 30000 + 3333);
    assert_false(phx_machine_is_doubtful(rig.machine, rig.now));
    rig_pass(&rig, 1);
    assert_true(phx_machine_is_doubtful(rig.machine, rig.now));
    rig_server(&rig, "[null,\"1\",\"phoenix\",\"phx_reply\"," OK "]");
    assert_false(phx_machine_is_doubtful(rig.machine, rig.now));
    assert_true(phx_machine_is_doubtful(rig.machine, rig.now + 60000));
    rig_deinit(&rig);
}

static void a_probe_sends_a_heartbeat_now_and_only_its_own_reply_counts(void **state)
{
    struct rig rig;

    (void)state;
    rig_up(&rig, PHX_V2);
    rig_pass(&rig, 30000);
    phx_machine_probe(rig.machine, rig.now);
    rig_expect(&rig, "> [null,\"2\",\"phoenix\",\"heartbeat\",{}]\n"
                     "> [null,\"1\",\"phoenix\",\"heartbeat\",{}]\n");
    rig_server(&rig, "[null,\"1\",\"phoenix\",\"phx_reply\"," OK "]");
    rig_expect(&rig, "");
    rig_server(&rig, "[null,\"2\",\"phoenix\",\"phx_reply\"," OK "]");
    rig_expect(&rig, "heartbeat\n");
    rig_close(&rig, 1000);
    phx_machine_probe(rig.machine, rig.now);
    rig_expect(&rig, "down closed in soon\n");
    rig_deinit(&rig);
}

static void probes_do_not_put_off_the_time_out(void **state)
{
    struct rig rig;

    (void)state;
    rig_up(&rig, PHX_V2);
    for (int i = 0; i < 3; i++) {
        phx_machine_probe(rig.machine, rig.now);
        rig_forget(&rig);
        rig_pass(&rig, 3300);
    }
    rig_expect(&rig, "");
    rig_pass(&rig, 100);
    rig_expect(&rig, "drop\ndown heartbeat in soon\n");
    rig_deinit(&rig);
}

static void a_reply_to_a_heartbeat_that_a_probe_overtook_shows_that_the_server_lives(void **state)
{
    struct rig rig;

    (void)state;
    rig_up(&rig, PHX_V2);
    phx_machine_probe(rig.machine, rig.now);
    rig_pass(&rig, 9000);
    phx_machine_probe(rig.machine, rig.now);
    rig_server(&rig, "[null,\"1\",\"phoenix\",\"phx_reply\"," OK "]");
    rig_server(&rig, "[null,\"1\",\"phoenix\",\"phx_reply\"," OK "]");
    rig_forget(&rig);
    rig_pass(&rig, 9999);
    rig_expect(&rig, "");
    rig_pass(&rig, 1);
    rig_expect(&rig, "drop\ndown heartbeat in soon\n");
    rig_deinit(&rig);
}

static void after_a_stall_of_ours_answers_are_read_before_anything_is_given_up(void **state)
{
    struct rig rig;

    (void)state;
    rig_up(&rig, PHX_V2);
    rig_pass(&rig, 30000);
    rig_forget(&rig);
    rig.now += 60000;
    phx_machine_tick(rig.machine, rig.now);
    rig_server(&rig, "[null,\"1\",\"phoenix\",\"phx_reply\"," OK "]");
    rig_expect(&rig, "heartbeat\n");
    rig_pass(&rig, 0);
    rig_expect(&rig, "> [null,\"2\",\"phoenix\",\"heartbeat\",{}]\n");
    rig_deinit(&rig);
}

/* ---- ends of connections ---- */

static void reconnects_after_every_end_that_was_not_asked_for(void **state)
{
    static const int codes[] = {0, 1000, 1001, 1002, 1011, 1012, 4000};
    struct rig rig;

    (void)state;
    rig_up(&rig, PHX_V2);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        rig_close(&rig, codes[i]);
        rig_expect(&rig, "down closed in soon\n");
        rig_pass(&rig, rig.last_wait_ms);
        phx_machine_opened(rig.machine, rig.now);
        rig_expect(&rig, "open\nconnected\n");
    }
    rig_deinit(&rig);
}

static void joins_again_after_a_reconnect_and_pushes_under_way_are_lost(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    rig_push(&rig, 0, "ping", "{}", 5);
    rig_forget(&rig);
    rig_close(&rig, 1012);
    rig_expect(&rig, "room:1: push 5 lost\ndown closed in soon\n");
    rig_pass(&rig, rig.last_wait_ms);
    phx_machine_opened(rig.machine, rig.now);
    rig_expect(&rig, "open\nconnected\n> [\"3\",\"3\",\"room:1\",\"phx_join\",{}]\n");
    rig_deinit(&rig);
}

static void waits_grow_from_1_to_60_s_and_start_over_after_a_stable_minute(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, PHX_V2);
    phx_machine_connect(rig.machine, rig.now);
    rig_pass(&rig, 0);
    for (unsigned i = 0; i < 12; i++) {
        uint32_t base = 1000u << (i < 6 ? i : 6);
        base = base > 60000 ? 60000 : base;
        rig_fail(&rig, PHX_CAUSE_SERVER, 502, 0);
        assert_in_range(rig.last_wait_ms, i == 0 ? 1000 : base * 2 / 3,
                        base * 4 / 3 > 60000 ? 60000 : base * 4 / 3);
        rig_pass(&rig, rig.last_wait_ms);
    }
    phx_machine_opened(rig.machine, rig.now);
    rig_close(&rig, 1000);
    assert_in_range(rig.last_wait_ms, 40000, 60000);
    rig_pass(&rig, rig.last_wait_ms);
    phx_machine_opened(rig.machine, rig.now);
    rig.now += 60000;
    rig_close(&rig, 1000);
    assert_in_range(rig.last_wait_ms, 1000, 1333);
    rig_deinit(&rig);
}

static void a_refusal_is_soon_asked_about_at_the_longest_intervals(void **state)
{
    static const struct {
        uint32_t least, most;
    } waits[] = {{1000, 1333}, {5333, 10667}, {40000, 60000}, {40000, 60000}};
    struct rig rig;

    (void)state;
    rig_init(&rig, PHX_V2);
    phx_machine_connect(rig.machine, rig.now);
    rig_pass(&rig, 0);
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        rig_fail(&rig, PHX_CAUSE_REFUSED, 403, 0);
        assert_in_range(rig.last_wait_ms, waits[i].least, waits[i].most);
        rig_pass(&rig, rig.last_wait_ms);
    }
    phx_machine_opened(rig.machine, rig.now);
    rig.now += 60000;
    rig_close(&rig, 1012);
    assert_in_range(rig.last_wait_ms, 1000, 1333);
    rig_deinit(&rig);
}

static void retry_after_is_honoured(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, PHX_V2);
    phx_machine_connect(rig.machine, rig.now);
    rig_pass(&rig, 0);
    rig_fail(&rig, PHX_CAUSE_LIMITED, 429, 7000);
    assert_in_range(rig.last_wait_ms, 7000, 8750);
    rig_pass(&rig, 6999);
    rig_expect(&rig, "open\ndown limited in soon\n");
    rig_pass(&rig, 1751);
    rig_expect(&rig, "open\n");
    rig_fail(&rig, PHX_CAUSE_LIMITED, 503, 4000000000u);
    assert_in_range(rig.last_wait_ms, 3600000, 4500000);
    rig_deinit(&rig);
}

static void an_attempt_without_an_answer_is_given_up_and_progress_buys_time(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, PHX_V2);
    phx_machine_connect(rig.machine, rig.now);
    rig_pass(&rig, 9000);
    phx_machine_progress(rig.machine, rig.now);
    rig_pass(&rig, 9999);
    rig_expect(&rig, "open\n");
    rig_pass(&rig, 1);
    rig_expect(&rig, "drop\ndown connect in soon\n");
    rig_deinit(&rig);
}

static void credentials_that_fail_are_asked_for_again(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, PHX_V2);
    rig.refuse_open = true;
    phx_machine_connect(rig.machine, rig.now);
    rig_pass(&rig, 0);
    rig_expect(&rig, "open\ndown credential in soon\n");
    rig.refuse_open = false;
    rig_pass(&rig, rig.last_wait_ms);
    rig_expect(&rig, "open\n");
    rig_deinit(&rig);
}

static void a_few_misshaped_messages_are_ignored_and_a_flood_ends_the_connection(void **state)
{
    struct rig rig;

    (void)state;
    rig_up(&rig, PHX_V2);
    for (int i = 0; i < PHX_MISSHAPED_MAX; i++)
        rig_server(&rig, "[\"1\",\"2\",3]");
    rig_expect(&rig, "");
    rig_server(&rig, "\xff");
    rig_expect(&rig, "drop\ndown protocol in soon\n");
    rig_deinit(&rig);
}

/* ---- disconnecting ---- */

static void disconnect_sends_what_is_queued_then_closes_with_1000(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    rig_push(&rig, 0, "last", "{}", 1);
    phx_machine_disconnect(rig.machine, 1000, rig.now);
    assert_int_equal(rig_push(&rig, 0, "later", "{}", 2), PHX_ERR_DISCONNECTED);
    rig_expect(&rig, "close 1000\n> [\"1\",\"2\",\"room:1\",\"last\",{}]\n");
    rig_close(&rig, 1000);
    rig_expect(&rig, "room:1: push 1 lost\ndown asked\n");
    rig_pass(&rig, 100000);
    rig_expect(&rig, "");
    rig_deinit(&rig);
}

static void disconnect_does_not_wait_longer_than_told(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    rig_push(&rig, 0, "last", "{}", 0);
    phx_machine_disconnect(rig.machine, 1000, rig.now);
    rig_pass(&rig, 1000);
    rig_expect(&rig, "close 1000\n");
    rig_pass(&rig, PHX_CLOSE_MS);
    rig_expect(&rig, "drop\ndown asked\n");
    rig_deinit(&rig);
}

static void the_last_message_has_the_whole_lingering_time_to_leave(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    rig_push(&rig, 0, "last", "{}", 0);
    phx_machine_disconnect(rig.machine, 9000, rig.now);
    rig_drain(&rig);
    rig_pass(&rig, 8999);
    rig_expect(&rig, "close 1000\n> [\"1\",\"2\",\"room:1\",\"last\",{}]\n");
    rig_pass(&rig, 1);
    rig_expect(&rig, "drop\ndown asked\n");
    rig_deinit(&rig);
}

static void disconnect_while_waiting_or_opening_is_told_later(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, PHX_V2);
    phx_machine_connect(rig.machine, rig.now);
    rig_pass(&rig, 0);
    phx_machine_disconnect(rig.machine, 1000, rig.now);
    rig_expect(&rig, "open\ndrop\n");
    rig_pass(&rig, 0);
    rig_expect(&rig, "down asked\n");
    phx_machine_connect(rig.machine, rig.now);
    phx_machine_disconnect(rig.machine, 0, rig.now);
    rig_pass(&rig, 0);
    rig_expect(&rig, "down asked\n");
    rig_deinit(&rig);
}

static void connect_while_closing_comes_up_again(void **state)
{
    struct rig rig;

    (void)state;
    rig_up(&rig, PHX_V2);
    phx_machine_disconnect(rig.machine, 0, rig.now);
    phx_machine_connect(rig.machine, rig.now);
    rig_close(&rig, 1000);
    rig_pass(&rig, 0);
    rig_expect(&rig, "close 1000\ndown asked in soon\nopen\n");
    rig_deinit(&rig);
}

static void a_channel_paused_while_lingering_does_not_keep_the_clock_busy(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    rig_push(&rig, 0, "last", "{}", 0);
    phx_machine_disconnect(rig.machine, 60000, rig.now);
    rig_server(&rig, "[\"1\",\"1\",\"room:1\",\"phx_error\",{}]");
    rig_pass(&rig, 20000);
    assert_true(phx_machine_deadline(rig.machine) > rig.now);
    rig_deinit(&rig);
}

/* ---- bounds ---- */

static void a_full_queue_refuses_pushes_but_not_joins_and_heartbeats(void **state)
{
    struct rig rig;
    int pushes = 0;

    (void)state;
    rig_up_and_joined(&rig);
    while (rig_push(&rig, 0, "ping", "{\"data\":\"0123456789012345678901234567890123456789\"}",
                    0) == PHX_OK)
        pushes++;
    assert_in_range(pushes, 10, 4096 / 40);
    assert_int_equal(rig_push(&rig, 0, "ping", "{\"data\":\"0123456789012345678901234567890\"}", 1),
                     PHX_ERR_FULL);
    assert_int_equal(rig_join(&rig, 1, "room:2"), PHX_OK);
    rig_forget(&rig);
    assert_int_equal(rig_push(&rig, 0, "ping", "{}", 0), PHX_OK);
    rig_deinit(&rig);
}

static void so_many_pushes_wait_for_replies_and_no_more(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    for (int i = 0; i < PHX_PUSHES_MAX; i++) {
        assert_int_equal(rig_push(&rig, 0, "ping", "{}", 1), PHX_OK);
        rig_forget(&rig);
    }
    assert_int_equal(rig_push(&rig, 0, "ping", "{}", 1), PHX_ERR_FULL);
    assert_int_equal(rig_push(&rig, 0, "ping", "{}", 0), PHX_OK);
    rig_server(&rig, "[\"1\",\"2\",\"room:1\",\"phx_reply\"," OK "]");
    assert_int_equal(rig_push(&rig, 0, "ping", "{}", 1), PHX_OK);
    rig_deinit(&rig);
}

/* ---- calls from inside events ---- */

static void leave_inside(struct rig *rig, const char *event)
{
    (void)event;
    rig->inside = NULL;
    phx_machine_leave(rig->channels[0].channel, rig->now);
}

static void a_channel_may_be_left_inside_any_of_its_events(void **state)
{
    static const char *const frames[] = {
        ("[\"1\",\"2\",\"room:1\",\"phx_reply\"," OK "]"),
        "[\"1\",\"1\",\"room:1\",\"phx_error\",{}]",
        "[null,null,\"room:1\",\"news\",{}]",
        ("[null,\"2\",\"room:1\",\"phx_reply\"," UNMATCHED "]"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        struct rig rig;
        rig_up_and_joined(&rig);
        rig_push(&rig, 0, "ping", "{}", 1);
        rig_push(&rig, 0, "ping", "{}", 2);
        rig.inside = leave_inside;
        rig_server(&rig, frames[i]);
        rig_pass(&rig, 20000);
        rig_forget(&rig);
        rig_server(&rig, "[null,null,\"room:1\",\"news\",{}]");
        rig_expect(&rig, "stray room:1 news {}\n");
        rig_deinit(&rig);
    }
}

static void push_inside(struct rig *rig, const char *event)
{
    if (strcmp(event, "push_end") == 0)
        assert_int_equal(rig_push(rig, 0, "again", "{}", 9), PHX_ERR_DISCONNECTED);
}

static void a_push_from_inside_a_lost_push_finds_no_connection(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    rig_push(&rig, 0, "ping", "{}", 1);
    rig_forget(&rig);
    rig.inside = push_inside;
    rig_close(&rig, 0);
    rig_expect(&rig, "room:1: push 1 lost\ndown closed in soon\n");
    rig_deinit(&rig);
}

static void mute_inside(struct rig *rig, const char *event)
{
    (void)event;
    rig->inside = NULL;
    phx_machine_mute(rig->machine);
}

static void a_muted_machine_says_nothing_more(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    rig_push(&rig, 0, "ping", "{}", 1);
    rig_push(&rig, 0, "ping", "{}", 2);
    rig_forget(&rig);
    rig.inside = mute_inside;
    rig_close(&rig, 0);
    rig_expect(&rig, "room:1: push 1 lost\n");
    rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_heartbeat_goes_out_every_30_s),
        cmocka_unit_test(without_a_heartbeat_reply_the_connection_is_given_up),
        cmocka_unit_test(a_heartbeat_overtakes_what_is_queued),
        cmocka_unit_test(a_connection_is_doubtful_when_the_heartbeat_is_overdue),
        cmocka_unit_test(a_probe_sends_a_heartbeat_now_and_only_its_own_reply_counts),
        cmocka_unit_test(probes_do_not_put_off_the_time_out),
        cmocka_unit_test(a_reply_to_a_heartbeat_that_a_probe_overtook_shows_that_the_server_lives),
        cmocka_unit_test(after_a_stall_of_ours_answers_are_read_before_anything_is_given_up),
        cmocka_unit_test(reconnects_after_every_end_that_was_not_asked_for),
        cmocka_unit_test(joins_again_after_a_reconnect_and_pushes_under_way_are_lost),
        cmocka_unit_test(waits_grow_from_1_to_60_s_and_start_over_after_a_stable_minute),
        cmocka_unit_test(a_refusal_is_soon_asked_about_at_the_longest_intervals),
        cmocka_unit_test(retry_after_is_honoured),
        cmocka_unit_test(an_attempt_without_an_answer_is_given_up_and_progress_buys_time),
        cmocka_unit_test(credentials_that_fail_are_asked_for_again),
        cmocka_unit_test(a_few_misshaped_messages_are_ignored_and_a_flood_ends_the_connection),
        cmocka_unit_test(disconnect_sends_what_is_queued_then_closes_with_1000),
        cmocka_unit_test(disconnect_does_not_wait_longer_than_told),
        cmocka_unit_test(the_last_message_has_the_whole_lingering_time_to_leave),
        cmocka_unit_test(disconnect_while_waiting_or_opening_is_told_later),
        cmocka_unit_test(connect_while_closing_comes_up_again),
        cmocka_unit_test(a_channel_paused_while_lingering_does_not_keep_the_clock_busy),
        cmocka_unit_test(a_full_queue_refuses_pushes_but_not_joins_and_heartbeats),
        cmocka_unit_test(so_many_pushes_wait_for_replies_and_no_more),
        cmocka_unit_test(a_channel_may_be_left_inside_any_of_its_events),
        cmocka_unit_test(a_push_from_inside_a_lost_push_finds_no_connection),
        cmocka_unit_test(a_muted_machine_says_nothing_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
