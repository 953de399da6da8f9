/*
 * The spool against the real SQLite: what is committed is there for the next one, and streams are
 * never mixed. Files that are damaged, full, newer or in use are spool_file_test.c's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "fault_vfs.h"
#include "spool_rig.h"

#include <stdio.h>
#include <string.h>

static void what_is_committed_is_there_for_the_next_one_in_order(void **state)
{
    (void)state;
    struct spool *spool = rig_open_spool();
    struct spool_stream *stream = rig_open_stream(spool, rig_key_a);
    uint32_t epoch, next;
    assert_int_equal(rig_told.bound, 1);
    assert_false(spool_device(spool, (const uint8_t *)"dev", 3, &epoch, &next));
    rig_add(stream, "one", 5);
    rig_add(stream, "two", 9);
    assert_int_equal(rig_told.committed, 0);
    spool_turn(spool);
    assert_int_equal(rig_told.committed, 2);
    spool_close(spool);

    spool = rig_open_spool();
    stream = rig_open_stream(spool, rig_key_a);
    assert_true(spool_device(spool, (const uint8_t *)"dev", 3, &epoch, &next));
    assert_int_equal(epoch, 7);
    assert_int_equal(next, 9);
    rig_load(spool, stream, 0);
    rig_assert_texts("one two");
    assert_true(rig_told.end);
    struct spool_stream_stats stats;
    spool_stream_stats(stream, &stats);
    assert_int_equal(stats.readings, 4);
    spool_close(spool);
}

static void what_is_delivered_does_not_come_back(void **state)
{
    (void)state;
    struct spool *spool = rig_open_spool();
    struct spool_stream *stream = rig_open_stream(spool, rig_key_a);
    struct spool_stream_stats stats;
    rig_add(stream, "one", 1);
    rig_add(stream, "two", 2);
    spool_turn(spool);
    rig_load(spool, stream, 0);
    spool_delivered(stream, rig_told.ids[0], 2, true);
    spool_delivered(stream, rig_told.ids[1], 1, false);
    assert_int_equal(rig_told.settled, 0);
    assert_true(spool_settle(stream));
    assert_false(spool_settle(stream));
    spool_turn(spool);
    assert_int_equal(rig_told.settled, 1);
    spool_stream_stats(stream, &stats);
    assert_int_equal(stats.readings, 1);
    spool_close(spool);

    spool = rig_open_spool();
    stream = rig_open_stream(spool, rig_key_a);
    rig_load(spool, stream, 0);
    rig_assert_texts("two");
    assert_int_equal(rig_told.upto[0], 1);
    spool_close(spool);
}

static void a_backlog_is_loaded_in_pieces(void **state)
{
    (void)state;
    struct spool *spool = rig_open_spool();
    struct spool_stream *stream = rig_open_stream(spool, rig_key_a);
    char big[SPOOL_LOAD_BYTES / 3 + 1];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    for (uint32_t i = 0; i < 7; i++)
        rig_add(stream, big, i);
    spool_turn(spool);
    rig_load(spool, stream, 0);
    assert_int_equal(rig_told.rows, 4);
    assert_false(rig_told.end);
    uint64_t after = rig_told.ids[3];
    rig_load(spool, stream, after);
    assert_int_equal(rig_told.rows, 3);
    assert_true(rig_told.ids[0] > after);
    assert_true(rig_told.end);
    spool_close(spool);
}

static void readings_of_one_controller_never_go_to_another(void **state)
{
    (void)state;
    struct spool *spool = rig_open_spool();
    struct spool_stream *stream = rig_open_stream(spool, rig_key_a);
    rig_bind_to(spool, stream, rig_key_a, "topic:3");
    rig_add(stream, "three", 1);
    spool_turn(spool);

    rig_bind_to(spool, stream, rig_key_a,
                "topic:7"); /* the same key stands for another controller now */
    rig_load(spool, stream, 0);
    rig_assert_texts("");
    rig_add(stream, "seven", 2);
    rig_bind_to(spool, stream, rig_key_b, ""); /* another key, and nobody knows for whom */
    rig_load(spool, stream, 0);
    rig_assert_texts("");
    rig_add(stream, "whose", 3);
    rig_bind_to(spool, stream, rig_key_b, "topic:9");
    rig_load(spool, stream, 0);
    rig_assert_texts("whose");
    rig_bind_to(spool, stream, rig_key_a, "topic:3");
    rig_load(spool, stream, 0);
    rig_assert_texts("three");
    struct spool_stats stats;
    spool_stats(spool, &stats);
    assert_int_equal(stats.readings, 2);
    assert_int_equal(stats.held_readings, 4);
    spool_close(spool);
}

static void a_new_key_for_the_same_controller_gets_its_backlog_first(void **state)
{
    (void)state;
    struct spool *spool = rig_open_spool();
    struct spool_stream *stream = rig_open_stream(spool, rig_key_a);
    rig_bind_to(spool, stream, rig_key_a, "topic:3");
    rig_add(stream, "old", 1);
    spool_turn(spool);
    spool_close(spool);

    spool = rig_open_spool();
    stream = rig_open_stream(spool, rig_key_b);
    rig_add(stream, "new", 2);
    spool_turn(spool);
    rig_load(spool, stream, 0);
    rig_assert_texts("new");
    unsigned changed = rig_told.changed;
    rig_bind_to(spool, stream, rig_key_b, "topic:3");
    assert_int_equal(rig_told.changed, changed + 1);
    rig_load(spool, stream, 0);
    rig_assert_texts("old new");
    spool_close(spool);
}

static void two_who_send_to_one_topic_have_two_streams(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) { /* and find them again */
        struct spool *spool = rig_open_spool();
        struct spool_stream *a = rig_open_stream(spool, rig_key_a),
                            *b = rig_open_stream(spool, rig_key_b);
        rig_bind_to(spool, a, rig_key_a, "room:lobby");
        rig_bind_to(spool, b, rig_key_b, "room:lobby");
        rig_add(a, round == 0 ? "a1" : "a2", 5);
        spool_turn(spool);
        rig_told.last_id = 0;
        rig_add(b, round == 0 ? "b1" : "b2", 9);
        spool_turn(spool);
        assert_int_equal(rig_told.committed, 2);
        rig_load(spool, a, 0);
        rig_assert_texts(round == 0 ? "a1" : "a1 a2");
        rig_load(spool, b, 0);
        rig_assert_texts(round == 0 ? "b1" : "b1 b2");
        spool_close(spool);
    }
    assert_int_equal(rig_files_like(".damaged*"), 0);
}

static void one_credential_of_two_has_two_streams_too(void **state)
{
    (void)state;
    struct spool *spool = rig_open_spool();
    struct spool_stream *a = rig_open_stream(spool, rig_key_a),
                        *b = rig_open_stream(spool, rig_key_a);
    rig_add(a, "a", 5);
    spool_turn(spool);
    rig_told.last_id = 0;
    rig_add(b, "b", 9);
    spool_turn(spool);
    assert_int_equal(rig_told.committed, 2);
    rig_load(spool, a, 0);
    rig_assert_texts("a");
    spool_close(spool);
    assert_int_equal(rig_files_like(".damaged*"), 0);
}

static void the_same_topic_of_another_server_is_another_controller(void **state)
{
    (void)state;
    struct spool *spool = rig_open_spool();
    struct spool_stream *stream = rig_open_stream(spool, rig_key_a);
    rig_bind_to(spool, stream, rig_key_a, "topic:3");
    rig_add(stream, "here", 1);
    spool_turn(spool);
    struct spool_stream *other =
        spool_stream_open(spool, rig_key_b, "ws://elsewhere/", &rig_events);
    spool_turn(spool);
    rig_bind_to(spool, other, rig_key_b, "topic:3");
    rig_load(spool, other, 0);
    rig_assert_texts("");
    spool_close(spool);
}

static void a_group_that_cannot_be_read_is_kept_in_parked(void **state)
{
    (void)state;
    struct spool *spool = rig_open_spool();
    struct spool_stream *stream = rig_open_stream(spool, rig_key_a);
    struct spool_stats stats;
    rig_add(stream, "junk", 1);
    spool_turn(spool);
    spool_damaged(stream, rig_told.last_id);
    spool_settle(stream);
    spool_turn(spool);
    rig_load(spool, stream, 0);
    rig_assert_texts("");
    spool_stats(spool, &stats);
    assert_int_equal(stats.parked, 1);
    assert_int_equal(stats.readings, 0);
    spool_close(spool);
}

static void what_is_too_old_is_given_up_only_when_asked_for(void **state)
{
    (void)state;
    struct spool *spool = rig_open_with(3600000);
    struct spool_stream *stream = rig_open_stream(spool, rig_key_a);
    struct spool_stats stats;
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    uint64_t fresh_us = (uint64_t)now.tv_sec * 1000000;
    /* Negative on a machine that has not run for two hours: as good as any long ago. */
    rig_add_at(stream, "old", 1, fresh_us - UINT64_C(7200000000));
    rig_add_at(stream, "fresh", 2, fresh_us);
    spool_turn(spool);
    rig_load(spool, stream, 0);
    rig_assert_texts("old fresh");
    spool_expire(stream, 0);
    spool_turn(spool);
    rig_load(spool, stream, 0);
    rig_assert_texts("fresh");
    spool_stats(spool, &stats);
    assert_int_equal(stats.expired, 2);
    spool_close(spool);
}

static void a_stream_may_go_while_it_is_waited_for(void **state)
{
    (void)state;
    struct spool *spool = rig_open_spool();
    struct spool_stream *stream = rig_open_stream(spool, rig_key_a);
    rig_add(stream, "one", 1);
    spool_stream_close(stream);
    spool_turn(spool);
    assert_int_equal(rig_told.committed, 0);
    uint32_t epoch, next;
    assert_true(spool_device(spool, (const uint8_t *)"dev", 3, &epoch, &next));
    assert_int_equal(next, 1);
    stream = rig_open_stream(spool, rig_key_a);
    rig_load(spool, stream, 0);
    rig_assert_texts("one");
    spool_close(spool);
}

/* With its thread, on a loop. */
static void on_loop_committed(void *user, uint64_t id, uint32_t clock)
{
    rig_events.committed(NULL, id, clock);
    uv_stop(user);
}

static void its_thread_tells_on_the_loop(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct spool *spool = NULL;
    char error[4400] = "";
    const struct spool_options options = {.loop = &loop, .path = rig_path};
    memset(&rig_told, 0, sizeof rig_told);
    assert_int_equal(spool_open(&spool, &options, error, sizeof error), 0);
    struct spool_events own = rig_events;
    own.user = &loop;
    own.committed = on_loop_committed;
    struct spool_stream *stream = spool_stream_open(spool, rig_key_a, URL, &own);
    rig_add(stream, "one", 1);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(rig_told.bound, 1);
    assert_int_equal(rig_told.committed, 1);
    rig_add(stream, "two", 2);
    spool_close(spool); /* what was asked for is still done */
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);

    spool = rig_open_spool();
    stream = rig_open_stream(spool, rig_key_a);
    rig_load(spool, stream, 0);
    rig_assert_texts("one two");
    spool_close(spool);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_committed_is_there_for_the_next_one_in_order),
        TEST(what_is_delivered_does_not_come_back),
        TEST(a_backlog_is_loaded_in_pieces),
        TEST(readings_of_one_controller_never_go_to_another),
        TEST(a_new_key_for_the_same_controller_gets_its_backlog_first),
        TEST(two_who_send_to_one_topic_have_two_streams),
        TEST(one_credential_of_two_has_two_streams_too),
        TEST(the_same_topic_of_another_server_is_another_controller),
        TEST(a_group_that_cannot_be_read_is_kept_in_parked),
        TEST(what_is_too_old_is_given_up_only_when_asked_for),
        TEST(a_stream_may_go_while_it_is_waited_for),
        TEST(its_thread_tells_on_the_loop),
    };
    log_open(LOG_ERROR, false);
    fault_vfs_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
