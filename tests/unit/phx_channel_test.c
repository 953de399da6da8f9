/*
 * phx_channel_test.c - the rules of a channel and its pushes, one test a rule.
 */
#include "phx_rig.h"

#include "phx_core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- frames sent ---- */

static void join_and_pushes_carry_the_same_string_join_ref(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    assert_int_equal(rig_push(&rig, 0, "ping", "{\"a\":1}", 1), PHX_OK);
    assert_int_equal(rig_push(&rig, 0, "ping", "[]", 0), PHX_OK);
    phx_machine_leave(rig.channels[0].channel, rig.now);
    rig_expect(&rig, "room:1: push 1 lost\n"
                     "> [\"1\",\"2\",\"room:1\",\"ping\",{\"a\":1}]\n"
                     "> [\"1\",\"3\",\"room:1\",\"ping\",[]]\n"
                     "> [\"1\",\"4\",\"room:1\",\"phx_leave\",{}]\n");
    rig_deinit(&rig);
}

static void v1_carries_the_join_ref_too(void **state)
{
    struct rig rig;

    (void)state;
    rig_up(&rig, PHX_V1);
    rig_join(&rig, 0, "room:1");
    rig_server(&rig,
               "{\"event\":\"phx_reply\",\"payload\":" OK ",\"ref\":\"1\",\"topic\":\"room:1\"}");
    rig_push(&rig, 0, "ping", "{}", 1);
    rig_expect(&rig, "room:1: joined {}\n"
                     "> {\"topic\":\"room:1\",\"event\":\"phx_join\",\"payload\":{},\"ref\":\"1\","
                     "\"join_ref\":\"1\"}\n"
                     "> {\"topic\":\"room:1\",\"event\":\"ping\",\"payload\":{},\"ref\":\"2\","
                     "\"join_ref\":\"1\"}\n");
    rig_deinit(&rig);
}

static void a_rejoin_has_a_new_join_ref(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    rig_server(&rig, "[\"1\",\"1\",\"room:1\",\"phx_error\",{}]");
    rig_expect(&rig, "room:1: crashed in soon\n");
    rig_pass(&rig, rig.last_wait_ms);
    rig_expect(&rig, "> [\"2\",\"2\",\"room:1\",\"phx_join\",{}]\n");
    rig_deinit(&rig);
}

static void what_is_not_json_is_never_sent(void **state)
{
    static const char *const bad[] = {
        "",           "{",           "NaN",      "{\"a\":nan}", "{\"a\":1e400}", "{}{}",
        "{\"a\":01}", "\"\\ud800\"", "\"\xff\"", "[1,]",        "Infinity"};
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(rig_push(&rig, 0, "ping", bad[i], 1), PHX_ERR_BAD_JSON);
    rig_expect(&rig, "");
    rig_deinit(&rig);
}

static void events_of_the_protocol_itself_cannot_be_pushed(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    assert_int_equal(rig_push(&rig, 0, "phx_close", "{}", 1), PHX_ERR_BAD_OPTION);
    assert_int_equal(rig_push(&rig, 0, "", "{}", 1), PHX_ERR_BAD_OPTION);
    assert_int_equal(rig_push(&rig, 0, "a\xff", "{}", 1), PHX_ERR_BAD_OPTION);
    rig_expect(&rig, "");
    rig_deinit(&rig);
}

/* ---- refs in replies ---- */

static void an_integer_ref_is_not_ours(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    rig_push(&rig, 0, "ping", "{}", 1);
    rig_forget(&rig);
    rig_server(&rig, "[\"1\",2,\"room:1\",\"phx_reply\"," OK "]");
    rig_server(&rig, "[\"1\",null,\"room:1\",\"phx_reply\"," OK "]");
    rig_server(&rig, "[\"1\",\"02\",\"room:1\",\"phx_reply\"," OK "]");
    rig_expect(&rig, "");
    rig_server(&rig, "[\"1\",\"2\",\"room:1\",\"phx_reply\"," OK "]");
    rig_expect(&rig, "room:1: push 1 ok {}\n");
    rig_deinit(&rig);
}

static void a_second_reply_to_a_push_is_ignored(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    rig_push(&rig, 0, "reply_twice", "{}", 7);
    rig_forget(&rig);
    rig_server(&rig, "[\"1\",\"2\",\"room:1\",\"phx_reply\"," OK "]");
    rig_server(&rig, "[\"1\",\"2\",\"room:1\",\"phx_reply\"," OK "]");
    rig_expect(&rig, "room:1: push 7 ok {}\n");
    rig_deinit(&rig);
}

static void replies_may_come_in_any_order(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    for (uintptr_t token = 1; token <= 3; token++)
        rig_push(&rig, 0, "slow", "{}", token);
    rig_forget(&rig);
    rig_server(&rig, "[\"1\",\"4\",\"room:1\",\"phx_reply\"," OK "]");
    rig_server(&rig, "[\"1\",\"2\",\"room:1\",\"phx_reply\","
                     "{\"status\":\"error\",\"response\":{\"reason\":\"no\"}}]");
    rig_server(&rig,
               "[\"1\",\"3\",\"room:1\",\"phx_reply\",{\"status\":\"weird\",\"response\":1}]");
    rig_expect(&rig, "room:1: push 3 ok {}\n"
                     "room:1: push 1 error {\"reason\":\"no\"}\n"
                     "room:1: push 2 weird 1\n");
    rig_deinit(&rig);
}

static void a_push_without_reply_times_out_and_a_late_reply_is_ignored(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    rig_push(&rig, 0, "slow", "{}", 1);
    rig_forget(&rig);
    rig_pass(&rig, 9999);
    rig_expect(&rig, "");
    rig_pass(&rig, 1);
    rig_expect(&rig, "room:1: push 1 timeout\n");
    rig_server(&rig, "[\"1\",\"2\",\"room:1\",\"phx_reply\"," OK "]");
    rig_expect(&rig, "");
    rig_deinit(&rig);
}

/* ---- joining ---- */

static void a_refused_join_is_tried_again_after_growing_pauses(void **state)
{
    struct rig rig;

    (void)state;
    rig_up(&rig, PHX_V2);
    rig_join(&rig, 0, "room:1");
    for (unsigned ref = 1; ref <= 4; ref++) {
        unsigned base = 1000u << (ref - 1);
        char reply[120];
        snprintf(reply, sizeof reply,
                 "[\"%u\",\"%u\",\"room:1\",\"phx_reply\",{\"status\":\"error\",\"response\":{}}]",
                 ref, ref);
        rig_server(&rig, reply);
        assert_in_range(rig.last_wait_ms, ref == 1 ? 1000 : base * 2 / 3,
                        ref == 4 ? 10000 : base * 4 / 3);
        rig_pass(&rig, rig.last_wait_ms);
        rig_drain(&rig);
    }
    rig_deinit(&rig);
}

static void an_unmatched_topic_reply_to_a_join_is_matched_by_ref(void **state)
{
    struct rig rig;

    (void)state;
    rig_up(&rig, PHX_V2);
    rig_join(&rig, 0, "nosuch:1");
    rig_server(&rig, "[null,\"1\",\"nosuch:1\",\"phx_reply\"," UNMATCHED "]");
    rig_expect(&rig, "nosuch:1: refused {\"reason\":\"unmatched topic\"} in soon\n"
                     "> [\"1\",\"1\",\"nosuch:1\",\"phx_join\",{}]\n");
    rig_deinit(&rig);
}

static void a_late_ok_to_a_join_still_counts(void **state)
{
    struct rig rig;

    (void)state;
    rig_up(&rig, PHX_V2);
    rig_join(&rig, 0, "room:1");
    rig_forget(&rig);
    rig_pass(&rig, 10000);
    rig_expect(&rig, "room:1: refused {\"reason\":\"timeout\"} in soon\n"
                     "> [null,\"2\",\"phoenix\",\"heartbeat\",{}]\n");
    rig_server(&rig, "[\"1\",\"1\",\"room:1\",\"phx_reply\"," OK "]");
    rig_expect(&rig, "room:1: joined {}\n");
    rig_pass(&rig, 10000);
    rig_expect(&rig, "");
    rig_deinit(&rig);
}

/* A second join would have the server close the first channel for the second. */
static void a_join_is_repeated_only_after_a_later_heartbeat_was_answered(void **state)
{
    struct rig rig;

    (void)state;
    rig_up(&rig, PHX_V2);
    rig_join(&rig, 0, "room:1");
    rig_forget(&rig);
    rig_pass(&rig, 25000);
    rig_expect(&rig, "room:1: refused {\"reason\":\"timeout\"} in soon\n"
                     "> [null,\"2\",\"phoenix\",\"heartbeat\",{}]\n");
    rig_server(&rig, "[null,\"2\",\"phoenix\",\"phx_reply\"," OK "]");
    rig_pass(&rig, 1);
    rig_expect(&rig, "heartbeat\n> [\"3\",\"3\",\"room:1\",\"phx_join\",{}]\n");
    rig_deinit(&rig);
}

static void a_heartbeat_that_overtook_the_join_says_nothing_about_it(void **state)
{
    struct rig rig;

    (void)state;
    rig_up(&rig, PHX_V2);
    rig_join(&rig, 0, "room:1");
    phx_machine_probe(rig.machine, rig.now);
    rig_expect(&rig, "> [null,\"2\",\"phoenix\",\"heartbeat\",{}]\n"
                     "> [\"1\",\"1\",\"room:1\",\"phx_join\",{}]\n");
    rig_pass(&rig, 9999);
    rig_server(&rig, "[null,\"2\",\"phoenix\",\"phx_reply\"," OK "]");
    rig_pass(&rig, 6000);
    rig_expect(&rig, "heartbeat\n"
                     "room:1: refused {\"reason\":\"timeout\"} in soon\n"
                     "> [null,\"3\",\"phoenix\",\"heartbeat\",{}]\n");
    rig_deinit(&rig);
}

static void a_late_refusal_lets_the_next_join_go(void **state)
{
    struct rig rig;

    (void)state;
    rig_up(&rig, PHX_V2);
    rig_join(&rig, 0, "room:1");
    rig_pass(&rig, 20000);
    rig_forget(&rig);
    rig_server(&rig,
               "[\"1\",\"1\",\"room:1\",\"phx_reply\",{\"status\":\"error\",\"response\":{}}]");
    rig_pass(&rig, 10000);
    rig_expect(&rig, "> [\"3\",\"3\",\"room:1\",\"phx_join\",{}]\n");
    rig_deinit(&rig);
}

/* A server whose join takes `ms` and which, as Phoenix does, answers nothing meanwhile. Returns the
 * attempts until it is joined, 0: never in so many. */
static unsigned attempts_to_join(uint64_t ms, unsigned most)
{
    struct rig rig;
    unsigned attempts = 1;

    rig_up(&rig, PHX_V2);
    rig_join(&rig, 0, "room:1");
    for (;; attempts++) {
        uint64_t began = rig.now;
        while (rig.is_open && rig.now < began + ms)
            rig_pass(&rig, 100);
        if (rig.is_open || attempts == most)
            break;
        rig_connect_again(&rig);
    }
    if (!rig.is_open) {
        attempts = 0;
    } else {
        char ok[100];
        snprintf(ok, sizeof ok, "[\"%llu\",\"%llu\",\"room:1\",\"phx_reply\"," OK "]",
                 (unsigned long long)rig.channels[0].channel->join_ref,
                 (unsigned long long)rig.channels[0].channel->join_ref);
        rig_server(&rig, ok);
        assert_true(phx_machine_is_joined(rig.channels[0].channel));
    }
    rig_deinit(&rig);
    return attempts;
}

static void a_join_slower_than_heartbeat_and_time_out_succeeds_in_the_end(void **state)
{
    (void)state;
    assert_int_equal(attempts_to_join(39000, 10), 1);
    assert_int_equal(attempts_to_join(45000, 10), 2);
    assert_int_equal(attempts_to_join(100000, 10), 5);
    assert_int_not_equal(attempts_to_join(500000, 20), 0);
}

static void while_a_join_is_unanswered_a_dead_connection_is_still_found(void **state)
{
    struct rig rig;

    (void)state;
    rig_up(&rig, PHX_V2);
    rig_join(&rig, 0, "room:1");
    for (int i = 0; i < 20; i++) {
        uint64_t began = rig.now;
        while (rig.is_open && rig.now - began < 41000 + PHX_PATIENCE_MAX_MS)
            rig_pass(&rig, 100);
        assert_false(rig.is_open);
        assert_true(i > 0 || rig.now - began <= 40000);
        rig_connect_again(&rig);
        rig_forget(&rig);
    }
    rig_deinit(&rig);
}

static void an_unmatched_topic_reply_to_a_push_leads_to_a_rejoin(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    rig_push(&rig, 0, "ping", "{}", 1);
    rig_push(&rig, 0, "ping", "{}", 2);
    rig_forget(&rig);
    rig_server(&rig, "[null,\"2\",\"room:1\",\"phx_reply\"," UNMATCHED "]");
    rig_expect(&rig, "room:1: push 1 error {\"reason\":\"unmatched topic\"}\n"
                     "room:1: push 2 lost\n"
                     "room:1: closed in soon\n");
    rig_pass(&rig, rig.last_wait_ms);
    rig_expect(&rig, "> [\"4\",\"4\",\"room:1\",\"phx_join\",{}]\n");
    rig_deinit(&rig);
}

static void a_push_nobody_waits_for_still_finds_out_that_the_topic_is_gone(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    rig_push(&rig, 0, "ping", "{}", 0);
    rig_forget(&rig);
    rig_server(&rig, "[null,\"2\",\"room:1\",\"phx_reply\"," UNMATCHED "]");
    rig_expect(&rig, "room:1: closed in soon\n");
    rig_deinit(&rig);
}

static void a_topic_is_joined_once(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    assert_int_equal(rig_join(&rig, 1, "room:1"), PHX_ERR_ALREADY_JOINED);
    assert_int_equal(rig_join(&rig, 1, ""), PHX_ERR_BAD_OPTION);
    assert_int_equal(rig_join(&rig, 1, "a\xff"), PHX_ERR_BAD_OPTION);
    assert_int_equal(rig_join(&rig, 1, "phoenix"), PHX_ERR_BAD_OPTION);
    rig_expect(&rig, "");
    rig_deinit(&rig);
}

static void pushing_needs_a_connection_and_a_joined_channel(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, PHX_V2);
    rig_join(&rig, 0, "room:1");
    assert_int_equal(rig_push(&rig, 0, "ping", "{}", 1), PHX_ERR_DISCONNECTED);
    rig_connect(&rig);
    assert_int_equal(rig_push(&rig, 0, "ping", "{}", 1), PHX_ERR_NOT_JOINED);
    rig_expect(&rig, "open\nconnected\n> [\"1\",\"1\",\"room:1\",\"phx_join\",{}]\n");
    rig_deinit(&rig);
}

/* ---- ends of channels ---- */

static void a_close_of_an_earlier_join_is_ignored(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    phx_machine_leave(rig.channels[0].channel, rig.now);
    rig_join(&rig, 0, "room:1");
    rig_server(&rig, "[\"3\",\"3\",\"room:1\",\"phx_reply\"," OK "]");
    rig_server(&rig, "[\"1\",\"1\",\"room:1\",\"phx_close\",{}]");
    rig_server(&rig, "[\"1\",\"1\",\"room:1\",\"phx_error\",{}]");
    rig_server(&rig, "[\"1\",null,\"room:1\",\"news\",{}]");
    rig_server(&rig, "{\"topic\":\"room:1\",\"event\":\"phx_close\",\"payload\":{},\"ref\":\"1\"}");
    rig_expect(&rig, "room:1: joined {}\n"
                     "> [\"1\",\"2\",\"room:1\",\"phx_leave\",{}]\n"
                     "> [\"3\",\"3\",\"room:1\",\"phx_join\",{}]\n");
    rig_server(&rig, "{\"topic\":\"room:1\",\"event\":\"phx_close\",\"payload\":{},\"ref\":\"3\"}");
    rig_expect(&rig, "room:1: closed in soon\n");
    rig_deinit(&rig);
}

static void a_channel_that_the_server_closed_is_joined_again(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    rig_server(&rig, "[\"1\",\"1\",\"room:1\",\"phx_close\",{}]");
    rig_pass(&rig, 2000);
    rig_expect(&rig, "room:1: closed in soon\n> [\"2\",\"2\",\"room:1\",\"phx_join\",{}]\n");
    rig_deinit(&rig);
}

static void a_channel_that_crashes_at_once_backs_off_and_one_that_held_does_not(void **state)
{
    struct rig rig;
    uint32_t first;

    (void)state;
    rig_up_and_joined(&rig);
    rig_server(&rig, "[\"1\",\"1\",\"room:1\",\"phx_error\",{}]");
    first = rig.last_wait_ms;
    rig_pass(&rig, first);
    rig_server(&rig, "[\"2\",\"2\",\"room:1\",\"phx_reply\"," OK "]");
    rig_server(&rig, "[\"2\",\"2\",\"room:1\",\"phx_error\",{}]");
    assert_in_range(rig.last_wait_ms, 1333, 2666);
    rig_pass(&rig, rig.last_wait_ms);
    rig_server(&rig, "[\"3\",\"3\",\"room:1\",\"phx_reply\"," OK "]");
    rig_pass(&rig, 10000);
    rig_server(&rig, "[\"3\",\"3\",\"room:1\",\"phx_error\",{}]");
    assert_in_range(rig.last_wait_ms, 1000, 1333);
    rig_deinit(&rig);
}

static void a_channel_that_answered_a_push_rejoins_as_after_a_first_crash(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    rig_server(&rig, "[\"1\",\"1\",\"room:1\",\"phx_error\",{}]");
    rig_pass(&rig, rig.last_wait_ms);
    rig_server(&rig, "[\"2\",\"2\",\"room:1\",\"phx_reply\"," OK "]");
    assert_int_equal(rig_push(&rig, 0, "ping", "{}", 1), PHX_OK);
    rig_server(&rig, "[\"2\",\"3\",\"room:1\",\"phx_reply\"," OK "]");
    rig_server(&rig, "[\"2\",\"2\",\"room:1\",\"phx_error\",{}]");
    assert_in_range(rig.last_wait_ms, 1000, 1333);
    rig_deinit(&rig);
}

static void messages_reach_only_their_joined_channel(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    rig_server(&rig, "[null,null,\"room:1\",\"shout\",{\"a\":1}]");
    rig_server(&rig, "[\"1\",null,\"room:1\",\"pu\\u0073h\",{\"a\":2}]");
    rig_server(&rig, "[\"9\",null,\"room:1\",\"stale\",{}]");
    rig_server(&rig, "[null,null,\"room:2\",\"shout\",{}]");
    rig_server(&rig, "[null,null,\"room:2\",\"phx_close\",{}]");
    rig_expect(&rig, "room:1: shout {\"a\":1}\n"
                     "room:1: push {\"a\":2}\n"
                     "stray room:2 shout {}\n");
    rig_deinit(&rig);
}

static void an_object_on_a_v2_socket_is_understood(void **state)
{
    struct rig rig;

    (void)state;
    rig_up(&rig, PHX_V2);
    rig_server(&rig,
               "{\"event\":\"metadata\",\"join_ref\":null,\"payload\":{\"controller_id\":3,"
               "\"location_id\":2,\"user_id\":1},\"ref\":null,\"topic\":\"microcontroller:3\"}");
    rig_expect(&rig, "stray microcontroller:3 metadata "
                     "{\"controller_id\":3,\"location_id\":2,\"user_id\":1}\n");
    rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(join_and_pushes_carry_the_same_string_join_ref),
        cmocka_unit_test(v1_carries_the_join_ref_too),
        cmocka_unit_test(a_rejoin_has_a_new_join_ref),
        cmocka_unit_test(what_is_not_json_is_never_sent),
        cmocka_unit_test(events_of_the_protocol_itself_cannot_be_pushed),
        cmocka_unit_test(an_integer_ref_is_not_ours),
        cmocka_unit_test(a_second_reply_to_a_push_is_ignored),
        cmocka_unit_test(replies_may_come_in_any_order),
        cmocka_unit_test(a_push_without_reply_times_out_and_a_late_reply_is_ignored),
        cmocka_unit_test(a_refused_join_is_tried_again_after_growing_pauses),
        cmocka_unit_test(an_unmatched_topic_reply_to_a_join_is_matched_by_ref),
        cmocka_unit_test(a_late_ok_to_a_join_still_counts),
        cmocka_unit_test(a_join_is_repeated_only_after_a_later_heartbeat_was_answered),
        cmocka_unit_test(a_heartbeat_that_overtook_the_join_says_nothing_about_it),
        cmocka_unit_test(a_late_refusal_lets_the_next_join_go),
        cmocka_unit_test(a_join_slower_than_heartbeat_and_time_out_succeeds_in_the_end),
        cmocka_unit_test(while_a_join_is_unanswered_a_dead_connection_is_still_found),
        cmocka_unit_test(an_unmatched_topic_reply_to_a_push_leads_to_a_rejoin),
        cmocka_unit_test(a_push_nobody_waits_for_still_finds_out_that_the_topic_is_gone),
        cmocka_unit_test(a_topic_is_joined_once),
        cmocka_unit_test(pushing_needs_a_connection_and_a_joined_channel),
        cmocka_unit_test(a_close_of_an_earlier_join_is_ignored),
        cmocka_unit_test(a_channel_that_the_server_closed_is_joined_again),
        cmocka_unit_test(a_channel_that_crashes_at_once_backs_off_and_one_that_held_does_not),
        cmocka_unit_test(a_channel_that_answered_a_push_rejoins_as_after_a_first_crash),
        cmocka_unit_test(messages_reach_only_their_joined_channel),
        cmocka_unit_test(an_object_on_a_v2_socket_is_understood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
