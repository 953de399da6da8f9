/*
 * phx_machine.h - one Phoenix socket and its channels, without I/O and without a clock.
 *
 * Inputs are the functions below, each with the time in milliseconds of a clock that never goes
 * back; outputs are the callbacks of phx_machine_io and of the caller's events. Every input may be
 * called from inside the caller's events. phx_machine_deadline says when it wants phx_machine_tick.
 */
#ifndef PHX_MACHINE_H
#define PHX_MACHINE_H

#include "phx_queue.h"

#include "phx.h"

#define PHX_MISSHAPED_MAX   16     /* undecodable messages ignored in a connection */
#define PHX_CLOSE_MS        2000   /* the server's share of a closing handshake */
#define PHX_LATE_MS         500    /* a tick so late means that we slept, not that the server did */
#define PHX_PATIENCE_MAX_MS 600000 /* more for a heartbeat's reply during a slow join */
#define PHX_LASTING_STEPS   2      /* doublings of the wait on top, after what lasts */
#define PHX_NEVER           UINT64_MAX

struct phx_machine;

/* How an attempt or a connection ended, as the transport saw it. */
struct phx_end {
    enum phx_cause cause;
    int http_status, close_code; /* 0: none */
    uint32_t retry_after_ms;     /* 0: the server did not ask for a pause */
    bool lasting;                /* nobody expects it to pass by itself: a key, a certificate */
    int64_t server_time_s;       /* by its answer's Date, seconds since 1970; 0: not told */
    char text[160];
};

struct phx_machine_io {
    void *user;
    /* Start an attempt. True: phx_machine_opened or phx_machine_closed follows, later, unless drop
     * comes first. False: it failed at once and *end says why. */
    bool (*open)(void *user, struct phx_end *end);
    /* phx_machine_next has something. */
    void (*want_write)(void *user);
    /* Close in order with this code; phx_machine_closed follows. */
    void (*close)(void *user, int code);
    /* Be rid of the attempt or connection at once; no input of it follows. */
    void (*drop)(void *user);
    void (*log)(void *user, int level, const char *text); /* level as in syslog(3) */
    /* When the attempt that is due may be made: now, or later, which is then kept for it. NULL:
     * now. */
    uint64_t (*turn)(void *user, uint64_t now);
    /* An attempt is to begin. False: too many are under way; it is tried again soon, in the same
     * turn. NULL: always. */
    bool (*enter)(void *user);
    /* The attempt that was let in is open, or has ended. */
    void (*leave)(void *user);
};

/* All set; see phx_socket_options. */
struct phx_machine_settings {
    enum phx_vsn vsn;
    uint32_t heartbeat_ms, heartbeat_timeout_ms, connect_timeout_ms;
    uint32_t backoff_min_ms, backoff_max_ms, stable_ms;
    size_t max_queue;
    uint64_t seed; /* of the jitter */
};

struct phx_push_order {
    const char *event;
    struct phx_text payload;
    bool binary;
    uint32_t timeout_ms;
    void *token;
};

/* NULL: out of memory. */
struct phx_machine *phx_machine_new(const struct phx_machine_settings *settings,
                                    const struct phx_machine_io *io,
                                    const struct phx_socket_events *events);
/* Frees it with its channels, without callbacks. Not from inside a callback of its own. */
void phx_machine_free(struct phx_machine *machine);
/* From now on no event and no output, for ever: what precedes phx_machine_free inside a callback.
 */
void phx_machine_mute(struct phx_machine *machine);
void *phx_machine_user(const struct phx_machine *machine);
struct phx_machine *phx_machine_of(const struct phx_channel *channel);

/* The caller's wishes: see phx.h. disconnect does nothing to a socket that is down. */
void phx_machine_connect(struct phx_machine *machine, uint64_t now);
void phx_machine_disconnect(struct phx_machine *machine, uint32_t linger_ms, uint64_t now);
void phx_machine_probe(struct phx_machine *machine, uint64_t now);
bool phx_machine_is_connected(const struct phx_machine *machine);
bool phx_machine_is_doubtful(const struct phx_machine *machine, uint64_t now);
int phx_machine_join(struct phx_machine *machine, const struct phx_channel_options *options,
                     const struct phx_channel_events *events, uint64_t now,
                     struct phx_channel **channel);
void phx_machine_leave(struct phx_channel *channel, uint64_t now);
void phx_machine_hurry(struct phx_machine *machine, uint64_t now);
int phx_machine_set_payload(struct phx_channel *channel, const char *join_payload);
int phx_machine_push(struct phx_channel *channel, const struct phx_push_order *order, uint64_t now);

bool phx_machine_is_joined(const struct phx_channel *channel);

/* What the transport saw. */
void phx_machine_progress(struct phx_machine *machine, uint64_t now); /* one step of the attempt */
void phx_machine_opened(struct phx_machine *machine, uint64_t now);
/* A whole text message; `text` may be changed. */
void phx_machine_text(struct phx_machine *machine, char *text, size_t len, uint64_t now);
void phx_machine_binary(struct phx_machine *machine, char *bytes, size_t len, uint64_t now);
void phx_machine_closed(struct phx_machine *machine, const struct phx_end *end, uint64_t now);

/* The next message to write, now the caller's to free(); NULL: none. */
struct phx_send *phx_machine_next(struct phx_machine *machine, uint64_t now);
bool phx_machine_has_next(const struct phx_machine *machine);

void phx_machine_tick(struct phx_machine *machine, uint64_t now);
/* PHX_NEVER: no tick wanted until another input. */
uint64_t phx_machine_deadline(const struct phx_machine *machine);

#endif
