/*
 * What travels between a host and a device: how many bytes, and how many at once.
 */
#include "mp_msg.h"
#include "mp_rig.h"

#include <string.h>

static void send(int32_t value, uint32_t ttl_ms, uint16_t *request)
{
    assert_int_equal(mp_host_command(&world->host, 0, (union mp_value){.i = value}, ttl_ms,
                                     sim_now_us(&world->sim), request),
                     MP_OK);
}

/* A device cannot tell apart two frames whose only delimiter between them was damaged. */
static void what_a_host_sends_has_both_of_its_delimiters(void **state)
{
    uint8_t out[256];
    size_t ends = 0;
    (void)state;
    mp_rig_get_ready();
    sim_run(&world->sim, 100000);
    for (int i = 0; i < 3; i++)
        send(i, 500, NULL);
    size_t n = mp_host_output(&world->host, out, sizeof out, sim_now_us(&world->sim));
    for (size_t i = 1; i < n; i++)
        ends += out[i - 1] == 0 && out[i] == 0;
    assert_true(n > 0 && out[0] == 0 && out[n - 1] == 0);
    assert_int_equal(ends, 2);
}

static void a_line_gets_no_more_than_it_takes_in_20_ms(void **state)
{
    enum { MOST = 115200 / 10 / 50 }; /* bytes */
    uint8_t text[100] = {'x'}, out[2048];
    (void)state;
    mp_rig_get_ready();
    sim_run(&world->sim, 100000);
    uint64_t now = sim_now_us(&world->sim);
    for (int i = 0; i < 8; i++)
        assert_int_equal(mp_host_console(&world->host, text, sizeof text), MP_OK);
    assert_int_equal(mp_host_output(&world->host, out, sizeof out, now), MOST);
    assert_int_equal(mp_host_output(&world->host, out, sizeof out, now), 0);
    uint32_t wait = mp_host_poll(&world->host, now);
    assert_in_range(wait, 1, 19999);
    size_t n = mp_host_output(&world->host, out, sizeof out, now + wait);
    assert_in_range(n, wait * MOST / 20000 - 1, wait * MOST / 20000 + 1);
    size_t sent = MOST + n;
    for (int i = 0; i < 200 && (n > 0 || wait < 20000); i++) {
        wait = mp_host_poll(&world->host, now);
        now += wait < 20000 ? wait : 20000;
        n = mp_host_output(&world->host, out, sizeof out, now);
        sent += n;
    }
    assert_true(sent >= 8 * (sizeof text + MP_FRAME_OVERHEAD));
}

/* However slow the line, a frame may begin. */
static void a_slow_line_gets_a_whole_frame(void **state)
{
    uint8_t text[MP_BODY_MIN] = {'x'}, out[2048];
    (void)state;
    mp_rig_get_ready();
    sim_run(&world->sim, 100000);
    world->host.config.baud = 300;
    uint64_t now = sim_now_us(&world->sim);
    for (int i = 0; i < 4; i++)
        assert_int_equal(mp_host_console(&world->host, text, sizeof text), MP_OK);
    assert_int_equal(mp_host_output(&world->host, out, sizeof out, now),
                     sizeof text + MP_FRAME_OVERHEAD);
    assert_int_equal(mp_host_output(&world->host, out, sizeof out, now + 2000000), 0);
    assert_true(mp_host_output(&world->host, out, sizeof out, now + 2400000) > 0);
}

static void a_lone_i16_reading_is_15_bytes_on_the_wire(void **state)
{
    (void)state;
    mp_rig_get_ready();
    sim_run(&world->sim, 200000);
    uint64_t before = world->sim.line[WORLD_DEVICE].bytes;
    world_read(world, 1234, true);
    mp_device_flush(&world->device);
    sim_run(&world->sim, 10000);
    assert_int_equal(world->reading_count, 1);
    assert_int_equal(world->sim.line[WORLD_DEVICE].bytes - before, 15);
}

static void a_lone_float_with_16_bits_of_time_is_15_bytes_on_the_wire(void **state)
{
    (void)state;
    sim_run(&world->sim, 70000000); /* beyond what 16 bits of milliseconds hold */
    uint64_t before = world->sim.line[WORLD_DEVICE].bytes;
    world->host.ask_at_us += 1000000; /* nothing else on the line */
    mp_device_poll(&world->device, (uint32_t)sim_now_us(&world->sim));
    uint32_t ticks = mp_device_ticks(&world->device) - 5;
    assert_int_equal(
        mp_device_reading_now(&world->device, 1, (union mp_value){.f = 1013.25f}, ticks), MP_OK);
    sim_run(&world->sim, 5000);
    assert_int_equal(world->sim.line[WORLD_DEVICE].bytes - before, 15);
    assert_int_equal(world->reading_count, 1);
    assert_int_equal(world->readings[0].slot, 1);
    assert_true(world->readings[0].value == 1013.25);
    assert_int_equal(world->readings[0].device_us, ticks * 1000ull);
}

static void ten_floats_of_one_scan_are_53_bytes_on_the_wire(void **state)
{
    static struct mp_sensor sensors[10];
    union mp_value values[10];
    (void)state;
    for (int i = 0; i < 10; i++) {
        sensors[i] =
            (struct mp_sensor){.name = "adc", .kind = MP_KIND_VOLTAGE, .type = MP_TYPE_F32};
        values[i].f = (float)i / 4;
    }
    world->device_config.sensors = sensors;
    world->device_config.sensor_count = 10;
    world_restart_device(world);
    sim_run(&world->sim, 2000000);
    assert_true(world_ready(world));
    uint64_t before = world->sim.line[WORLD_DEVICE].bytes;
    world->host.ask_at_us += 1000000;
    mp_device_poll(&world->device, (uint32_t)sim_now_us(&world->sim));
    uint32_t ticks = mp_device_ticks(&world->device);
    assert_int_equal(mp_device_scan(&world->device, 0, values, 10, ticks, true), MP_OK);
    sim_run(&world->sim, 20000);
    assert_int_equal(world->sim.line[WORLD_DEVICE].bytes - before, 53);
    assert_int_equal(world->reading_count, 10);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(world->readings[i].slot, i);
        assert_true(world->readings[i].value == i / 4.0);
        assert_int_equal(world->readings[i].device_us, ticks * 1000ull);
    }
    assert_int_equal(mp_device_scan(&world->device, 1, values, 10, ticks, true), MP_ERR_BAD_VALUE);
}

static void ten_i16_readings_are_51_bytes_on_the_wire(void **state)
{
    (void)state;
    mp_rig_get_ready();
    sim_run(&world->sim, 200000);
    uint64_t before = world->sim.line[WORLD_DEVICE].bytes;
    for (int i = 0; i < 10; i++)
        world_read(world, 1234, true);
    mp_device_flush(&world->device);
    sim_run(&world->sim, 10000);
    assert_int_equal(world->sim.line[WORLD_DEVICE].bytes - before, 51);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MP_RIG_TEST(what_a_host_sends_has_both_of_its_delimiters),
        MP_RIG_TEST(a_line_gets_no_more_than_it_takes_in_20_ms),
        MP_RIG_TEST(a_slow_line_gets_a_whole_frame),
        MP_RIG_TEST(a_lone_i16_reading_is_15_bytes_on_the_wire),
        MP_RIG_TEST(a_lone_float_with_16_bits_of_time_is_15_bytes_on_the_wire),
        MP_RIG_TEST(ten_floats_of_one_scan_are_53_bytes_on_the_wire),
        MP_RIG_TEST(ten_i16_readings_are_51_bytes_on_the_wire),
    };
    return cmocka_run_group_tests_name("mp_wire", tests, NULL, NULL);
}
