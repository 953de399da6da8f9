/*
 * How well the host knows the device's clock on every kind of line, and whether the bound that it
 * gives holds: a UART, an FTDI adapter with its 16 ms timer, a USB CDC port, and one that stalls.
 * The device's crystal is off, and wanders as it warms up and cools down.
 *
 *   mp_clock_sim [--seed N] [--seconds N] [--check]
 *
 * With --check it fails when a figure is worse than its goal.
 */
#include "mp_world.h"
#include "test_args.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_US  30000000u
#define LOOK_US    9973u
#define READING_US 50000u
#define WANDER_PPM 0.8
#define WANDER_S   600.0
#define BOUND_HELD 0.999
#define RUNS       3
#define LOOKS_MAX  200000
#define TURN       6.283185307179586

struct kind {
    const char *name;
    uint32_t baud, told_baud;
    uint32_t to_jitter_us, from_jitter_us; /* to the device, from it */
    uint32_t from_grain_us;
    double stall;
    double ppm;
    double p99_us; /* goal */
};

static const struct kind kinds[] = {
    {"uart", 250000, 250000, 100, 100, 0, 0.01, 43, 50},
    {"uart-resonator", 115200, 115200, 100, 100, 0, 0.01, -3100, 50},
    {"ftdi-16ms", 115200, 115200, 250, 100, 16000, 0, 43, 200},
    {"cdc", 12000000, 115200, 1000, 1000, 0, 0, -38, 300},
    {"cdc-stalls", 12000000, 115200, 1000, 1000, 0, 0.03, 43, 300},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static double device_ppm, wander_phase;

/* The device's crystal when the host's says `us`; both began at 0. */
static uint64_t device_time(uint64_t us)
{
    double s = (double)us * 1e-6;
    double wander = WANDER_PPM * WANDER_S / TURN *
                    (cos(wander_phase) - cos(wander_phase + TURN * s / WANDER_S));
    return (uint64_t)((double)us + device_ppm * s + wander + 0.5);
}

static void device_bytes(void *user, const uint8_t *bytes, size_t n, uint64_t now_us)
{
    mp_device_bytes(&((struct world *)user)->device, bytes, n, (uint32_t)device_time(now_us));
}

static uint32_t device_poll(void *user, uint64_t now_us)
{
    return mp_device_poll(&((struct world *)user)->device, (uint32_t)device_time(now_us));
}

static size_t device_output(void *user, uint8_t *out, size_t cap, uint64_t now_us)
{
    return mp_device_output(&((struct world *)user)->device, out, cap,
                            (uint32_t)device_time(now_us));
}

static void set_up(struct world *world, const struct kind *kind, uint64_t seed)
{
    struct sim_line *to, *from;
    world_init(world, seed, kind->told_baud, 0);
    world->sim.end[WORLD_DEVICE] =
        (struct sim_end){world, device_bytes, device_poll, device_output};
    device_ppm = kind->ppm;
    wander_phase = (double)(seed % 100) / 100 * TURN;
    to = &world->sim.line[WORLD_HOST];
    from = &world->sim.line[WORLD_DEVICE];
    to->baud = from->baud = kind->baud;
    to->jitter_us = kind->to_jitter_us;
    from->jitter_us = kind->from_jitter_us;
    from->grain_us = kind->from_grain_us;
    from->grain_ppm = 130;
    to->stall = from->stall = kind->stall;
    to->stall_us = from->stall_us = 50000;
}

static void send_reading(struct world *world)
{
    uint64_t now_us = device_time(sim_now_us(&world->sim));
    mp_device_poll(&world->device, (uint32_t)now_us);
    mp_device_reading(&world->device, 0, (union mp_value){.i = 7}, mp_device_ticks(&world->device),
                      true);
    mp_device_flush(&world->device);
    sim_touch(&world->sim, WORLD_DEVICE);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct looks {
    double wrong_us[LOOKS_MAX], bound_us[LOOKS_MAX];
    size_t count, looked, held;
};

/* The bound must hold from the beginning, the error counts once the clock is learnt. */
static void look(const struct world *world, struct looks *looks)
{
    uint64_t now_us = sim_now_us(&world->sim);
    struct mp_clock clock = world->host.clock;
    mp_clock_age(&clock, now_us);
    double truth = (double)now_us - (double)device_time(now_us);
    double wrong = fabs(truth - (double)clock.offset_us);
    looks->looked++;
    looks->held += wrong <= clock.bound_us;
    if (now_us < SETTLE_US || looks->count == LOOKS_MAX)
        return;
    looks->wrong_us[looks->count] = wrong;
    looks->bound_us[looks->count] = clock.bound_us;
    looks->count++;
}

static void run(const struct kind *kind, uint64_t seed, uint64_t seconds, struct looks *all)
{
    struct world *world = calloc(1, sizeof *world);
    if (world == NULL)
        abort();
    set_up(world, kind, seed);
    if (!sim_until(&world->sim, world_ready, world, 5000000))
        abort();
    for (uint64_t reading_us = 0; sim_now_us(&world->sim) < SETTLE_US + seconds * 1000000;) {
        sim_run(&world->sim, LOOK_US);
        if (sim_now_us(&world->sim) - reading_us >= READING_US) {
            send_reading(world);
            reading_us = sim_now_us(&world->sim);
        }
        look(world, all);
    }
    world_free(world);
    free(world);
}

static bool report(const struct kind *kind, struct looks *looks)
{
    double held = (double)looks->held / (double)looks->looked;
    qsort(looks->wrong_us, looks->count, sizeof(double), by_value);
    qsort(looks->bound_us, looks->count, sizeof(double), by_value);
    double p99 = looks->wrong_us[looks->count * 99 / 100];
    bool good = p99 <= kind->p99_us && held >= BOUND_HELD;
    printf("%-15s %8.0f %8.0f %8.0f %8.0f %10.0f %9.4f  %s\n", kind->name,
           looks->wrong_us[looks->count / 2], p99, looks->wrong_us[looks->count - 1], kind->p99_us,
           looks->bound_us[looks->count / 2], 100 * held, good ? "ok" : "short");
    return good;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, seconds = 300;
    bool check = false, good = true;
    struct looks *looks = malloc(sizeof *looks);
    const struct test_arg known[] = {{"--check", .flag = &check},
                                     {"--seed", .number = &seed},
                                     {"--seconds", .number = &seconds}};
    test_args(argc, argv, known, sizeof known / sizeof *known);
    printf("seed %llu, %d runs of %llu s\nline            p50 us   p99 us   max us     goal  bound "
           "p50  held %%\n",
           (unsigned long long)seed, RUNS, (unsigned long long)seconds);
    for (size_t k = 0; looks != NULL && k < KINDS; k++) {
        looks->count = looks->looked = looks->held = 0;
        for (uint64_t r = 0; r < RUNS; r++)
            run(&kinds[k], seed + r, seconds, looks);
        good &= report(&kinds[k], looks);
    }
    free(looks);
    return good || !check ? 0 : 1;
}
