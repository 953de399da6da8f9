/*
 * The figures of the reliable link on a noisy line: goodput with the line kept full, and the delay
 * of 50 messages a second. 115200 baud, bodies of 32 bytes, 1 ms each way, safe equal to received.
 *
 *   mp_goodput [--seed N] [--seconds N]
 */
#include "mp_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BAUD       115200
#define LATENCY_US 1000
#define BODY       32

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

/* Returns whether no rule was broken. */
static bool run(uint64_t seed, double ber, uint32_t interval_us, unsigned seconds)
{
    struct pair *pair = malloc(sizeof *pair);
    struct pair_options options = {.body = BODY,
                                   .up_interval_us = interval_us,
                                   .down_interval_us = UINT32_MAX,
                                   .once_interval_us = UINT32_MAX};
    if (pair == NULL)
        abort();
    pair_init(pair, &options, seed, BAUD, LATENCY_US);
    sim_until(&pair->sim, is_up, pair, 1000000);
    sim_faults(&pair->sim, &(struct sim_faults){.ber = ber});
    pair->next_up_us = sim_now_us(&pair->sim);
    uint64_t before = pair->bytes_delivered;
    sim_run(&pair->sim, seconds * 1000000ull);
    double line = BAUD / 10.0 * seconds;
    const struct mp_link_stats *stats = mp_link_stats(&pair->link[PAIR_DEVICE]);
    printf("  %-7g %9.2f %9.1f %9.1f %9.1f %8u %8u", ber,
           100.0 * (double)(pair->bytes_delivered - before) / line, percentile_ms(pair, 0.5),
           percentile_ms(pair, 0.99), percentile_ms(pair, 1), stats->resent, stats->frames_out);
    bool good = pair_settle(pair);
    printf("  %s\n", good ? "all arrived" : pair->broken);
    pair_free(pair);
    free(pair);
    return good;
}

int main(int argc, char **argv)
{
    static const double rates[] = {0, 1e-5, 1e-4, 1e-3};
    uint64_t seed = 1;
    unsigned seconds = 60;
    bool good = true;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seconds") == 0)
            seconds = (unsigned)strtoul(argv[i + 1], NULL, 10);
    }
    printf("seed %llu, %u s of line time each\n", (unsigned long long)seed, seconds);
    for (int pass = 0; pass < 2; pass++) {
        printf("%s\n  ber     goodput %%    p50 ms    p99 ms    max ms   resent   frames\n",
               pass == 0 ? "line kept full" : "50 messages a second");
        for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
            good &= run(seed + i, rates[i], pass == 0 ? 0 : 20000, seconds);
    }
    return good ? 0 : 1;
}
