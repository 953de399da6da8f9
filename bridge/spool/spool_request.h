/*
 * spool_request.h - what is asked of the spool's thread, and streams, as spool.c (telling),
 * spool_work.c (the thread), spool_order.c and spool_stream.c (asking) share them. Nobody else
 * includes it.
 */
#ifndef SPOOL_REQUEST_H
#define SPOOL_REQUEST_H

#include "spool_db.h"

enum request_kind { REQUEST_BIND, REQUEST_ADD, REQUEST_SETTLE, REQUEST_EXPIRE, REQUEST_LOAD };
enum settle_kind { SETTLE_DELIVERED, SETTLE_PARKED, SETTLE_DAMAGED };

struct settle_item {
    enum settle_kind kind;
    uint64_t id;
    uint32_t upto;
    bool whole;
    struct spool_parked parked; /* its texts are its own */
};

struct request {
    struct request *next;
    struct spool_stream *stream;
    enum request_kind kind;
    bool finished;
    bool held;     /* a bind that may not overtake the groups before it */
    bool given_up; /* a group that was not stored */
    uint8_t *data; /* the group's device and bytes, or the rows */
    /* What is wanted. */
    uint8_t key[SPOOL_KEY_BYTES];
    char *topic;
    struct spool_group group;
    struct settle_item *items;
    size_t item_count;
    uint64_t after;
    /* What came of it. */
    bool changed, end;
    bool begun_anew; /* of a bind that nobody asked for: the file is a new one */
    struct spool_db_stream bound;
    uint64_t id;
    uint64_t readings, bytes; /* that have left the disk */
    uint32_t clock;
    size_t data_len, data_cap;
};

struct request_list {
    struct request *first, *last;
};

void request_push(struct request_list *list, struct request *request);
struct request *request_pop(struct request_list *list); /* NULL: empty */
/* NULL: out of memory. */
struct request *request_new(struct spool_stream *stream, enum request_kind kind);
void request_free(struct request *request);

/* Rows of a load, kept in request->data. request_rows_add has the shape that spool_db_load wants;
 * it returns false when out of memory. */
bool request_rows_add(void *request, const struct spool_row *row);
void request_rows_clear(struct request *request);
/* The next from *at on, which moves; false: no more. */
bool request_rows_next(const struct request *request, size_t *at, struct spool_row *row);

struct spool_stream {
    struct spool_stream *next;
    struct spool *spool;
    const char *url;
    /* The loop's. */
    struct spool_events events;
    struct spool_stream_stats told;
    struct request *draft; /* of what spool_settle will ask for */
    size_t asked;          /* requests that have not come back */
    bool expiring;         /* one of them looks for what is too old */
    bool closed;
    /* The worker's: as the open transaction has it, and as it is on disk. */
    struct spool_db_stream work, kept;
    bool lost;   /* it was in a file that is gone */
    bool faulty; /* what it asks for cannot be: tried apart from the others */
    uint8_t work_key[SPOOL_KEY_BYTES];
    char work_topic[SPOOL_TOPIC_MAX];
};

#define SPOOL_PATH_BYTES 4096

struct clock_offset {
    uint32_t clock;
    int64_t unix_minus_us;
};

struct device_mark {
    uint8_t len;
    uint8_t device[SPOOL_DEVICE_MAX];
    uint32_t epoch, next;
};

struct spool {
    char path[SPOOL_PATH_BYTES];
    char *vfs;
    uint64_t max_age_ms;
    int lock;
    bool threaded, stop;
    uv_thread_t thread;
    uv_mutex_t mutex;
    uv_cond_t cond;
    uv_async_t *async;
    struct request_list asked, done; /* under the mutex */
    struct spool_stats stats;        /* under the mutex; readings and held are the loop's */
    uint32_t clock;                  /* under the mutex, as are... */
    struct clock_offset *clocks;
    size_t clock_count;
    struct device_mark *devices;
    size_t device_count;
    bool ready; /* the file was opened: devices are known */
    bool found; /* ... just now, with so many readings in it, which the loop has not noted yet */
    uint64_t found_readings;
    /* The worker's. */
    struct spool_db *db;
    struct request_list pending;
    struct spool_stream *streams; /* of the loop; the worker reads those that requests name */
    uint64_t failures;            /* in a row */
    uint64_t retry_ns;            /* when what needs room is tried again */
    uint64_t fault_ns;            /* when faulty streams are */
    /* The loop's. */
    uint64_t total_readings;
};

/* spool_work.c. It begins with the file: 0, or -1 with the reason when it cannot be. */
int spool_work_open(struct spool *spool, char *error, size_t error_cap);
/* What was asked for becomes pending: with the mutex, or without a thread. */
void spool_work_take(struct spool *spool);
/* Does what is pending, as far as it works. */
void spool_work_round(struct spool *spool);
/* The thread. */
void spool_work(void *user);
int64_t spool_work_unix_minus_boot_us(void);

/* spool_order.c, for the worker. Does another stream that is in use have this id? `user` is the one
 * that asks. With the mutex. */
bool spool_is_taken(void *user, uint64_t id);
/* Of a bind. */
struct spool_db_who spool_who_of(const struct request *bind);
/* Marks what is not to be done while only that is done which frees room. */
void spool_hold_back(struct spool *spool);
/* Gives up groups that could not be written, of streams that are gone: of all, or of the faulty. */
void spool_give_up_closed(struct spool *spool, bool all);

/* spool.c; the first with the mutex. */
void spool_mark_locked(void *user, const uint8_t *device, uint8_t len, uint32_t epoch,
                       uint32_t next);
void spool_ask(struct spool_stream *stream, struct request *request);
void spool_link(struct spool *spool, struct spool_stream *stream);
void spool_unlink(struct spool *spool, struct spool_stream *stream);
/* spool_stream.c: takes it out of the spool and frees it. */
void spool_stream_unlink(struct spool_stream *stream);

#endif
