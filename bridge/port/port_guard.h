/*
 * port_guard.h - what one board may cost the others: how fast it is read, how long a line of
 * nonsense is listened to, how soon one that comes and goes is opened again. Counts and time in,
 * verdicts out.
 */
#ifndef PORT_GUARD_H
#define PORT_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PORT_GUARD_SLICE_US    50000
#define PORT_GUARD_SLICE_BYTES (256u << 10) /* 5 MiB a second: USB at full speed brings 1 */
#define PORT_GUARD_JUNK_BYTES  (64u << 10)  /* without one valid frame */
#define PORT_GUARD_SHORT_US    3000000      /* a line that lived less has not lived */
#define PORT_GUARD_SHORT_FREE  2            /* so many of those in a row are a person with a plug */
#define PORT_GUARD_WAIT_MIN_MS 1000
#define PORT_GUARD_WAIT_MAX_MS 60000

/* All zero: a line that was never open. */
struct port_guard {
    uint64_t opened_us, slice_us;
    uint32_t slice_bytes;
    uint32_t frames;      /* valid frames, as last seen */
    uint32_t junk;        /* bytes since then */
    uint32_t junk_text;   /* those of them that are text */
    uint32_t short_lives; /* in a row */
    uint32_t babbles;     /* in a row */
};

enum port_verdict {
    PORT_READ_ON,
    PORT_PAUSE, /* it has had its share: not to be read before slice_us + PORT_GUARD_SLICE_US */
    PORT_BABBLE /* not to be listened to for port_guard_babble */
};

void port_guard_opened(struct port_guard *guard, uint64_t now_us);

/* `n` bytes were read; `frames` counts valid ones since the line was opened. */
enum port_verdict port_guard_bytes(struct port_guard *guard, const uint8_t *bytes, size_t n,
                                   uint32_t frames, uint64_t now_us);
/* Whether what came since the last valid frame is mostly text. */
bool port_guard_is_text(const struct port_guard *guard);

/* For how long to be deaf after PORT_BABBLE, in ms: longer each time without a frame between. */
uint32_t port_guard_babble(struct port_guard *guard);

/* The line is gone. Returns in how many ms it may be opened again: 0 unless it comes and goes, then
 * longer each time. */
uint32_t port_guard_closed(struct port_guard *guard, uint64_t now_us);

#endif
