/*
 * mp_clock.h - the device's clock as the host sees it: how far it is off, and how wrong that can
 * be. One estimator for every kind of line.
 */
#ifndef MP_CLOCK_H
#define MP_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MP_CLOCK_UNKNOWN   UINT32_MAX
#define MP_CLOCK_POOR_US   10000u /* a bound above this is worth telling a person */
#define MP_CLOCK_PIECES    32
#define MP_CLOCK_DEVICE_US ((uint64_t)1 << 53) /* 285 years */

/* Between what the device's clock lies, by the best questions and answers of one stretch of time:
 * host time - device time is at least `low` at `low_us`, at most `high` at `high_us`. */
struct mp_clock_piece {
    uint64_t low_us, high_us; /* host clock */
    double low, high;         /* microseconds, relative to mp_clock.base */
};

struct mp_clock {
    int64_t offset_us; /* host time = device time + offset, as of the latest mp_clock_age */
    uint32_t bound_us; /* the offset is right to within this; MP_CLOCK_UNKNOWN: not known yet */
    uint64_t taken_us; /* host time of the latest sample */
    /* The rest is mp_clock's own: what holds at taken_us, and how it goes on from there. */
    double offset, bound;
    double rate, rate_off; /* of the offset, a second a second; and how wrong that can be */
    double low_spread, high_spread; /* how far a question, and an answer, is from the best ones */
    int64_t base;
    size_t count;
    bool line_unreal; /* the line is faster than its speed says: a USB port, an emulator */
    struct mp_clock_piece pieces[MP_CLOCK_PIECES]; /* oldest first; a full table merges two */
};

/* One question and its answer. */
struct mp_clock_sample {
    uint64_t asked_us;    /* host clock when the question began to leave */
    uint64_t answered_us; /* host clock when the answer had come */
    uint64_t device_us;   /* device clock when the question had come */
    uint32_t turnaround_us;
    uint32_t ask_line_us, answer_line_us; /* least time of the two frames on the line; 0: unknown */
};

void mp_clock_reset(struct mp_clock *clock);

/* Takes a sample. Returns false for one that cannot be, and forgets it: the device took longer than
 * the host, or runs for MP_CLOCK_DEVICE_US or more. */
bool mp_clock_sample(struct mp_clock *clock, const struct mp_clock_sample *sample);

/* Moves offset_us and bound_us on to `now_us`. */
void mp_clock_age(struct mp_clock *clock, uint64_t now_us);

/* Whether the bound is unknown or above MP_CLOCK_POOR_US. */
bool mp_clock_is_poor(const struct mp_clock *clock);

#ifdef __cplusplus
}
#endif

#endif
