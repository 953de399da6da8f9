/*
 * The device's clock from questions and answers. The question was read by the device at some moment
 * between its leaving and the answer's coming: half of that span is a bound that no delay, however
 * uneven, can break. So the sample with the shortest span wins until drift has used up its lead.
 */
#include "mp_clock.h"

#define DRIFT_PPM 100 /* two crystals of 50 ppm each, in opposite directions */

void mp_clock_reset(struct mp_clock *clock)
{
    *clock = (struct mp_clock){.bound_us = MP_CLOCK_UNKNOWN};
}

void mp_clock_age(struct mp_clock *clock, uint64_t now_us)
{
    if (clock->bound_us == MP_CLOCK_UNKNOWN)
        return;
    uint64_t drift = (now_us - clock->taken_us) * DRIFT_PPM / 1000000;
    uint64_t bound = clock->sample_bound_us + drift;
    clock->bound_us = bound < MP_CLOCK_UNKNOWN ? (uint32_t)bound : MP_CLOCK_UNKNOWN - 1;
}

bool mp_clock_sample(struct mp_clock *clock, const struct mp_clock_sample *sample)
{
    int64_t span = (int64_t)(sample->answered_us - sample->asked_us) - sample->turnaround_us;
    int64_t line = (int64_t)sample->ask_line_us + sample->answer_line_us;
    if (span < 0)
        return false;
    /* The two frames differ in length; what is known of that needs not be split in halves. */
    int64_t there = span / 2;
    if (line <= span)
        there = sample->ask_line_us + (span - line) / 2;
    int64_t bound = (there > span - there ? there : span - there) + 1;
    mp_clock_age(clock, sample->answered_us);
    if (bound > clock->bound_us)
        return false;
    clock->offset_us = (int64_t)sample->asked_us + there - (int64_t)sample->device_us;
    clock->bound_us = (uint32_t)bound;
    clock->sample_bound_us = (uint32_t)bound;
    clock->taken_us = sample->answered_us;
    return true;
}
