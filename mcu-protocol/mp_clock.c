/*
 * The device's clock from questions and answers. No question is read before it has left, and no
 * answer comes before it was given: each exchange puts the offset between two walls, and no delay,
 * however uneven, can move a wall to the wrong side. Two clocks run at different but steady rates,
 * so the walls of the last minutes bound a straight line: the one with the most room on both sides
 * is the estimate, and the whole of what fits between is the bound. Each wall is as good as the
 * luckiest question (or answer) of minutes: this is what averages cannot do on a line that delays
 * one direction by a timer.
 */
#include "mp_clock.h"

#include <math.h>

#define RATE_MAX 0.01 /* a ceramic resonator is wrong by half of that */
#define RATE_CHANGE                                                               \
    0.01e-12 /* a microsecond, each microsecond: 0.01 ppm a second, by warming up \
              */
#define WINDOW_US   120000000u
#define ROUNDING_US 1.0 /* the stamps are whole microseconds */
#define STEPS       40

#define SPREAD_STEP     0.1 /* of a spread, at each sample */
#define SPREAD_FIRST_US 100.0
#define LEAN_FROM       4 /* times the spread of the other direction: not by chance */
#define SPREAD_LEAST_US 10.0
#define SPREAD_MOST_US  100000.0

void mp_clock_reset(struct mp_clock *clock)
{
    *clock = (struct mp_clock){.bound_us = MP_CLOCK_UNKNOWN,
                               .low_spread = SPREAD_FIRST_US,
                               .high_spread = SPREAD_FIRST_US};
}

bool mp_clock_is_poor(const struct mp_clock *clock)
{
    return clock->bound_us == MP_CLOCK_UNKNOWN || clock->bound_us > MP_CLOCK_POOR_US;
}

/* -- Walls, all seen from clock->taken_us, when the rate is `rate`. */

static double age_us(const struct mp_clock *clock, uint64_t at_us)
{
    return (double)(int64_t)(clock->taken_us - at_us);
}

static double give(double age)
{
    return 0.5 * RATE_CHANGE * age * age;
}

static double low_of(const struct mp_clock *clock, const struct mp_clock_piece *piece, double rate)
{
    double age = age_us(clock, piece->low_us);
    return piece->low + rate * age - give(age);
}

static double high_of(const struct mp_clock *clock, const struct mp_clock_piece *piece, double rate)
{
    double age = age_us(clock, piece->high_us);
    return piece->high + rate * age + give(age);
}

static double low_wall(const struct mp_clock *clock, double rate)
{
    double low = -INFINITY;
    for (size_t i = 0; i < clock->count; i++)
        low = fmax(low, low_of(clock, &clock->pieces[i], rate));
    return low;
}

static double high_wall(const struct mp_clock *clock, double rate)
{
    double high = INFINITY;
    for (size_t i = 0; i < clock->count; i++)
        high = fmin(high, high_of(clock, &clock->pieces[i], rate));
    return high;
}

static double gap(const struct mp_clock *clock, double rate)
{
    return high_wall(clock, rate) - low_wall(clock, rate);
}

static double neg_low_wall(const struct mp_clock *clock, double rate)
{
    return -low_wall(clock, rate);
}

/* -- The fit. As functions of the rate, the gap, the high wall and the negative low wall are
 * concave, each being the least of straight lines. */

typedef double (*concave)(const struct mp_clock *clock, double rate);

static double best_rate(const struct mp_clock *clock, concave f, double from, double to)
{
    for (int i = 0; i < STEPS; i++) {
        double third = (to - from) / 3;
        if (f(clock, from + third) < f(clock, to - third))
            from += third;
        else
            to -= third;
    }
    return (from + to) / 2;
}

/* Between a rate that fits and one beyond which none does: where fitting ends. */
static double last_fitting(const struct mp_clock *clock, double fits, double limit)
{
    if (gap(clock, limit) >= 0)
        return limit;
    for (int i = 0; i < STEPS; i++) {
        double middle = (fits + limit) / 2;
        if (gap(clock, middle) >= 0)
            fits = middle;
        else
            limit = middle;
    }
    return limit;
}

static void drop_oldest(struct mp_clock *clock)
{
    clock->count--;
    for (size_t i = 0; i < clock->count; i++)
        clock->pieces[i] = clock->pieces[i + 1];
}

/* Where between the walls: in the middle, unless one direction is far less even than the other. The
 * best of as many questions as answers is off by a like share of how far they spread, so the wall
 * of a direction that a timer delays by milliseconds is far off while the other is right. */
static double between(const struct mp_clock *clock, double low, double high)
{
    double a = clock->low_spread, b = clock->high_spread;
    bool alike = a < LEAN_FROM * b && b < LEAN_FROM * a;
    return low + (high - low) * (alike ? 0.5 : a / (a + b));
}

/* The median of what comes, by steps: a stall counts as one, however long. */
static void learn_spread(double *spread, double excess)
{
    *spread *= excess > *spread ? 1 + SPREAD_STEP : 1 / (1 + SPREAD_STEP);
    *spread = fmin(fmax(*spread, SPREAD_LEAST_US), SPREAD_MOST_US);
}

static void learn_spreads(struct mp_clock *clock)
{
    const struct mp_clock_piece *latest = &clock->pieces[clock->count - 1];
    learn_spread(&clock->low_spread,
                 low_wall(clock, clock->rate) - low_of(clock, latest, clock->rate));
    learn_spread(&clock->high_spread,
                 high_of(clock, latest, clock->rate) - high_wall(clock, clock->rate));
}

static void fit(struct mp_clock *clock)
{
    double rate = best_rate(clock, gap, -RATE_MAX, RATE_MAX);
    while (gap(clock, rate) < 0 && clock->count > 1) {
        drop_oldest(clock); /* the clock did not run as steadily as it should */
        rate = best_rate(clock, gap, -RATE_MAX, RATE_MAX);
    }
    double slow = last_fitting(clock, rate, -RATE_MAX);
    double fast = last_fitting(clock, rate, RATE_MAX);
    double least = low_wall(clock, best_rate(clock, neg_low_wall, slow, fast));
    double most = high_wall(clock, best_rate(clock, high_wall, slow, fast));
    clock->rate = rate;
    clock->rate_off = fmax(fast - rate, rate - slow);
    learn_spreads(clock);
    clock->offset = between(clock, low_wall(clock, rate), high_wall(clock, rate));
    clock->bound = fmax(most - clock->offset, clock->offset - least);
}

/* -- The pieces. */

static void merge(const struct mp_clock *clock, struct mp_clock_piece *into,
                  const struct mp_clock_piece *from)
{
    if (low_of(clock, from, clock->rate) > low_of(clock, into, clock->rate)) {
        into->low = from->low;
        into->low_us = from->low_us;
    }
    if (high_of(clock, from, clock->rate) < high_of(clock, into, clock->rate)) {
        into->high = from->high;
        into->high_us = from->high_us;
    }
}

/* Makes room by merging the two neighbours that stand closest in time, not the newest. */
static void make_room(struct mp_clock *clock)
{
    size_t at = 0;
    double closest = INFINITY;
    while (clock->count > 1 && age_us(clock, clock->pieces[0].high_us) > WINDOW_US)
        drop_oldest(clock);
    if (clock->count < MP_CLOCK_PIECES)
        return;
    for (size_t i = 0; i + 2 < clock->count; i++) {
        double apart =
            age_us(clock, clock->pieces[i].low_us) - age_us(clock, clock->pieces[i + 1].low_us);
        if (apart < closest) {
            closest = apart;
            at = i;
        }
    }
    merge(clock, &clock->pieces[at], &clock->pieces[at + 1]);
    clock->count--;
    for (size_t i = at + 1; i < clock->count; i++)
        clock->pieces[i] = clock->pieces[i + 1];
}

bool mp_clock_sample(struct mp_clock *clock, const struct mp_clock_sample *sample)
{
    int64_t span = (int64_t)(sample->answered_us - sample->asked_us) - sample->turnaround_us;
    int64_t line = (int64_t)sample->ask_line_us + sample->answer_line_us;
    if (span < 0)
        return false;
    if (line > span && !clock->line_unreal) {
        clock->line_unreal = true;
        clock->count = 0; /* what was measured with the line's speed is wrong */
    }
    clock->taken_us = sample->answered_us;
    if (clock->count == 0)
        clock->base = (int64_t)(sample->asked_us - sample->device_us);
    make_room(clock);
    int64_t low = (int64_t)(sample->asked_us - sample->device_us) - clock->base;
    int64_t high = low + span;
    if (!clock->line_unreal) {
        low += sample->ask_line_us;
        high -= sample->answer_line_us;
    }
    clock->pieces[clock->count++] = (struct mp_clock_piece){.low_us = sample->asked_us,
                                                            .high_us = sample->answered_us,
                                                            .low = (double)low - ROUNDING_US,
                                                            .high = (double)high + ROUNDING_US};
    fit(clock);
    mp_clock_age(clock, sample->answered_us);
    return true;
}

void mp_clock_age(struct mp_clock *clock, uint64_t now_us)
{
    if (clock->count == 0)
        return;
    double age = (double)(int64_t)(now_us - clock->taken_us);
    double bound = ceil(clock->bound + clock->rate_off * fabs(age) + give(age)) + 1;
    clock->offset_us = clock->base + llround(clock->offset + clock->rate * age);
    clock->bound_us = bound < MP_CLOCK_UNKNOWN ? (uint32_t)bound : MP_CLOCK_UNKNOWN - 1;
}
