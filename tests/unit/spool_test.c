/*
 * The spool against the real SQLite: what is committed is there for the next one, streams are never
 * mixed, and a file that is damaged, newer, older or in use.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fault_vfs.h"
#include "log.h"
#include "spool.h"

#include <fcntl.h>
#include <glob.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define URL "ws://server/socket/websocket"

static const uint8_t key_a[SPOOL_KEY_BYTES] = "aaaaaaa", key_b[SPOOL_KEY_BYTES] = "bbbbbbb";
static char folder[64], path[128];
static uint32_t failing; /* changes of files that fail from now on */

/* What the spool told. */
static struct {
    unsigned bound, changed, committed, settled, rows, loaded;
    bool end;
    uint64_t ids[64];
    char texts[64][32];
    uint32_t upto[64];
    uint64_t last_id;
} told;

static void on_bound(void *user, bool changed)
{
    (void)user;
    told.bound++;
    told.changed += changed ? 1 : 0;
}

static void on_committed(void *user, uint64_t id, uint32_t clock)
{
    (void)user;
    (void)clock;
    assert_true(id > told.last_id);
    told.last_id = id;
    told.committed++;
}

static void on_settled(void *user)
{
    (void)user;
    told.settled++;
}

static bool on_row(void *user, const struct spool_row *row)
{
    (void)user;
    assert_true(told.rows < 64);
    told.ids[told.rows] = row->id;
    told.upto[told.rows] = row->upto;
    snprintf(told.texts[told.rows++], 32, "%.*s", (int)row->len, (const char *)row->bytes);
    return true;
}

static void on_loaded(void *user, bool end)
{
    (void)user;
    told.loaded++;
    told.end = end;
}

static const struct spool_events events = {
    .bound = on_bound,
    .committed = on_committed,
    .settled = on_settled,
    .row = on_row,
    .loaded = on_loaded,
};

static bool fails(void *user)
{
    (void)user;
    return failing > 0 && failing-- > 0;
}

static struct spool *open_with(uint64_t max_age_ms)
{
    struct spool *spool = NULL;
    char error[4400] = "";
    const struct spool_options options = {.path = path, .vfs = "fault", .max_age_ms = max_age_ms};
    memset(&told, 0, sizeof told);
    if (spool_open(&spool, &options, error, sizeof error) != 0)
        fail_msg("%s", error);
    return spool;
}

static struct spool *open_spool(void)
{
    return open_with(0);
}

static struct spool_stream *open_stream(struct spool *spool, const uint8_t *key)
{
    struct spool_stream *stream = spool_stream_open(spool, key, URL, &events);
    assert_non_null(stream);
    spool_turn(spool);
    return stream;
}

static void bind_to(struct spool *spool, struct spool_stream *stream, const uint8_t *key,
                    const char *topic)
{
    assert_true(spool_bind(stream, key, topic));
    spool_turn(spool);
}

static void add_at(struct spool_stream *stream, const char *text, uint32_t next, uint64_t at_us)
{
    const struct spool_group group = {
        .device = (const uint8_t *)"dev",
        .device_len = 3,
        .epoch = 7,
        .following = next,
        .count = 2,
        .at_us = at_us,
        .bytes = (const uint8_t *)text,
        .len = strlen(text),
    };
    assert_true(spool_add(stream, &group));
}

static void add(struct spool_stream *stream, const char *text, uint32_t next)
{
    add_at(stream, text, next, 1);
}

static void load(struct spool *spool, struct spool_stream *stream, uint64_t after)
{
    told.rows = 0;
    assert_true(spool_load(stream, after));
    spool_turn(spool);
}

static void assert_texts(const char *expected)
{
    char all[256] = "";
    for (unsigned i = 0; i < told.rows; i++) {
        size_t n = strlen(all);
        snprintf(all + n, sizeof all - n, "%s%s", i > 0 ? " " : "", told.texts[i]);
    }
    assert_string_equal(all, expected);
}

static void what_is_committed_is_there_for_the_next_one_in_order(void **state)
{
    (void)state;
    struct spool *spool = open_spool();
    struct spool_stream *stream = open_stream(spool, key_a);
    uint32_t epoch, next;
    assert_int_equal(told.bound, 1);
    assert_false(spool_device(spool, (const uint8_t *)"dev", 3, &epoch, &next));
    add(stream, "one", 5);
    add(stream, "two", 9);
    assert_int_equal(told.committed, 0);
    spool_turn(spool);
    assert_int_equal(told.committed, 2);
    spool_close(spool);

    spool = open_spool();
    stream = open_stream(spool, key_a);
    assert_true(spool_device(spool, (const uint8_t *)"dev", 3, &epoch, &next));
    assert_int_equal(epoch, 7);
    assert_int_equal(next, 9);
    load(spool, stream, 0);
    assert_texts("one two");
    assert_true(told.end);
    struct spool_stream_stats stats;
    spool_stream_stats(stream, &stats);
    assert_int_equal(stats.readings, 4);
    spool_close(spool);
}

static void what_is_delivered_does_not_come_back(void **state)
{
    (void)state;
    struct spool *spool = open_spool();
    struct spool_stream *stream = open_stream(spool, key_a);
    struct spool_stream_stats stats;
    add(stream, "one", 1);
    add(stream, "two", 2);
    spool_turn(spool);
    load(spool, stream, 0);
    spool_delivered(stream, told.ids[0], 2, true);
    spool_delivered(stream, told.ids[1], 1, false);
    assert_int_equal(told.settled, 0);
    assert_true(spool_settle(stream));
    assert_false(spool_settle(stream));
    spool_turn(spool);
    assert_int_equal(told.settled, 1);
    spool_stream_stats(stream, &stats);
    assert_int_equal(stats.readings, 1);
    spool_close(spool);

    spool = open_spool();
    stream = open_stream(spool, key_a);
    load(spool, stream, 0);
    assert_texts("two");
    assert_int_equal(told.upto[0], 1);
    spool_close(spool);
}

static void a_backlog_is_loaded_in_pieces(void **state)
{
    (void)state;
    struct spool *spool = open_spool();
    struct spool_stream *stream = open_stream(spool, key_a);
    char big[SPOOL_LOAD_BYTES / 3 + 1];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    for (uint32_t i = 0; i < 7; i++)
        add(stream, big, i);
    spool_turn(spool);
    load(spool, stream, 0);
    assert_int_equal(told.rows, 4);
    assert_false(told.end);
    uint64_t after = told.ids[3];
    load(spool, stream, after);
    assert_int_equal(told.rows, 3);
    assert_true(told.ids[0] > after);
    assert_true(told.end);
    spool_close(spool);
}

static void readings_of_one_controller_never_go_to_another(void **state)
{
    (void)state;
    struct spool *spool = open_spool();
    struct spool_stream *stream = open_stream(spool, key_a);
    bind_to(spool, stream, key_a, "topic:3");
    add(stream, "three", 1);
    spool_turn(spool);

    bind_to(spool, stream, key_a, "topic:7"); /* the same key stands for another controller now */
    load(spool, stream, 0);
    assert_texts("");
    add(stream, "seven", 2);
    bind_to(spool, stream, key_b, ""); /* another key, and nobody knows for whom */
    load(spool, stream, 0);
    assert_texts("");
    add(stream, "whose", 3);
    bind_to(spool, stream, key_b, "topic:9");
    load(spool, stream, 0);
    assert_texts("whose");
    bind_to(spool, stream, key_a, "topic:3");
    load(spool, stream, 0);
    assert_texts("three");
    struct spool_stats stats;
    spool_stats(spool, &stats);
    assert_int_equal(stats.readings, 2);
    assert_int_equal(stats.held_readings, 4);
    spool_close(spool);
}

static void a_new_key_for_the_same_controller_gets_its_backlog_first(void **state)
{
    (void)state;
    struct spool *spool = open_spool();
    struct spool_stream *stream = open_stream(spool, key_a);
    bind_to(spool, stream, key_a, "topic:3");
    add(stream, "old", 1);
    spool_turn(spool);
    spool_close(spool);

    spool = open_spool();
    stream = open_stream(spool, key_b);
    add(stream, "new", 2);
    spool_turn(spool);
    load(spool, stream, 0);
    assert_texts("new");
    unsigned changed = told.changed;
    bind_to(spool, stream, key_b, "topic:3");
    assert_int_equal(told.changed, changed + 1);
    load(spool, stream, 0);
    assert_texts("old new");
    spool_close(spool);
}

static void the_same_topic_of_another_server_is_another_controller(void **state)
{
    (void)state;
    struct spool *spool = open_spool();
    struct spool_stream *stream = open_stream(spool, key_a);
    bind_to(spool, stream, key_a, "topic:3");
    add(stream, "here", 1);
    spool_turn(spool);
    struct spool_stream *other = spool_stream_open(spool, key_b, "ws://elsewhere/", &events);
    spool_turn(spool);
    bind_to(spool, other, key_b, "topic:3");
    load(spool, other, 0);
    assert_texts("");
    spool_close(spool);
}

static void a_full_disk_delays_and_what_frees_room_goes_first(void **state)
{
    (void)state;
    struct spool *spool = open_spool();
    struct spool_stream *stream = open_stream(spool, key_a);
    struct spool_stats stats;
    add(stream, "one", 1);
    spool_turn(spool);
    load(spool, stream, 0);
    fault_vfs.kind = FAULT_FULL;
    failing = 1;
    add(stream, "two", 2);
    spool_delivered(stream, told.ids[0], 2, true);
    spool_settle(stream);
    spool_turn(spool); /* the one fault hits both together, then the delivery alone works */
    assert_int_equal(told.committed, 1);
    assert_int_equal(told.settled, 1);
    spool_stats(spool, &stats);
    assert_true(stats.failing);
    assert_int_equal(stats.errors, 1);
    spool_turn(spool);
    assert_int_equal(told.committed, 2);
    spool_stats(spool, &stats);
    assert_false(stats.failing);
    load(spool, stream, 0);
    assert_texts("two");
    spool_close(spool);
}

static void a_disk_that_is_full_at_the_start_is_waited_for(void **state)
{
    (void)state;
    fault_vfs.kind = FAULT_FULL;
    failing = 30;
    struct spool *spool = open_spool();
    struct spool_stream *stream = spool_stream_open(spool, key_a, URL, &events);
    add(stream, "one", 1);
    for (int i = 0; i < 40 && told.committed == 0; i++)
        spool_turn(spool);
    assert_int_equal(told.committed, 1);
    spool_close(spool);
}

static unsigned files_like(const char *pattern)
{
    char text[200];
    glob_t found;
    snprintf(text, sizeof text, "%s%s", path, pattern);
    unsigned n = glob(text, 0, NULL, &found) == 0 ? (unsigned)found.gl_pathc : 0;
    globfree(&found);
    return n;
}

static void two_who_send_to_one_topic_have_two_streams(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) { /* and find them again */
        struct spool *spool = open_spool();
        struct spool_stream *a = open_stream(spool, key_a), *b = open_stream(spool, key_b);
        bind_to(spool, a, key_a, "room:lobby");
        bind_to(spool, b, key_b, "room:lobby");
        add(a, round == 0 ? "a1" : "a2", 5);
        spool_turn(spool);
        told.last_id = 0;
        add(b, round == 0 ? "b1" : "b2", 9);
        spool_turn(spool);
        assert_int_equal(told.committed, 2);
        load(spool, a, 0);
        assert_texts(round == 0 ? "a1" : "a1 a2");
        load(spool, b, 0);
        assert_texts(round == 0 ? "b1" : "b1 b2");
        spool_close(spool);
    }
    assert_int_equal(files_like(".damaged*"), 0);
}

static void one_credential_of_two_has_two_streams_too(void **state)
{
    (void)state;
    struct spool *spool = open_spool();
    struct spool_stream *a = open_stream(spool, key_a), *b = open_stream(spool, key_a);
    add(a, "a", 5);
    spool_turn(spool);
    told.last_id = 0;
    add(b, "b", 9);
    spool_turn(spool);
    assert_int_equal(told.committed, 2);
    load(spool, a, 0);
    assert_texts("a");
    spool_close(spool);
    assert_int_equal(files_like(".damaged*"), 0);
}

static void overwrite(off_t at, const char *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, n, at), n);
    close(fd);
}

static void a_file_that_is_no_database_is_set_aside(void **state)
{
    (void)state;
    overwrite(0, "this is no database, whatever its name says about it...........................",
              80);
    struct spool *spool = open_spool();
    struct spool_stream *stream = open_stream(spool, key_a);
    struct spool_stats stats;
    add(stream, "one", 1);
    spool_turn(spool);
    assert_int_equal(told.committed, 1);
    spool_stats(spool, &stats);
    assert_int_equal(stats.set_aside, 1);
    assert_int_equal(files_like(".damaged-*"), 1);
    spool_close(spool);
}

static void a_file_damaged_while_in_use_is_set_aside_and_all_goes_on(void **state)
{
    (void)state;
    static const char junk[65536] = {0x55};
    struct spool *spool = open_spool();
    struct spool_stream *stream = open_stream(spool, key_a);
    bind_to(spool, stream, key_a, "topic:3");
    for (uint32_t i = 0; i < 200; i++)
        add(stream, "a group that is long enough to fill a page with some of them", i);
    spool_turn(spool);
    spool_close(spool);
    overwrite(4096, junk, sizeof junk);

    spool = open_spool();
    stream = open_stream(spool, key_a);
    bind_to(spool, stream, key_a, "topic:3");
    add(stream, "after", 300);
    for (int i = 0; i < 5; i++)
        spool_turn(spool);
    assert_int_equal(files_like(".damaged-*"), 1);
    assert_int_equal(told.committed, 1);
    load(spool, stream, 0);
    assert_texts("after");
    spool_close(spool);

    spool = open_spool();
    stream = open_stream(spool, key_b);
    bind_to(spool, stream, key_b, "topic:3");
    load(spool, stream, 0);
    assert_texts("after");
    spool_close(spool);
}

static void run_sql(const char *sql)
{
    sqlite3 *db;
    char *error = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s: %s", sql, error);
    sqlite3_close(db);
}

static void a_file_of_a_newer_version_is_set_aside(void **state)
{
    (void)state;
    run_sql("PRAGMA user_version=99; CREATE TABLE future(x)");
    struct spool *spool = open_spool();
    open_stream(spool, key_a);
    assert_int_equal(files_like(".newer-*"), 1);
    spool_close(spool);
}

/* As the first version left it. */
static void a_file_of_the_first_version_is_brought_up_to_date(void **state)
{
    (void)state;
    run_sql("CREATE TABLE clock(id INTEGER PRIMARY KEY, boot TEXT NOT NULL UNIQUE,"
            " unix_minus_us INTEGER NOT NULL);"
            "CREATE TABLE device(id BLOB PRIMARY KEY, epoch INTEGER NOT NULL,"
            " next INTEGER NOT NULL) WITHOUT ROWID;"
            "CREATE TABLE stream(id INTEGER PRIMARY KEY, credential BLOB NOT NULL,"
            " url TEXT NOT NULL, topic TEXT, seen INTEGER NOT NULL);"
            "CREATE TABLE reading_group(id INTEGER PRIMARY KEY, clock INTEGER NOT NULL,"
            " at_us INTEGER NOT NULL, count INTEGER NOT NULL, upto INTEGER NOT NULL DEFAULT 0,"
            " bytes BLOB NOT NULL);"
            "INSERT INTO clock VALUES(1, 'an-earlier-boot', 1000000);"
            "INSERT INTO stream VALUES(1, x'6161616161616100', '" URL "', 'topic:3', 1);"
            "INSERT INTO reading_group VALUES((1 << 40) + 1, 1, 5, 2, 0, x'6f6c64');"
            "INSERT INTO device VALUES(x'646576', 7, 12);"
            "PRAGMA user_version=1;");
    struct spool *spool = open_spool();
    struct spool_stream *stream = open_stream(spool, key_a);
    load(spool, stream, 0);
    assert_texts("old");
    assert_int_equal(spool_unix_minus_clock_us(spool, 1), 1000000);
    assert_int_not_equal(spool_clock(spool), 1);
    const struct spool_parked parked = {.sensor = "bme280", .kind = "temperature", .value = 21.5};
    spool_park(stream, &parked);
    spool_settle(stream);
    spool_turn(spool);
    struct spool_stats stats;
    spool_stats(spool, &stats);
    assert_int_equal(stats.parked, 1);
    spool_close(spool);
}

static void a_group_that_cannot_be_read_is_kept_in_parked(void **state)
{
    (void)state;
    struct spool *spool = open_spool();
    struct spool_stream *stream = open_stream(spool, key_a);
    struct spool_stats stats;
    add(stream, "junk", 1);
    spool_turn(spool);
    spool_damaged(stream, told.last_id);
    spool_settle(stream);
    spool_turn(spool);
    load(spool, stream, 0);
    assert_texts("");
    spool_stats(spool, &stats);
    assert_int_equal(stats.parked, 1);
    assert_int_equal(stats.readings, 0);
    spool_close(spool);
}

static void what_is_too_old_is_given_up_only_when_asked_for(void **state)
{
    (void)state;
    struct spool *spool = open_with(3600000);
    struct spool_stream *stream = open_stream(spool, key_a);
    struct spool_stats stats;
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    uint64_t fresh_us = (uint64_t)now.tv_sec * 1000000;
    /* Negative on a machine that has not run for two hours: as good as any long ago. */
    add_at(stream, "old", 1, fresh_us - UINT64_C(7200000000));
    add_at(stream, "fresh", 2, fresh_us);
    spool_turn(spool);
    load(spool, stream, 0);
    assert_texts("old fresh");
    spool_expire(stream, 0);
    spool_turn(spool);
    load(spool, stream, 0);
    assert_texts("fresh");
    spool_stats(spool, &stats);
    assert_int_equal(stats.expired, 2);
    spool_close(spool);
}

static void a_second_process_is_refused_and_the_file_is_ours_alone(void **state)
{
    (void)state;
    struct spool *spool = open_spool(), *second = NULL;
    const struct spool_options options = {.path = path};
    char error[4400];
    struct stat status;
    assert_int_equal(spool_open(&second, &options, error, sizeof error), -1);
    assert_non_null(strstr(error, "in use by another mcu-bridge"));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    spool_close(spool);
}

static void a_folder_that_cannot_be_made_is_told(void **state)
{
    (void)state;
    struct spool *spool = NULL;
    const struct spool_options options = {.path = "/proc/nowhere/spool.db"};
    char error[4400];
    assert_int_equal(spool_open(&spool, &options, error, sizeof error), -1);
    assert_non_null(strstr(error, "spool: enabled: false"));
}

static void a_stream_may_go_while_it_is_waited_for(void **state)
{
    (void)state;
    struct spool *spool = open_spool();
    struct spool_stream *stream = open_stream(spool, key_a);
    add(stream, "one", 1);
    spool_stream_close(stream);
    spool_turn(spool);
    assert_int_equal(told.committed, 0);
    stream = open_stream(spool, key_a);
    load(spool, stream, 0);
    assert_texts("one");
    spool_close(spool);
}

/* With its thread, on a loop. */
static void on_loop_committed(void *user, uint64_t id, uint32_t clock)
{
    on_committed(NULL, id, clock);
    uv_stop(user);
}

static void its_thread_tells_on_the_loop(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct spool *spool = NULL;
    char error[4400] = "";
    const struct spool_options options = {.loop = &loop, .path = path};
    memset(&told, 0, sizeof told);
    assert_int_equal(spool_open(&spool, &options, error, sizeof error), 0);
    struct spool_events own = events;
    own.user = &loop;
    own.committed = on_loop_committed;
    struct spool_stream *stream = spool_stream_open(spool, key_a, URL, &own);
    add(stream, "one", 1);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(told.bound, 1);
    assert_int_equal(told.committed, 1);
    add(stream, "two", 2);
    spool_close(spool); /* what was asked for is still done */
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);

    spool = open_spool();
    stream = open_stream(spool, key_a);
    load(spool, stream, 0);
    assert_texts("one two");
    spool_close(spool);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/spool-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/state/spool.db", folder);
    char state_folder[80];
    snprintf(state_folder, sizeof state_folder, "%s/state", folder);
    mkdir(state_folder, 0700);
    fault_vfs = (struct fault_vfs){.fails = fails};
    failing = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char pattern[200];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/state/*", folder);
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            unlink(found.gl_pathv[i]);
    globfree(&found);
    snprintf(pattern, sizeof pattern, "%s/state", folder);
    rmdir(pattern);
    return rmdir(folder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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
        TEST(a_full_disk_delays_and_what_frees_room_goes_first),
        TEST(a_disk_that_is_full_at_the_start_is_waited_for),
        TEST(a_file_that_is_no_database_is_set_aside),
        TEST(a_file_damaged_while_in_use_is_set_aside_and_all_goes_on),
        TEST(a_file_of_a_newer_version_is_set_aside),
        TEST(a_file_of_the_first_version_is_brought_up_to_date),
        TEST(a_group_that_cannot_be_read_is_kept_in_parked),
        TEST(what_is_too_old_is_given_up_only_when_asked_for),
        TEST(a_second_process_is_refused_and_the_file_is_ours_alone),
        TEST(a_folder_that_cannot_be_made_is_told),
        TEST(a_stream_may_go_while_it_is_waited_for),
        TEST(its_thread_tells_on_the_loop),
    };
    log_open(LOG_ERROR, false);
    fault_vfs_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
