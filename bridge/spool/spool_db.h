/*
 * spool_db.h - the file of the spool: its tables and what is done to them. Used by one thread at a
 * time; every function blocks on the disk.
 *
 * A stream's groups have the ids stream << SPOOL_DB_STREAM_SHIFT | n, so that they lie together and
 * in order.
 */
#ifndef SPOOL_DB_H
#define SPOOL_DB_H

#include "spool.h"

#define SPOOL_DB_STREAM_SHIFT 40
#define SPOOL_DB_N_MAX        ((UINT64_C(1) << SPOOL_DB_STREAM_SHIFT) - 1)

struct spool_db;

enum spool_db_result {
    SPOOL_DB_OK,
    SPOOL_DB_FAILED,  /* try again later: full, I/O error, out of memory, locked by a reader */
    SPOOL_DB_FAULT,   /* this program's own: what it asked for cannot be; the file is good */
    SPOOL_DB_DAMAGED, /* proven to be no spool, or a broken one: to be set aside */
    SPOOL_DB_NEWER,   /* of a newer version: to be set aside */
    SPOOL_DB_NEVER,   /* there is no right to it, or no such folder */
};

/* Opens or makes it, brings it to the current version, and checks all of it if the last user did
 * not end in order. `why` gets a line for people unless SPOOL_DB_OK. */
enum spool_db_result spool_db_open(struct spool_db **out, const char *path, const char *vfs,
                                   char *why, size_t why_cap);
void spool_db_close(struct spool_db *db);
/* Of the latest that failed. */
const char *spool_db_error(const struct spool_db *db);

enum spool_db_result spool_db_begin(struct spool_db *db);
/* On disk when it returns SPOOL_DB_OK. After anything else: spool_db_rollback. */
enum spool_db_result spool_db_commit(struct spool_db *db);
void spool_db_rollback(struct spool_db *db);
/* After a failure: takes what is committed out of the journal, which can then be written anew
 * without growing. */
void spool_db_reclaim(struct spool_db *db);

/* This boot's clock; its distance to Unix time is kept up to date by spool_db_note_clock, within
 * a transaction, cheaply. */
uint32_t spool_db_clock(const struct spool_db *db);
enum spool_db_result spool_db_note_clock(struct spool_db *db, int64_t unix_minus_us);
enum spool_db_result spool_db_each_clock(struct spool_db *db, void *user,
                                         void (*found)(void *user, uint32_t clock,
                                                       int64_t unix_minus_us));
enum spool_db_result spool_db_each_device(struct spool_db *db, void *user,
                                          void (*found)(void *user, const uint8_t *device,
                                                        uint8_t len, uint32_t epoch,
                                                        uint32_t next));

struct spool_db_who {
    uint8_t key[SPOOL_KEY_BYTES];
    const char *url;
    const char *topic; /* "": not known */
    /* Whether somebody else uses that stream now: two who send to one topic have two streams. */
    bool (*taken)(void *user, uint64_t id);
    void *user;
};
struct spool_db_stream {
    uint64_t id; /* 0: none yet */
    uint64_t n;  /* of the next group */
    uint64_t readings, bytes;
};
/* Fills `stream` with the one that belongs to `who`; it may hold the one used so far. Says in
 * *changed whether groups with other ids than before belong to it now. `wanted`: id for a new one;
 * 0: any. */
enum spool_db_result spool_db_bind(struct spool_db *db, const struct spool_db_who *who,
                                   uint64_t wanted, struct spool_db_stream *stream, bool *changed);
/* Would spool_db_bind say *changed? Changes nothing. */
enum spool_db_result spool_db_moves(struct spool_db *db, const struct spool_db_who *who,
                                    const struct spool_db_stream *stream, bool *moves);

enum spool_db_result spool_db_add(struct spool_db *db, uint64_t id,
                                  const struct spool_group *group);
/* *bytes and *readings: what it frees. */
enum spool_db_result spool_db_delivered(struct spool_db *db, uint64_t id, uint32_t upto, bool whole,
                                        uint64_t *readings, uint64_t *bytes);
enum spool_db_result spool_db_park(struct spool_db *db, uint64_t stream,
                                   const struct spool_parked *parked);
enum spool_db_result spool_db_park_group(struct spool_db *db, uint64_t id);
/* Groups of `stream` after `after`, until row() says no or about max_bytes were given. */
enum spool_db_result spool_db_load(struct spool_db *db, uint64_t stream, uint64_t after,
                                   size_t max_bytes, void *user,
                                   bool (*row)(void *user, const struct spool_row *row), bool *end);
/* Deletes the oldest groups of `stream` after `after` that were begun before unix_us; at most
 * `most`. */
enum spool_db_result spool_db_expire(struct spool_db *db, uint64_t stream, uint64_t after,
                                     int64_t unix_us, unsigned most, uint64_t *readings,
                                     uint64_t *bytes);
enum spool_db_result spool_db_totals(struct spool_db *db, uint64_t *readings, uint64_t *parked);

#endif
