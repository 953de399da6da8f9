/*
 * pump.h - one direction of the line: bytes wait here until their time on the wire has passed.
 *
 * No I/O and no clock: the owner feeds it, asks what may go, and says what went. `now_ns` is
 * monotonic.
 */
#ifndef PUMP_H
#define PUMP_H

#include "faults.h"

#include <stdbool.h>

#define PUMP_BYTES 4096

struct pump {
    struct faults faults;
    uint8_t bytes[PUMP_BYTES];
    size_t len;
    uint64_t byte_ns;    /* time of a byte on the wire; 0: no limit */
    uint64_t line_ns;    /* until when the wire was busy */
    uint64_t passed;     /* bytes delivered, faults included */
    uint64_t discarded;  /* bytes for an end that was not there */
    uint64_t stop_after; /* bytes still to be delivered before the pump stands still */
    bool stop_set;
};

/* 8N1: ten bits a byte. 0: no limit. */
void pump_set_baud(struct pump *pump, uint32_t baud);

/* How many bytes pump_feed takes now. When 0, leave them where they are. */
size_t pump_room(const struct pump *pump);
void pump_feed(struct pump *pump, const uint8_t *bytes, size_t n, uint64_t now_ns);

/* How many of pump->bytes may go now. */
size_t pump_ready(const struct pump *pump, uint64_t now_ns);
void pump_delivered(struct pump *pump, size_t n, uint64_t now_ns);

/* The sink took nothing: what waits does not catch up with the time lost. */
void pump_stalled(struct pump *pump, uint64_t now_ns);

/* Nanoseconds until pump_ready says more than 0; UINT64_MAX: not by waiting. */
uint64_t pump_wait(const struct pump *pump, uint64_t now_ns);

/* After exactly `n` more bytes nothing goes any more, and pump_stopped says true, until
 * pump_release. */
void pump_stop_after(struct pump *pump, uint64_t n);
bool pump_stopped(const struct pump *pump);
void pump_release(struct pump *pump);

/* Counts bytes that nobody will get as discarded: `n` that were never fed, and all that wait here.
 */
void pump_discard(struct pump *pump, size_t n);

#endif
