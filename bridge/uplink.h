/*
 * uplink.h - the readings of one MCU on their way up: kept in order in bounded memory, cut into
 * batches, one batch in flight, given back as safe when the server has replied.
 *
 * No I/O and no clock; `now_ms` is any monotonic clock. Nothing is safe to the MCU before the
 * server's reply: this memory does not survive the process, so the MCU's own does until then.
 *
 * When the memory is full, a reliable message is not taken (UPLINK_FULL: the MCU keeps it, and the
 * credit offered before should have kept it from being sent), and a best-effort reading is dropped
 * and counted. Nothing that was taken is ever dropped.
 */
#ifndef UPLINK_H
#define UPLINK_H

#include "profile/profile.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UPLINK_SLOTS_MAX 64 /* sensors of one description: MP_HOST_SENSORS_MAX */
#define UPLINK_REFUSED   UINT16_MAX

struct uplink_config {
    const struct profile *profile;
    size_t buffer_bytes;     /* of memory for readings */
    uint32_t batch_readings; /* most readings in an upload */
    uint32_t batch_ms;       /* oldest reading waits at most so long for company */
    uint32_t retry_min_ms;   /* after a batch failed; doubling to... */
    uint32_t retry_max_ms;
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

struct uplink_counts {
    uint64_t readings; /* taken */
    uint64_t uploaded; /* replied ok */
    uint64_t repeated; /* messages that came again */
    uint64_t dropped;  /* best effort, no room */
    uint64_t refused;  /* readings of a kind that the server does not know */
    uint64_t not_finite;
    uint64_t missing;  /* messages that another host took, or that are gone with the MCU */
    uint64_t failures; /* batches answered with an error, lost or timed out */
};

struct uplink {
    struct uplink_config config;
    struct uplink_counts counts;
    struct profile_reading *rows; /* [head, head + count) wait, oldest first */
    size_t head, count, cap, max;
    size_t old;   /* rows of earlier epochs, all before those of this one */
    size_t once;  /* best-effort rows */
    size_t batch; /* rows of the batch begun, kept until its reply; 0: none begun */
    bool in_flight;
    uint32_t failures;      /* of this batch, in a row */
    uint64_t not_before_ms; /* the next try of a batch that failed */
    uint64_t oldest_ms;     /* when the oldest row of no batch came */
    struct profile_sensor *sensors;
    size_t sensor_count;
    uint16_t slots[UPLINK_SLOTS_MAX]; /* index in sensors, or UPLINK_REFUSED */
    size_t slot_count;
    bool has_epoch;
    uint32_t epoch;
    uint32_t next; /* number of the first message of this epoch not taken yet */
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
 * give to the MCU. Changes only with a new session and when readings of an earlier one have left.
 */
uint16_t uplink_credit(const struct uplink *uplink);
bool uplink_is_empty(const struct uplink *uplink);
bool uplink_is_in_flight(const struct uplink *uplink);

/* The upload that is due now: a batch is full, or its oldest reading has waited batch_ms, or one
 * that failed is tried again. False: none, or one is in flight. What `upload` points at holds until
 * the next call that is not const; only its sensors and readings are set. */
bool uplink_due(struct uplink *uplink, uint64_t now_ms, struct profile_upload *upload);
/* When uplink_due will next say yes, as far as is known; UINT64_MAX: not before something comes. */
uint64_t uplink_due_at(const struct uplink *uplink);

/* The upload shown by uplink_due was pushed: nothing else is due until one of the following. */
void uplink_on_pushed(struct uplink *uplink);
/* Replied ok: its readings are forgotten, uplink_safe and uplink_credit move. */
void uplink_on_ok(struct uplink *uplink);
/* Refused, timed out, or could not be pushed: the same batch is due again after a pause that
 * doubles with each failure. Returns the failures in a row of this batch. */
uint32_t uplink_on_failure(struct uplink *uplink, uint64_t now_ms);
/* The channel went away under it: the same batch is due again at once when the channel is back. A
 * batch that takes its channel down each time (a crash there) is paused like a failure from the
 * second time on. Returns the failures in a row. */
uint32_t uplink_on_lost(struct uplink *uplink, uint64_t now_ms);

#endif
