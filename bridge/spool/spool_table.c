/*
 * Streams, groups and what is parked: what is done to the tables. Each function is a part of a
 * transaction that its caller begins and ends.
 */
#include "spool_db_private.h"

#include <stdio.h>
#include <string.h>

#define ROW_BYTES 32 /* of a row beside its blob */

/* -- Streams. */

/* The first that is found and that nobody else uses; 0: none. */
static enum spool_db_result first_free(struct spool_db *db, sqlite3_stmt *statement,
                                       const struct spool_db_who *who, uint64_t *id)
{
    int code;
    *id = 0;
    while (*id == 0 && (code = spool_sql_step(db, statement)) == SQLITE_ROW) {
        uint64_t found = spool_sql_column(statement, 0);
        if (who->taken == NULL || !who->taken(who->user, found))
            *id = found;
    }
    return spool_sql_finish(statement, *id != 0 ? SQLITE_ROW : code);
}

static enum spool_db_result find_by_key(struct spool_db *db, const struct spool_db_who *who,
                                        uint64_t *id)
{
    sqlite3_stmt *statement = spool_sql_take(db, SQL_FIND_BY_KEY);
    spool_sql_bytes(statement, 1, who->key, SPOOL_KEY_BYTES);
    return first_free(db, statement, who, id);
}

static enum spool_db_result find_by_topic(struct spool_db *db, const struct spool_db_who *who,
                                          uint64_t but, uint64_t *id)
{
    sqlite3_stmt *statement = spool_sql_take(db, SQL_FIND_BY_TOPIC);
    spool_sql_text(statement, 1, who->topic);
    spool_sql_bytes(statement, 2, who->key, SPOOL_KEY_BYTES);
    spool_sql_text(statement, 3, who->url);
    spool_sql_whole(statement, 4, but);
    return first_free(db, statement, who, id);
}

static enum spool_db_result put_stream(struct spool_db *db, enum statement which, uint64_t id,
                                       const struct spool_db_who *who)
{
    sqlite3_stmt *statement = spool_sql_take(db, which);
    spool_sql_whole(statement, 1, id);
    spool_sql_bytes(statement, 2, who->key, SPOOL_KEY_BYTES);
    spool_sql_text(statement, 3, who->url);
    spool_sql_text(statement, 4, who->topic);
    return spool_sql_run(db, statement);
}

/* Writes only what is not so already: a full disk does not keep a stream from being found. */
static enum spool_db_result see_stream(struct spool_db *db, uint64_t id,
                                       const struct spool_db_who *who, const char *topic)
{
    uint64_t seen;
    sqlite3_stmt *statement = spool_sql_take(db, SQL_IS_SEEN);
    spool_sql_whole(statement, 1, id);
    spool_sql_bytes(statement, 2, who->key, SPOOL_KEY_BYTES);
    spool_sql_text(statement, 3, who->url);
    spool_sql_text(statement, 4, topic);
    enum spool_db_result result = spool_sql_get(db, statement, &seen, 0);
    return result != SPOOL_DB_OK || seen != 0 ? result : put_stream(db, SQL_SEE_STREAM, id, who);
}

static enum spool_db_result last_of(struct spool_db *db, uint64_t id, uint64_t *n)
{
    sqlite3_stmt *statement = spool_sql_take(db, SQL_LAST_OF);
    spool_sql_whole(statement, 1, id);
    return spool_sql_get(db, statement, n, 0);
}

/* What waited under a credential turns out to be for a controller that has readings already: behind
 * those. */
static enum spool_db_result merge(struct spool_db *db, uint64_t from, uint64_t to)
{
    uint64_t last;
    enum spool_db_result result = last_of(db, to, &last);
    if (result != SPOOL_DB_OK)
        return result;
    sqlite3_stmt *statement = spool_sql_take(db, SQL_MOVE_GROUPS);
    spool_sql_whole(statement, 1, from);
    spool_sql_whole(statement, 2, (to << SPOOL_DB_STREAM_SHIFT) + last);
    result = spool_sql_run(db, statement);
    if (result != SPOOL_DB_OK)
        return result;
    statement = spool_sql_take(db, SQL_DROP_STREAM);
    spool_sql_whole(statement, 1, from);
    return spool_sql_run(db, statement);
}

static enum spool_db_result topic_of(struct spool_db *db, uint64_t id, char *topic)
{
    sqlite3_stmt *statement = spool_sql_take(db, SQL_TOPIC_OF);
    spool_sql_whole(statement, 1, id);
    int code = spool_sql_step(db, statement);
    topic[0] = '\0';
    if (code == SQLITE_ROW)
        snprintf(topic, SPOOL_TOPIC_MAX, "%s", (const char *)sqlite3_column_text(statement, 0));
    return spool_sql_finish(statement, code);
}

/* Which stream is it now? *id holds the one so far; 0 comes back for a new one. What *merged has
 * (0: none) is to be merged into it. */
static enum spool_db_result choose(struct spool_db *db, const struct spool_db_who *who,
                                   uint64_t *id, uint64_t *merged)
{
    char topic[SPOOL_TOPIC_MAX] = "";
    uint64_t so_far = *id, other = 0;
    enum spool_db_result result = SPOOL_DB_OK;
    *merged = 0;
    if (so_far == 0 || who->topic[0] == '\0')
        result = find_by_key(db, who, &so_far);
    if (result == SPOOL_DB_OK && so_far != 0)
        result = topic_of(db, so_far, topic);
    *id = so_far;
    if (result != SPOOL_DB_OK || who->topic[0] == '\0' || strcmp(topic, who->topic) == 0)
        return result;
    result = find_by_topic(db, who, so_far, &other);
    if (result == SPOOL_DB_OK && so_far != 0 && topic[0] == '\0' && other != 0)
        *merged = so_far;
    if (so_far == 0 || topic[0] != '\0' || other != 0)
        *id = other;
    return result;
}

static enum spool_db_result sum_of(struct spool_db *db, struct spool_db_stream *stream)
{
    uint64_t last = 0;
    sqlite3_stmt *statement = spool_sql_take(db, SQL_SUM_OF);
    spool_sql_whole(statement, 1, stream->id);
    int code = spool_sql_step(db, statement);
    if (code == SQLITE_ROW) {
        stream->readings = spool_sql_column(statement, 0);
        stream->bytes = spool_sql_column(statement, 1);
    }
    enum spool_db_result result = spool_sql_finish(statement, code);
    if (result == SPOOL_DB_OK)
        result = last_of(db, stream->id, &last);
    if (stream->n <= last)
        stream->n = last + 1;
    return result;
}

enum spool_db_result spool_db_bind(struct spool_db *db, const struct spool_db_who *who,
                                   uint64_t wanted, struct spool_db_stream *stream, bool *changed)
{
    char topic[SPOOL_TOPIC_MAX];
    uint64_t before = stream->id, id = before, merged;
    enum spool_db_result result = choose(db, who, &id, &merged);
    if (result == SPOOL_DB_OK && merged != 0)
        result = merge(db, merged, id);
    if (result == SPOOL_DB_OK && id == 0) {
        result = put_stream(db, SQL_NEW_STREAM, wanted, who);
        id = (uint64_t)sqlite3_last_insert_rowid(db->sql);
    } else if (result == SPOOL_DB_OK) {
        result = topic_of(db, id, topic);
        if (result == SPOOL_DB_OK)
            result = see_stream(db, id, who, who->topic[0] == '\0' ? topic : who->topic);
    }
    *changed = id != before;
    stream->id = id;
    if (*changed)
        stream->n = 0;
    return result == SPOOL_DB_OK && *changed ? sum_of(db, stream) : result;
}

enum spool_db_result spool_db_moves(struct spool_db *db, const struct spool_db_who *who,
                                    const struct spool_db_stream *stream, bool *moves)
{
    uint64_t id = stream->id, merged;
    enum spool_db_result result = choose(db, who, &id, &merged);
    *moves = id != stream->id;
    return result;
}

/* -- Groups. */

static enum spool_db_result mark_device(struct spool_db *db, const struct spool_group *group)
{
    sqlite3_stmt *statement = spool_sql_take(db, SQL_MARK_DEVICE);
    spool_sql_bytes(statement, 1, group->device, group->device_len);
    spool_sql_whole(statement, 2, group->epoch);
    spool_sql_whole(statement, 3, group->following);
    return spool_sql_run(db, statement);
}

enum spool_db_result spool_db_add(struct spool_db *db, uint64_t id, const struct spool_group *group)
{
    sqlite3_stmt *statement = spool_sql_take(db, SQL_ADD_GROUP);
    spool_sql_whole(statement, 1, id);
    spool_sql_whole(statement, 2, db->clock);
    spool_sql_whole(statement, 3, group->at_us);
    spool_sql_whole(statement, 4, group->count);
    spool_sql_bytes(statement, 5, group->bytes, group->len);
    enum spool_db_result result = spool_sql_run(db, statement);
    return result == SPOOL_DB_OK ? mark_device(db, group) : result;
}

static enum spool_db_result drop(struct spool_db *db, uint64_t id)
{
    sqlite3_stmt *statement = spool_sql_take(db, SQL_DROP_GROUP);
    spool_sql_whole(statement, 1, id);
    return spool_sql_run(db, statement);
}

enum spool_db_result spool_db_delivered(struct spool_db *db, uint64_t id, uint32_t upto, bool whole,
                                        uint64_t *readings, uint64_t *bytes)
{
    sqlite3_stmt *statement = spool_sql_take(db, SQL_SIZE_OF);
    spool_sql_whole(statement, 1, id);
    int code = spool_sql_step(db, statement);
    uint64_t before = code == SQLITE_ROW ? spool_sql_column(statement, 1) : 0;
    *readings = code == SQLITE_ROW ? spool_sql_column(statement, 0) - before : 0;
    *bytes = code == SQLITE_ROW ? spool_sql_column(statement, 2) + ROW_BYTES : 0;
    enum spool_db_result result = spool_sql_finish(statement, code);
    if (result != SPOOL_DB_OK || code != SQLITE_ROW)
        return result; /* of a file that was set aside */
    if (whole)
        return drop(db, id);
    statement = spool_sql_take(db, SQL_CUT_GROUP);
    spool_sql_whole(statement, 1, id);
    spool_sql_whole(statement, 2, upto);
    *readings = upto - before;
    *bytes = 0; /* when the whole of it goes */
    return spool_sql_run(db, statement);
}

enum spool_db_result spool_db_park(struct spool_db *db, uint64_t stream,
                                   const struct spool_parked *parked)
{
    sqlite3_stmt *statement = spool_sql_take(db, SQL_PARK);
    spool_sql_whole(statement, 1, stream);
    spool_sql_whole(statement, 2, db->clock);
    spool_sql_whole(statement, 3, parked->at_us);
    spool_sql_text(statement, 4, parked->sensor);
    spool_sql_text(statement, 5, parked->kind);
    sqlite3_bind_double(statement, 6, parked->value);
    spool_sql_whole(statement, 7, parked->epoch);
    spool_sql_whole(statement, 8, parked->number);
    spool_sql_whole(statement, 9, parked->index);
    return spool_sql_run(db, statement);
}

enum spool_db_result spool_db_park_group(struct spool_db *db, uint64_t id)
{
    sqlite3_stmt *statement = spool_sql_take(db, SQL_PARK_GROUP);
    spool_sql_whole(statement, 1, id);
    return spool_sql_run(db, statement);
}

static uint64_t begin_of(uint64_t stream, uint64_t after)
{
    uint64_t first = stream << SPOOL_DB_STREAM_SHIFT;
    return after > first ? after : first;
}

enum spool_db_result spool_db_load(struct spool_db *db, uint64_t stream, uint64_t after,
                                   size_t max_bytes, void *user,
                                   bool (*row)(void *user, const struct spool_row *row), bool *end)
{
    sqlite3_stmt *statement = spool_sql_take(db, SQL_LOAD);
    size_t given = 0;
    bool more = true;
    spool_sql_whole(statement, 1, begin_of(stream, after));
    spool_sql_whole(statement, 2, (stream + 1) << SPOOL_DB_STREAM_SHIFT);
    int code = SQLITE_ROW;
    while (more && given < max_bytes && (code = spool_sql_step(db, statement)) == SQLITE_ROW) {
        const struct spool_row found = {
            .id = spool_sql_column(statement, 0),
            .clock = (uint32_t)spool_sql_column(statement, 1),
            .upto = (uint32_t)spool_sql_column(statement, 2),
            .bytes = sqlite3_column_blob(statement, 3),
            .len = (size_t)sqlite3_column_bytes(statement, 3),
        };
        given += found.len;
        more = row(user, &found);
    }
    *end = code == SQLITE_DONE;
    return spool_sql_finish(statement, code);
}

enum spool_db_result spool_db_expire(struct spool_db *db, uint64_t stream, uint64_t after,
                                     int64_t unix_us, unsigned most, uint64_t *readings,
                                     uint64_t *bytes)
{
    enum spool_db_result result = SPOOL_DB_OK;
    *readings = *bytes = 0;
    for (unsigned i = 0; i < most && result == SPOOL_DB_OK; i++) {
        sqlite3_stmt *statement = spool_sql_take(db, SQL_OLDEST);
        spool_sql_whole(statement, 1, begin_of(stream, after));
        spool_sql_whole(statement, 2, (stream + 1) << SPOOL_DB_STREAM_SHIFT);
        int code = spool_sql_step(db, statement);
        bool old = code == SQLITE_ROW && sqlite3_column_int64(statement, 3) < unix_us;
        uint64_t id = old ? spool_sql_column(statement, 0) : 0;
        uint64_t count = old ? spool_sql_column(statement, 1) : 0,
                 size = old ? spool_sql_column(statement, 2) : 0;
        result = spool_sql_finish(statement, code);
        if (!old || result != SPOOL_DB_OK)
            return result;
        result = drop(db, id);
        *readings += count;
        *bytes += size + ROW_BYTES;
    }
    return result;
}

enum spool_db_result spool_db_totals(struct spool_db *db, uint64_t *readings, uint64_t *parked)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db->sql,
                                  "SELECT (SELECT coalesce(sum(count - upto), 0) FROM"
                                  " reading_group), (SELECT count(*) FROM parked)",
                                  -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    *readings = code == SQLITE_ROW ? spool_sql_column(statement, 0) : 0;
    *parked = code == SQLITE_ROW ? spool_sql_column(statement, 1) : 0;
    sqlite3_finalize(statement);
    return spool_sql_result(code);
}
