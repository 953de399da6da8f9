/*
 * A whole device and a whole host through noise and restarts: every reading arrives, in order, once
 * in each life of the host, and nothing that comes is nonsense.
 */
#include "mp_world.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEED  20260104
#define RUNS  12
#define STEPS 150
#define SLOT  2 /* an i32 */
#define LIFE  100000

struct judge {
    struct world world;
    int32_t life, sent; /* of the device */
    int32_t stored;     /* readings of this life that the host has kept */
    int32_t last;       /* reading that came last in this life of the host; -1: none */
};

static void take_reading(struct judge *j)
{
    struct world *w = &j->world;
    union mp_value value = {.i = j->life * LIFE + j->sent};
    mp_device_poll(&w->device, (uint32_t)sim_now_us(&w->sim));
    if (mp_device_reading(&w->device, SLOT, value, mp_device_ticks(&w->device), true) == MP_OK)
        j->sent++;
}

static void judge(struct judge *j)
{
    struct world *w = &j->world;
    for (size_t i = 0; i < w->reading_count; i++) {
        int32_t value = (int32_t)lround(w->readings[i].value * 1000);
        int32_t seq = value % LIFE;
        if (value / LIFE != j->life)
            continue; /* came before the restart that this step made */
        if (j->last >= 0)
            assert_int_equal(seq, j->last + 1);
        assert_true(seq <= j->stored);
        j->last = seq;
        j->stored = seq + 1 > j->stored ? seq + 1 : j->stored;
    }
    w->reading_count = 0;
}

static void disturb(struct judge *j, double often)
{
    struct world *w = &j->world;
    if (sim_chance(&w->sim, often)) {
        world_restart_host(w);
        j->last = -1;
    }
    if (sim_chance(&w->sim, often)) {
        world_restart_device(w);
        j->life++;
        j->sent = 0;
        j->stored = 0;
        j->last = -1;
    }
    if (sim_chance(&w->sim, often)) {
        mp_host_line_lost(&w->host);
        sim_touch(&w->sim, WORLD_HOST);
    }
}

static void run(uint64_t seed, double ber, double often)
{
    struct judge *j = calloc(1, sizeof *j);
    assert_non_null(j);
    j->last = -1;
    world_init(&j->world, seed, 115200, 1000);
    sim_faults(&j->world.sim, &(struct sim_faults){.ber = ber});
    for (int step = 0; step < STEPS; step++) {
        for (int i = 0; i < 3; i++)
            take_reading(j);
        mp_device_flush(&j->world.device);
        sim_run(&j->world.sim, 5000 + sim_random(&j->world.sim) % 30000);
        judge(j);
        disturb(j, often);
    }
    sim_faults(&j->world.sim, &(struct sim_faults){0});
    sim_run(&j->world.sim, 8000000);
    mp_device_flush(&j->world.device);
    sim_run(&j->world.sim, 1000000);
    judge(j);
    if (j->stored != j->sent || j->world.nonsenses > 0)
        fail_msg("seed %llu: %d of %d readings, nonsense: %s", (unsigned long long)seed, j->stored,
                 j->sent, j->world.last_nonsense);
    world_free(&j->world);
    free(j);
}

static void every_reading_arrives_over_a_clean_line_with_restarts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RUNS; i++)
        run(SEED + i, 0, 0.05);
}

static void every_reading_arrives_through_noise(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RUNS; i++)
        run(SEED + i, 1e-3, 0);
}

static void every_reading_arrives_through_noise_and_restarts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RUNS; i++)
        run(SEED + i, 3e-4, 0.04);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reading_arrives_over_a_clean_line_with_restarts),
        cmocka_unit_test(every_reading_arrives_through_noise),
        cmocka_unit_test(every_reading_arrives_through_noise_and_restarts),
    };
    return cmocka_run_group_tests_name("mp_world", tests, NULL, NULL);
}
