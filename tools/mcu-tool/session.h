/*
 * session.h - a serial line with a device on it: bridge/serial and mp_host in one poll loop.
 */
#ifndef SESSION_H
#define SESSION_H

#include "mp_host.h"
#include "serial/serial.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session {
    struct serial *line; /* NULL: not open */
    struct mp_host host;
    struct mp_host_space space;
    bool gone;   /* the line ended under us */
    bool silent; /* says nothing, only listens: bytes go to `listen` instead of the host */
    void (*listen)(void *user, const uint8_t *bytes, size_t n);
    void *user;
    /* May be NULL: called before the host's timers, each turn; returns as mp_host_poll. */
    uint32_t (*step)(void *user);
    /* May be NULL: called when standard input has something or ended. */
    void (*input)(void *user);
    char why[512]; /* after a failed open, or when gone */
    uint64_t due_us;
    uint8_t out[512];
    size_t out_at, out_len;
    uint8_t tx_mem[2048], rx_mem[16384];
};

/* What happens to the readings of the device during the session. */
enum session_readings {
    SESSION_LEAVE, /* shown at most; the device keeps them for its bridge */
    SESSION_TAKE,  /* told to be safe: the device forgets them */
};

/* Opens the line and prepares the host; `io` is copied. On an error session->why says what to do
 * and session->line is NULL. */
enum serial_result session_open(struct session *session, const char *path, uint32_t baud,
                                enum session_readings readings, const struct mp_host_io *io);
/* Harmless on one that is not open. */
void session_close(struct session *session);

/* Moves bytes and time on `count` sessions until done(user) says so, `until_us` of session_now has
 * come, no line is left, or the user pressed Ctrl-C. `done` may be NULL. Returns whether done()
 * said so. */
bool session_run(struct session *const *sessions, size_t count, uint64_t until_us,
                 bool (*done)(void *user), void *user);

uint64_t session_now(void); /* monotonic, microseconds */
#define SESSION_FOREVER UINT64_MAX

/* Why no device has been met so far, as a line on standard error with what to try. */
void session_say_silence(const struct session *session, const char *port, uint32_t baud);

/* From now on Ctrl-C, SIGTERM and SIGHUP end session_run, and so the program in order. */
void session_catch_signals(void);
bool session_interrupted(void);

#endif
