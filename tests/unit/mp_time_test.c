/*
 * What a host makes of a device's clock, over a clean line: when it asks, and when a reading was
 * taken, however long the device has run. The estimate by itself is mp_clock_test's.
 */
#include "mp_rig.h"

static void the_clock_is_right_within_its_bound(void **state)
{
    (void)state;
    mp_rig_get_ready();
    for (int i = 0; i < 50; i++) {
        sim_run(&world->sim, 100000);
        mp_device_poll(&world->device, (uint32_t)sim_now_us(&world->sim));
        mp_host_poll(&world->host, sim_now_us(&world->sim));
        int64_t wrong = (int64_t)sim_now_us(&world->sim) - (int64_t)world->device.clock_us -
                        world->host.clock.offset_us;
        assert_true(world->host.clock.bound_us < 5000);
        assert_true(llabs(wrong) <= world->host.clock.bound_us);
        assert_true(llabs(wrong) < 200);
    }
}

/* A program with a thousand hosts has then a few of them to call at each wake-up. */
static void different_hosts_ask_at_moments_that_they_have_in_common(void **state)
{
    static uint64_t moments[60 * 1000 / 5];
    unsigned shared = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        uint64_t asked_us = 0;
        world_free(world);
        world_init(world, seed, 115200, 1000);
        mp_rig_get_ready();
        sim_run(&world->sim, 30000000); /* the clock is learnt */
        while (sim_now_us(&world->sim) < 59000000) {
            uint64_t at_us = world->host.ask_at_us;
            uint64_t *moment = &moments[at_us / 5000];
            assert_true(asked_us == 0 || at_us - asked_us <= 500000);
            shared += *moment != 0 && at_us != asked_us;
            assert_true(*moment == 0 || *moment == at_us);
            *moment = asked_us = at_us;
            sim_run(&world->sim, 100000);
        }
    }
    assert_true(shared > 5);
}

/* A tunnel over a telephone network, or a board whose loop waits elsewhere. */
static void an_answer_counts_though_the_next_question_was_asked_meanwhile(void **state)
{
    (void)state;
    for (uint32_t latency_us = 40000; latency_us <= 640000; latency_us *= 2) {
        world_free(world);
        world_init(world, 1, 115200, latency_us);
        assert_true(sim_until(&world->sim, world_ready, world, 8 * latency_us));
        assert_true(world->host.clock.bound_us < 2 * latency_us);
    }
}

/* Where an exchange takes longer than the keep-alive. */
static void a_line_of_600_baud_is_met_too(void **state)
{
    (void)state;
    world_free(world);
    world_init(world, 1, 600, 1000);
    assert_true(sim_until(&world->sim, world_ready, world, 12000000));
    for (int i = 0; i < 20; i++) {
        world_read(world, i, true);
        mp_device_flush(&world->device);
        sim_run(&world->sim, 2000000);
    }
    assert_true(world->reading_count >= 18);
    assert_int_equal(mp_link_stats(&world->host.link)->sessions, 1);
}

static void set_device_clock(uint64_t us)
{
    world->device.clock_us = us;
    world->device.ticks = (uint32_t)(us / world->device_config.tick_us);
    world->device.tick_rest_us = 0;
}

static void device_times_go_on_over_the_wrap_of_ticks(void **state)
{
    (void)state;
    set_device_clock(0xffffff00ull * 1000); /* 256 ticks before */
    mp_rig_get_ready();
    for (int i = 0; i < 100; i++) {
        world_read(world, i, true);
        mp_device_flush(&world->device);
        sim_run(&world->sim, 10000);
    }
    assert_int_equal(world->reading_count, 100);
    for (size_t i = 1; i < 100; i++)
        assert_in_range(world->readings[i].device_us - world->readings[i - 1].device_us, 9000,
                        11000);
    assert_true(world->readings[99].device_us > 0x100000000ull * 1000);
}

static void readings_of_a_device_that_ran_for_long_are_not_taken_for_young_ones(void **state)
{
    (void)state;
    mp_rig_get_ready(); /* the description is known from now on */
    world_restart_device(world);
    set_device_clock(0x100000000ull * 1000 * 3);
    for (int i = 0; i < 5; i++) {
        world_read(world, i, true);
        mp_device_flush(&world->device);
    }
    sim_run(&world->sim, 500000);
    assert_int_equal(world->reading_count, 5);
    assert_true(world->readings[0].device_us >= 0x100000000ull * 1000 * 3);
}

/* More than half of what its ticks can tell apart. */
static void readings_that_waited_for_long_are_not_taken_for_ones_to_come(void **state)
{
    (void)state;
    mp_rig_get_ready(); /* the description is known from now on */
    world_restart_device(world);
    set_device_clock(1000 * 1000);
    world_read(world, 1, true);
    mp_device_flush(&world->device);
    set_device_clock(0xe0000000ull * 1000);
    sim_run(&world->sim, 500000);
    assert_int_equal(world->reading_count, 1);
    assert_in_range(world->readings[0].device_us, 1000 * 1000, 1001 * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MP_RIG_TEST(an_answer_counts_though_the_next_question_was_asked_meanwhile),
        MP_RIG_TEST(a_line_of_600_baud_is_met_too),
        MP_RIG_TEST(the_clock_is_right_within_its_bound),
        MP_RIG_TEST(different_hosts_ask_at_moments_that_they_have_in_common),
        MP_RIG_TEST(device_times_go_on_over_the_wrap_of_ticks),
        MP_RIG_TEST(readings_of_a_device_that_ran_for_long_are_not_taken_for_young_ones),
        MP_RIG_TEST(readings_that_waited_for_long_are_not_taken_for_ones_to_come),
    };
    return cmocka_run_group_tests_name("mp_time", tests, NULL, NULL);
}
