/*
 * mp_rig.h - a host and a device at the two ends of a clean line of 115200 baud, made anew for each
 * test (MP_RIG_TEST).
 */
#ifndef MP_RIG_H
#define MP_RIG_H

#include "mp_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct world *world;

static int mp_rig_setup(void **state)
{
    (void)state;
    world = malloc(sizeof *world);
    world_init(world, 1, 115200, 1000);
    return 0;
}

static int mp_rig_teardown(void **state)
{
    (void)state;
    world_free(world);
    free(world);
    return 0;
}

#define MP_RIG_TEST(name) cmocka_unit_test_setup_teardown(name, mp_rig_setup, mp_rig_teardown)

/* Until the host knows what the device is. */
static void mp_rig_get_ready(void)
{
    assert_true(sim_until(&world->sim, world_ready, world, 1000000));
}

#endif
