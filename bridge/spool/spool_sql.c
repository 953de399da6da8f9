/*
 * The statements of the spool, prepared once each. What they are for is spool_table.c's and
 * spool_db.c's.
 */
#include "spool_db_private.h"

/* Ids of a stream: more than ?1 << 40, less than (?1 + 1) << 40. */
static const char *const texts[SQL_STATEMENTS] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_NOTE_CLOCK] = "UPDATE clock SET unix_minus_us = ?2 WHERE id = ?1",
    [SQL_FIND_BY_KEY] = "SELECT id FROM stream WHERE credential = ?1 ORDER BY seen DESC",
    [SQL_FIND_BY_TOPIC] = "SELECT id FROM stream WHERE topic = ?1 AND (credential = ?2 OR url = ?3)"
                          " AND id <> ?4 ORDER BY seen DESC",
    [SQL_NEW_STREAM] = "INSERT INTO stream(id, credential, url, topic, seen)"
                       " VALUES(nullif(?1, 0), ?2, ?3, nullif(?4, ''),"
                       " (SELECT coalesce(max(seen), 0) + 1 FROM stream))",
    [SQL_SEE_STREAM] = "UPDATE stream SET credential = ?2, url = ?3,"
                       " topic = coalesce(nullif(?4, ''), topic),"
                       " seen = (SELECT max(seen) + 1 FROM stream) WHERE id = ?1",
    [SQL_IS_SEEN] = "SELECT 1 FROM stream WHERE id = ?1 AND credential = ?2 AND url = ?3"
                    " AND coalesce(topic, '') = ?4 AND seen ="
                    " (SELECT max(seen) FROM stream WHERE credential = ?2)",
    [SQL_TOPIC_OF] = "SELECT coalesce(topic, '') FROM stream WHERE id = ?1",
    [SQL_MOVE_GROUPS] = "UPDATE reading_group SET id = id - (?1 << 40) + ?2"
                        " WHERE id > (?1 << 40) AND id < ((?1 + 1) << 40)",
    [SQL_DROP_STREAM] = "DELETE FROM stream WHERE id = ?1",
    [SQL_LAST_OF] = "SELECT coalesce(max(id), ?1 << 40) - (?1 << 40) FROM reading_group"
                    " WHERE id > (?1 << 40) AND id < ((?1 + 1) << 40)",
    [SQL_SUM_OF] = "SELECT coalesce(sum(count - upto), 0), coalesce(sum(length(bytes) + 32), 0)"
                   " FROM reading_group WHERE id > (?1 << 40) AND id < ((?1 + 1) << 40)",
    [SQL_ADD_GROUP] = "INSERT INTO reading_group(id, clock, at_us, count, bytes)"
                      " VALUES(?1, ?2, ?3, ?4, ?5)",
    [SQL_MARK_DEVICE] = "INSERT INTO device(id, epoch, next) VALUES(?1, ?2, ?3)"
                        " ON CONFLICT(id) DO UPDATE SET epoch = ?2, next = ?3",
    [SQL_SIZE_OF] = "SELECT count, upto, length(bytes) FROM reading_group WHERE id = ?1",
    [SQL_DROP_GROUP] = "DELETE FROM reading_group WHERE id = ?1",
    [SQL_CUT_GROUP] = "UPDATE reading_group SET upto = ?2 WHERE id = ?1",
    [SQL_PARK] = "INSERT INTO parked(parked_at, stream, clock, at_us, sensor, kind, value, epoch,"
                 " number, place) VALUES(strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), ?1, ?2, ?3, ?4, ?5,"
                 " ?6, ?7, ?8, ?9)",
    [SQL_PARK_GROUP] =
        "INSERT INTO parked(parked_at, stream, clock, at_us, bytes)"
        " SELECT strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), id >> 40, clock, at_us, bytes"
        " FROM reading_group WHERE id = ?1",
    [SQL_LOAD] = "SELECT id, clock, upto, bytes FROM reading_group"
                 " WHERE id > ?1 AND id < ?2 ORDER BY id",
    [SQL_OLDEST] = "SELECT g.id, g.count - g.upto, length(g.bytes), g.at_us + c.unix_minus_us"
                   " FROM reading_group g JOIN clock c ON c.id = g.clock"
                   " WHERE g.id > ?1 AND g.id < ?2 ORDER BY g.id LIMIT 1",
    [SQL_FREE_PAGES] = "PRAGMA freelist_count",
};

enum spool_db_result spool_sql_result(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return SPOOL_DB_OK;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return SPOOL_DB_DAMAGED;
    case SQLITE_PERM:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
    case SQLITE_READONLY:
    case SQLITE_INTERRUPT:
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
        return SPOOL_DB_FAILED;
    default: /* a constraint, a statement that makes no sense, ...: says nothing of the file */
        return SPOOL_DB_FAULT;
    }
}

sqlite3_stmt *spool_sql_take(struct spool_db *db, enum statement which)
{
    sqlite3_stmt **statement = &db->statements[which];
    if (*statement == NULL)
        sqlite3_prepare_v3(db->sql, texts[which], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
    return *statement;
}

void spool_sql_whole(sqlite3_stmt *statement, int at, uint64_t value)
{
    sqlite3_bind_int64(statement, at, (sqlite3_int64)value);
}

void spool_sql_text(sqlite3_stmt *statement, int at, const char *text)
{
    sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

void spool_sql_bytes(sqlite3_stmt *statement, int at, const uint8_t *bytes, size_t n)
{
    sqlite3_bind_blob64(statement, at, bytes, n, SQLITE_STATIC);
}

uint64_t spool_sql_column(sqlite3_stmt *statement, int column)
{
    return (uint64_t)sqlite3_column_int64(statement, column);
}

int spool_sql_step(struct spool_db *db, sqlite3_stmt *statement)
{
    return statement == NULL ? sqlite3_errcode(db->sql) : sqlite3_step(statement);
}

enum spool_db_result spool_sql_finish(sqlite3_stmt *statement, int code)
{
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return spool_sql_result(code);
}

enum spool_db_result spool_sql_run(struct spool_db *db, sqlite3_stmt *statement)
{
    return spool_sql_finish(statement, spool_sql_step(db, statement));
}

enum spool_db_result spool_sql_get(struct spool_db *db, sqlite3_stmt *statement, uint64_t *value,
                                   uint64_t otherwise)
{
    int code = spool_sql_step(db, statement);
    *value = code == SQLITE_ROW ? spool_sql_column(statement, 0) : otherwise;
    return spool_sql_finish(statement, code);
}
