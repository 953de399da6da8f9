/*
 * The spool when its file is damaged, foreign, newer, older or in use, its disk full or failing,
 * and when SQLite refuses what this program asks for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "fault_vfs.h"
#include "spool/spool_request.h"
#include "spool_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void a_full_disk_delays_and_what_frees_room_goes_first(void **state)
{
    (void)state;
    struct spool *spool = rig_open_spool();
    struct spool_stream *stream = rig_open_stream(spool, rig_key_a);
    struct spool_stats stats;
    rig_add(stream, "one", 1);
    spool_turn(spool);
    rig_load(spool, stream, 0);
    fault_vfs.kind = FAULT_FULL;
    rig_failing = 1;
    rig_add(stream, "two", 2);
    spool_delivered(stream, rig_told.ids[0], 2, true);
    spool_settle(stream);
    spool_turn(spool); /* the one fault hits both together, then the delivery alone works */
    assert_int_equal(rig_told.committed, 1);
    assert_int_equal(rig_told.settled, 1);
    spool_stats(spool, &stats);
    assert_true(stats.failing);
    assert_int_equal(stats.errors, 1);
    spool_turn(spool);
    assert_int_equal(rig_told.committed, 2);
    spool_stats(spool, &stats);
    assert_false(stats.failing);
    rig_load(spool, stream, 0);
    rig_assert_texts("two");
    spool_close(spool);
}

static void a_disk_that_is_full_at_the_start_is_waited_for(void **state)
{
    (void)state;
    fault_vfs.kind = FAULT_FULL;
    rig_failing = 30;
    struct spool *spool = rig_open_spool();
    struct spool_stream *stream = spool_stream_open(spool, rig_key_a, URL, &rig_events);
    rig_add(stream, "one", 1);
    for (int i = 0; i < 40 && rig_told.committed == 0; i++)
        spool_turn(spool);
    assert_int_equal(rig_told.committed, 1);
    spool_close(spool);
}

static void what_is_held_is_known_also_when_the_disk_was_full_at_the_start(void **state)
{
    (void)state;
    struct spool *spool = rig_open_spool();
    struct spool_stats stats;
    rig_add(rig_open_stream(spool, rig_key_b), "somebody else's", 1);
    rig_add(rig_open_stream(spool, rig_key_a), "one", 1);
    spool_turn(spool);
    spool_close(spool);

    fault_vfs.kind = FAULT_FULL;
    rig_failing = 5;
    spool = rig_open_spool();
    struct spool_stream *stream = spool_stream_open(spool, rig_key_a, URL, &rig_events);
    for (int i = 0; i < 40 && rig_told.bound == 0; i++)
        spool_turn(spool);
    spool_stats(spool, &stats);
    assert_int_equal(stats.readings, 2);
    assert_int_equal(stats.held_readings, 2);
    rig_load(spool, stream, 0);
    spool_delivered(stream, rig_told.ids[0], 2, true);
    spool_settle(stream);
    spool_turn(spool);
    spool_stats(spool, &stats);
    assert_int_equal(stats.readings, 0);
    assert_int_equal(stats.held_readings, 2);
    spool_close(spool);
}

static void a_file_that_is_no_database_is_set_aside(void **state)
{
    (void)state;
    rig_overwrite(
        0, "this is no database, whatever its name says about it...........................", 80);
    struct spool *spool = rig_open_spool();
    struct spool_stream *stream = rig_open_stream(spool, rig_key_a);
    struct spool_stats stats;
    rig_add(stream, "one", 1);
    spool_turn(spool);
    assert_int_equal(rig_told.committed, 1);
    spool_stats(spool, &stats);
    assert_int_equal(stats.set_aside, 1);
    assert_int_equal(rig_files_like(".damaged-*"), 1);
    spool_close(spool);
}

static void a_file_damaged_while_in_use_is_set_aside_and_all_goes_on(void **state)
{
    (void)state;
    static const char junk[65536] = {0x55};
    struct spool *spool = rig_open_spool();
    struct spool_stream *stream = rig_open_stream(spool, rig_key_a);
    rig_bind_to(spool, stream, rig_key_a, "topic:3");
    for (uint32_t i = 0; i < 200; i++)
        rig_add(stream, "a group that is long enough to fill a page with some of them", i);
    spool_turn(spool);
    spool_close(spool);
    rig_overwrite(4096, junk, sizeof junk);

    spool = rig_open_spool();
    stream = rig_open_stream(spool, rig_key_a);
    rig_bind_to(spool, stream, rig_key_a, "topic:3");
    rig_add(stream, "after", 300);
    for (int i = 0; i < 5; i++)
        spool_turn(spool);
    assert_int_equal(rig_files_like(".damaged-*"), 1);
    assert_int_equal(rig_told.committed, 1);
    rig_load(spool, stream, 0);
    rig_assert_texts("after");
    spool_close(spool);

    spool = rig_open_spool();
    stream = rig_open_stream(spool, rig_key_b);
    rig_bind_to(spool, stream, rig_key_b, "topic:3");
    rig_load(spool, stream, 0);
    rig_assert_texts("after");
    spool_close(spool);
}

static void a_file_whose_marks_of_devices_cannot_be_read_is_set_aside_at_once(void **state)
{
    (void)state;
    static const char junk[4096] = {0x55};
    struct spool *spool = rig_open_spool();
    struct spool_stream *stream = rig_open_stream(spool, rig_key_a);
    uint32_t epoch, next;
    rig_add(stream, "one", 1);
    spool_turn(spool);
    spool_close(spool);
    rig_overwrite((off_t)(rig_root_page("device") - 1) * 4096, junk, sizeof junk);
    spool = rig_open_spool();
    rig_open_stream(spool, rig_key_a);
    spool_turn(spool);
    assert_int_equal(rig_files_like(".damaged-*"), 1);
    assert_int_equal(rig_told.bound, 1);
    assert_false(spool_device(spool, (const uint8_t *)"dev", 3, &epoch, &next));
    spool_close(spool);
}

static void a_file_of_a_newer_version_is_set_aside(void **state)
{
    (void)state;
    rig_run_sql("PRAGMA user_version=99; CREATE TABLE future(x)");
    struct spool *spool = rig_open_spool();
    rig_open_stream(spool, rig_key_a);
    assert_int_equal(rig_files_like(".newer-*"), 1);
    spool_close(spool);
}

/* As the first version left it. */
static void a_file_of_the_first_version_is_brought_up_to_date(void **state)
{
    (void)state;
    rig_run_sql("CREATE TABLE clock(id INTEGER PRIMARY KEY, boot TEXT NOT NULL UNIQUE,"
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
    struct spool *spool = rig_open_spool();
    struct spool_stream *stream = rig_open_stream(spool, rig_key_a);
    rig_load(spool, stream, 0);
    rig_assert_texts("old");
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

static void a_second_process_is_refused_and_the_file_is_ours_alone(void **state)
{
    (void)state;
    struct spool *spool = rig_open_spool(), *second = NULL;
    const struct spool_options options = {.path = rig_path};
    char error[4400];
    struct stat status;
    assert_int_equal(spool_open(&second, &options, error, sizeof error), -1);
    assert_non_null(strstr(error, "in use by another mcu-bridge"));
    assert_int_equal(stat(rig_path, &status), 0);
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
    assert_non_null(strstr(error, SPOOL_ADVICE));
}

static void what_only_frees_room_is_done_once_though_tried_twice(void **state)
{
    (void)state;
    struct spool *spool = rig_open_spool();
    struct spool_stream *stream = rig_open_stream(spool, rig_key_a);
    struct spool_stream_stats stats;
    const struct spool_parked parked = {.sensor = "bme280", .kind = "temperature", .value = 21.5};
    rig_add(stream, "one", 1);
    rig_add(stream, "two", 2);
    spool_turn(spool);
    rig_load(spool, stream, 0);
    fault_vfs.kind = FAULT_FULL;
    rig_failing = 1000;
    rig_add(stream, "three", 3);
    spool_turn(spool);
    rig_failing = 0;
    spool_delivered(stream, rig_told.ids[0], 2, true);
    spool_park(stream, &parked);
    spool_settle(stream);
    spool_turn(spool);
    assert_int_equal(rig_told.committed, 3);
    spool_stream_stats(stream, &stats);
    assert_int_equal(stats.readings, 4);
    spool_close(spool);

    struct spool_stats all;
    spool = rig_open_spool();
    spool_stats(spool, &all);
    assert_int_equal(all.parked, 1);
    spool_close(spool);
}

static uint64_t faulty(const struct spool *spool)
{
    struct spool_stats stats;
    spool_stats(spool, &stats);
    assert_false(stats.failing);
    return stats.faulty;
}

/* A group is stored, another one waits. */
static struct spool *open_and_fill_the_disk(struct spool_stream **stream)
{
    struct spool *spool = rig_open_spool();
    *stream = rig_open_stream(spool, rig_key_a);
    rig_bind_to(spool, *stream, rig_key_a, "topic:3");
    rig_add(*stream, "first", 1);
    spool_turn(spool);
    fault_vfs.kind = FAULT_FULL;
    rig_failing = 1;
    rig_add(*stream, "three", 2);
    return spool;
}

static void on_a_full_disk_what_waits_goes_to_no_other_controller(void **state)
{
    (void)state;
    struct spool_stream *stream;
    struct spool *spool = open_and_fill_the_disk(&stream);
    rig_bind_to(spool, stream, rig_key_a, "topic:7");
    spool_turn(spool);
    assert_int_equal(rig_told.committed, 2);
    rig_load(spool, stream, 0);
    rig_assert_texts("");
    rig_bind_to(spool, stream, rig_key_a, "topic:3");
    rig_load(spool, stream, 0);
    rig_assert_texts("first three");
    spool_close(spool);
}

/* Else a disk full of readings could not be emptied. */
static void on_a_full_disk_a_controller_that_stays_the_same_is_found(void **state)
{
    (void)state;
    struct spool_stream *stream;
    struct spool *spool = open_and_fill_the_disk(&stream);
    assert_true(spool_bind(stream, rig_key_a, "topic:3"));
    spool_turn(spool);
    assert_int_equal(rig_told.committed, 1);
    assert_int_equal(rig_told.bound, 3);
    rig_failing = 0;
    spool_close(spool);
}

/* Lanes ask every ten seconds, for as long as the disk is away. */
static void what_is_too_old_is_asked_for_once_at_a_time(void **state)
{
    (void)state;
    fault_vfs.kind = FAULT_FULL;
    rig_failing = 1000;
    struct spool *spool = rig_open_with(1);
    struct spool_stream *stream = rig_open_stream(spool, rig_key_a);
    for (unsigned i = 0; i < 10; i++) {
        spool_expire(stream, 0);
        spool_turn(spool);
    }
    assert_int_equal(stream->asked, 2); /* the other is the bind */
    rig_failing = 0;
    spool_turn(spool);
    assert_int_equal(stream->asked, 0);
    rig_add(stream, "two", 2);
    spool_turn(spool);
    spool_expire(stream, 0);
    spool_turn(spool);
    rig_load(spool, stream, 0);
    rig_assert_texts("");
    spool_close(spool);
}

/* Nobody was told that its last group is safe, so its board has that still. */
static void a_stream_that_goes_while_the_disk_is_full_is_not_in_its_heirs_way(void **state)
{
    (void)state;
    struct spool *spool = rig_open_spool();
    struct spool_stream *stream = rig_open_stream(spool, rig_key_a);
    uint32_t epoch, next;
    rig_add(stream, "first", 1);
    spool_turn(spool);
    fault_vfs.kind = FAULT_FULL;
    for (unsigned i = 0; i < 2; i++) { /* it goes before or after the disk is known to be full */
        rig_failing = 1000;
        if (i == 1)
            spool_turn(spool);
        rig_add(stream, "given up", 2);
        if (i == 1)
            spool_turn(spool);
        spool_stream_close(stream);
        stream = spool_stream_open(spool, rig_key_a, URL, &rig_events);
        spool_turn(spool);
        rig_failing = 0;
        rig_add(stream, "again", 2 + i);
        spool_turn(spool);
        assert_int_equal(rig_told.committed, 2 + i);
        assert_int_equal(faulty(spool), 0);
        assert_true(spool_device(spool, (const uint8_t *)"dev", 3, &epoch, &next));
        assert_int_equal(next, 2 + i);
    }
    rig_load(spool, stream, 0);
    rig_assert_texts("first again again");
    spool_close(spool);
}

static void assert_file_stays(const struct spool *spool)
{
    struct spool_stats stats;
    spool_stats(spool, &stats);
    assert_int_equal(stats.set_aside, 0);
    assert_int_equal(rig_files_like(".damaged*"), 0);
}

static void a_group_that_sqlite_refuses_keeps_the_file_and_only_its_stream_waits(void **state)
{
    (void)state;
    struct spool *spool = rig_open_spool();
    struct spool_stream *a = rig_open_stream(spool, rig_key_a);
    struct spool_stream *b = rig_open_stream(spool, rig_key_b);
    struct spool_stats stats;
    rig_add(a, "a1", 1);
    rig_add(b, "b1", 1);
    spool_turn(spool);
    rig_run_sql("INSERT INTO reading_group(id, clock, at_us, count, bytes)"
                " VALUES((1 << 40) + 2, 1, 1, 2, x'78')"); /* as if another stream had this id */
    for (unsigned i = 0; i < 3; i++) {
        rig_add(a, "a2", 2);
        rig_add(b, "b2", 2);
        spool_turn(spool);
        assert_int_equal(rig_told.committed, 3 + i);
        assert_int_equal(faulty(spool), 1);
        assert_file_stays(spool);
    }
    spool_stats(spool, &stats);
    assert_int_equal(stats.faults, 3);

    rig_run_sql("DELETE FROM reading_group WHERE id = (1 << 40) + 2");
    rig_told.last_id = 0;
    spool_turn(spool);
    assert_int_equal(rig_told.committed, 8);
    assert_int_equal(faulty(spool), 0);
    rig_load(spool, a, 0);
    rig_assert_texts("a1 a2 a2 a2");
    spool_close(spool);
}

static void a_table_that_is_gone_keeps_the_file(void **state)
{
    (void)state;
    struct spool *spool = rig_open_spool();
    struct spool_stream *a = rig_open_stream(spool, rig_key_a);
    struct spool_stream *b = rig_open_stream(spool, rig_key_b);
    const struct spool_parked parked = {.sensor = "bme280", .kind = "temperature", .value = 21.5};
    rig_run_sql("ALTER TABLE parked RENAME TO hidden");
    spool_park(a, &parked);
    spool_settle(a);
    rig_add(b, "b1", 1);
    spool_turn(spool);
    assert_int_equal(rig_told.settled, 0);
    assert_int_equal(rig_told.committed, 1);
    assert_int_equal(faulty(spool), 1);
    assert_file_stays(spool);
    rig_run_sql("ALTER TABLE hidden RENAME TO parked");
    spool_turn(spool);
    assert_int_equal(rig_told.settled, 1);
    assert_int_equal(faulty(spool), 0);
    spool_close(spool);
}

static void copy_file(const char *from_end, const char *to_end)
{
    char from[160], to[160], bytes[65536];
    snprintf(from, sizeof from, "%s%s", rig_path, from_end);
    snprintf(to, sizeof to, "%s%s", rig_path, to_end);
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(in >= 0 && out >= 0);
    for (ssize_t n; (n = read(in, bytes, sizeof bytes)) > 0;)
        assert_int_equal(write(out, bytes, (size_t)n), n);
    close(in);
    close(out);
}

/* Opens what was left in disorder; from the n-th on, `count` reads or changes fail. Returns whether
 * one did. */
static bool open_with_fault(enum fault_kind kind, uint32_t n, uint32_t count)
{
    copy_file(".copy", "");
    copy_file(".copy-wal", "-wal");
    fault_vfs.kind = kind;
    fault_vfs.failed = 0;
    rig_before = n;
    rig_failing = count;
    struct spool *spool = rig_open_spool();
    struct spool_stream *stream = spool_stream_open(spool, rig_key_a, URL, &rig_events);
    for (int i = 0; i < 5 && rig_told.bound == 0; i++)
        spool_turn(spool);
    assert_file_stays(spool);
    bool failed = fault_vfs.failed > 0;
    rig_failing = 0;
    rig_load(spool, stream, 0);
    rig_assert_texts("one two");
    spool_close(spool);
    return failed;
}

static void an_error_of_the_disk_while_opening_sets_nothing_aside(void **state)
{
    (void)state;
    static const enum fault_kind kinds[] = {FAULT_READ, FAULT_IOERR, FAULT_FULL, FAULT_SHORT};
    struct spool *spool = rig_open_spool();
    struct spool_stream *stream = rig_open_stream(spool, rig_key_a);
    rig_add(stream, "one", 1);
    rig_add(stream, "two", 2);
    spool_turn(spool);
    copy_file("", ".copy");
    copy_file("-wal", ".copy-wal");
    spool_close(spool);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        uint32_t n = 0;
        while (open_with_fault(kinds[i], n, 1) && open_with_fault(kinds[i], n, 2))
            n++;
        assert_true(n > 3);
    }
}

static void assert_set_aside_with(const char *sql)
{
    char aside[160];
    rig_run_sql(sql);
    struct spool *spool = rig_open_spool();
    struct spool_stream *stream = rig_open_stream(spool, rig_key_a);
    rig_add(stream, "one", 1);
    spool_turn(spool);
    assert_int_equal(rig_told.committed, 1);
    assert_int_equal(rig_files_like(".damaged-*"), 1);
    spool_close(spool);
    snprintf(aside, sizeof aside, "rm -f %s*", rig_path);
    assert_int_equal(system(aside), 0);
}

static void the_database_of_another_program_is_set_aside(void **state)
{
    (void)state;
    assert_set_aside_with("PRAGMA application_id=77; CREATE TABLE bookmarks(x)");
    assert_set_aside_with("CREATE TABLE stream(x)");
    assert_set_aside_with("CREATE TABLE stream(x); PRAGMA user_version=2");
    spool_close(rig_open_spool());
    assert_set_aside_with("PRAGMA application_id=0");
    spool_close(rig_open_spool());
    assert_set_aside_with("DROP TABLE parked");
}

static void so_many_files_are_set_aside_and_no_more(void **state)
{
    (void)state;
    static const char junk[] = "this is no database, and it is longer than the head of one would be"
                               " if it were, which it is not";
    char end[32];
    struct spool_stats stats;
    rig_overwrite(0, junk, sizeof junk);
    for (int i = 0; i < SPOOL_ASIDE_MAX; i++) {
        snprintf(end, sizeof end, i == 3 ? ".newer-%d" : ".damaged-%d", i);
        copy_file("", end);
    }
    copy_file("", ".damaged-1-wal");
    struct spool *spool = rig_open_spool();
    struct spool_stream *stream = rig_open_stream(spool, rig_key_a);
    rig_add(stream, "one", 1);
    for (int i = 0; i < 3; i++)
        spool_turn(spool);
    spool_stats(spool, &stats);
    assert_true(stats.failing);
    assert_int_equal(stats.set_aside, 0);
    assert_int_equal(rig_told.committed, 0);
    assert_int_equal(rig_files_like(".damaged-?") + rig_files_like(".newer-?"), SPOOL_ASIDE_MAX);
    snprintf(end, sizeof end, "%s", ".damaged-0");
    char name[160];
    snprintf(name, sizeof name, "%s%s", rig_path, end);
    assert_int_equal(unlink(name), 0);
    spool_turn(spool);
    spool_turn(spool);
    assert_int_equal(rig_told.committed, 1);
    spool_close(spool);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_full_disk_delays_and_what_frees_room_goes_first),
        TEST(a_disk_that_is_full_at_the_start_is_waited_for),
        TEST(what_is_held_is_known_also_when_the_disk_was_full_at_the_start),
        TEST(a_file_that_is_no_database_is_set_aside),
        TEST(a_file_damaged_while_in_use_is_set_aside_and_all_goes_on),
        TEST(a_file_whose_marks_of_devices_cannot_be_read_is_set_aside_at_once),
        TEST(a_file_of_a_newer_version_is_set_aside),
        TEST(a_file_of_the_first_version_is_brought_up_to_date),
        TEST(a_second_process_is_refused_and_the_file_is_ours_alone),
        TEST(a_folder_that_cannot_be_made_is_told),
        TEST(what_only_frees_room_is_done_once_though_tried_twice),
        TEST(on_a_full_disk_what_waits_goes_to_no_other_controller),
        TEST(on_a_full_disk_a_controller_that_stays_the_same_is_found),
        TEST(what_is_too_old_is_asked_for_once_at_a_time),
        TEST(a_stream_that_goes_while_the_disk_is_full_is_not_in_its_heirs_way),
        TEST(a_group_that_sqlite_refuses_keeps_the_file_and_only_its_stream_waits),
        TEST(a_table_that_is_gone_keeps_the_file),
        TEST(an_error_of_the_disk_while_opening_sets_nothing_aside),
        TEST(the_database_of_another_program_is_set_aside),
        TEST(so_many_files_are_set_aside_and_no_more),
    };
    log_open(LOG_ERROR, false);
    fault_vfs_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
