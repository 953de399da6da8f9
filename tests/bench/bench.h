/*
 * bench.h - what the benchmarks share: a clock, work that the optimiser cannot drop, and the one
 * line a figure is printed as.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>

static inline double bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline void bench_keep(const void *bytes)
{
    __asm__ volatile("" : : "r"(bytes) : "memory");
}

/* Time of one call of `work`, the best of `rounds` rounds of `calls`: what the machine can do when
 * nobody disturbs it. */
static inline double bench_ns(void (*work)(void *state), void *state, unsigned calls,
                              unsigned rounds)
{
    double best = 1e300;
    for (unsigned r = 0; r < rounds; r++) {
        double start = bench_now_ns();
        for (unsigned i = 0; i < calls; i++)
            work(state);
        double took = (bench_now_ns() - start) / calls;
        best = took < best ? took : best;
    }
    return best;
}

/* The same of two in turns, so that what disturbs one disturbs the other; each has a state. */
static inline void bench_both(void (*const work[2])(void *), void *const state[2], unsigned calls,
                              unsigned rounds, double best[2])
{
    best[0] = best[1] = 1e300;
    for (unsigned r = 0; r < 2 * rounds; r++) {
        double took = bench_ns(work[r % 2], state[r % 2], calls, 1);
        best[r % 2] = took < best[r % 2] ? took : best[r % 2];
    }
}

/* `ratio`: how many times as fast as the baseline of the same run; `goal`: at least so many. */
static inline void bench_faster(const char *name, double ns, double ratio, double goal)
{
    printf("%s %.1f ns %.2f %.1f %s\n", name, ns, ratio, goal, ratio >= goal ? "ok" : "short");
}

#endif
