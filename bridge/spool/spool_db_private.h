/*
 * spool_db_private.h - the connection and its prepared statements, as spool_db.c (the file, its
 * versions, transactions), spool_sql.c (the statements) and spool_table.c (what is done to the
 * tables) share them. Nobody else includes it.
 */
#ifndef SPOOL_DB_PRIVATE_H
#define SPOOL_DB_PRIVATE_H

#include "spool_db.h"

#include <sqlite3.h>

enum statement {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_NOTE_CLOCK,
    SQL_FIND_BY_KEY,
    SQL_FIND_BY_TOPIC,
    SQL_NEW_STREAM,
    SQL_SEE_STREAM,
    SQL_IS_SEEN,
    SQL_TOPIC_OF,
    SQL_MOVE_GROUPS,
    SQL_DROP_STREAM,
    SQL_LAST_OF,
    SQL_SUM_OF,
    SQL_ADD_GROUP,
    SQL_MARK_DEVICE,
    SQL_SIZE_OF,
    SQL_DROP_GROUP,
    SQL_CUT_GROUP,
    SQL_PARK,
    SQL_PARK_GROUP,
    SQL_LOAD,
    SQL_OLDEST,
    SQL_FREE_PAGES,
    SQL_STATEMENTS
};

struct spool_db {
    sqlite3 *sql;
    sqlite3_stmt *statements[SQL_STATEMENTS];
    uint32_t clock;
    int64_t unix_minus_us; /* as written */
    unsigned commits;
};

enum spool_db_result spool_sql_result(int code);

/* The statement, ready for its parameters (from 1 on); NULL: spool_sql_step says why. What is bound
 * must hold until the end. */
sqlite3_stmt *spool_sql_take(struct spool_db *db, enum statement which);
void spool_sql_whole(sqlite3_stmt *statement, int at, uint64_t value);
void spool_sql_text(sqlite3_stmt *statement, int at, const char *text);
void spool_sql_bytes(sqlite3_stmt *statement, int at, const uint8_t *bytes, size_t n);
/* SQLITE_ROW, SQLITE_DONE, or an error. */
int spool_sql_step(struct spool_db *db, sqlite3_stmt *statement);
uint64_t spool_sql_column(sqlite3_stmt *statement, int column);
/* Ends the statement after a step that returned `code`. */
enum spool_db_result spool_sql_finish(sqlite3_stmt *statement, int code);
/* A statement without rows. */
enum spool_db_result spool_sql_run(struct spool_db *db, sqlite3_stmt *statement);
/* The first column of the first row; `otherwise` when there is none. */
enum spool_db_result spool_sql_get(struct spool_db *db, sqlite3_stmt *statement, uint64_t *value,
                                   uint64_t otherwise);

#endif
