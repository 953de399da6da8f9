/*
 * The file of the spool: opening, its versions, transactions, clocks and devices. What is done to
 * streams and groups is spool_table.c's; which thread, what is done together, and what happens
 * after a failure is spool.c's.
 *
 * A version is one step of `versions`; a file is brought from its own to the last. Steps are never
 * changed once released. Damaged is only what is proven to be: by SQLite (corrupt, or no database),
 * by its check, by the id of another program, or by tables that are not those of its version.
 */
#include "spool_db_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BOOT_MAX         64
#define CLOCK_STEP_US    1000000 /* a clock that differs less is not written anew */
#define CHECKS           3       /* that must fail */
#define FREE_PAGES_KEPT  64
#define FREE_PAGES_BATCH "64"
#define APPLICATION_ID   "1835234675" /* "mcus", from version VERSION_WITH_ID on */

static const char *const versions[] = {
    "CREATE TABLE clock(id INTEGER PRIMARY KEY, boot TEXT NOT NULL UNIQUE,"
    " unix_minus_us INTEGER NOT NULL);"
    "CREATE TABLE device(id BLOB PRIMARY KEY, epoch INTEGER NOT NULL, next INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE stream(id INTEGER PRIMARY KEY, credential BLOB NOT NULL, url TEXT NOT NULL,"
    " topic TEXT, seen INTEGER NOT NULL);"
    "CREATE TABLE reading_group(id INTEGER PRIMARY KEY, clock INTEGER NOT NULL,"
    " at_us INTEGER NOT NULL, count INTEGER NOT NULL, upto INTEGER NOT NULL DEFAULT 0,"
    " bytes BLOB NOT NULL);",
    "CREATE TABLE parked(id INTEGER PRIMARY KEY, parked_at TEXT NOT NULL, stream INTEGER NOT NULL,"
    " clock INTEGER NOT NULL, at_us INTEGER, sensor TEXT, kind TEXT, value REAL, epoch INTEGER,"
    " number INTEGER, place INTEGER, bytes BLOB);",
    "PRAGMA application_id=" APPLICATION_ID ";",
};
#define VERSION_LAST    ((int)(sizeof versions / sizeof versions[0]))
#define VERSION_WITH_ID 3

const char *spool_db_error(const struct spool_db *db)
{
    return sqlite3_errmsg(db->sql);
}

/* -- Opening. */

/* The file is ours alone from its first moment on. */
static int make_private(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -1;
    int result = fchmod(fd, 0600);
    close(fd);
    return result;
}

static bool ended_in_disorder(const char *path)
{
    char wal[4096];
    struct stat status;
    snprintf(wal, sizeof wal, "%s-wal", path);
    return stat(wal, &status) == 0 && status.st_size > 0;
}

static int set_up(struct spool_db *db)
{
    return sqlite3_exec(
        db->sql,
        "PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL;"
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "PRAGMA cache_size=-512; PRAGMA wal_autocheckpoint=512; PRAGMA journal_size_limit=8388608;"
        "PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF;",
        NULL, NULL, NULL);
}

static int on_check(void *user, int columns, char **values, char **names)
{
    (void)names;
    char *why = user;
    if (columns != 1 || values[0] == NULL || strcmp(values[0], "ok") == 0 || why[0] != '\0')
        return 0;
    const char *line = strrchr(values[0], '\n'); /* behind a heading */
    snprintf(why, 200, "%s", line == NULL ? values[0] : line + 1);
    return 0;
}

/* The check tells of a page that could not be read as of a broken one, but with a code. */
static enum spool_db_result verdict(const char *complaint)
{
    static const char before[] = "error code";
    const char *at = strstr(complaint, before);
    int code = at == NULL ? SQLITE_CORRUPT : (int)strtol(at + strlen(before) + 1, NULL, 10);
    return spool_sql_result(code) == SPOOL_DB_FAILED ? SPOOL_DB_FAILED : SPOOL_DB_DAMAGED;
}

static enum spool_db_result check_once(struct spool_db *db, char *why, size_t why_cap)
{
    char found[200] = "";
    int code = sqlite3_exec(db->sql, "PRAGMA quick_check(1)", on_check, found, NULL);
    if (code != SQLITE_OK)
        return spool_sql_result(code);
    if (found[0] == '\0')
        return SPOOL_DB_OK;
    snprintf(why, why_cap, "%s", found);
    return verdict(found);
}

/* Some complaints come of a read that failed and do not say so: those do not come again. */
static enum spool_db_result check(struct spool_db *db, char *why, size_t why_cap)
{
    enum spool_db_result result = SPOOL_DB_DAMAGED;
    for (int i = 0; i < CHECKS && result == SPOOL_DB_DAMAGED; i++) {
        why[0] = '\0';
        sqlite3_db_release_memory(db->sql);
        result = check_once(db, why, why_cap);
    }
    return result;
}

static int on_number(void *user, int columns, char **values, char **names)
{
    (void)names;
    *(int *)user = columns == 1 && values[0] != NULL ? (int)strtol(values[0], NULL, 10) : 0;
    return 0;
}

struct nature {
    int id, version;
    int tables; /* of any name */
    int ours;
};

static int find_nature(struct spool_db *db, struct nature *nature)
{
    static const char ours[] = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN"
                               " ('clock', 'device', 'stream', 'reading_group', 'parked')";
    int code = sqlite3_exec(db->sql, "PRAGMA application_id", on_number, &nature->id, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db->sql, "PRAGMA user_version", on_number, &nature->version, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db->sql, "SELECT count(*) FROM sqlite_master", on_number,
                            &nature->tables, NULL);
    return code == SQLITE_OK ? sqlite3_exec(db->sql, ours, on_number, &nature->ours, NULL) : code;
}

/* Is it a spool, and of a version that is known here? */
static enum spool_db_result judge(const struct nature *nature, char *why, size_t why_cap)
{
    static const int tables[] = {0, 4, 5, 5}; /* of each version */
    _Static_assert(sizeof tables / sizeof tables[0] == (size_t)VERSION_LAST + 1, "one missing");
    const int own = (int)strtol(APPLICATION_ID, NULL, 10);
    const int version = nature->version;
    bool foreign = nature->id != own && (nature->id != 0 || version == VERSION_WITH_ID);
    if (!foreign && (version > VERSION_LAST || version < 0)) {
        snprintf(why, why_cap, "it is of version %d, this mcu-bridge knows up to %d", version,
                 VERSION_LAST);
        return SPOOL_DB_NEWER;
    }
    if (!foreign && nature->ours == tables[version] && (version > 0 || nature->tables == 0))
        return SPOOL_DB_OK;
    snprintf(why, why_cap,
             foreign ? "it is the database of another program"
                     : "its tables are not those of a spool");
    return SPOOL_DB_DAMAGED;
}

static enum spool_db_result migrate(struct spool_db *db, int version)
{
    for (; version < VERSION_LAST; version++) {
        char done[64];
        snprintf(done, sizeof done, "PRAGMA user_version=%d; COMMIT", version + 1);
        int code = sqlite3_exec(db->sql, "BEGIN IMMEDIATE", NULL, NULL, NULL);
        if (code == SQLITE_OK)
            code = sqlite3_exec(db->sql, versions[version], NULL, NULL, NULL);
        if (code == SQLITE_OK)
            code = sqlite3_exec(db->sql, done, NULL, NULL, NULL);
        if (code != SQLITE_OK)
            return spool_sql_result(code);
    }
    return SPOOL_DB_OK;
}

static void read_boot(char *boot)
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    boot[0] = '\0';
    if (file == NULL || fgets(boot, BOOT_MAX, file) == NULL) {
        struct timespec now; /* then each start has a clock of its own */
        clock_gettime(CLOCK_REALTIME, &now);
        snprintf(boot, BOOT_MAX, "unknown-%lld-%ld", (long long)now.tv_sec, now.tv_nsec);
    }
    boot[strcspn(boot, "\n")] = '\0';
    if (file != NULL)
        fclose(file);
}

static enum spool_db_result find_clock(struct spool_db *db)
{
    char boot[BOOT_MAX];
    sqlite3_stmt *statement = NULL;
    read_boot(boot);
    int code = sqlite3_prepare_v2(db->sql,
                                  "INSERT INTO clock(boot, unix_minus_us) VALUES(?1, 0)"
                                  " ON CONFLICT(boot) DO UPDATE SET boot = boot"
                                  " RETURNING id, unix_minus_us",
                                  -1, &statement, NULL);
    if (code != SQLITE_OK)
        return spool_sql_result(code);
    spool_sql_text(statement, 1, boot);
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        db->clock = (uint32_t)spool_sql_column(statement, 0);
        db->unix_minus_us = sqlite3_column_int64(statement, 1);
        code = sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
    return spool_sql_result(code);
}

static enum spool_db_result prepare_file(struct spool_db *db, bool disorder, char *why,
                                         size_t why_cap)
{
    struct nature nature = {.id = 0};
    enum spool_db_result result = spool_sql_result(find_nature(db, &nature));
    if (result == SPOOL_DB_OK)
        result = judge(&nature, why, why_cap);
    if (result == SPOOL_DB_OK)
        result = spool_sql_result(set_up(db));
    if (result == SPOOL_DB_OK && disorder)
        result = check(db, why, why_cap);
    if (result == SPOOL_DB_OK)
        result = migrate(db, nature.version);
    if (result == SPOOL_DB_OK)
        result = find_clock(db);
    return result;
}

enum spool_db_result spool_db_open(struct spool_db **out, const char *path, const char *vfs,
                                   char *why, size_t why_cap)
{
    why[0] = '\0';
    if (make_private(path) != 0) {
        bool later = errno == ENOSPC || errno == EIO || errno == EDQUOT || errno == EMFILE;
        snprintf(why, why_cap, "%s", strerror(errno));
        return later ? SPOOL_DB_FAILED : SPOOL_DB_NEVER;
    }
    struct spool_db *db = calloc(1, sizeof *db);
    bool disorder = ended_in_disorder(path);
    enum spool_db_result result = SPOOL_DB_FAILED;
    if (db != NULL &&
        sqlite3_open_v2(path, &db->sql,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        vfs) == SQLITE_OK) {
        sqlite3_extended_result_codes(db->sql, 1);
        sqlite3_busy_timeout(db->sql, 2000);
        result = prepare_file(db, disorder, why, why_cap);
    }
    if (result == SPOOL_DB_OK) {
        *out = db;
        return result;
    }
    if (why[0] == '\0')
        snprintf(why, why_cap, "%s", db == NULL ? "out of memory" : sqlite3_errmsg(db->sql));
    spool_db_close(db);
    return result;
}

void spool_db_close(struct spool_db *db)
{
    if (db == NULL)
        return;
    for (int i = 0; i < SQL_STATEMENTS; i++)
        sqlite3_finalize(db->statements[i]);
    sqlite3_close(db->sql);
    free(db);
}

/* -- Transactions. */

enum spool_db_result spool_db_begin(struct spool_db *db)
{
    return spool_sql_run(db, spool_sql_take(db, SQL_BEGIN));
}

/* Gives pages that a backlog has left behind to the file system, a few at a time. */
static enum spool_db_result shrink(struct spool_db *db)
{
    uint64_t pages;
    if (db->commits++ % 16 != 0)
        return SPOOL_DB_OK;
    enum spool_db_result result = spool_sql_get(db, spool_sql_take(db, SQL_FREE_PAGES), &pages, 0);
    if (result == SPOOL_DB_OK && pages > FREE_PAGES_KEPT)
        result = spool_sql_result(sqlite3_exec(
            db->sql, "PRAGMA incremental_vacuum(" FREE_PAGES_BATCH ")", NULL, NULL, NULL));
    return result;
}

enum spool_db_result spool_db_commit(struct spool_db *db)
{
    enum spool_db_result result = shrink(db);
    return result == SPOOL_DB_OK ? spool_sql_run(db, spool_sql_take(db, SQL_COMMIT)) : result;
}

void spool_db_rollback(struct spool_db *db)
{
    if (!sqlite3_get_autocommit(db->sql))
        spool_sql_run(db, spool_sql_take(db, SQL_ROLLBACK));
}

void spool_db_reclaim(struct spool_db *db)
{
    sqlite3_wal_checkpoint_v2(db->sql, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

/* -- Clocks and devices. */

uint32_t spool_db_clock(const struct spool_db *db)
{
    return db->clock;
}

enum spool_db_result spool_db_note_clock(struct spool_db *db, int64_t unix_minus_us)
{
    int64_t change = unix_minus_us - db->unix_minus_us;
    if (change > -CLOCK_STEP_US && change < CLOCK_STEP_US)
        return SPOOL_DB_OK;
    sqlite3_stmt *statement = spool_sql_take(db, SQL_NOTE_CLOCK);
    spool_sql_whole(statement, 1, db->clock);
    sqlite3_bind_int64(statement, 2, unix_minus_us);
    enum spool_db_result result = spool_sql_run(db, statement);
    if (result == SPOOL_DB_OK)
        db->unix_minus_us = unix_minus_us;
    return result;
}

enum spool_db_result spool_db_each_clock(struct spool_db *db, void *user,
                                         void (*found)(void *user, uint32_t clock,
                                                       int64_t unix_minus_us))
{
    sqlite3_stmt *statement = NULL;
    int code =
        sqlite3_prepare_v2(db->sql, "SELECT id, unix_minus_us FROM clock", -1, &statement, NULL);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(statement);
        if (code == SQLITE_ROW)
            found(user, (uint32_t)spool_sql_column(statement, 0),
                  sqlite3_column_int64(statement, 1));
    }
    sqlite3_finalize(statement);
    return spool_sql_result(code);
}

enum spool_db_result spool_db_each_device(struct spool_db *db, void *user,
                                          void (*found)(void *user, const uint8_t *device,
                                                        uint8_t len, uint32_t epoch, uint32_t next))
{
    sqlite3_stmt *statement = NULL;
    int code =
        sqlite3_prepare_v2(db->sql, "SELECT id, epoch, next FROM device", -1, &statement, NULL);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(statement);
        int n = code == SQLITE_ROW ? sqlite3_column_bytes(statement, 0) : -1;
        if (n >= 0 && n <= SPOOL_DEVICE_MAX)
            found(user, sqlite3_column_blob(statement, 0), (uint8_t)n,
                  (uint32_t)spool_sql_column(statement, 1),
                  (uint32_t)spool_sql_column(statement, 2));
    }
    sqlite3_finalize(statement);
    return spool_sql_result(code);
}
