/*
 * The figures of the reliable link on a noisy line: goodput with the line kept full, and the delay
 * of 50 messages a second. 115200 baud, bodies of 32 bytes, 1 ms each way, safe equal to received.
 *
 *   mp_goodput [--seed N] [--seconds N] [--check]
 *
 * With --check it fails when a figure is worse than its goal.
 */
#include "mp_pair.h"
#include "test_args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BAUD       115200
#define LATENCY_US 1000
#define BODY       32

/* What must be reached at each bit error rate; a p99 of 0: no goal. */
static const struct goal {
    double ber, goodput, p99_ms;
} goals[] = {{0, 80, 0}, {1e-5, 79.5, 0}, {1e-4, 76, 18}, {1e-3, 50, 61}};
#define GOALS (sizeof goals / sizeof goals[0])

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double percentile_ms(struct pair *pair, double p)
{
    if (pair->latency_count == 0)
        return 0;
    qsort(pair->latency_us, pair->latency_count, sizeof *pair->latency_us, by_value);
    return pair->latency_us[(size_t)((double)(pair->latency_count - 1) * p)] / 1000.0;
}

static bool is_up(void *user)
{
    struct pair *pair = user;
    return mp_link_is_up(&pair->link[PAIR_DEVICE]);
}

/* Returns whether no rule was broken and the goal reached. */
static bool run(uint64_t seed, const struct goal *goal, uint32_t interval_us, unsigned seconds)
{
    bool full = interval_us == 0;
    struct pair *pair = malloc(sizeof *pair);
    struct pair_options options = {.body = BODY,
                                   .up_interval_us = interval_us,
                                   .down_interval_us = UINT32_MAX,
                                   .once_interval_us = UINT32_MAX};
    if (pair == NULL)
        abort();
    pair_init(pair, &options, seed, BAUD, LATENCY_US);
    sim_until(&pair->sim, is_up, pair, 1000000);
    sim_faults(&pair->sim, &(struct sim_faults){.ber = goal->ber});
    pair->next_up_us = sim_now_us(&pair->sim);
    uint64_t before = pair->bytes_delivered;
    sim_run(&pair->sim, seconds * 1000000ull);
    double line = BAUD / 10.0 * seconds;
    double goodput = 100.0 * (double)(pair->bytes_delivered - before) / line;
    double p99_ms = percentile_ms(pair, 0.99);
    const struct mp_link_stats *stats = mp_link_stats(&pair->link[PAIR_DEVICE]);
    printf("  %-7g %9.2f %9.1f %9.1f %9.1f %8u %8u", goal->ber, goodput, percentile_ms(pair, 0.5),
           p99_ms, percentile_ms(pair, 1), stats->resent, stats->frames_out);
    bool held = pair_settle(pair);
    bool reached = full ? goodput >= goal->goodput : goal->p99_ms == 0 || p99_ms <= goal->p99_ms;
    printf("  %s%s\n", held ? "all arrived" : pair->broken, reached ? "" : ", GOAL MISSED");
    pair_free(pair);
    free(pair);
    return held && reached;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, seconds = 60;
    bool check = false, good = true;
    const struct test_arg known[] = {{"--check", .flag = &check},
                                     {"--seed", .number = &seed},
                                     {"--seconds", .number = &seconds}};
    test_args(argc, argv, known, sizeof known / sizeof *known);
    printf("seed %llu, %u s of line time each\n", (unsigned long long)seed, (unsigned)seconds);
    for (int pass = 0; pass < 2; pass++) {
        printf("%s\n  ber     goodput %%    p50 ms    p99 ms    max ms   resent   frames\n",
               pass == 0 ? "line kept full" : "50 messages a second");
        for (size_t i = 0; i < GOALS; i++)
            good &= run(seed + i, &goals[i], pass == 0 ? 0 : 20000, (unsigned)seconds);
    }
    return good || !check ? 0 : 1;
}
