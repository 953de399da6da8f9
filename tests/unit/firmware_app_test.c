/*
 * The sample device against a host under a virtual clock.
 */
#include "firmware_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int start(void **state)
{
    (void)state;
    rig_start();
    return 0;
}

static union mp_value whole(int32_t i)
{
    return (union mp_value){.i = i};
}

static void a_host_meets_it_and_gets_readings_of_every_sensor(void **state)
{
    (void)state;
    rig_meet();
    rig_run(3000);
    assert_true(rig.readings >= 3 * 10 * FW_SENSOR_COUNT - 8 * FW_SENSOR_COUNT);
    assert_true(rig.last_value[FW_TEMPERATURE] > 39 && rig.last_value[FW_TEMPERATURE] < 41);
    assert_true(rig.last_value[FW_PRESSURE] > 1012 && rig.last_value[FW_PRESSURE] < 1015);
    assert_true(rig.last_value[FW_HUMIDITY] > 44 && rig.last_value[FW_HUMIDITY] < 46);
    assert_true(rig.last_value[FW_ILLUMINANCE] > 90 && rig.last_value[FW_ILLUMINANCE] < 910);
    assert_non_null(strstr(rig.log, "started: watchdog"));
    assert_int_equal(rig.host.nonsense, 0);
}

static void a_command_moves_the_motor_and_the_temperature_follows(void **state)
{
    double before;
    (void)state;
    rig_meet();
    rig_run(1000);
    before = rig.last_value[FW_TEMPERATURE];
    assert_int_equal(rig_command(FW_MOTOR, whole(100)), MP_STATUS_DONE);
    assert_int_equal(rig.app.plant.motor_percent, 100);
    rig_run(5000);
    assert_true(rig.last_value[FW_TEMPERATURE] < before - 5);
}

static void the_motor_runs_until_the_host_was_gone_for_the_dead_man_time(void **state)
{
    (void)state;
    rig_meet();
    rig_command(FW_MOTOR, whole(60));
    rig_command(FW_VALVE, (union mp_value){.f = 0.5f});
    rig_run(5000);
    assert_int_equal(rig.app.plant.motor_percent, 60);
    rig.host_there = false;
    rig_run(FW_DEADMAN_MS - 400); /* the last frame came up to a keep-alive before */
    assert_int_equal(rig.app.plant.motor_percent, 60);
    rig_run(450);
    assert_int_equal(rig.app.plant.motor_percent, 0);
    assert_int_equal(rig.app.plant.valve_permille, 0);
}

/* A UART faster than the processor, and nothing but noise on it. */
static void noise_without_end_does_not_put_off_the_fail_safe(void **state)
{
    (void)state;
    rig_meet();
    rig_command(FW_MOTOR, whole(60));
    rig.host_there = false;
    rig.babble = true;
    rig_run(FW_DEADMAN_MS + 100);
    assert_int_equal(rig.app.plant.motor_percent, 0);
}

static void back_again_the_host_is_told_of_the_fail_safe(void **state)
{
    (void)state;
    rig_meet();
    rig_command(FW_MOTOR, whole(60));
    rig.host_there = false;
    rig_run(FW_DEADMAN_MS * 2);
    rig.host_there = true;
    rig_run(5000);
    assert_int_equal(rig.failsafe_reports, FW_CONTROL_COUNT);
    assert_non_null(strstr(rig.log, "host gone"));
    assert_int_equal(rig.holes, 0);
    assert_int_equal(rig_command(FW_MOTOR, whole(10)), MP_STATUS_DONE);
}

/* A host that believes in more than the device said. */
static void an_unknown_control_and_a_value_out_of_range_are_refused(void **state)
{
    struct mp_description *known = &rig.host.description;
    struct mp_host_control controls[FW_CONTROL_COUNT + 1];
    (void)state;
    rig_meet();
    memcpy(controls, known->controls, FW_CONTROL_COUNT * sizeof controls[0]);
    controls[FW_CONTROL_COUNT] = controls[FW_MOTOR];
    known->controls = controls;
    known->control_count++;
    assert_int_equal(rig_command(FW_CONTROL_COUNT, whole(5)), MP_STATUS_UNKNOWN);
    controls[FW_MOTOR].max = whole(1000);
    assert_int_equal(rig_command(FW_MOTOR, whole(101)), MP_STATUS_RANGE);
    assert_int_equal(rig.app.plant.motor_percent, 0);
}

static void a_uart_that_takes_a_byte_at_a_time_is_enough(void **state)
{
    (void)state;
    rig.uart_room = 1;
    rig_meet();
    assert_int_equal(rig_command(FW_MOTOR, whole(5)), MP_STATUS_DONE);
    rig_run(2000);
    assert_int_equal(rig.holes, 0);
    assert_true(rig.readings > 20);
}

static void without_a_host_the_oldest_readings_are_kept_and_the_rest_counted(void **state)
{
    (void)state;
    rig.host_there = false;
    rig_run(120000);
    assert_true(rig.app.device.readings_dropped > 0);
    rig.host_there = true;
    rig_run(10000);
    assert_int_equal(rig.holes, 0);
    assert_non_null(strstr(rig.log, "started"));
    assert_true(rig.readings > 400);
}

static void an_identity_is_kept_or_its_failure_told(void **state)
{
    uint16_t request;
    (void)state;
    rig_meet();
    assert_int_equal(mp_host_set_id(&rig.host, (const uint8_t *)"bench", 5, &request), MP_OK);
    rig_run(200);
    assert_int_equal(rig.last_status, MP_STATUS_DONE);
    assert_int_equal(rig.stored_len, 5);
    assert_memory_equal(rig.stored_id, "bench", 5);
    rig.store_fails = true;
    assert_int_equal(mp_host_set_id(&rig.host, (const uint8_t *)"other", 5, &request), MP_OK);
    rig_run(200);
    assert_int_equal(rig.last_status, MP_STATUS_FAILED);
}

static void a_reset_is_answered_and_done(void **state)
{
    uint16_t request;
    (void)state;
    rig_meet();
    assert_int_equal(mp_host_reset(&rig.host, MP_RESET_TO_APPLICATION, &request), MP_OK);
    rig_run(300);
    assert_int_equal(rig.results, 1);
    assert_true(rig.reset_asked);
}

static void it_shows_itself_for_the_time_asked(void **state)
{
    uint16_t request;
    (void)state;
    rig_meet();
    assert_int_equal(mp_host_identify(&rig.host, 2000, &request), MP_OK);
    rig_run(1000);
    assert_true(rig.identifying);
    rig_run(1200);
    assert_false(rig.identifying);
}

static void the_console_answers(void **state)
{
    (void)state;
    rig_meet();
    rig_type("set motor 25\n");
    assert_string_equal(rig.console, "ok\n");
    assert_int_equal(rig.app.plant.motor_percent, 25);
    rig_type("set valve 0.25\r\n");
    assert_string_equal(rig.console, "ok\n");
    assert_int_equal(rig.app.plant.valve_permille, 250);
    rig_type("status\n");
    assert_non_null(strstr(rig.console, "motor 25 %\nvalve 0.250\ntemperature "));
    rig_type("help\n");
    assert_string_equal(rig.console, "commands: help, status, size, set NAME VALUE\n");
}

static void the_console_knows_how_much_of_it_is_seen(void **state)
{
    (void)state;
    rig_meet();
    rig_type("size\n");
    assert_string_equal(rig.console, "size not told\n");
    assert_int_equal(mp_host_console_size(&rig.host, 24, 80), MP_OK);
    rig_type("size\n");
    assert_string_equal(rig.console, "rows 24\ncolumns 80\n");
}

static void the_console_refuses_what_it_cannot_do(void **state)
{
    static const char *const wrong[] = {
        "set motor 101\n", "set motor -1\n",    "set motor 1.5\n", "set motor \n",
        "set motor\n",     "set valve 1.001\n", "set pump 1\n",    "set motor 9999999999\n"};
    (void)state;
    rig_meet();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        rig_type(wrong[i]);
        assert_string_not_equal(rig.console, "ok\n");
        assert_string_not_equal(rig.console, "");
    }
    rig_type("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n");
    assert_string_equal(rig.console, "line too long\n");
    assert_int_equal(rig.app.plant.motor_percent, 0);
}

static void an_image_on_trial_stays_once_it_has_met_a_host(void **state)
{
    (void)state;
    rig_start_with_images(PORT_IMAGE_ON_TRIAL);
    rig.host_there = false;
    rig_run(1000);
    assert_false(rig.confirmed);
    rig.host_there = true;
    rig_meet();
    assert_true(rig.confirmed);
    assert_non_null(strstr(rig.log, "on trial"));
    rig.host_there = false;
    rig_run(FW_TRIAL_US / 1000 + 1000);
    assert_false(rig.reset_asked);
}

static void the_hello_of_an_image_that_is_back_says_so_beside_the_cause_of_the_reset(void **state)
{
    (void)state;
    rig_start_with_images(PORT_IMAGE_TAKEN_BACK);
    rig_meet();
    assert_true(mp_link_peer(&rig.host.link)->taken_back);
    assert_int_equal(mp_link_peer(&rig.host.link)->reset_cause, MP_RESET_WATCHDOG);
    assert_non_null(strstr(rig.log, "taken back"));
    assert_non_null(strstr(rig.log, "started: watchdog"));
    rig_start_with_images(PORT_IMAGE_SETTLED);
    rig_meet();
    assert_false(mp_link_peer(&rig.host.link)->taken_back);
    assert_int_equal(mp_link_peer(&rig.host.link)->reset_cause, MP_RESET_WATCHDOG);
}

static void an_image_on_trial_that_meets_no_host_starts_anew(void **state)
{
    (void)state;
    rig_start_with_images(PORT_IMAGE_ON_TRIAL);
    rig.host_there = false;
    rig_run(FW_TRIAL_US / 1000 - 100);
    assert_false(rig.reset_asked);
    rig_run(200);
    assert_true(rig.reset_asked);
    assert_false(rig.confirmed);
}

static void a_settled_image_needs_no_host_and_confirms_nothing(void **state)
{
    (void)state;
    rig_start_with_images(PORT_IMAGE_SETTLED);
    rig.host_there = false;
    rig_run(FW_TRIAL_US / 1000 + 1000);
    assert_false(rig.reset_asked);
    rig.host_there = true;
    rig_meet();
    assert_false(rig.confirmed);
}

static void a_committed_image_is_started_when_the_host_had_time_to_hear_of_it(void **state)
{
    (void)state;
    rig_start_with_images(PORT_IMAGE_SETTLED);
    rig_meet();
    rig.app.images.phase = MP_BULK_ENDED;
    rig.app.images.status = MP_STATUS_DONE;
    rig_run(3000);
    assert_false(rig.reset_asked);
    rig.image_state = PORT_IMAGE_COMMITTED;
    rig_run(FW_RESTART_US / 1000 - 100);
    assert_false(rig.reset_asked);
    rig_run(200);
    assert_true(rig.reset_asked);
}

static void after_an_update_that_failed_the_host_is_told(void **state)
{
    (void)state;
    rig_start_with_images(PORT_IMAGE_TAKEN_BACK);
    rig_meet();
    rig_run(1000);
    assert_non_null(strstr(rig.log, "the latest update was taken back"));
    assert_false(rig.confirmed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_host_meets_it_and_gets_readings_of_every_sensor, start),
        cmocka_unit_test_setup(a_command_moves_the_motor_and_the_temperature_follows, start),
        cmocka_unit_test_setup(the_motor_runs_until_the_host_was_gone_for_the_dead_man_time, start),
        cmocka_unit_test_setup(noise_without_end_does_not_put_off_the_fail_safe, start),
        cmocka_unit_test_setup(back_again_the_host_is_told_of_the_fail_safe, start),
        cmocka_unit_test_setup(an_unknown_control_and_a_value_out_of_range_are_refused, start),
        cmocka_unit_test_setup(a_uart_that_takes_a_byte_at_a_time_is_enough, start),
        cmocka_unit_test_setup(without_a_host_the_oldest_readings_are_kept_and_the_rest_counted,
                               start),
        cmocka_unit_test_setup(an_identity_is_kept_or_its_failure_told, start),
        cmocka_unit_test_setup(a_reset_is_answered_and_done, start),
        cmocka_unit_test_setup(it_shows_itself_for_the_time_asked, start),
        cmocka_unit_test_setup(the_console_answers, start),
        cmocka_unit_test_setup(the_console_knows_how_much_of_it_is_seen, start),
        cmocka_unit_test_setup(the_console_refuses_what_it_cannot_do, start),
        cmocka_unit_test(an_image_on_trial_stays_once_it_has_met_a_host),
        cmocka_unit_test(the_hello_of_an_image_that_is_back_says_so_beside_the_cause_of_the_reset),
        cmocka_unit_test(an_image_on_trial_that_meets_no_host_starts_anew),
        cmocka_unit_test(a_settled_image_needs_no_host_and_confirms_nothing),
        cmocka_unit_test(a_committed_image_is_started_when_the_host_had_time_to_hear_of_it),
        cmocka_unit_test(after_an_update_that_failed_the_host_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
