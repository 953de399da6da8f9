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
#define WINDOW_US     120000000u
#define ROUNDING_US   1.0                   /* the stamps are whole microseconds */
#define STEPS         (2 * MP_CLOCK_PIECES) /* more than a fit has been seen to take: 8 */
#define NEGLIGIBLE_US 1e-6
/* How far from the last fit's rate the next one is looked for, in what that could be off. */
#define NEAR_PEAK     0.02
#define NEAR_ENDS     1.02

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

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
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

/* Where a wall stands, and how much further each unit of the rate puts it: the age of its piece, so
 * that no wall ever falls as the rate rises. */
struct wall {
    double at, slope;
};

static struct wall low_line(const struct mp_clock *clock, const struct mp_clock_piece *piece)
{
    double age = age_us(clock, piece->low_us);
    return (struct wall){.at = piece->low - give(age), .slope = age};
}

static struct wall high_line(const struct mp_clock *clock, const struct mp_clock_piece *piece)
{
    double age = age_us(clock, piece->high_us);
    return (struct wall){.at = piece->high + give(age), .slope = age};
}

static double on(struct wall line, double rate)
{
    return line.at + rate * line.slope;
}

/* The walls of all pieces as lines over the rate: a fit looks at them at some twenty rates. */
struct lines {
    size_t first, count;
    struct wall low[MP_CLOCK_PIECES], high[MP_CLOCK_PIECES];
};

static void draw(struct lines *lines, const struct mp_clock *clock)
{
    lines->first = 0;
    lines->count = clock->count;
    for (size_t i = 0; i < clock->count; i++) {
        lines->low[i] = low_line(clock, &clock->pieces[i]);
        lines->high[i] = high_line(clock, &clock->pieces[i]);
    }
}

static struct wall low_wall(const struct lines *lines, double rate)
{
    struct wall best = {.at = -INFINITY};
    for (size_t i = lines->first; i < lines->count; i++) {
        double at = on(lines->low[i], rate);
        if (at > best.at)
            best = (struct wall){.at = at, .slope = lines->low[i].slope};
    }
    return best;
}

static struct wall high_wall(const struct lines *lines, double rate)
{
    struct wall best = {.at = INFINITY};
    for (size_t i = lines->first; i < lines->count; i++) {
        double at = on(lines->high[i], rate);
        if (at < best.at)
            best = (struct wall){.at = at, .slope = lines->high[i].slope};
    }
    return best;
}

static struct wall gap(const struct lines *lines, double rate)
{
    struct wall low = low_wall(lines, rate), high = high_wall(lines, rate);
    return (struct wall){.at = high.at - low.at, .slope = high.slope - low.slope};
}

/* -- The fit. As a function of the rate the gap is concave, being the least of straight lines: a
 * tangent is one of them and nowhere below it, so each step along tangents meets a new line or ends
 * exactly where it should. */

struct range {
    double from, to;
};

/* Rates around that of the last fit. Few samples move a wall, so that looking here first takes
 * little more than half the steps. */
static struct range near(const struct mp_clock *clock, double reach)
{
    return (struct range){.from = larger(clock->rate - reach, -RATE_MAX),
                          .to = smaller(clock->rate + reach, RATE_MAX)};
}

/* The rate with the widest gap, looked for `in` a range, then everywhere: two tangents, one rising
 * and one falling, are narrowed down. */
static double best_rate(const struct lines *lines, struct range in)
{
    double from = in.from, to = in.to;
    struct wall rising = gap(lines, from), falling = gap(lines, to);
    if (rising.slope <= 0 || falling.slope >= 0) {
        from = -RATE_MAX;
        to = RATE_MAX;
        rising = gap(lines, from);
        falling = gap(lines, to);
    }
    if (rising.slope <= 0)
        return from;
    if (falling.slope >= 0)
        return to;
    for (int i = 0; i < STEPS; i++) {
        double reach =
            (falling.at - rising.at - falling.slope * (to - from)) / (rising.slope - falling.slope);
        double rate = from + reach;
        if (!(rate > from && rate < to))
            break;
        struct wall there = gap(lines, rate);
        if (there.at >= rising.at + rising.slope * reach - NEGLIGIBLE_US)
            return rate;
        if (there.slope > 0) {
            from = rate;
            rising = there;
        } else {
            to = rate;
            falling = there;
        }
    }
    return rising.at > falling.at ? from : to;
}

/* Between a rate that fits and one beyond which none does: where fitting ends. Comes down the
 * tangents from `outside`, or from `limit` if that is inside, so it never stops short of a rate
 * that fits. */
static double last_fitting(const struct lines *lines, double fits, double outside, double limit)
{
    double at = gap(lines, outside).at < 0 ? outside : limit;
    for (int i = 0; i < STEPS; i++) {
        struct wall there = gap(lines, at);
        bool inward = fits < at ? there.slope < 0 : there.slope > 0;
        if (there.at >= 0 || !inward)
            break;
        double next = at - there.at / there.slope;
        if (next == at)
            break;
        at = next;
    }
    return at;
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
    if (*spread < SPREAD_LEAST_US)
        *spread = SPREAD_LEAST_US;
    if (*spread > SPREAD_MOST_US)
        *spread = SPREAD_MOST_US;
}

static void fit(struct mp_clock *clock)
{
    struct lines lines;
    draw(&lines, clock);
    double rate = best_rate(&lines, near(clock, NEAR_PEAK * clock->rate_off));
    while (gap(&lines, rate).at < 0 && clock->count > 1) {
        drop_oldest(clock); /* the clock did not run as steadily as it should */
        lines.first++;
        rate = best_rate(&lines, (struct range){-RATE_MAX, RATE_MAX});
    }
    struct range outside = near(clock, NEAR_ENDS * clock->rate_off);
    double slow = last_fitting(&lines, rate, smaller(outside.from, rate), -RATE_MAX);
    double fast = last_fitting(&lines, rate, larger(outside.to, rate), RATE_MAX);
    double least = low_wall(&lines, slow).at, most = high_wall(&lines, fast).at;
    double low = low_wall(&lines, rate).at, high = high_wall(&lines, rate).at;
    clock->rate = rate;
    clock->rate_off = larger(fast - rate, rate - slow);
    learn_spread(&clock->low_spread, low - on(lines.low[lines.count - 1], rate));
    learn_spread(&clock->high_spread, on(lines.high[lines.count - 1], rate) - high);
    clock->offset = between(clock, low, high);
    clock->bound = larger(most - clock->offset, clock->offset - least);
}

/* -- The pieces. */

static void merge(const struct mp_clock *clock, struct mp_clock_piece *into,
                  const struct mp_clock_piece *from)
{
    if (on(low_line(clock, from), clock->rate) > on(low_line(clock, into), clock->rate)) {
        into->low = from->low;
        into->low_us = from->low_us;
    }
    if (on(high_line(clock, from), clock->rate) < on(high_line(clock, into), clock->rate)) {
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
    if (span < 0 || sample->device_us >= MP_CLOCK_DEVICE_US)
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
