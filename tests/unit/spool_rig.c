/*
 * The rig of the tests of the spool; what it offers is in spool_rig.h.
 */
#include "spool_rig.h"

#include "fault_vfs.h"

#include <fcntl.h>
#include <glob.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const uint8_t rig_key_a[SPOOL_KEY_BYTES] = "aaaaaaa", rig_key_b[SPOOL_KEY_BYTES] = "bbbbbbb";
char rig_path[128];
uint32_t rig_failing, rig_before;
struct rig_told rig_told;
static char folder[64];

static void on_bound(void *user, bool changed)
{
    (void)user;
    rig_told.bound++;
    rig_told.changed += changed ? 1 : 0;
}

static void on_committed(void *user, uint64_t id, uint32_t clock)
{
    (void)user;
    (void)clock;
    assert_true(id > rig_told.last_id);
    rig_told.last_id = id;
    rig_told.committed++;
}

static void on_settled(void *user)
{
    (void)user;
    rig_told.settled++;
}

static bool on_row(void *user, const struct spool_row *row)
{
    (void)user;
    assert_true(rig_told.rows < RIG_ROWS_MAX);
    rig_told.ids[rig_told.rows] = row->id;
    rig_told.upto[rig_told.rows] = row->upto;
    snprintf(rig_told.texts[rig_told.rows++], 32, "%.*s", (int)row->len, (const char *)row->bytes);
    return true;
}

static void on_loaded(void *user, bool end)
{
    (void)user;
    rig_told.loaded++;
    rig_told.end = end;
}

const struct spool_events rig_events = {
    .bound = on_bound,
    .committed = on_committed,
    .settled = on_settled,
    .row = on_row,
    .loaded = on_loaded,
};

static bool fails(void *user)
{
    (void)user;
    if (rig_before > 0) {
        rig_before--;
        return false;
    }
    return rig_failing > 0 && rig_failing-- > 0;
}

struct spool *rig_open_with(uint64_t max_age_ms)
{
    struct spool *spool = NULL;
    char error[4400] = "";
    const struct spool_options options = {
        .path = rig_path, .vfs = "fault", .max_age_ms = max_age_ms};
    memset(&rig_told, 0, sizeof rig_told);
    if (spool_open(&spool, &options, error, sizeof error) != 0)
        fail_msg("%s", error);
    return spool;
}

struct spool *rig_open_spool(void)
{
    return rig_open_with(0);
}

struct spool_stream *rig_open_stream(struct spool *spool, const uint8_t *key)
{
    struct spool_stream *stream = spool_stream_open(spool, key, URL, &rig_events);
    assert_non_null(stream);
    spool_turn(spool);
    return stream;
}

void rig_bind_to(struct spool *spool, struct spool_stream *stream, const uint8_t *key,
                 const char *topic)
{
    assert_true(spool_bind(stream, key, topic));
    spool_turn(spool);
}

void rig_add_at(struct spool_stream *stream, const char *text, uint32_t next, uint64_t at_us)
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

void rig_add(struct spool_stream *stream, const char *text, uint32_t next)
{
    rig_add_at(stream, text, next, 1);
}

void rig_load(struct spool *spool, struct spool_stream *stream, uint64_t after)
{
    rig_told.rows = 0;
    assert_true(spool_load(stream, after));
    spool_turn(spool);
}

void rig_assert_texts(const char *expected)
{
    char all[256] = "";
    for (unsigned i = 0; i < rig_told.rows; i++) {
        size_t n = strlen(all);
        snprintf(all + n, sizeof all - n, "%s%s", i > 0 ? " " : "", rig_told.texts[i]);
    }
    assert_string_equal(all, expected);
}

unsigned rig_files_like(const char *pattern)
{
    char text[200];
    glob_t found;
    snprintf(text, sizeof text, "%s%s", rig_path, pattern);
    unsigned n = glob(text, 0, NULL, &found) == 0 ? (unsigned)found.gl_pathc : 0;
    globfree(&found);
    return n;
}

void rig_overwrite(off_t at, const char *bytes, size_t n)
{
    int fd = open(rig_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, n, at), n);
    close(fd);
}

void rig_run_sql(const char *sql)
{
    sqlite3 *db;
    char *error = NULL;
    assert_int_equal(sqlite3_open(rig_path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s: %s", sql, error);
    sqlite3_close(db);
}

unsigned rig_root_page(const char *table)
{
    sqlite3 *db;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open(rig_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT rootpage FROM sqlite_master WHERE name = ?1",
                                        -1, &statement, NULL),
                     SQLITE_OK);
    sqlite3_bind_text(statement, 1, table, -1, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    unsigned page = (unsigned)sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return page;
}

int rig_set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/spool-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(rig_path, sizeof rig_path, "%s/state/spool.db", folder);
    char state_folder[80];
    snprintf(state_folder, sizeof state_folder, "%s/state", folder);
    mkdir(state_folder, 0700);
    fault_vfs = (struct fault_vfs){.fails = fails};
    rig_before = rig_failing = 0;
    return 0;
}

int rig_tear_down(void **state)
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
