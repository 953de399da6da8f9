/*
 * A host and a device talk over a clean line: everything that mp_host.h and mp_device.h promise.
 */
#include "mp_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct world *world;

static int setup(void **state)
{
    (void)state;
    world = malloc(sizeof *world);
    world_init(world, 1, 115200, 1000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_free(world);
    free(world);
    return 0;
}

static void get_ready(void)
{
    assert_true(sim_until(&world->sim, world_ready, world, 1000000));
}

static void a_host_learns_what_a_device_is(void **state)
{
    (void)state;
    get_ready();
    const struct mp_description *d = &world->host.description;
    assert_true(world->fresh);
    assert_string_equal(d->product, "stub");
    assert_string_equal(d->platform, "generic");
    assert_int_equal(d->sensor_count, 4);
    assert_string_equal(d->sensors[0].name, "bme280");
    assert_string_equal(d->sensors[0].kind, "temperature");
    assert_string_equal(d->sensors[2].kind, "flow");
    assert_string_equal(d->sensors[2].unit, "l/min");
    assert_int_equal(d->control_count, 3);
    assert_string_equal(d->controls[1].name, "heater");
    assert_true(d->controls[1].max.f == 100.0f);
    assert_int_equal(mp_link_peer(&world->host.link)->device_len, 6);
    assert_int_equal(world->nonsenses, 0);
}

static void readings_arrive_in_order_with_their_times(void **state)
{
    (void)state;
    get_ready();
    for (int i = 0; i < 100; i++) {
        sim_run(&world->sim, 5000);
        assert_int_equal(world_read(world, i - 50, true), MP_OK);
        if (i % 7 == 0)
            mp_device_flush(&world->device);
    }
    mp_device_flush(&world->device);
    sim_run(&world->sim, 100000);
    assert_int_equal(world->reading_count, 100);
    for (int i = 0; i < 100; i++) {
        assert_true(world->readings[i].value == (i - 50) / 100.0);
        if (i > 0)
            assert_in_range(world->readings[i].device_us - world->readings[i - 1].device_us, 4000,
                            6000);
    }
}

static void readings_taken_before_the_first_hello_are_kept(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(world_read(world, i, true), MP_OK);
    mp_device_flush(&world->device);
    get_ready();
    sim_run(&world->sim, 100000);
    assert_int_equal(world->reading_count, 10);
    assert_int_equal(world->nonsenses, 0);
}

static void a_command_is_applied_and_answered(void **state)
{
    (void)state;
    uint16_t request = 0;
    get_ready();
    assert_int_equal(mp_host_command(&world->host, 0, (union mp_value){.i = 250}, 500,
                                     sim_now_us(&world->sim), &request),
                     MP_OK);
    sim_run(&world->sim, 50000);
    assert_int_equal(world->applied[0].i, 250);
    assert_int_equal(world->results, 1);
    assert_int_equal(world->last_request, request);
    assert_int_equal(world->last_status, MP_STATUS_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_host_learns_what_a_device_is, setup, teardown),
        cmocka_unit_test_setup_teardown(readings_arrive_in_order_with_their_times, setup, teardown),
        cmocka_unit_test_setup_teardown(readings_taken_before_the_first_hello_are_kept, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_command_is_applied_and_answered, setup, teardown),
    };
    return cmocka_run_group_tests_name("mp_talk", tests, NULL, NULL);
}
