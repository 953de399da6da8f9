/*
 * loop.h - the event thread: one libuv loop, one timer for everything that waits, the signals that
 * end the program, and the gaps in which the process did not run.
 */
#ifndef LOOP_H
#define LOOP_H

#include "watch/watch.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct loop_events {
    void *user;
    /* Does what is due and returns when it wants to be called again, in microseconds of
     * loop_now_us; UINT64_MAX: not before loop_wake. It is called at least once a second all the
     * same. */
    uint64_t (*tick)(void *user, uint64_t now_us);
    /* SIGTERM or SIGINT, the first time. A second one, not of the same
     * moment, ends the process at once. */
    void (*stop)(void *user);
    /* SIGHUP, while it is not stopping. One that says that the terminal has gone stops. */
    void (*reload)(void *user);
};

struct loop {
    uv_loop_t uv;
    uv_timer_t timer;
    uv_prepare_t prepare;
    uv_signal_t sigterm, sigint, sighup;
    struct loop_events events;
    uint64_t alive_ms; /* of the clock that goes on during suspend: the last time the loop ran */
    uint64_t stop_ms;  /* when the first signal came */
    uint32_t gaps;
    uint64_t due_us;      /* when the timer should fire; 0: at once, or it is running */
    unsigned at_once;     /* ticks since it last waited */
    struct watch_lag lag; /* of the turns that were due at a time */
    bool stopping;
    bool has_terminal; /* it was started from one */
};

/* Returns 0, or -1 after a line in the log. */
int loop_open(struct loop *loop, const struct loop_events *events);
/* Runs until loop_close was called and nothing is left open on the loop. */
void loop_run(struct loop *loop);
/* Closes what is the loop's own; the rest must be closed by whoever opened it. */
void loop_close(struct loop *loop);

/* Monotonic; stands still while the machine is suspended. The same within one callback. */
uint64_t loop_now_us(const struct loop *loop);
uint64_t loop_now_ms(const struct loop *loop);

/* Wants a tick as soon as the callback at hand has returned. */
void loop_wake(struct loop *loop);
/* Wants a tick at `due_us` at the latest. */
void loop_wake_at(struct loop *loop, uint64_t due_us);

/* How often the process has stood still, by suspend or stall, longer than any wait of the loop.
 * What was received since the last look may be as old as the gap. To be asked before acting on
 * input: it knows a gap before the tick does. */
uint32_t loop_gaps(struct loop *loop);

#endif
