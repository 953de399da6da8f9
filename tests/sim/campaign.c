/*
 * Two links against every kind of bad line, restarts and cuts among it. Rules that must hold in
 * every run: no message twice, none out of order, none lost that was called safe, no command
 * outside its session, and all comes to rest once the line is well. A broken rule prints how to run
 * it again.
 *
 *   mp_campaign [--seed N] [--long] [--only SCENARIO] [--runs N]
 */
#include "mp_pair.h"
#include "test_args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED       20260101
#define SHORT_RUNS 2
#define LONG_RUNS  200
#define RUN_US     3000000
#define DISTURB_US 30000

/* What happens beside the noise, each with this probability every 30 ms. */
struct disturbance {
    double restart_device, restart_host, line_lost, cut;
};

struct scenario {
    const char *name;
    struct sim_faults faults; /* at rate 1; scaled by the rates below */
    struct disturbance disturbance;
    uint32_t latency_us, grain_us;
    struct pair_options options;
};

#define BUSY .options = {.body = 32, .down_interval_us = 50000, .once_interval_us = 70000}
#define CALM(p)                            \
    .options = {.body = 24,                \
                .up_interval_us = 20000,   \
                .down_interval_us = 30000, \
                .once_interval_us = 50000, \
                .safe_us = 50000,          \
                .payload = p}

static const struct scenario scenarios[] = {
    {.name = "bit-errors", .faults = {.ber = 1e-3}, .latency_us = 1000, BUSY},
    {.name = "bit-errors-calm", .faults = {.ber = 1e-3}, .latency_us = 1000, CALM(PAIR_RANDOM)},
    {.name = "flips", .faults = {.flip = 0.02}, .latency_us = 1000, BUSY},
    {.name = "drops", .faults = {.drop = 0.01}, .latency_us = 1000, BUSY},
    {.name = "inserts", .faults = {.insert = 0.01}, .latency_us = 1000, CALM(PAIR_ZEROS)},
    {.name = "bursts", .faults = {.burst = 0.002}, .latency_us = 100, BUSY},
    {.name = "all-faults",
     .faults = {.ber = 3e-4, .flip = 2e-3, .drop = 2e-3, .insert = 2e-3, .burst = 3e-4},
     .latency_us = 1000,
     CALM(PAIR_SAW)},
    {.name = "zeros",
     .faults = {.flip = 0.01, .drop = 0.002},
     .latency_us = 1000,
     CALM(PAIR_ZEROS)},
    {.name = "ones", .faults = {.flip = 0.01, .drop = 0.002}, .latency_us = 1000, CALM(PAIR_ONES)},
    {.name = "repeats", .faults = {.repeat = 1.0}, .latency_us = 1000, BUSY},
    {.name = "swaps", .faults = {.swap = 1.0}, .latency_us = 1000, BUSY},
    {.name = "repeats-swaps",
     .faults = {.repeat = 1.0, .swap = 1.0},
     .latency_us = 100,
     CALM(PAIR_RANDOM)},
    {.name = "hostile",
     .faults = {.repeat = 0.5, .swap = 0.5, .ber = 2e-4},
     .latency_us = 1000,
     CALM(PAIR_RANDOM)},
    {.name = "slow-usb", .faults = {.ber = 3e-4}, .latency_us = 1000, .grain_us = 16000, BUSY},
    {.name = "near", .faults = {.ber = 1e-3}, .latency_us = 100, BUSY},
    {.name = "far", .faults = {.ber = 1e-3}, .latency_us = 16000, BUSY},
    {.name = "far-restarts",
     .faults = {.ber = 3e-4, .repeat = 0.3, .swap = 0.3},
     .disturbance = {.restart_device = 0.02, .restart_host = 0.02},
     .latency_us = 16000,
     CALM(PAIR_RANDOM)},
    {.name = "device-restarts",
     .faults = {.ber = 3e-4},
     .disturbance = {.restart_device = 0.05},
     .latency_us = 1000,
     CALM(PAIR_RANDOM)},
    {.name = "host-restarts",
     .faults = {.ber = 3e-4},
     .disturbance = {.restart_host = 0.05},
     .latency_us = 1000,
     CALM(PAIR_RANDOM)},
    {.name = "both-restart",
     .faults = {.ber = 3e-4, .repeat = 0.2, .swap = 0.1},
     .disturbance = {.restart_device = 0.04, .restart_host = 0.04},
     .latency_us = 1000,
     CALM(PAIR_RANDOM)},
    {.name = "unplugged",
     .faults = {.ber = 3e-4},
     .disturbance = {.line_lost = 0.05, .cut = 0.1},
     .latency_us = 1000,
     .options = {.body = 40,
                 .up_interval_us = 10000,
                 .down_interval_us = 10000,
                 .once_interval_us = 30000,
                 .safe_us = 250000,
                 .silence_ms = 300}},
    {.name = "everything",
     .faults =
         {.ber = 2e-4, .drop = 1e-3, .insert = 1e-3, .burst = 1e-4, .repeat = 0.1, .swap = 0.1},
     .disturbance = {.restart_device = 0.02, .restart_host = 0.02, .line_lost = 0.02, .cut = 0.05},
     .latency_us = 1000,
     .options = {.body = 20,
                 .up_interval_us = 7000,
                 .down_interval_us = 9000,
                 .once_interval_us = 11000,
                 .safe_us = 30000,
                 .device_tx = 768,
                 .rx = 1024,
                 .silence_ms = 500}},
};
#define SCENARIOS (sizeof scenarios / sizeof scenarios[0])

static const double rates[] = {0, 0.1, 1};
#define RATES (sizeof rates / sizeof rates[0])

static struct sim_faults scaled(struct sim_faults f, double rate)
{
    return (struct sim_faults){.ber = f.ber * rate,
                               .flip = f.flip * rate,
                               .drop = f.drop * rate,
                               .insert = f.insert * rate,
                               .burst = f.burst * rate,
                               .repeat = f.repeat * rate,
                               .swap = f.swap * rate};
}

static void disturb(struct pair *pair, const struct disturbance *d)
{
    for (int i = 0; i < 2; i++)
        pair->sim.line[i].cut = sim_chance(&pair->sim, d->cut);
    if (sim_chance(&pair->sim, d->restart_device))
        pair_restart(pair, PAIR_DEVICE);
    if (sim_chance(&pair->sim, d->restart_host))
        pair_restart(pair, PAIR_HOST);
    if (sim_chance(&pair->sim, d->line_lost)) {
        int end = (int)(sim_random(&pair->sim) % 2);
        mp_link_line_lost(&pair->link[end]);
        sim_touch(&pair->sim, end);
    }
}

struct totals {
    uint64_t runs, readings, commands, resent, bad, ups;
};

static bool run(const struct scenario *s, double rate, uint64_t seed, uint64_t run_us,
                struct totals *totals)
{
    struct pair *pair = malloc(sizeof *pair);
    if (pair == NULL)
        abort();
    pair_init(pair, &s->options, seed, 115200, s->latency_us);
    struct sim_faults faults = scaled(s->faults, rate);
    sim_faults(&pair->sim, &faults);
    pair->sim.line[0].grain_us = s->grain_us;
    pair->sim.line[1].grain_us = s->grain_us;
    for (uint64_t at = 0; at < run_us; at += DISTURB_US) {
        sim_run(&pair->sim, DISTURB_US - 1000 + sim_random(&pair->sim) % 2000);
        disturb(pair, &s->disturbance);
    }
    bool good = pair_settle(pair);
    if (!good)
        printf("BROKEN %s rate %g: %s\n  again: --seed %llu --only %s --runs 1\n", s->name, rate,
               pair->broken, (unsigned long long)seed, s->name);
    totals->runs++;
    totals->readings += pair->delivered;
    totals->commands += pair->commands;
    totals->resent += mp_link_stats(&pair->link[PAIR_DEVICE])->resent;
    totals->bad += mp_link_stats(&pair->link[PAIR_HOST])->bad_frames;
    totals->ups += pair->ups;
    pair_free(pair);
    free(pair);
    return good;
}

static bool run_scenario(const struct scenario *s, uint64_t seed, unsigned runs)
{
    struct totals totals = {0};
    bool good = true;
    for (unsigned i = 0; i < runs; i++)
        for (size_t r = 0; r < RATES; r++)
            good &= run(s, rates[r], seed + i, RUN_US, &totals);
    printf("%-16s %6llu %9llu %9llu %9llu %9llu %9llu  %s\n", s->name,
           (unsigned long long)totals.runs, (unsigned long long)totals.readings,
           (unsigned long long)totals.commands, (unsigned long long)totals.resent,
           (unsigned long long)totals.bad, (unsigned long long)totals.ups,
           good ? "held" : "BROKEN");
    return good;
}

int main(int argc, char **argv)
{
    uint64_t seed = SEED, asked = 0;
    const char *only = NULL;
    bool is_long = false, good = true;
    const struct test_arg known[] = {{"--seed", .number = &seed},
                                     {"--long", .flag = &is_long},
                                     {"--only", .text = &only},
                                     {"--runs", .number = &asked}};
    test_args(argc, argv, known, sizeof known / sizeof *known);
    unsigned runs = asked > 0 ? (unsigned)asked : is_long ? LONG_RUNS : SHORT_RUNS;
    printf("seed %llu, %u runs at each of %zu rates\n", (unsigned long long)seed, runs, RATES);
    printf("%-16s %6s %9s %9s %9s %9s %9s\n", "scenario", "runs", "readings", "commands", "resent",
           "bad", "sessions");
    for (size_t i = 0; i < SCENARIOS; i++)
        if (only == NULL || strcmp(only, scenarios[i].name) == 0)
            good &= run_scenario(&scenarios[i], seed, runs);
    printf("%s\n", good ? "every rule held" : "a rule was broken");
    return good ? 0 : 1;
}
