/*
 * What damaged frames get past the framing: cases, shares, and the goals. Each case's hits are
 * dealt to shares with a seed each, so the result does not depend on how many processors there are.
 *
 *   mp_noise [--seed N] [--long] [--hits MILLIONS] [--threads N] [--only CASE]
 *
 * The seed is fixed here, before any run. Undetected frames are counted per million hit frames,
 * with the exact 95 % interval of a Poisson count. It fails when a goal is missed: in the short
 * form, which is too short for a rate, when the interval lies above the goal.
 */
#include "mp_noise.h"
#include "test_args.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED           20260105
#define SHARES         64
#define SHORT_HITS     25000u
#define LONG_HITS      150000000u
#define GOAL           0.1           /* undetected per million */
#define CHANCE         (1e6 / 65536) /* what any 16-bit check lets pass of what is not a burst */
#define GOAL_LOST      1.0005        /* frames for one that was hit, which prints as 1.00 */
#define LOCK_IN_STARTS 5000
#define MAX_THREADS    64

static const struct noise_case cases[] = {
    {"bit-errors", NOISE_DEVICE, NOISE_APART, NOISE_RANDOM, NOISE_BIT_ERRORS, 1e-3, GOAL},
    {"trailing-zero", NOISE_DEVICE, NOISE_APART, NOISE_TRAILING, NOISE_BIT_ERRORS, 1e-3, GOAL},
    {"commands", NOISE_DEVICE, NOISE_APART, NOISE_COMMAND, NOISE_BIT_ERRORS, 1e-3, GOAL},
    {"host-bit-errors", NOISE_HOST, NOISE_MIXED, NOISE_RANDOM, NOISE_BIT_ERRORS, 1e-3, GOAL},
    {"host-trailing", NOISE_HOST, NOISE_MIXED, NOISE_TRAILING, NOISE_BIT_ERRORS, 1e-3, GOAL},
    {"zeros", NOISE_DEVICE, NOISE_APART, NOISE_ZEROS, NOISE_BIT_ERRORS, 1e-3, GOAL},
    {"host-zeros", NOISE_HOST, NOISE_MIXED, NOISE_ZEROS, NOISE_BIT_ERRORS, 1e-3, GOAL},
    {"same", NOISE_DEVICE, NOISE_APART, NOISE_SAME, NOISE_BIT_ERRORS, 1e-3, GOAL},
    {"counting", NOISE_DEVICE, NOISE_APART, NOISE_COUNTING, NOISE_BIT_ERRORS, 1e-3, GOAL},
    {"integers", NOISE_DEVICE, NOISE_APART, NOISE_INTEGERS, NOISE_BIT_ERRORS, 1e-3, GOAL},
    {"text", NOISE_DEVICE, NOISE_APART, NOISE_TEXT, NOISE_BIT_ERRORS, 1e-3, GOAL},
    {"host-one-flip", NOISE_HOST, NOISE_SHARED, NOISE_RANDOM, NOISE_ONE_FLIP, 0, CHANCE},
    {"host-one-drop", NOISE_HOST, NOISE_SHARED, NOISE_RANDOM, NOISE_ONE_DROP, 0, CHANCE},
    {"commands-slips", NOISE_DEVICE, NOISE_APART, NOISE_COMMAND, NOISE_BYTES_TOO, 1e-3, CHANCE},
    {"slips", NOISE_DEVICE, NOISE_APART, NOISE_RANDOM, NOISE_BYTES_TOO, 1e-3, CHANCE},
    {"zeros-slips", NOISE_DEVICE, NOISE_APART, NOISE_ZEROS, NOISE_BYTES_TOO, 1e-3, CHANCE},
    {"veils", NOISE_DEVICE, NOISE_APART, NOISE_VEILS, NOISE_BIT_ERRORS, 1e-3, CHANCE},
    {"one-flip", NOISE_DEVICE, NOISE_APART, NOISE_ZEROS, NOISE_ONE_FLIP, 0, CHANCE},
    {"one-drop", NOISE_DEVICE, NOISE_APART, NOISE_ZEROS, NOISE_ONE_DROP, 0, CHANCE},
    {"one-insert", NOISE_DEVICE, NOISE_APART, NOISE_ZEROS, NOISE_ONE_INSERT, 0, CHANCE},
    {"one-burst", NOISE_DEVICE, NOISE_APART, NOISE_ZEROS, NOISE_ONE_BURST, 0, CHANCE},
    {"zero-dropped", NOISE_DEVICE, NOISE_APART, NOISE_TRAILING, NOISE_LAST_DROP, 0, 0},
    {"zero-inserted", NOISE_DEVICE, NOISE_APART, NOISE_TRAILING, NOISE_LAST_INSERT, 0, 0},
};
#define CASES (sizeof cases / sizeof cases[0])

/* -- Shares on threads. */

struct job {
    const struct noise_case *c;
    uint64_t seed, hits;
    atomic_int next;
    struct noise_tally share[SHARES];
};

static void *work(void *user)
{
    struct job *job = user;
    int i;
    while ((i = atomic_fetch_add(&job->next, 1)) < SHARES)
        noise_run(job->c, job->seed * SHARES + (uint64_t)i, (job->hits + SHARES - 1) / SHARES,
                  &job->share[i]);
    return NULL;
}

static struct noise_tally sum(const struct job *job)
{
    struct noise_tally all = {0};
    for (int i = 0; i < SHARES; i++) {
        all.frames += job->share[i].frames;
        all.hit += job->share[i].hit;
        all.faults += job->share[i].faults;
        all.lost += job->share[i].lost;
        all.undetected += job->share[i].undetected;
        all.commands += job->share[i].commands;
    }
    return all;
}

static struct noise_tally run_shares(struct job *job, unsigned threads)
{
    pthread_t thread[MAX_THREADS];
    for (unsigned i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, work, job) != 0)
            abort();
    for (unsigned i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    return sum(job);
}

/* -- The interval: the means at which so few, or so many, come with a chance of 2.5 %. */

static double at_most(uint64_t count, double mean)
{
    double term = exp(-mean), all = term;
    for (uint64_t k = 1; k <= count; k++) {
        term *= mean / (double)k;
        all += term;
    }
    return all;
}

static double mean_where(uint64_t count, double chance)
{
    double low = 0, high = 10 + 3 * (double)count;
    for (int i = 0; i < 100; i++) {
        double mid = (low + high) / 2;
        *(at_most(count, mid) > chance ? &low : &high) = mid;
    }
    return low;
}

struct interval {
    double low, high;
};

static struct interval interval(uint64_t count, uint64_t hits)
{
    double per_m = 1e6 / (double)hits;
    return (struct interval){.low = count == 0 ? 0 : mean_where(count - 1, 0.975) * per_m,
                             .high = mean_where(count, 0.025) * per_m};
}

/* -- Verdicts. */

static bool good(const struct noise_case *c, const struct noise_tally *t, bool full)
{
    double rate = (double)t->undetected * 1e6 / (double)t->hit;
    if (t->commands > 0)
        return false;
    if ((double)t->lost / (double)t->hit > GOAL_LOST)
        return false;
    return full && c->goal <= GOAL ? rate <= c->goal
                                   : interval(t->undetected, t->hit).low <= c->goal;
}

static bool run_case(const struct noise_case *c, uint64_t seed, uint64_t hits, bool full,
                     unsigned threads)
{
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL)
        abort();
    job->c = c;
    job->seed = seed;
    job->hits = hits;
    struct noise_tally t = run_shares(job, threads);
    struct interval i = interval(t.undetected, t.hit);
    bool held = good(c, &t, full);
    printf("%-17s %11llu %9.4f %10llu   %8.4f (%.4f to %.4f) %9llu  %s\n", c->name,
           (unsigned long long)t.hit, (double)t.lost / (double)t.hit,
           (unsigned long long)t.undetected, (double)t.undetected * 1e6 / (double)t.hit, i.low,
           i.high, (unsigned long long)t.commands, held ? "held" : "MISSED");
    fflush(stdout);
    free(job);
    return held;
}

/* The goals of a rate need many frames; the others are as sure with fewer. */
static uint64_t hits_of(const struct noise_case *c, uint64_t hits)
{
    return c->goal == GOAL || hits < LONG_HITS ? hits : hits / 15;
}

static bool run_lock_in(uint64_t seed)
{
    static const uint8_t fillings[] = {0x00, 0x01, 0x02, 0x7e, 0xaa, 0xff};
    uint64_t locked = 0, starts = 0;
    for (size_t i = 0; i < sizeof fillings; i++) {
        locked += noise_lock_in(fillings[i], false, seed + i, LOCK_IN_STARTS);
        locked += noise_lock_in(fillings[i], true, seed + i, LOCK_IN_STARTS);
        starts += 2 * LOCK_IN_STARTS;
    }
    printf("lock-in           %llu of %llu\n", (unsigned long long)locked,
           (unsigned long long)starts);
    return locked == 0;
}

int main(int argc, char **argv)
{
    uint64_t seed = SEED, millions = 0, threads = 2;
    const char *only = NULL;
    bool is_long = false, held = true;
    const struct test_arg known[] = {{"--seed", .number = &seed},
                                     {"--long", .flag = &is_long},
                                     {"--hits", .number = &millions},
                                     {"--threads", .number = &threads},
                                     {"--only", .text = &only}};
    test_args(argc, argv, known, sizeof known / sizeof *known);
    const uint64_t hits = millions > 0 ? 1000000 * millions : is_long ? LONG_HITS : SHORT_HITS;
    if (threads == 0 || threads > MAX_THREADS) {
        fprintf(stderr, "mp_noise: from 1 to %d threads\n", MAX_THREADS);
        return 2;
    }
    printf("seed %llu, 32-byte bodies\n", (unsigned long long)seed);
    printf("%-17s %11s %9s %10s   %s %22s\n", "case", "hit frames", "lost/hit", "undetected",
           "per million (95 %)", "commands");
    for (size_t i = 0; i < CASES; i++)
        if (only == NULL || strcmp(only, cases[i].name) == 0)
            held &= run_case(&cases[i], seed, hits_of(&cases[i], hits), hits >= LONG_HITS,
                             (unsigned)threads);
    if (only == NULL)
        held &= run_lock_in(seed);
    printf("%s\n", held ? "every goal held" : "a goal was missed");
    return held ? 0 : 1;
}
