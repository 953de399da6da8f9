/*
 * commands_fresh.h - how old may be what a connection brings? A control that was held up in a
 * stalled connection must not move a motor minutes later.
 *
 * No I/O and no clock. Messages come in the order in which they were sent, so what comes after the
 * answer to a question was sent after that question had left: its age is at most the time since.
 * Questions are heartbeats asked for here (probes) and uploads. Holding a control back and asking
 * afterwards would prove nothing: the control was sent before that question. So the questions come
 * first, often enough, and a control that comes when the last answered one is too long ago is not
 * fresh.
 *
 * The bound: a fresh control is at most probe_ms + 2 * COMMANDS_FRESH_LATE_MS old, and as a rule
 * not older than the time since the last upload that was replied to.
 */
#ifndef COMMANDS_FRESH_H
#define COMMANDS_FRESH_H

#include <stdbool.h>
#include <stdint.h>

#define COMMANDS_FRESH_LATE_MS 1000 /* an answer is awaited so long before anything is doubted */

struct commands_fresh {
    uint32_t probe_ms;    /* without any other answer for so long, a probe is due */
    uint64_t answered_ms; /* when the newest question that was answered was asked */
    uint64_t probed_ms;   /* the probe under way; UINT64_MAX: none */
    uint64_t upload_ms; /* the oldest upload whose reply is neither here nor late; or UINT64_MAX */
    bool wanted;        /* controls may come: the channel is joined, and the MCU has some */
    bool stale;         /* after a gap of the process, until a probe sent after it is answered */
    bool late;          /* an upload's reply is, until the probe is answered */
};

void commands_fresh_init(struct commands_fresh *fresh, uint32_t probe_ms);

/* A new connection: nothing in it is older than that. */
void commands_fresh_on_connected(struct commands_fresh *fresh, uint64_t now_ms);
/* Whether controls may come; probes are sent only then. */
void commands_fresh_want(struct commands_fresh *fresh, bool wanted);
/* The process stood still: what lies in the buffers may be as old as that. */
void commands_fresh_on_gap(struct commands_fresh *fresh);
/* An upload was pushed; its end, whatever it was (`answered`: a reply came). With several under
 * way, `pushed_ms` is of the one that ended, and `oldest_ms` of those that remain, or UINT64_MAX.
 */
void commands_fresh_on_push(struct commands_fresh *fresh, uint64_t now_ms);
void commands_fresh_on_push_end(struct commands_fresh *fresh, bool answered, uint64_t pushed_ms,
                                uint64_t oldest_ms);
/* A heartbeat was answered: the probe under way, if there is one. Returns whether this ended a
 * time in which nothing was taken after a gap. */
bool commands_fresh_on_heartbeat(struct commands_fresh *fresh);

/* To be asked before a control is acted on. */
bool commands_fresh_is(const struct commands_fresh *fresh, uint64_t now_ms);

/* Returns true when a heartbeat must be sent now: it counts as sent. */
bool commands_fresh_probe(struct commands_fresh *fresh, uint64_t now_ms);
/* When commands_fresh_probe may next say yes; UINT64_MAX: not before something happens. */
uint64_t commands_fresh_due_at(const struct commands_fresh *fresh);

#endif
