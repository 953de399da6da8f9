/*
 * phx_backoff.h - how long to wait before the next attempt: doubling, with jitter, between bounds;
 * and how many may be made at a time where many wait.
 */
#ifndef PHX_BACKOFF_H
#define PHX_BACKOFF_H

#include <stdint.h>

#define PHX_RETRY_AFTER_MAX_MS 3600000u /* a server may ask for no longer than this */

struct phx_backoff {
    uint32_t min_ms, max_ms;
    unsigned failures;
};

/* A random number from *state, which it moves on. Not for secrets. */
uint32_t phx_random(uint64_t *state);

void phx_backoff_init(struct phx_backoff *backoff, uint32_t min_ms, uint32_t max_ms);
/* The next wait: with d = min_ms doubled with each call and held at max_ms, at least min_ms and
 * from 2/3 d to 4/3 d, but at most max_ms; if `asked_ms` (0: not asked) is longer, from asked_ms to
 * a quarter more, so that a crowd told the same time does not come back as one. */
uint32_t phx_backoff_next(struct phx_backoff *backoff, uint32_t asked_ms, uint64_t *random);
/* The next wait is so many doublings longer. */
void phx_backoff_skip(struct phx_backoff *backoff, unsigned steps);
/* The next wait is the first again. */
void phx_backoff_reset(struct phx_backoff *backoff);

/* Turns for attempts: so many a second, the first PHX_PACE_BURST at once. */
struct phx_pace {
    uint32_t per_s; /* 0: no bound */
    uint64_t next;  /* microseconds: when the turns taken so far are over */
};
#define PHX_PACE_BURST 10

/* Takes the next turn and returns when it is: `now`, or later, in milliseconds. No turn is given
 * back; with T turns taken it comes at most T / per_s later. */
uint64_t phx_pace_turn(struct phx_pace *pace, uint64_t now);

#endif
