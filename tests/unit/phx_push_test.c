/* Pushes: held until the channel is joined, in binary, and each with one end. */
#include "phx_rig.h"

#include "phx_core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(text)            \
    (struct phx_text)          \
    {                          \
        text, sizeof(text) - 1 \
    }

static void answer_join(struct rig *rig, unsigned index)
{
    unsigned long long ref = rig->channels[index].channel->join_ref;
    char text[120];

    snprintf(text, sizeof text, "[\"%llu\",\"%llu\",\"%s\",\"phx_reply\"," OK "]", ref, ref,
             rig->channels[index].topic);
    rig_server(rig, text);
}

static void held_up(struct rig *rig, unsigned max_held)
{
    rig_up(rig, PHX_V2);
    rig->max_held = max_held;
    assert_int_equal(rig_join(rig, 0, "room:1"), PHX_OK);
    rig_forget(rig);
}

static void pushes_are_held_until_joined_and_leave_in_their_order(void **state)
{
    struct rig rig;

    (void)state;
    held_up(&rig, 8);
    assert_int_equal(rig_push(&rig, 0, "a", "{}", 1), PHX_OK);
    assert_int_equal(rig_push(&rig, 0, "b", "[1]", 0), PHX_OK);
    rig_expect(&rig, "");
    answer_join(&rig, 0);
    assert_int_equal(rig_push(&rig, 0, "c", "{}", 3), PHX_OK);
    rig_expect(&rig, "room:1: joined {}\n"
                     "> [\"1\",\"2\",\"room:1\",\"a\",{}]\n"
                     "> [\"1\",\"3\",\"room:1\",\"b\",[1]]\n"
                     "> [\"1\",\"4\",\"room:1\",\"c\",{}]\n");
    rig_server(&rig, "[\"1\",\"2\",\"room:1\",\"phx_reply\"," OK "]");
    rig_expect(&rig, "room:1: push 1 ok {}\n");
    rig_deinit(&rig);
}

static void held_pushes_outlive_connections_and_those_sent_are_lost(void **state)
{
    struct rig rig;

    (void)state;
    held_up(&rig, 8);
    answer_join(&rig, 0);
    rig_push(&rig, 0, "sent", "{}", 1);
    rig_forget(&rig);
    rig_close(&rig, 1012);
    assert_int_equal(rig_push(&rig, 0, "held", "{}", 2), PHX_OK);
    rig_expect(&rig, "room:1: push 1 lost\ndown closed in soon\n");
    rig_connect_again(&rig);
    rig_forget(&rig);
    answer_join(&rig, 0);
    rig_expect(&rig, "room:1: joined {}\n> [\"3\",\"4\",\"room:1\",\"held\",{}]\n");
    rig_deinit(&rig);
}

static void a_held_push_that_waits_too_long_times_out_and_is_never_sent(void **state)
{
    struct rig rig;

    (void)state;
    held_up(&rig, 8);
    rig_push(&rig, 0, "a", "{}", 1);
    rig_push(&rig, 0, "b", "{}", 0);
    rig_pass(&rig, 10000);
    answer_join(&rig, 0);
    rig_expect(&rig, "room:1: push 1 timeout\n"
                     "room:1: refused {\"reason\":\"timeout\"} in soon\n"
                     "room:1: joined {}\n"
                     "> [null,\"2\",\"phoenix\",\"heartbeat\",{}]\n");
    rig_deinit(&rig);
}

static void when_so_many_are_held_the_new_push_is_refused(void **state)
{
    struct rig rig;

    (void)state;
    held_up(&rig, 2);
    assert_int_equal(rig_push(&rig, 0, "a", "{}", 1), PHX_OK);
    assert_int_equal(rig_push(&rig, 0, "b", "{}", 0), PHX_OK);
    assert_int_equal(rig_push(&rig, 0, "c", "{}", 0), PHX_ERR_FULL);
    answer_join(&rig, 0);
    rig_expect(&rig, "room:1: joined {}\n"
                     "> [\"1\",\"2\",\"room:1\",\"a\",{}]\n> [\"1\",\"3\",\"room:1\",\"b\",{}]\n");
    rig_deinit(&rig);
}

static void what_is_held_counts_for_the_bytes_of_the_queue(void **state)
{
    static char payload[2000];
    struct rig rig;

    (void)state;
    memset(payload, '1', sizeof payload - 1);
    held_up(&rig, 100);
    assert_int_equal(rig_push(&rig, 0, "a", payload, 0), PHX_OK);
    assert_int_equal(rig_push(&rig, 0, "b", payload, 0), PHX_OK);
    assert_int_equal(rig_push(&rig, 0, "c", payload, 0), PHX_ERR_FULL);
    rig_pass(&rig, 10000);
    assert_int_equal(rig_push(&rig, 0, "c", payload, 0), PHX_OK);
    rig_deinit(&rig);
}

static void leaving_loses_what_is_held(void **state)
{
    struct rig rig;

    (void)state;
    held_up(&rig, 2);
    rig_push(&rig, 0, "a", "{}", 1);
    phx_machine_leave(rig.channels[0].channel, rig.now);
    rig_expect(&rig, "room:1: push 1 lost\n> [\"1\",\"2\",\"room:1\",\"phx_leave\",{}]\n");
    assert_int_equal(rig.machine->queue.promised, 0);
    rig_deinit(&rig);
}

static void held_pushes_are_checked_when_they_are_pushed(void **state)
{
    struct rig rig;

    (void)state;
    held_up(&rig, 8);
    assert_int_equal(rig_push(&rig, 0, "a", "{nan}", 1), PHX_ERR_BAD_JSON);
    assert_int_equal(rig_push(&rig, 0, "phx_join", "{}", 1), PHX_ERR_BAD_OPTION);
    rig_deinit(&rig);
}

static void a_reply_ends_one_push_and_tells_its_ref(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    rig_push(&rig, 0, "a", "{}", 1);
    rig_push(&rig, 0, "b", "{}", 2);
    rig_forget(&rig);
    rig_server(&rig, "[\"1\",\"3\",\"room:1\",\"phx_reply\"," OK "]");
    rig_server(&rig, "[\"1\",\"3\",\"room:1\",\"phx_reply\"," OK "]");
    rig_expect(&rig, "room:1: push 2 ok {}\n");
    assert_int_equal(rig.last_ref, 3);
    rig_deinit(&rig);
}

static void each_push_has_its_own_time_out(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    assert_int_equal(rig_push(&rig, 0, "slow", "{}", 1), PHX_OK);
    rig.timeout_ms = 200;
    assert_int_equal(rig_push(&rig, 0, "quick", "{}", 2), PHX_OK);
    rig_forget(&rig);
    rig_pass(&rig, 199);
    rig_expect(&rig, "");
    rig_pass(&rig, 1);
    rig_expect(&rig, "room:1: push 2 timeout\n");
    rig_pass(&rig, 9800);
    rig_expect(&rig, "room:1: push 1 timeout\n");
    rig_deinit(&rig);
}

/* ---- binary ---- */

static void a_binary_push_goes_out_as_v2_frames_it_and_any_reply_ends_it(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    assert_int_equal(rig_push_binary(&rig, 0, "bin", BYTES("\0\1\xff"), 1), PHX_OK);
    assert_int_equal(rig_push_binary(&rig, 0, "bin", BYTES(""), 2), PHX_OK);
    rig_expect(&rig, "> 00 01 01 06 03 31 32 72 6f 6f 6d 3a 31 62 69 6e 00 01 ff\n"
                     "> 00 01 01 06 03 31 33 72 6f 6f 6d 3a 31 62 69 6e\n");
    rig_server_binary(&rig,
                      "\1\1\1\6\2"
                      "12room:1ok\0\xff",
                      17);
    rig_server(&rig, "[\"1\",\"3\",\"room:1\",\"phx_reply\"," OK "]");
    rig_expect(&rig, "room:1: push 1 ok 00 ff\nroom:1: push 2 ok {}\n");
    rig_deinit(&rig);
}

static void a_json_push_may_have_a_binary_reply(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    rig_push(&rig, 0, "a", "{}", 1);
    rig_forget(&rig);
    rig_server_binary(&rig,
                      "\1\1\1\6\5"
                      "12room:1error\7",
                      19);
    rig_expect(&rig, "room:1: push 1 error 07\n");
    rig_deinit(&rig);
}

static void binary_pushes_and_broadcasts_of_the_server_arrive(void **state)
{
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    rig_server_binary(&rig,
                      "\0\1\6\3"
                      "1room:1bin\1\2",
                      16);
    rig_server_binary(&rig,
                      "\2\6\3"
                      "room:1bin\3",
                      13);
    rig_server_binary(&rig,
                      "\2\6\3"
                      "room:2bin\4",
                      13);
    rig_server_binary(&rig,
                      "\0\1\6\3"
                      "9room:1bin\5",
                      15);
    rig_expect(&rig, "room:1: bin 01 02\nroom:1: bin 03\nstray room:2 bin 04\n");
    rig_deinit(&rig);
}

static void a_binary_message_that_is_json_is_read_as_such(void **state)
{
    static const char text[] = "[null,null,\"room:1\",\"news\",{}]";
    struct rig rig;

    (void)state;
    rig_up_and_joined(&rig);
    rig_server_binary(&rig, text, sizeof text - 1);
    rig_expect(&rig, "room:1: news {}\n");
    rig_deinit(&rig);
}

static void what_binary_framing_cannot_carry_is_refused(void **state)
{
    char name[257];
    struct rig rig;

    (void)state;
    memset(name, 'e', sizeof name - 1);
    name[256] = '\0';
    rig_up_and_joined(&rig);
    assert_int_equal(rig_push_binary(&rig, 0, name, BYTES("x"), 1), PHX_ERR_BINARY);
    assert_int_equal(rig_push_binary(&rig, 0, name + 1, BYTES("x"), 1), PHX_OK);
    assert_int_equal(rig_push(&rig, 0, name, "{}", 2), PHX_OK);
    rig_deinit(&rig);
    rig_up(&rig, PHX_V1);
    rig_join(&rig, 0, "room:1");
    rig_server(&rig,
               "{\"topic\":\"room:1\",\"event\":\"phx_reply\",\"ref\":\"1\",\"payload\":" OK "}");
    assert_int_equal(rig_push_binary(&rig, 0, "e", BYTES("x"), 1), PHX_ERR_BINARY);
    rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pushes_are_held_until_joined_and_leave_in_their_order),
        cmocka_unit_test(held_pushes_outlive_connections_and_those_sent_are_lost),
        cmocka_unit_test(a_held_push_that_waits_too_long_times_out_and_is_never_sent),
        cmocka_unit_test(when_so_many_are_held_the_new_push_is_refused),
        cmocka_unit_test(what_is_held_counts_for_the_bytes_of_the_queue),
        cmocka_unit_test(leaving_loses_what_is_held),
        cmocka_unit_test(held_pushes_are_checked_when_they_are_pushed),
        cmocka_unit_test(a_reply_ends_one_push_and_tells_its_ref),
        cmocka_unit_test(each_push_has_its_own_time_out),
        cmocka_unit_test(a_binary_push_goes_out_as_v2_frames_it_and_any_reply_ends_it),
        cmocka_unit_test(a_json_push_may_have_a_binary_reply),
        cmocka_unit_test(binary_pushes_and_broadcasts_of_the_server_arrive),
        cmocka_unit_test(a_binary_message_that_is_json_is_read_as_such),
        cmocka_unit_test(what_binary_framing_cannot_carry_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
