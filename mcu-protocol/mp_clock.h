/*
 * mp_clock.h - the device's clock as the host sees it: an offset and how far it can be wrong.
 */
#ifndef MP_CLOCK_H
#define MP_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define MP_CLOCK_UNKNOWN UINT32_MAX

struct mp_clock {
    int64_t offset_us; /* host time = device time + offset */
    uint32_t bound_us; /* the offset is right to within this; MP_CLOCK_UNKNOWN: not known yet */
    uint64_t taken_us; /* host time of the sample behind it */
    uint32_t sample_bound_us; /* and its bound when it was taken */
};

/* One question and its answer. */
struct mp_clock_sample {
    uint64_t asked_us;    /* host clock when the question began to leave */
    uint64_t answered_us; /* host clock when the answer had come */
    uint64_t device_us;   /* device clock when the question had come */
    uint32_t turnaround_us;
    uint32_t ask_line_us, answer_line_us; /* time of the two frames on the line; 0: unknown */
};

void mp_clock_reset(struct mp_clock *clock);

/* Takes a sample, if it makes the bound better. Returns whether it did. */
bool mp_clock_sample(struct mp_clock *clock, const struct mp_clock_sample *sample);

/* Lets the bound grow by what two crystals may have drifted apart. */
void mp_clock_age(struct mp_clock *clock, uint64_t now_us);

#endif
