/*
 * A whole device and host, hello to commands: killed at every byte of an exchange, and on every
 * kind of bad line with commands that are about to expire. mp_judge's rules must hold in every run;
 * and a device that restarts under a ready host must be reported, and its host ready again in time.
 *
 *   mp_exchange [--seed N] [--long] [--stride N] [--runs N]
 *
 * The short form kills at every so many-th byte, the long one at each.
 */
#include "mp_judge.h"
#include "test_args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED         20260106
#define BAUD         115200
#define SHORT_STRIDE 19
#define SHORT_RUNS   2
#define LONG_RUNS    300
#define RECOVERED_US 30000 /* the goal, where a byte takes up to 1 ms to arrive */
#define NO_POINT     UINT64_MAX

static const uint32_t latencies_us[] = {100, 1000, 16000};
#define LATENCIES (sizeof latencies_us / sizeof latencies_us[0])

/* -- Killed at each byte. */

struct exchange;

struct tap {
    struct exchange *exchange;
    struct sim_end end;
};

struct exchange {
    struct judge *judge;
    struct tap tap[2];
    uint64_t points; /* bytes that have arrived, at either end */
    uint64_t kill_at;
    int victim;
    bool killed;
    uint64_t killed_us;
    unsigned readies, losts; /* of the host at the kill */
    bool was_ready;
    uint64_t recovered_us; /* time from a kill to the next ready; 0: none measured */
};

static void tap_bytes(void *user, const uint8_t *bytes, size_t n, uint64_t now_us)
{
    struct tap *tap = user;
    tap->exchange->points += n;
    tap->end.bytes(tap->end.user, bytes, n, now_us);
}

static uint32_t tap_poll(void *user, uint64_t now_us)
{
    struct tap *tap = user;
    return tap->end.poll(tap->end.user, now_us);
}

static size_t tap_output(void *user, uint8_t *out, size_t cap, uint64_t now_us)
{
    struct tap *tap = user;
    return tap->end.output(tap->end.user, out, cap, now_us);
}

static void open_taps(struct exchange *x)
{
    struct sim *sim = &x->judge->world.sim;
    for (int i = 0; i < 2; i++) {
        x->tap[i] = (struct tap){x, sim->end[i]};
        sim->end[i] = (struct sim_end){&x->tap[i], tap_bytes, tap_poll, tap_output};
    }
}

static bool at_point(void *user)
{
    const struct exchange *x = user;
    return !x->killed && x->points >= x->kill_at;
}

static bool ready_again(void *user)
{
    const struct exchange *x = user;
    return x->judge->world.readies > x->readies;
}

static void kill_victim(struct exchange *x)
{
    struct world *w = &x->judge->world;
    x->killed = true;
    x->killed_us = sim_now_us(&w->sim);
    x->was_ready = world_ready(w);
    x->readies = w->readies;
    x->losts = w->losts;
    judge_restart(x->judge, x->victim);
    if (x->victim == WORLD_DEVICE && x->was_ready && sim_until(&w->sim, ready_again, x, 10000000))
        x->recovered_us = sim_now_us(&w->sim) - x->killed_us;
}

/* Lets so much of the script's time pass; the kill comes when its point is reached. */
static void pass(struct exchange *x, uint64_t us)
{
    struct world *w = &x->judge->world;
    uint64_t until_us = sim_now_us(&w->sim) + us;
    if (sim_until(&w->sim, at_point, x, us))
        kill_victim(x);
    if (sim_now_us(&w->sim) < until_us)
        sim_run(&w->sim, until_us - sim_now_us(&w->sim));
}

/* From silence to readings, commands and console in both directions. */
static void play(struct exchange *x, uint32_t latency_us)
{
    pass(x, 60000 + 12 * latency_us);
    for (int i = 0; i < 8; i++) {
        judge_read(x->judge);
        judge_command(x->judge, 2000);
        if (i == 3)
            (void)mp_host_console(&x->judge->world.host, (const uint8_t *)"status\n", 7);
        if (i == 5)
            (void)mp_device_console(&x->judge->world.device, (const uint8_t *)"ok\n", 3);
        pass(x, 4000 + latency_us / 2);
    }
    pass(x, 20000 + 4 * latency_us);
}

struct kills {
    uint64_t points, runs, recovered, slowest_us;
};

static bool reported(const struct exchange *x)
{
    const struct world *w = &x->judge->world;
    return w->losts > x->losts && w->why == MP_DOWN_RESTARTED && w->fresh;
}

static bool kill_once(uint64_t seed, uint32_t latency_us, uint64_t point, int victim,
                      struct kills *kills)
{
    struct exchange x = {.kill_at = point, .victim = victim};
    x.judge = judge_new(seed, BAUD, latency_us);
    if (x.judge == NULL)
        abort();
    open_taps(&x);
    play(&x, latency_us);
    if (point == NO_POINT)
        kills->points = x.points;
    bool good = judge_settle(x.judge);
    const char *what = x.judge->broken;
    if (good && x.recovered_us > 0 && !reported(&x)) {
        good = false;
        what = "the restart was not reported";
    }
    if (!good)
        printf("BROKEN at point %llu, %s killed, latency %u us, seed %llu: %s\n",
               (unsigned long long)point, victim == WORLD_DEVICE ? "device" : "host", latency_us,
               (unsigned long long)seed, what);
    kills->runs++;
    kills->recovered += x.recovered_us > 0;
    if (x.recovered_us > kills->slowest_us)
        kills->slowest_us = x.recovered_us;
    judge_free(x.judge);
    return good;
}

static bool kill_everywhere(uint64_t seed, uint32_t latency_us, uint64_t stride)
{
    struct kills kills = {0};
    bool good = kill_once(seed, latency_us, NO_POINT, WORLD_DEVICE, &kills);
    for (uint64_t point = 0; point < kills.points; point += stride)
        for (int victim = 0; victim < 2; victim++)
            good &= kill_once(seed, latency_us, point, victim, &kills);
    bool in_time = latency_us > 1000 || kills.slowest_us <= RECOVERED_US;
    printf("%7.1f ms %9llu %9llu %11llu %9.1f ms  %s\n", latency_us / 1000.0,
           (unsigned long long)kills.points, (unsigned long long)kills.runs,
           (unsigned long long)kills.recovered, (double)kills.slowest_us / 1000.0,
           good ? in_time ? "held" : "TOO SLOW" : "BROKEN");
    return good && in_time && kills.recovered > 0;
}

/* -- Commands about to expire, on bad lines. */

struct hardship {
    const char *name;
    struct sim_faults faults;
    uint32_t grain_us;
    double restart; /* of either end, every 25 ms */
};

static const struct hardship hardships[] = {
    {.name = "clean"},
    {.name = "bit-errors", .faults = {.ber = 1e-3}},
    {.name = "slips", .faults = {.drop = 5e-3, .insert = 5e-3}},
    {.name = "bursts", .faults = {.burst = 1e-3}},
    {.name = "repeated", .faults = {.repeat = 1}},
    {.name = "swapped", .faults = {.swap = 1}},
    {.name = "hostile", .faults = {.repeat = 0.5, .swap = 0.5, .ber = 3e-4}},
    {.name = "lumps", .faults = {.ber = 3e-4}, .grain_us = 16000},
    {.name = "restarts", .faults = {.ber = 3e-4}, .restart = 0.02},
    {.name = "all",
     .faults = {.repeat = 0.2, .swap = 0.2, .ber = 3e-4, .drop = 1e-3},
     .restart = 0.02},
};
#define HARDSHIPS (sizeof hardships / sizeof hardships[0])

struct sums {
    uint64_t readings, commands, applied, expired;
};

static void restart_some(struct judge *judge, double chance)
{
    for (int end = 0; end < 2; end++)
        if (sim_chance(&judge->world.sim, chance))
            judge_restart(judge, end);
}

static bool command_run(const struct hardship *h, uint32_t latency_us, uint64_t seed,
                        struct sums *sums)
{
    struct judge *judge = judge_new(seed, BAUD, latency_us);
    if (judge == NULL)
        abort();
    struct sim *sim = &judge->world.sim;
    sim_faults(sim, &h->faults);
    sim->line[0].grain_us = sim->line[1].grain_us = h->grain_us;
    for (int i = 0; i < 80; i++) {
        judge_read(judge);
        judge_command(judge, (uint32_t)(3 + sim_random(sim) % 60));
        sim_run(sim, 5000 + sim_random(sim) % 40000);
        judge_look(judge);
        restart_some(judge, h->restart);
    }
    bool good = judge_settle(judge);
    if (!good)
        printf("BROKEN %s, latency %u us, --seed %llu --runs 1: %s\n", h->name, latency_us,
               (unsigned long long)seed, judge->broken);
    sums->readings += judge->readings;
    sums->commands += judge->commands;
    sums->applied += judge->applied;
    sums->expired += judge->expired;
    judge_free(judge);
    return good;
}

static bool command_runs(const struct hardship *h, uint64_t seed, unsigned runs)
{
    struct sums sums = {0};
    bool good = true;
    for (unsigned i = 0; i < runs; i++)
        for (size_t l = 0; l < LATENCIES; l++)
            good &= command_run(h, latencies_us[l], seed + i, &sums);
    printf("%-12s %9llu %9llu %9llu %9llu  %s\n", h->name, (unsigned long long)sums.readings,
           (unsigned long long)sums.commands, (unsigned long long)sums.applied,
           (unsigned long long)sums.expired, good ? "held" : "BROKEN");
    return good;
}

int main(int argc, char **argv)
{
    uint64_t seed = SEED, stride = 0, asked = 0;
    bool is_long = false, good = true;
    const struct test_arg known[] = {{"--seed", .number = &seed},
                                     {"--long", .flag = &is_long},
                                     {"--stride", .number = &stride},
                                     {"--runs", .number = &asked}};
    test_args(argc, argv, known, sizeof known / sizeof *known);
    unsigned runs = asked > 0 ? (unsigned)asked : is_long ? LONG_RUNS : SHORT_RUNS;
    if (stride == 0)
        stride = is_long ? 1 : SHORT_STRIDE;
    printf("seed %llu\n%10s %9s %9s %11s %12s\n", (unsigned long long)seed, "latency", "points",
           "runs", "recoveries", "slowest");
    for (size_t l = 0; l < LATENCIES; l++)
        good &= kill_everywhere(seed, latencies_us[l], stride);
    printf("%-12s %9s %9s %9s %9s\n", "line", "readings", "commands", "applied", "expired");
    for (size_t h = 0; h < HARDSHIPS; h++)
        good &= command_runs(&hardships[h], seed, runs);
    printf("%s\n", good ? "every rule held" : "a rule was broken");
    return good ? 0 : 1;
}
