/*
 * uplink.h - the readings of one MCU on their way up: kept in order in bounded memory, cut into
 * batches, pushed, and given back as safe when they are where they cannot be lost.
 *
 * No I/O and no clock; `now_ms` is any monotonic clock. Two ways, by config.spooled:
 *
 * In memory: nothing is safe to the MCU before the server's reply: this memory does not survive the
 * process, so the MCU's own does until then.
 *
 * With a spool: what comes is written into groups; the caller stores each (uplink_group_due,
 * uplink_on_committed), and it is safe from then on. Stored groups become readings to push: the
 * fresh ones at once as long as there is room and nothing older is left on disk, the others in
 * pieces that the caller loads (uplink_wants). What has been delivered is told by io.delivered, and
 * may then leave the disk.
 *
 * When the memory is full, a reliable message is not taken (UPLINK_FULL: the MCU keeps it, and the
 * credit offered before should have kept it from being sent), and a best-effort reading is dropped
 * and counted. Nothing that was taken is ever dropped.
 */
#ifndef UPLINK_H
#define UPLINK_H

#include "profile/profile.h"
#include "uplink_group.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UPLINK_SLOTS_MAX  64 /* sensors of one description: MP_HOST_SENSORS_MAX */
#define UPLINK_REFUSED    UINT16_MAX
#define UPLINK_DEVICE_MAX 16
#define UPLINK_FLIGHT_MAX 4 /* uploads in flight when readings carry their identity; else 1 */
#define UPLINK_NONE       (-1)

/* What the caller has to do; called from within the functions that say so. May be zero. */
struct uplink_io {
    void *user;
    /* With a spool: the first `upto` readings of the stored group `id` need not be kept any more;
     * `whole`: that is all of them. In order within a stream. */
    void (*delivered)(void *user, uint64_t id, uint32_t upto, bool whole);
    /* With a spool: the stored group `id` cannot be read back. */
    void (*damaged)(void *user, uint64_t id);
    /* The server takes others but not this reading: it is given up. Before it is delivered. */
    void (*parked)(void *user, const struct profile_sensor *sensor,
                   const struct profile_reading *reading);
};

struct uplink_config {
    const struct profile *profile;
    size_t buffer_bytes;     /* of memory for readings */
    uint32_t batch_readings; /* most readings in an upload */
    uint32_t batch_ms;       /* oldest reading waits at most so long for company */
    uint32_t retry_min_ms;   /* after a batch failed; doubling to... */
    uint32_t retry_max_ms;
    bool identity;      /* readings carry at and seq: several in flight, live ones go first */
    bool spooled;       /* see above */
    uint32_t commit_ms; /* spooled: a group waits at most so long, and not longer than batch_ms */
    struct uplink_io io;
};

/* One sensor as the MCU describes it; strings are copied. */
struct uplink_sensor {
    const char *name, *kind;
    uint8_t type;
    int8_t exponent;
};

/* One reading of a message. */
struct uplink_reading {
    uint8_t slot;
    union mp_value value;
    uint64_t at_us;
};

enum uplink_taken {
    UPLINK_TAKEN,    /* kept, or nothing of it is for the server */
    UPLINK_REPEATED, /* taken before: of an MCU that moved to another port, or a second session */
    UPLINK_FULL,     /* not taken, and nothing after it may be until there is room */
};

/* Why an upload failed. */
enum uplink_failure {
    UPLINK_ERROR, /* the server said no, or it cannot be written: it may be the readings' fault */
    UPLINK_CRASH, /* the channel went away under it while the connection lived: the same */
    UPLINK_LOST,  /* the connection went away */
    UPLINK_LATE,  /* no reply in time, or no room to push it */
};

struct uplink_counts {
    uint64_t readings; /* taken */
    uint64_t uploaded; /* replied ok, and all before them */
    uint64_t repeated; /* messages that came again */
    uint64_t dropped;  /* best effort, no room */
    uint64_t refused;  /* readings of a kind that the server does not know */
    uint64_t not_finite;
    uint64_t missing;  /* messages that another host took, or that are gone with the MCU */
    uint64_t failures; /* batches answered with an error, lost or timed out */
    uint64_t parked;   /* readings that the server refuses while it takes others */
    uint64_t damaged;  /* stored groups that could not be read back */
    uint64_t expired;  /* readings given up by uplink_expire */
};

/* Readings of one stored group that wait in memory. */
struct uplink_segment {
    uint64_t id;
    uint32_t clock;
    uint32_t upto; /* readings of the group that have left */
    uint32_t left; /* that wait still */
};

/* Readings that wait, oldest first: [head, head + count). */
struct uplink_queue {
    struct profile_reading *rows;
    size_t head, count, cap, max;
    struct uplink_segment *segments;
    size_t segment_head, segment_count, segment_cap;
    uint64_t oldest_ms; /* when the oldest row of no batch came */
};

enum uplink_batch_state { UPLINK_FREE, UPLINK_WAITING, UPLINK_FLYING, UPLINK_DELIVERED };

/* Rows [at, at + count) of a queue, kept together until their reply. */
struct uplink_batch {
    enum uplink_batch_state state;
    uint8_t queue;
    size_t at, count;
    uint32_t failures;      /* in a row */
    uint32_t blamed;        /* of a single reading: failures that may be its own fault */
    bool parked;            /* delivered to nobody */
    bool proven;            /* its neighbour was taken since */
    bool probe_next;        /* its neighbour goes before it is tried again */
    uint64_t not_before_ms; /* the next try of a batch that failed */
};

enum { UPLINK_MAIN, UPLINK_LIVE, UPLINK_QUEUES };

/* Private to uplink*.c, but for the counts. */
struct uplink {
    struct uplink_config config;
    struct uplink_counts counts;
    struct uplink_queue queues[UPLINK_QUEUES];
    struct uplink_batch batches[UPLINK_FLIGHT_MAX];
    uint32_t limit; /* most readings of the next batch: less than batch_readings after failures */
    uint8_t turn;   /* queue that began the latest batch */
    uint32_t failures; /* in a row, of whatever batch */
    size_t old;        /* in memory: rows of earlier epochs, all before those of this one */
    size_t once;       /* in memory: best-effort rows */
    struct profile_sensor *sensors;
    size_t sensor_count;
    uint16_t slots[UPLINK_SLOTS_MAX]; /* index in sensors, or UPLINK_REFUSED */
    size_t slot_count;
    bool has_epoch;
    bool resumed; /* has_epoch comes from the spool: what is missing is not known */
    uint32_t epoch;
    uint32_t next; /* number of the first message of this epoch not taken yet */
    uint8_t device_len;
    uint8_t device[UPLINK_DEVICE_MAX];
    /* With a spool. */
    struct uplink_group *groups, *newest; /* not yet committed, oldest first */
    size_t load_most;    /* bytes of readings that were unsafe at a time in this session, at most */
    bool behind;         /* groups may be on disk that are not in memory */
    bool loading;        /* uplink_wants said yes, uplink_on_loaded has not come */
    bool load_cut;       /* a row of this load was not taken */
    bool load_stale;     /* what it brings is of no use */
    bool settling;       /* delivered and not settled, and that matters */
    uint64_t tail;       /* last group that need not be loaded any more */
    uint64_t live_first; /* groups that are in the live queue, or were since the latest load */
    uint64_t live_last;
    bool live_shut; /* a group was left on disk: no more before the queue is empty */
};

/* No memory is taken before the first reading. Returns 0, or -1 when buffer_bytes holds no batch of
 * one reading. */
int uplink_init(struct uplink *uplink, const struct uplink_config *config);
void uplink_deinit(struct uplink *uplink);

/* The sensors of the MCU that speaks from now on. For each that the server cannot take, `refused`
 * is called; its readings are counted and go nowhere. Returns 0, or -1: out of memory, or readings
 * of too many other descriptions wait still (try again when uplink_is_empty). */
int uplink_describe(struct uplink *uplink, const struct uplink_sensor *sensors, size_t n,
                    void (*refused)(void *user, const struct uplink_sensor *sensor), void *user);

/* Before uplink_session: whose messages they are. Of a device that was not the latest one here,
 * `known` says what the spool has of it: its epoch and the first message not stored; NULL: never
 * heard of. */
struct uplink_mark {
    uint32_t epoch, next;
};
void uplink_board(struct uplink *uplink, const uint8_t *device, uint8_t len,
                  const struct uplink_mark *known);

/* A session of the MCU: its boot epoch and the oldest message that it still holds. Messages taken
 * in an earlier session of the same epoch are known. */
void uplink_session(struct uplink *uplink, uint32_t epoch, uint32_t first);

/* One reliable message with its readings (n may be 0: a message that is none). Taken whole or not
 * at all. */
enum uplink_taken uplink_add(struct uplink *uplink, uint32_t number,
                             const struct uplink_reading *readings, size_t n, uint64_t now_ms);

/* One best-effort reading, which may use a quarter of the memory. Returns whether it was kept. */
bool uplink_add_once(struct uplink *uplink, const struct uplink_reading *reading, uint64_t now_ms);

/* Messages of this epoch before the returned number are safe. */
uint32_t uplink_safe(const struct uplink *uplink);

/* Bytes of messages of this epoch that fit beyond what is safe, whatever they hold: the credit to
 * give to the MCU. In memory it changes with a new session and when readings of an earlier one
 * have left; with a spool never. */
uint16_t uplink_credit(const struct uplink *uplink);
/* Nothing waits here; with a spool: nor, as far as is known, on disk. */
bool uplink_is_empty(const struct uplink *uplink);
bool uplink_is_in_flight(const struct uplink *uplink);
/* Readings in memory that go up. */
size_t uplink_waiting(const struct uplink *uplink);
/* When the oldest reading in memory was taken (at_us, and the clock it is of). False: none. */
bool uplink_oldest(const struct uplink *uplink, uint64_t *at_us, uint32_t *clock);

/* -- With a spool. */

/* The group to store now, or NULL; it stays the uplink's until uplink_on_committed. One is due when
 * half of what this board ever had unsafe has come, or commit_ms after its first reading; all at
 * once with `flush`. Without it, at most one is handed out at a time. */
struct uplink_group *uplink_group_due(struct uplink *uplink, uint64_t now_ms, bool flush);
/* When uplink_group_due will next say yes; UINT64_MAX: not before something comes. */
uint64_t uplink_group_due_at(const struct uplink *uplink);
/* The oldest group handed out is stored under `id`, which grows with each; uplink_safe moves.
 * `clock` names the clock that its times are of. */
void uplink_on_committed(struct uplink *uplink, uint64_t id, uint32_t clock);

/* The group handed out last could not be: it is due again. */
void uplink_group_not_stored(struct uplink *uplink);

/* One that was handed out is not committed yet. */
bool uplink_is_storing(const struct uplink *uplink);

/* Groups up to this id are in memory, or need not be. */
uint64_t uplink_tail(const struct uplink *uplink);

/* Older groups may be on disk: after the start, and when the disk's content is another's. Forgets
 * what waits to be pushed (nothing may be in flight) and asks for it again. */
void uplink_reload(struct uplink *uplink);
/* Whether groups after *after shall be loaded now; then uplink_on_row for each, in order, and
 * uplink_on_loaded. */
bool uplink_wants(struct uplink *uplink, uint64_t *after);
/* Returns false: no room; what follows shall not be given. `upto`: its readings delivered before.
 */
bool uplink_on_row(struct uplink *uplink, uint64_t id, uint32_t clock, uint32_t upto,
                   const uint8_t *bytes, size_t n);
/* `end`: there was nothing more on disk. */
void uplink_on_loaded(struct uplink *uplink, bool end);
/* What io.delivered told has left the disk: without identity, the next upload waits for it. */
void uplink_on_settled(struct uplink *uplink);
/* Gives up readings of `clock` taken before at_us that wait in memory and are in no batch, oldest
 * first; they are counted and delivered. A negative at_us is before the clock began. */
void uplink_expire(struct uplink *uplink, uint32_t clock, int64_t at_us);

/* -- Batches. */

/* The upload that is due now: a batch is full, or its oldest reading has waited batch_ms, or one
 * that failed is tried again. Returns its slot, or UPLINK_NONE: none, or enough are in flight. What
 * `upload` points at holds until the next call that is not const; only its sensors and readings are
 * set. *clock names the clock of its times: 0 in memory. */
int uplink_due(struct uplink *uplink, uint64_t now_ms, struct profile_upload *upload,
               uint32_t *clock);
/* When uplink_due will next say yes, as far as is known; UINT64_MAX: not before something comes. */
uint64_t uplink_due_at(const struct uplink *uplink);

/* Only the first `count` readings of it fit into an upload. */
void uplink_trim(struct uplink *uplink, int slot, size_t count);
/* The upload shown by uplink_due was pushed; one of the following ends it. */
void uplink_on_pushed(struct uplink *uplink, int slot);
/* Replied ok: in its turn, its readings are delivered and forgotten. */
void uplink_on_ok(struct uplink *uplink, int slot);
/* Refused, lost or late: the same batch is due again after a pause that doubles with each failure,
 * the first time at once if it was lost or the channel crashed, and alone in its queue; with
 * identity, what was taken meanwhile of readings behind it goes again after it. From the third on
 * it is halved, until a single reading is left; when that fails while its neighbour is taken, it is
 * parked. Returns the failures in a row. */
uint32_t uplink_on_failure(struct uplink *uplink, int slot, enum uplink_failure why,
                           uint64_t now_ms);

#endif
