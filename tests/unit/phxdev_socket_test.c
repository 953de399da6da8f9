/* phx-dev's socket machine under a virtual clock: what is said, in which order, and when. */
#include "app_lab.h"
#include "socket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct bench {
    struct socket *socket;
    struct socket_faults faults;
    struct buf said; /* frames, one a line */
    int closed;      /* the code, 0 = open */
    bool cut;
};

static void on_send(void *ctx, bool binary, const char *text, size_t n)
{
    struct bench *b = ctx;
    assert_int_equal(b->closed, 0);
    for (size_t i = 0; binary && i < n; i++) {
        buf_printf(&b->said, "%02x", (unsigned char)text[i]);
    }
    buf_add(&b->said, text, binary ? 0 : n);
    buf_str(&b->said, "\n");
}

static void on_close(void *ctx, int code)
{
    struct bench *b = ctx;
    assert_int_equal(b->closed, 0);
    b->closed = code;
}

static void on_cut(void *ctx)
{
    struct bench *b = ctx;
    b->cut = true;
}

static size_t on_broadcast(void *ctx, const struct broadcast *what, const struct channel *except)
{
    struct bench *b = ctx;
    return socket_deliver(b->socket, what, except);
}

static struct bench *bench_open(enum vsn vsn, enum like like)
{
    struct bench *b = must_calloc(1, sizeof *b);
    struct socket_config config = {
        .io = {b, on_send, on_close, on_cut, on_broadcast},
        .vsn = vsn,
        .like = like,
        .apps = user_channel_apps,
        .faults = &b->faults,
        .info = slice_of("{}"),
    };
    b->socket = socket_open(&config);
    return b;
}

static void bench_close(struct bench *b)
{
    socket_free(b->socket);
    buf_deinit(&b->said);
    free(b);
}

/* Frames, one a line, that arrive together. */
static void hear(struct bench *b, const char *frames, int64_t now_ms)
{
    struct slice rest = slice_of(frames);
    while (rest.len > 0) {
        struct slice frame = slice_next(&rest, '\n');
        socket_on_text(b->socket, frame.data, frame.len, now_ms);
    }
    socket_run(b->socket, now_ms);
}

static void assert_said(struct bench *b, const char *expected)
{
    buf_add(&b->said, "", 0);
    assert_string_equal(b->said.data, expected);
    b->said.len = 0;
}

#define JOINED "[\"1\",\"1\",\"room:1\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]\n"
#define JOIN   "[\"1\",\"1\",\"room:1\",\"phx_join\",{}]"

static struct bench *joined_bench(enum like like)
{
    struct bench *b = bench_open(VSN_2, like);
    hear(b, JOIN, 0);
    assert_said(b, JOINED);
    return b;
}

static void socket_answers_before_its_channels(void **state)
{
    struct bench *b = bench_open(VSN_2, LIKE_18_BANDIT);
    (void)state;
    hear(b,
         JOIN
         "\n[\"1\",\"2\",\"room:1\",\"ping\",{\"n\":2}]\n[null,\"3\",\"phoenix\",\"heartbeat\",{}]",
         0);
    assert_said(
        b, JOINED
        "[null,\"3\",\"phoenix\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]\n"
        "[\"1\",\"2\",\"room:1\",\"phx_reply\",{\"response\":{\"n\":2},\"status\":\"ok\"}]\n");
    bench_close(b);
}

static void slow_join_holds_up_the_whole_socket(void **state)
{
    struct bench *b = bench_open(VSN_2, LIKE_18_BANDIT);
    (void)state;
    hear(b,
         "[\"1\",\"1\",\"slowjoin:1\",\"phx_join\",{\"ms\":300}]\n[null,\"2\",\"phoenix\","
         "\"heartbeat\",{}]",
         1000);
    assert_said(b, "");
    assert_int_equal(socket_deadline(b->socket), 1300);
    socket_run(b->socket, 1299);
    assert_said(b, "");
    socket_run(b->socket, 1300);
    assert_said(b, "[\"1\",\"1\",\"slowjoin:1\",\"phx_reply\",{\"response\":{\"slow\":true},"
                   "\"status\":\"ok\"}]\n"
                   "[null,\"2\",\"phoenix\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]\n");
    assert_int_equal(socket_deadline(b->socket), -1);
    bench_close(b);
}

static void slow_handler_holds_up_its_channel_only(void **state)
{
    struct bench *b = joined_bench(LIKE_18_BANDIT);
    (void)state;
    hear(b,
         "[\"1\",\"2\",\"room:1\",\"slow_block\",{\"ms\":50}]\n[\"1\",\"3\",\"room:1\",\"ping\",{}]"
         "\n"
         "[null,\"4\",\"phoenix\",\"heartbeat\",{}]",
         10);
    assert_said(b, "[null,\"4\",\"phoenix\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]\n");
    assert_int_equal(socket_deadline(b->socket), 60);
    socket_run(b->socket, 60);
    assert_said(
        b, "[\"1\",\"2\",\"room:1\",\"phx_reply\",{\"response\":{\"ms\":50},\"status\":\"ok\"}]\n"
           "[\"1\",\"3\",\"room:1\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]\n");
    bench_close(b);
}

static void late_reply_does_not_come_after_a_leave(void **state)
{
    struct bench *b = joined_bench(LIKE_18_BANDIT);
    (void)state;
    hear(b,
         "[\"1\",\"2\",\"room:1\",\"slow\",{\"ms\":50}]\n[\"1\",\"3\",\"room:1\",\"phx_leave\",{}]",
         0);
    assert_said(b, "[\"1\",\"3\",\"room:1\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]\n"
                   "[\"1\",\"1\",\"room:1\",\"phx_close\",{}]\n");
    socket_run(b->socket, 50);
    assert_said(b, "");
    bench_close(b);
}

static void join_of_a_joined_topic_replaces_the_channel(void **state)
{
    struct bench *b = joined_bench(LIKE_18_BANDIT);
    (void)state;
    hear(b, "[\"2\",\"2\",\"room:1\",\"phx_join\",{}]", 0);
    assert_said(b, "[\"2\",\"2\",\"room:1\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]\n"
                   "[\"1\",\"1\",\"room:1\",\"phx_close\",{}]\n");
    hear(b, "[\"1\",\"3\",\"room:1\",\"ping\",{}]", 0);
    assert_said(b, "");
    assert_int_equal(socket_channels(b->socket), 1);
    bench_close(b);
}

static void wrong_join_ref_is_dropped_by_1_8_and_answered_by_1_7(void **state)
{
    static const char PUSHES[] =
        "[2,\"2\",\"room:1\",\"ping\",{}]\n[\"1\",\"3\",\"room:1\",\"ping\",{}]";
    struct bench *b = joined_bench(LIKE_18_BANDIT);
    (void)state;
    hear(b, PUSHES, 0);
    assert_said(b, "[\"1\",\"3\",\"room:1\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]\n");
    bench_close(b);
    b = joined_bench(LIKE_17_COWBOY);
    hear(b, PUSHES, 0);
    assert_said(b, "[\"1\",\"2\",\"room:1\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]\n"
                   "[\"1\",\"3\",\"room:1\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]\n");
    bench_close(b);
}

static void unknown_event_crashes_the_channel(void **state)
{
    struct bench *b = joined_bench(LIKE_18_BANDIT);
    (void)state;
    hear(b, "[\"1\",\"2\",\"room:1\",\"nosuch\",{}]\n[\"1\",\"3\",\"room:1\",\"ping\",{}]", 0);
    assert_said(b, "[\"1\",\"1\",\"room:1\",\"phx_error\",{\"reason\":\"channel_crash\"}]\n");
    hear(b, "[\"1\",\"4\",\"room:1\",\"ping\",{}]", 0);
    assert_said(b, "[null,\"4\",\"room:1\",\"phx_reply\","
                   "{\"response\":{\"reason\":\"unmatched topic\"},\"status\":\"error\"}]\n");
    bench_close(b);
    b = joined_bench(LIKE_17_COWBOY);
    hear(b, "[\"1\",\"2\",\"room:1\",\"nosuch\",{}]", 0);
    assert_said(b, "[\"1\",\"1\",\"room:1\",\"phx_error\",{}]\n");
    bench_close(b);
}

static void misshaped_frames_close_with_1011(void **state)
{
    static const char *const V1[] = {"[]",
                                     "{}",
                                     "{\"topic\":\"a\",\"event\":\"b\",\"payload\":{}}",
                                     "{\"topic\":\"a\",\"event\":\"b\",\"ref\":1}",
                                     "{bad",
                                     "1"};
    static const char *const V2[] = {"{}", "[]", "[1,2,3,4]", "null", "[1,2,3,4,NaN]"};
    (void)state;
    for (size_t i = 0; i < sizeof V1 / sizeof *V1; i++) {
        struct bench *b = bench_open(VSN_1, LIKE_18_BANDIT);
        hear(b, V1[i], 0);
        assert_int_equal(b->closed, 1011);
        bench_close(b);
    }
    for (size_t i = 0; i < sizeof V2 / sizeof *V2; i++) {
        struct bench *b = bench_open(VSN_2, LIKE_18_BANDIT);
        hear(b, V2[i], 0);
        assert_int_equal(b->closed, 1011);
        hear(b, JOIN, 0); /* nothing is heard or said any more */
        assert_said(b, "");
        bench_close(b);
    }
}

static void v1_has_no_join_ref_in_what_it_says(void **state)
{
    struct bench *b = bench_open(VSN_1, LIKE_18_BANDIT);
    (void)state;
    hear(
        b,
        "{\"topic\":\"room:1\",\"event\":\"phx_join\",\"payload\":{},\"ref\":7,\"join_ref\":\"j\"}",
        0);
    assert_said(b, "{\"event\":\"phx_reply\",\"payload\":{\"response\":{},\"status\":\"ok\"},"
                   "\"ref\":7,\"topic\":\"room:1\"}\n");
    hear(b, "{\"topic\":\"room:1\",\"event\":\"stop\",\"payload\":{},\"ref\":8}", 0);
    assert_said(b, "{\"event\":\"phx_close\",\"payload\":{},\"ref\":\"j\",\"topic\":\"room:1\"}\n");
    bench_close(b);
}

static void binary_push_gets_a_binary_reply(void **state)
{
    /* push | join_ref "1" | ref "2" | topic "room:1" | event "bin" | data ff 00 */
    static const char PUSH[] = "\0\1\1\6\3"
                               "12room:1bin\xff";
    static const char REPLY[] = "01"       /* a reply */
                                "01010602" /* lengths of join_ref, ref, topic, status */
                                "31"       /* "1" */
                                "32"       /* "2" */
                                "726f6f6d3a31"
                                "6f6b" /* "ok" */
                                "ff00\n";
    struct bench *b = joined_bench(LIKE_18_BANDIT);
    (void)state;
    socket_on_binary(b->socket, PUSH, sizeof PUSH, 0);
    socket_run(b->socket, 0);
    assert_said(b, REPLY);
    bench_close(b);
}

static void every_cut_binary_push_closes_with_1011(void **state)
{
    static const char PUSH[] = "\0\1\1\6\3"
                               "12room:1bin";
    (void)state;
    for (size_t n = 0; n < sizeof PUSH - 1; n++) {
        struct bench *b = joined_bench(LIKE_18_BANDIT);
        char *exact = copy_bytes(PUSH, n);
        socket_on_binary(b->socket, exact, n, 0);
        assert_int_equal(b->closed, 1011);
        free(exact);
        bench_close(b);
    }
}

static void only_a_hundred_channels_may_be_joined(void **state)
{
    struct bench *b = bench_open(VSN_2, LIKE_18_BANDIT);
    (void)state;
    for (int i = 0; i <= SOCKET_MAX_CHANNELS; i++) {
        struct buf frame = {0};
        b->said.len = 0;
        buf_printf(&frame, "[\"1\",\"1\",\"room:%d\",\"phx_join\",{}]", i);
        hear(b, frame.data, 0);
        buf_deinit(&frame);
    }
    assert_int_equal(socket_channels(b->socket), SOCKET_MAX_CHANNELS);
    assert_non_null(strstr(b->said.data, "too many channels joined"));
    bench_close(b);
}

static void full_queue_closes_with_1011(void **state)
{
    struct bench *b = joined_bench(LIKE_18_BANDIT);
    (void)state;
    for (int i = 0; i <= SOCKET_MAX_WAITING && b->closed == 0; i++) {
        hear(b, "[\"1\",\"2\",\"room:1\",\"slow\",{\"ms\":60000}]", 0);
    }
    assert_int_equal(b->closed, 1011);
    assert_int_equal(socket_deadline(b->socket), -1);
    bench_close(b);
}

static void memory_of_what_waits_is_bounded(void **state)
{
    enum { VALUES = 900000, ENOUGH = 10 };
    struct bench *b = joined_bench(LIKE_18_BANDIT);
    struct buf frame = {0};
    (void)state;
    buf_str(&frame, "[\"1\",\"2\",\"room:1\",\"ping\",[0");
    for (int i = 0; i < VALUES; i++) {
        buf_str(&frame, ",0");
    }
    buf_str(&frame, "]]");
    hear(b, "[\"1\",\"2\",\"room:1\",\"slow_block\",{\"ms\":60000}]", 0);
    for (int i = 0; i < ENOUGH && b->closed == 0; i++) {
        hear(b, frame.data, 0);
    }
    assert_int_equal(b->closed, 1011);
    buf_deinit(&frame);
    bench_close(b);
}

static void held_heartbeats_are_not_answered(void **state)
{
    struct bench *b = joined_bench(LIKE_18_BANDIT);
    (void)state;
    b->faults.hold_heartbeat = true;
    hear(b, "[null,\"4\",\"phoenix\",\"heartbeat\",{}]", 0);
    assert_said(b, "");
    bench_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(socket_answers_before_its_channels),
        cmocka_unit_test(slow_join_holds_up_the_whole_socket),
        cmocka_unit_test(slow_handler_holds_up_its_channel_only),
        cmocka_unit_test(late_reply_does_not_come_after_a_leave),
        cmocka_unit_test(join_of_a_joined_topic_replaces_the_channel),
        cmocka_unit_test(wrong_join_ref_is_dropped_by_1_8_and_answered_by_1_7),
        cmocka_unit_test(unknown_event_crashes_the_channel),
        cmocka_unit_test(misshaped_frames_close_with_1011),
        cmocka_unit_test(v1_has_no_join_ref_in_what_it_says),
        cmocka_unit_test(binary_push_gets_a_binary_reply),
        cmocka_unit_test(every_cut_binary_push_closes_with_1011),
        cmocka_unit_test(only_a_hundred_channels_may_be_joined),
        cmocka_unit_test(full_queue_closes_with_1011),
        cmocka_unit_test(memory_of_what_waits_is_bounded),
        cmocka_unit_test(held_heartbeats_are_not_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
