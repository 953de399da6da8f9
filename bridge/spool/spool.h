/*
 * spool.h - readings on disk until the server has them: one SQLite file for all MCUs, written by a
 * thread of its own.
 *
 * What comes is committed (WAL, synchronous=FULL) before it is told to be; everything asked for is
 * done in the order of asking, one transaction for whatever has come together, and told from the
 * event loop. A disk that is full or fails delays: it is said once, counted, and tried again each
 * second; what frees room goes first. Nothing is ever deleted to make room. A file that is damaged,
 * or of a newer version, is renamed, said, and a new one begun, as long as not more than
 * SPOOL_ASIDE_MAX lie there. What SQLite refuses though the file is good is a fault of this
 * program: it is said and counted, the file stays, and that stream waits, tried each second; others
 * go on.
 *
 * A stream is the readings for one controller of one server. It is found by the fingerprint of its
 * credential until the server has said which controller that stands for, and by the controller from
 * then on: what was collected for one controller never goes to another.
 *
 * The queue to the thread is bounded by its users: a lane has at most one group, one load, one
 * bind and one look for what is too old under way, and as many deliveries as it has uploads in
 * flight.
 */
#ifndef SPOOL_H
#define SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct spool;
struct spool_stream;

#define SPOOL_ASIDE_MAX  8
#define SPOOL_KEY_BYTES  8
#define SPOOL_DEVICE_MAX 17 /* bytes of a device's name here */
#define SPOOL_TOPIC_MAX  256

/* For a person whose spool has no place; the second is for the one-line form, which has no file. */
#define SPOOL_ADVICE                                                                            \
    "give spool: path, or a folder by STATE_DIRECTORY in the environment, or spool: {enabled: " \
    "false}"

struct spool_options {
    uv_loop_t *loop;     /* NULL: no thread; spool_turn does the work, for tests */
    const char *path;    /* of the file; its folder is made if it is missing */
    const char *vfs;     /* of SQLite; NULL: the default */
    uint64_t max_age_ms; /* readings older than this are given up; 0: never */
};

/* Opens or makes the file, 0600. Returns 0 with *out, or -1 with a line for people in `error`:
 * another process uses it, or it cannot be there at all (no right to, no such folder). A full disk
 * or one that fails is no error: it is tried again. */
int spool_open(struct spool **out, const struct spool_options *options, char *error,
               size_t error_cap);
/* Finishes what was asked for, as far as it works at once, tells nothing more, and frees. Streams
 * are gone with it. */
void spool_close(struct spool *spool);
/* Without a thread: does everything asked for, and tells it. */
void spool_turn(struct spool *spool);

/* The file could be opened: what is known of devices is known. Not so when the disk fails from the
 * start on. */
bool spool_is_ready(const struct spool *spool);
/* What is known of a device: the epoch and the first message that is not stored. */
bool spool_device(const struct spool *spool, const uint8_t *device, uint8_t len, uint32_t *epoch,
                  uint32_t *next);

/* The clock that times of this boot are of, and for any clock its distance to Unix time: of this
 * boot as it is now, of an earlier one as it was last known. */
uint32_t spool_clock(const struct spool *spool);
int64_t spool_unix_minus_clock_us(const struct spool *spool, uint32_t clock);

/* One stored group. */
struct spool_row {
    uint64_t id;
    uint32_t clock;
    uint32_t upto; /* readings delivered before */
    const uint8_t *bytes;
    size_t len;
};

struct spool_group {
    const uint8_t *device;
    uint8_t device_len;
    uint32_t epoch, following; /* the device's mark once it is stored */
    uint32_t count;
    uint64_t at_us; /* of its first reading */
    const uint8_t *bytes;
    size_t len;
};

/* A reading that is given up, for somebody to look at: the table `parked`. */
struct spool_parked {
    const char *sensor, *kind;
    double value;
    uint32_t epoch, number;
    uint16_t index;
    uint64_t at_us;
};

/* Called from the loop, or from spool_turn. */
struct spool_events {
    void *user;
    /* The stream is there, or spool_bind has ended. `changed`: what was loaded is another's. */
    void (*bound)(void *user, bool changed);
    void (*committed)(void *user, uint64_t id, uint32_t clock);
    void (*settled)(void *user); /* once for each spool_settle */
    /* Returns false: enough, what follows is not given. */
    bool (*row)(void *user, const struct spool_row *row);
    void (*loaded)(void *user, bool end);
};

/* Finds or begins the stream of this credential; bound() follows. `url` and what `events` points at
 * must hold; NULL: out of memory. */
struct spool_stream *spool_stream_open(struct spool *spool, const uint8_t key[SPOOL_KEY_BYTES],
                                       const char *url, const struct spool_events *events);
/* Tells nothing more; what was asked for is still done, but for groups that cannot be written at
 * once: nobody was told that those are safe. */
void spool_stream_close(struct spool_stream *stream);
/* The four that return a bool: false when out of memory, then nothing follows.
 *
 * The credential, or the controller that it stands for ("": not known), may be another now; bound()
 * follows. */
bool spool_bind(struct spool_stream *stream, const uint8_t key[SPOOL_KEY_BYTES], const char *topic);
/* Stores a group (copied); committed() follows, and may take as long as the disk is full. */
bool spool_add(struct spool_stream *stream, const struct spool_group *group);
/* The first `upto` readings of a group are on the server; `whole`: all. Done with spool_settle. */
void spool_delivered(struct spool_stream *stream, uint64_t id, uint32_t upto, bool whole);
/* Keeps a reading that is given up; its group goes on as if it had been delivered. */
void spool_park(struct spool_stream *stream, const struct spool_parked *parked);
/* Puts a group that cannot be read aside, into the same table. */
void spool_damaged(struct spool_stream *stream, uint64_t id);
/* What was told by the three above is to be done, in one transaction; settled() follows. Also false
 * when there was nothing. */
bool spool_settle(struct spool_stream *stream);
/* Stored groups after `after`, oldest first, as many as make about SPOOL_LOAD_BYTES; row() for each
 * and loaded() follow. */
bool spool_load(struct spool_stream *stream, uint64_t after);
#define SPOOL_LOAD_BYTES 16384
/* Deletes groups after `after` that are too old for max_age_ms, unless that is under way already.
 * Nothing follows. */
void spool_expire(struct spool_stream *stream, uint64_t after);

/* Of one stream: what is on disk, as far as the loop has been told. */
struct spool_stream_stats {
    uint64_t readings, bytes;
};
void spool_stream_stats(const struct spool_stream *stream, struct spool_stream_stats *stats);

/* Of all; since the start, but for what is on disk. */
struct spool_stats {
    uint64_t readings, bytes; /* on disk, of streams in use */
    uint64_t held_readings;   /* on disk, of controllers that nobody here stands for (at start) */
    uint64_t commits;         /* transactions */
    uint64_t errors;          /* transactions that failed, to be tried again */
    uint64_t faults;          /* of those: by a fault of this program */
    uint64_t faulty;          /* streams that wait for that now */
    uint64_t parked;          /* in the table, older ones included */
    uint64_t expired;         /* readings given up by age */
    uint64_t set_aside;       /* files */
    bool failing;             /* the latest transaction failed */
};
void spool_stats(const struct spool *spool, struct spool_stats *stats);

/* The folder for files that stay: $STATE_DIRECTORY, else /var/lib/mcu-bridge for root, else
 * $XDG_STATE_HOME/mcu-bridge or ~/.local/state/mcu-bridge. Returns 0, or -1: none is known. */
int spool_folder(char *out, size_t cap);

#endif
