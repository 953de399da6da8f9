/*
 * A host and a device talk over a clean line: everything that mp_host.h and mp_device.h promise but
 * for the time, which is mp_time_test's.
 */
#include "mp_msg.h"
#include "mp_rig.h"

#include <string.h>

static void a_host_learns_what_a_device_is(void **state)
{
    (void)state;
    mp_rig_get_ready();
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
    mp_rig_get_ready();
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
    mp_rig_get_ready();
    sim_run(&world->sim, 100000);
    assert_int_equal(world->reading_count, 10);
    assert_int_equal(world->nonsenses, 0);
}

static void a_command_is_applied_and_answered(void **state)
{
    (void)state;
    uint16_t request = 0;
    mp_rig_get_ready();
    assert_int_equal(mp_host_command(&world->host, 0, (union mp_value){.i = 250}, 500,
                                     sim_now_us(&world->sim), &request),
                     MP_OK);
    sim_run(&world->sim, 50000);
    assert_int_equal(world->applied[0].i, 250);
    assert_int_equal(world->results, 1);
    assert_int_equal(world->last_request, request);
    assert_int_equal(world->last_status, MP_STATUS_DONE);
}

static void send(int32_t value, uint32_t ttl_ms, uint16_t *request)
{
    assert_int_equal(mp_host_command(&world->host, 0, (union mp_value){.i = value}, ttl_ms,
                                     sim_now_us(&world->sim), request),
                     MP_OK);
}

static void a_known_description_is_not_fetched_again(void **state)
{
    (void)state;
    mp_rig_get_ready();
    uint64_t first = world->sim.line[WORLD_DEVICE].bytes;
    mp_host_line_lost(&world->host);
    sim_touch(&world->sim, WORLD_HOST);
    mp_rig_get_ready();
    assert_int_equal(world->readies, 2);
    assert_false(world->fresh);
    assert_true(world->sim.line[WORLD_DEVICE].bytes - first < first - 100);
}

static void a_silent_restart_is_reported_and_recovered_from_within_30_ms(void **state)
{
    (void)state;
    mp_rig_get_ready();
    sim_run(&world->sim, 500000);
    world_restart_device(world);
    uint64_t at = sim_now_us(&world->sim);
    sim_run(&world->sim, 5000);
    assert_int_equal(world->losts, 1);
    assert_int_equal(world->why, MP_DOWN_RESTARTED);
    mp_rig_get_ready();
    assert_true(world->fresh);
    assert_true(sim_now_us(&world->sim) - at <= 30000);
}

static void a_host_that_restarts_gets_what_was_not_safe_with_the_same_numbers(void **state)
{
    (void)state;
    mp_rig_get_ready();
    world->hold_safe = true;
    for (int i = 0; i < 5; i++) {
        world_read(world, i, true);
        mp_device_flush(&world->device);
    }
    sim_run(&world->sim, 100000);
    assert_int_equal(world->reading_count, 5);
    mp_host_safe(&world->host, world->readings[2].number);
    sim_run(&world->sim, 10000);
    world_restart_host(world);
    mp_rig_get_ready();
    sim_run(&world->sim, 100000);
    assert_int_equal(world->reading_count, 8);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(world->readings[5 + i].number, world->readings[2 + i].number);
        assert_true(world->readings[5 + i].value == world->readings[2 + i].value);
    }
}

static void a_device_keeps_the_oldest_readings_when_full_and_counts_the_rest(void **state)
{
    unsigned taken = 0, refused = 0;
    (void)state;
    mp_rig_get_ready();
    world->hold_safe = true;
    for (int i = 0; i < 3000; i++) {
        if (world_read(world, i, true) == MP_OK)
            taken++;
        else
            refused++;
        if (i % 10 == 0)
            sim_run(&world->sim, 20000);
    }
    assert_true(refused > 0);
    assert_int_equal(world->device.readings_dropped, refused);
    world->hold_safe = false;
    mp_host_safe(&world->host, world->received_next);
    sim_run(&world->sim, 3000000);
    mp_device_flush(&world->device);
    sim_run(&world->sim, 1000000);
    assert_int_equal(world->reading_count, taken);
    assert_true(world->readings[0].value == 0);
}

static void a_queue_of_readings_that_are_not_safe_stops_no_command(void **state)
{
    (void)state;
    mp_rig_get_ready();
    world->hold_safe = true;
    for (int i = 0; i < 3000; i++)
        world_read(world, i, true);
    sim_run(&world->sim, 1000000);
    send(7, 500, NULL);
    sim_run(&world->sim, 100000);
    assert_int_equal(world->results, 1);
    assert_int_equal(world->applied[0].i, 7);
}

/* A host that starts anew counts its requests from the beginning again. */
static void a_result_of_an_earlier_session_is_no_answer_in_this_one(void **state)
{
    uint16_t before, now;
    (void)state;
    mp_rig_get_ready();
    world->sim.line[WORLD_DEVICE].cut = true;
    send(7, 500, &before);
    sim_run(&world->sim, 10000);
    assert_int_equal(world->applied[0].i, 7);
    world_restart_host(world);
    world->sim.line[WORLD_DEVICE].cut = false;
    mp_rig_get_ready();
    send(9, 500, &now);
    assert_int_equal(now, before);
    sim_run(&world->sim, 100000);
    assert_int_equal(world->applied[0].i, 9);
    assert_int_equal(world->results, 1);
    assert_int_equal(world->host.nonsense, 0);
}

static void best_effort_readings_lost_on_the_line_are_counted(void **state)
{
    (void)state;
    mp_rig_get_ready();
    for (int i = 0; i < 20; i++) {
        world->sim.line[WORLD_DEVICE].cut = i >= 5 && i < 12;
        world_read(world, i, false);
        mp_device_flush(&world->device);
        sim_run(&world->sim, 10000);
    }
    assert_int_equal(world->reading_count, 13);
    assert_int_equal(world->host.readings_missing, 7);
    assert_false(world->readings[0].reliable);
}

static void a_reading_that_is_no_number_is_refused(void **state)
{
    (void)state;
    mp_rig_get_ready();
    assert_int_equal(
        mp_device_reading(&world->device, 1, (union mp_value){.f = __builtin_nanf("")}, 0, true),
        MP_ERR_BAD_VALUE);
    assert_int_equal(mp_device_reading(&world->device, 0, (union mp_value){.i = 40000}, 0, true),
                     MP_ERR_BAD_VALUE);
    assert_int_equal(mp_device_reading(&world->device, 4, (union mp_value){.i = 0}, 0, true),
                     MP_ERR_BAD_VALUE);
}

static void a_command_past_its_deadline_is_never_applied(void **state)
{
    (void)state;
    mp_rig_get_ready();
    sim_run(&world->sim, 200000);
    world->sim.line[WORLD_HOST].cut = true;
    send(99, 50, NULL);
    sim_run(&world->sim, 60000);
    world->sim.line[WORLD_HOST].cut = false;
    sim_run(&world->sim, 1000000);
    assert_int_equal(world->last_status, MP_STATUS_EXPIRED);
    assert_int_equal(world->applied[0].i, 0);
}

static void a_command_that_does_not_fit_the_description_is_refused_by_the_host(void **state)
{
    uint64_t now = sim_now_us(&world->sim);
    (void)state;
    assert_int_equal(mp_host_command(&world->host, 0, (union mp_value){.i = 1}, 100, now, NULL),
                     MP_ERR_NO_SESSION);
    mp_rig_get_ready();
    now = sim_now_us(&world->sim);
    assert_int_equal(mp_host_command(&world->host, 9, (union mp_value){.i = 1}, 100, now, NULL),
                     MP_ERR_BAD_VALUE);
    assert_int_equal(mp_host_command(&world->host, 0, (union mp_value){.i = 1001}, 100, now, NULL),
                     MP_ERR_BAD_VALUE);
    assert_int_equal(mp_host_command(&world->host, 0, (union mp_value){.i = 1}, 0, now, NULL),
                     MP_ERR_NO_SESSION);
}

/* A command as no honest host would send it, through the link alone. */
static enum mp_status raw_command(struct mp_command m, uint32_t nonce_off)
{
    uint8_t body[32];
    unsigned results = world->results;
    mp_encode_command(body, sizeof body, &m);
    m.crc = mp_seal(world->host.link.nonce + nonce_off, MP_MSG_COMMAND, body, 11);
    int len = mp_encode_command(body, sizeof body, &m);
    mp_link_send(&world->host.link, MP_PRIO_COMMAND, MP_MSG_COMMAND, body, (size_t)len);
    sim_run(&world->sim, 50000);
    assert_int_equal(world->results, results + 1);
    return world->last_status;
}

static void the_device_checks_every_command_itself(void **state)
{
    struct mp_command m = {.request = 100, .control = 0, .value = 5, .deadline = 1u << 20};
    (void)state;
    mp_rig_get_ready();
    unsigned applies = world->applies;
    assert_int_equal(raw_command(m, 1), MP_STATUS_CORRUPT);
    m.control = 3;
    assert_int_equal(raw_command(m, 0), MP_STATUS_UNKNOWN);
    m.request++;
    m.control = 0;
    m.value = 1001;
    assert_int_equal(raw_command(m, 0), MP_STATUS_RANGE);
    m.request++;
    m.control = 1;
    m.value = 0x7fc00000; /* NaN */
    assert_int_equal(raw_command(m, 0), MP_STATUS_RANGE);
    m.request++;
    m.control = 2;
    m.value = 2;
    assert_int_equal(raw_command(m, 0), MP_STATUS_RANGE);
    m.request--;
    m.value = 1;
    assert_int_equal(raw_command(m, 0), MP_STATUS_STALE);
    m.request += 2;
    m.deadline = 0;
    assert_int_equal(raw_command(m, 0), MP_STATUS_EXPIRED);
    assert_int_equal(world->applies, applies);
    m.request++;
    m.deadline = 1u << 20;
    assert_int_equal(raw_command(m, 0), MP_STATUS_DONE);
    assert_int_equal(world->applied[2].i, 1);
}

static void controls_fall_to_fail_safe_when_the_host_is_gone_and_it_is_told(void **state)
{
    (void)state;
    mp_rig_get_ready();
    send(500, 500, NULL);
    sim_run(&world->sim, 50000);
    assert_true(world->host_present);
    world->sim.line[WORLD_HOST].cut = true;
    sim_run(&world->sim, 1400000);
    assert_int_equal(world->applied[0].i, 500);
    sim_run(&world->sim, 800000);
    assert_false(world->host_present);
    assert_int_equal(world->applied[0].i, 0);
    assert_true(world->applied[1].f == 5.0f);
    assert_int_equal(world->applied[2].i, 0);
    world->sim.line[WORLD_HOST].cut = false;
    sim_run(&world->sim, 3000000);
    assert_true(world->host_present);
    assert_int_equal(world->states, 3);
    assert_int_equal(world->state_control, 2);
    assert_int_equal(world->state_cause, MP_CAUSE_FAILSAFE);
    assert_int_equal(world->applied[0].i, 0);
}

static void initial_values_are_applied_at_the_start(void **state)
{
    (void)state;
    assert_int_equal(world->applies, 3);
    assert_true(world->applied[1].f == 20.0f);
    assert_int_equal(world->applied[2].i, 1);
}

static void requests_are_answered(void **state)
{
    uint16_t request;
    static const uint8_t id[] = {1, 2, 3};
    (void)state;
    mp_rig_get_ready();
    assert_int_equal(mp_host_identify(&world->host, 750, &request), MP_OK);
    sim_run(&world->sim, 50000);
    assert_int_equal(world->identified_ms, 750);
    assert_int_equal(world->last_request, request);
    assert_int_equal(mp_host_set_id(&world->host, id, 3, &request), MP_OK);
    sim_run(&world->sim, 50000);
    assert_int_equal(world->new_id_len, 3);
    assert_memory_equal(world->new_id, id, 3);
    assert_int_equal(world->last_request, request);
    assert_int_equal(mp_host_reset(&world->host, MP_RESET_TO_APPLICATION, &request), MP_OK);
    sim_run(&world->sim, 100000);
    assert_int_equal(world->last_request, request);
    assert_int_equal(world->last_status, MP_STATUS_DONE);
    assert_int_equal(world->resets, 1);
}

static void what_a_device_cannot_do_it_says(void **state)
{
    (void)state;
    mp_rig_get_ready();
    world->device.io.reset = NULL;
    world->device.io.set_id = NULL;
    world->device.io.identify = NULL;
    mp_host_reset(&world->host, MP_RESET_TO_BOOTLOADER, NULL);
    sim_run(&world->sim, 50000);
    assert_int_equal(world->last_status, MP_STATUS_UNSUPPORTED);
    mp_host_set_id(&world->host, (const uint8_t *)"x", 1, NULL);
    sim_run(&world->sim, 50000);
    assert_int_equal(world->last_status, MP_STATUS_UNSUPPORTED);
    mp_host_identify(&world->host, 1, NULL);
    sim_run(&world->sim, 50000);
    assert_int_equal(world->last_status, MP_STATUS_UNSUPPORTED);
    assert_int_equal(world->results, 3);
}

static void logs_are_cut_between_characters(void **state)
{
    char text[400];
    (void)state;
    mp_rig_get_ready();
    assert_int_equal(mp_device_log(&world->device, MP_LEVEL_INFO, "warm"), MP_OK);
    sim_run(&world->sim, 50000);
    assert_string_equal(world->last_log, "warm");
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa4", 2);
    text[sizeof text - 1] = '\0';
    assert_int_equal(mp_device_log(&world->device, MP_LEVEL_INFO, text), MP_OK);
    sim_run(&world->sim, 100000);
    assert_int_equal(strlen(world->last_log), 126); /* of its max_body */
}

static void a_control_changed_at_the_device_is_told(void **state)
{
    (void)state;
    mp_rig_get_ready();
    mp_device_control_changed(&world->device, 1, (union mp_value){.f = 42.5f});
    sim_run(&world->sim, 50000);
    assert_int_equal(world->state_control, 1);
    assert_int_equal(world->state_cause, MP_CAUSE_LOCAL);
    assert_true(world->state_value.f == 42.5f);
}

static void a_hello_through_boot_loader_noise_is_answered(void **state)
{
    (void)state;
    world->sim.end[WORLD_DEVICE].output = NULL;
    for (int i = 0; i < 300; i++) {
        uint8_t noise[8];
        for (size_t j = 0; j < sizeof noise; j++)
            noise[j] = (uint8_t)sim_random(&world->sim);
        mp_host_bytes(&world->host, noise, sizeof noise, sim_now_us(&world->sim));
        sim_run(&world->sim, 10000);
    }
    struct sim_end keep = world->sim.end[WORLD_DEVICE];
    struct world *fresh = malloc(sizeof *fresh);
    world_init(fresh, 2, 115200, 1000);
    keep.output = fresh->sim.end[WORLD_DEVICE].output;
    world_free(fresh);
    free(fresh);
    world->sim.end[WORLD_DEVICE] = keep;
    world_restart_device(world);
    uint64_t at = sim_now_us(&world->sim);
    mp_rig_get_ready();
    assert_true(sim_now_us(&world->sim) - at < 100000);
}

/* A part of its description takes longer there than any question waits elsewhere. */
static void a_board_on_a_slow_line_is_met_in_seconds_and_not_lost(void **state)
{
    (void)state;
    for (uint32_t baud = 1200; baud <= 9600; baud *= 2) {
        world_free(world);
        world_init(world, 1, baud, 1000);
        assert_true(sim_until(&world->sim, world_ready, world, 9600 / baud * 1000000));
        for (int i = 0; i < 100; i++) {
            world_read(world, i, true);
            mp_device_flush(&world->device);
            sim_run(&world->sim, 200000);
        }
        sim_run(&world->sim, 3000000);
        assert_int_equal(world->reading_count, 100);
        assert_int_equal(mp_link_stats(&world->host.link)->sessions, 1);
    }
}

static void tables_that_make_no_sense_are_refused(void **state)
{
    struct mp_device device;
    struct mp_device_config config = world->device_config;
    struct mp_sensor sensor = world_sensors[0];
    struct mp_control controls[2] = {world_controls[0], world_controls[1]};
    struct mp_device_io io = world->device.io;
    (void)state;
    config.controls = controls;
    config.control_count = 2;
    config.sensors = &sensor;
    config.sensor_count = 1;
    assert_int_equal(mp_device_init(&device, &config, &io, 0), MP_OK);
    controls[1].name = controls[0].name;
    assert_int_equal(mp_device_init(&device, &config, &io, 0), MP_ERR_BAD_VALUE);
    controls[1] = world_controls[1];
    controls[1].failsafe.f = 101;
    assert_int_equal(mp_device_init(&device, &config, &io, 0), MP_ERR_BAD_VALUE);
    controls[1] = world_controls[1];
    controls[1].max.f = __builtin_inff();
    assert_int_equal(mp_device_init(&device, &config, &io, 0), MP_ERR_BAD_VALUE);
    controls[1] = world_controls[1];
    sensor.name = "";
    assert_int_equal(mp_device_init(&device, &config, &io, 0), MP_ERR_BAD_VALUE);
    sensor = world_sensors[0];
    sensor.kind = MP_KIND_CUSTOM;
    assert_int_equal(mp_device_init(&device, &config, &io, 0), MP_ERR_BAD_VALUE);
    sensor = world_sensors[0];
    config.tx_bytes = MP_LINK_TX_MIN(MP_BODY_MIN) - 1;
    assert_int_equal(mp_device_init(&device, &config, &io, 0), MP_ERR_BAD_VALUE);
    config.tx_bytes = MP_LINK_TX_MIN(MP_BODY_MIN);
    config.tick_us = 99;
    assert_int_equal(mp_device_init(&device, &config, &io, 0), MP_ERR_BAD_VALUE);
}

/* A host would refuse each of them as a description that makes no sense, or not hear it at all. */
static void what_no_host_could_read_is_refused_at_the_start(void **state)
{
    static const uint8_t id[MP_IMAGE_ID_MAX + 1];
    struct mp_device device;
    struct mp_device_config config = world->device_config;
    struct mp_sensor sensors[MP_SENSORS_MAX + 1];
    struct mp_control control = world_controls[0];
    struct mp_device_io io = world->device.io;
    (void)state;
    for (size_t i = 0; i <= MP_SENSORS_MAX; i++)
        sensors[i] = (struct mp_sensor){
            .name = "s", .kind = MP_KIND_VOLTAGE, .type = MP_TYPE_I16, .exponent = 12};
    control.type = MP_TYPE_I16;
    control.exponent = -12;
    config.controls = &control;
    config.control_count = 1;
    config.sensors = sensors;
    config.sensor_count = MP_SENSORS_MAX;
    config.device_id = config.image_id = id;
    config.device_id_len = MP_DEVICE_ID_MAX;
    config.image_id_len = MP_IMAGE_ID_MAX;
    assert_int_equal(mp_device_init(&device, &config, &io, 0), MP_OK);
    config.sensor_count++;
    assert_int_equal(mp_device_init(&device, &config, &io, 0), MP_ERR_BAD_VALUE);
    config.sensor_count--;
    config.device_id_len++;
    assert_int_equal(mp_device_init(&device, &config, &io, 0), MP_ERR_BAD_VALUE);
    config.device_id_len--;
    config.image_id_len++;
    assert_int_equal(mp_device_init(&device, &config, &io, 0), MP_ERR_BAD_VALUE);
    config.image_id_len--;
    sensors[1].exponent = 13;
    assert_int_equal(mp_device_init(&device, &config, &io, 0), MP_ERR_BAD_VALUE);
    sensors[1].exponent = -13;
    assert_int_equal(mp_device_init(&device, &config, &io, 0), MP_ERR_BAD_VALUE);
    sensors[1].exponent = 1;
    sensors[1].type = MP_TYPE_F32;
    assert_int_equal(mp_device_init(&device, &config, &io, 0), MP_ERR_BAD_VALUE);
    sensors[1].type = MP_TYPE_BOOL;
    assert_int_equal(mp_device_init(&device, &config, &io, 0), MP_ERR_BAD_VALUE);
    sensors[1].exponent = 0;
    control.exponent = -128;
    assert_int_equal(mp_device_init(&device, &config, &io, 0), MP_ERR_BAD_VALUE);
    control.exponent = 0;
    assert_int_equal(mp_device_init(&device, &config, &io, 0), MP_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MP_RIG_TEST(a_board_on_a_slow_line_is_met_in_seconds_and_not_lost),
        MP_RIG_TEST(a_host_learns_what_a_device_is),
        MP_RIG_TEST(readings_arrive_in_order_with_their_times),
        MP_RIG_TEST(readings_taken_before_the_first_hello_are_kept),
        MP_RIG_TEST(a_command_is_applied_and_answered),
        MP_RIG_TEST(a_known_description_is_not_fetched_again),
        MP_RIG_TEST(a_silent_restart_is_reported_and_recovered_from_within_30_ms),
        MP_RIG_TEST(a_host_that_restarts_gets_what_was_not_safe_with_the_same_numbers),
        MP_RIG_TEST(a_device_keeps_the_oldest_readings_when_full_and_counts_the_rest),
        MP_RIG_TEST(a_queue_of_readings_that_are_not_safe_stops_no_command),
        MP_RIG_TEST(a_result_of_an_earlier_session_is_no_answer_in_this_one),
        MP_RIG_TEST(best_effort_readings_lost_on_the_line_are_counted),
        MP_RIG_TEST(a_reading_that_is_no_number_is_refused),
        MP_RIG_TEST(a_command_past_its_deadline_is_never_applied),
        MP_RIG_TEST(a_command_that_does_not_fit_the_description_is_refused_by_the_host),
        MP_RIG_TEST(the_device_checks_every_command_itself),
        MP_RIG_TEST(controls_fall_to_fail_safe_when_the_host_is_gone_and_it_is_told),
        MP_RIG_TEST(initial_values_are_applied_at_the_start),
        MP_RIG_TEST(requests_are_answered),
        MP_RIG_TEST(what_a_device_cannot_do_it_says),
        MP_RIG_TEST(logs_are_cut_between_characters),
        MP_RIG_TEST(a_control_changed_at_the_device_is_told),
        MP_RIG_TEST(a_hello_through_boot_loader_noise_is_answered),
        MP_RIG_TEST(tables_that_make_no_sense_are_refused),
        MP_RIG_TEST(what_no_host_could_read_is_refused_at_the_start),
    };
    return cmocka_run_group_tests_name("mp_talk", tests, NULL, NULL);
}
