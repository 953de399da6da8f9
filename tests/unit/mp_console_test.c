/*
 * The console between a host and a device: its bytes, how much of it is seen, and what a device
 * makes of a message of a later version.
 */
#include "mp_rig.h"

static void console_bytes_go_both_ways(void **state)
{
    (void)state;
    mp_rig_get_ready();
    mp_host_console(&world->host, (const uint8_t *)"ls\n", 3);
    sim_run(&world->sim, 50000);
    assert_int_equal(world->last_console_len, 3);
    mp_device_console(&world->device, (const uint8_t *)"a b", 4);
    sim_run(&world->sim, 50000);
    assert_int_equal(world->last_console_len, 4);
    assert_int_equal(world->consoles, 2);
}

static void the_device_is_told_how_much_of_its_console_is_seen(void **state)
{
    (void)state;
    assert_int_equal(mp_host_console_size(&world->host, 24, 80), MP_ERR_NO_SESSION);
    mp_rig_get_ready();
    assert_int_equal(mp_host_console_size(&world->host, 0, 80), MP_ERR_BAD_VALUE);
    assert_int_equal(mp_host_console_size(&world->host, 24, 0), MP_ERR_BAD_VALUE);
    assert_int_equal(mp_host_console_size(&world->host, 24, 1000), MP_OK);
    sim_run(&world->sim, 50000);
    assert_int_equal(world->console_rows, 24);
    assert_int_equal(world->console_columns, 1000);
}

static void a_size_that_is_cut_short_or_not_wanted_is_ignored(void **state)
{
    (void)state;
    mp_rig_get_ready();
    mp_link_send(&world->host.link, MP_PRIO_LOG, MP_MSG_CONSOLE_SIZE, (const uint8_t *)"abc", 3);
    sim_run(&world->sim, 50000);
    assert_int_equal(world->console_rows, 0);
    world->device.io.console_size = NULL;
    assert_int_equal(mp_host_console_size(&world->host, 24, 80), MP_OK);
    sim_run(&world->sim, 50000);
    assert_int_equal(world->console_rows, 0);
    assert_int_equal(world->losts, 0);
}

/* A board that was built before a message came to the schema must not mind it. */
static void a_message_that_the_device_does_not_know_ends_nothing(void **state)
{
    (void)state;
    mp_rig_get_ready();
    uint8_t body[] = {0, 0, 24, 0};
    assert_int_equal(mp_link_send(&world->host.link, MP_PRIO_LOG, 0x3f, body, sizeof body), MP_OK);
    mp_host_console(&world->host, (const uint8_t *)"ls\n", 3);
    sim_run(&world->sim, 50000);
    assert_int_equal(world->last_console_len, 3);
    assert_int_equal(world->consoles, 1);
    assert_int_equal(world->losts, 0);
    assert_int_equal(world->host.state, MP_HOST_READY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MP_RIG_TEST(console_bytes_go_both_ways),
        MP_RIG_TEST(the_device_is_told_how_much_of_its_console_is_seen),
        MP_RIG_TEST(a_size_that_is_cut_short_or_not_wanted_is_ignored),
        MP_RIG_TEST(a_message_that_the_device_does_not_know_ends_nothing),
    };
    return cmocka_run_group_tests_name("mp_console", tests, NULL, NULL);
}
