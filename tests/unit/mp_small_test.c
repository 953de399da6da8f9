/*
 * What is easily lost in a small link: a device with the least memory that mp_link.h allows still
 * answers each host that comes, and a message is known by its own number, whatever the frame that
 * is leaving looks like.
 */
#include "mp_pair.h"
#include "mp_world.h"

#include "mp_frame.h"
#include "mp_msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct world *world;

static int setup_world(void **state)
{
    (void)state;
    world = malloc(sizeof *world);
    world_init(world, 7, 115200, 1000);
    world->device_config.max_body = MP_BODY_MIN;
    world->device_config.tx_bytes = MP_LINK_TX_MIN(MP_BODY_MIN);
    world->device_config.rx_bytes = MP_LINK_RX_MIN(MP_BODY_MIN);
    world_restart_device(world);
    return 0;
}

static int teardown_world(void **state)
{
    (void)state;
    world_free(world);
    free(world);
    return 0;
}

static void must_get_ready(void)
{
    world->host.state = MP_HOST_HELLO;
    assert_true(sim_until(&world->sim, world_ready, world, 5000000));
}

/* The device reads and nobody makes room. */
static void fill(unsigned ms)
{
    for (unsigned i = 0; i < ms / 50; i++) {
        (void)world_read(world, (int32_t)i, i % 3 != 0);
        (void)mp_device_flush(&world->device);
        (void)mp_device_log(&world->device, MP_LEVEL_INFO, "full");
        (void)mp_device_control_changed(&world->device, 0, world_controls[0].initial);
        sim_run(&world->sim, 50000);
    }
}

static void cut(bool off)
{
    world->sim.line[0].cut = off;
    world->sim.line[1].cut = off;
}

static void with_the_least_memory_it_answers_a_host_after_any_time_without_one(void **state)
{
    (void)state;
    assert_true(sim_until(&world->sim, world_ready, world, 5000000));
    for (unsigned ms = 100; ms <= 6100; ms += 500) {
        cut(true);
        fill(ms);
        cut(false);
        world_restart_host(world);
        must_get_ready();
        unsigned results = world->results;
        uint16_t request;
        assert_int_equal(mp_host_identify(&world->host, 10, &request), MP_OK);
        sim_run(&world->sim, 1000000);
        assert_int_equal(world->results, results + 1);
    }
}

static void with_the_least_memory_a_host_that_keeps_nothing_safe_may_be_replaced(void **state)
{
    (void)state;
    world->hold_safe = true;
    assert_true(sim_until(&world->sim, world_ready, world, 5000000));
    for (int i = 0; i < 20; i++) {
        fill(2500);
        world_restart_host(world);
        must_get_ready();
    }
    world->hold_safe = false;
    world_restart_host(world);
    must_get_ready();
    sim_run(&world->sim, 1000000);
    size_t before = world->reading_count;
    assert_int_equal(world_read(world, 5, true), MP_OK);
    assert_int_equal(mp_device_flush(&world->device), MP_OK);
    sim_run(&world->sim, 1000000);
    assert_true(world->reading_count > before);
}

static void a_host_is_told_how_many_readings_found_no_room(void **state)
{
    (void)state;
    assert_true(sim_until(&world->sim, world_ready, world, 5000000));
    assert_int_equal(world->dropped, 0);
    cut(true);
    fill(10000);
    assert_true(world->device.readings_dropped > 0);
    cut(false);
    sim_run(&world->sim, 3000000);
    assert_int_equal(world->host.state, MP_HOST_READY);
    assert_int_equal(world->dropped, world->device.readings_dropped);
}

/* -- The device alone, its host played by hand. */

static struct mp_link device;
static uint8_t tx[2048], rx[1024], seen[256];
static uint32_t now_us, safe;

static void on_safe(void *user, uint32_t number)
{
    (void)user;
    safe = number;
}

static void to_device(uint8_t id, uint8_t tag, uint8_t number, const uint8_t *body, size_t len)
{
    uint8_t frame[MP_FRAME_MAX] = {
        [MP_FRAME_ID] = id, [MP_FRAME_TAG] = tag, [MP_FRAME_NUMBER] = number};
    struct mp_framer framer = {0};
    uint8_t line[MP_BODY_MAX + MP_FRAME_OVERHEAD];
    memcpy(frame + MP_FRAME_BODY, body, len);
    mp_framer_begin(&framer, frame, len, false);
    size_t n = mp_framer_read(&framer, line, sizeof line);
    mp_link_bytes(&device, line, n, now_us);
}

static void ack(uint8_t next, uint8_t safe_before, uint8_t flags, uint8_t bitmap)
{
    uint8_t body[5] = {safe_before, 0, 8, flags, bitmap};
    to_device(MP_MSG_ACK, device.tag, next, body, bitmap != 0 ? 5 : 4);
}

/* Lets the device send `n` bytes, and notes whose frames end in them. */
static void pull(size_t n)
{
    static uint8_t mem[MP_FRAME_MAX];
    static struct mp_deframer deframer = {.mem = mem};
    uint8_t byte;
    if (deframer.cap == 0)
        mp_deframer_init(&deframer, mem, MP_BODY_MAX);
    while (n-- > 0 && mp_link_output(&device, &byte, 1, now_us) > 0)
        if (mp_deframer_byte(&deframer, byte) == MP_DEFRAMED_FRAME &&
            (mem[MP_FRAME_ID] & MP_FRAME_RELIABLE))
            seen[mem[MP_FRAME_NUMBER]]++;
}

static void begin_session(void)
{
    static const struct mp_identity identity = {.tick_us = 1000};
    static const struct mp_link_io io = {.safe = on_safe};
    struct mp_link_config config = {.identity = &identity,
                                    .tx_mem = tx,
                                    .rx_mem = rx,
                                    .tx_bytes = sizeof tx,
                                    .rx_bytes = sizeof rx,
                                    .max_body = MP_BODY_MAX};
    uint8_t hello[12] = {MP_VERSION, 1, 2, 3, 4, 5, 6, 7, 8, MP_BODY_MAX, 0, 8};
    assert_int_equal(mp_link_init(&device, &config, &io), MP_OK);
    to_device(MP_MSG_HELLO, 0, 0, hello, sizeof hello);
    ack(0, 0, 0, 0);
    to_device(MP_MSG_ACK, device.offer_tag, 0, (uint8_t[]){0, 0, 8, 0}, 4);
    assert_true(mp_link_is_up(&device));
    pull(1000);
}

/* Three messages, of which the first is lost. When it leaves again, and half of it has left, comes
 * another report of the two behind it: that says nothing about the first. Each number in turn is
 * the one that is lost, those that a frame carries as a code of COBS among them. */
static void a_message_that_leaves_again_is_not_taken_for_another(void **state)
{
    (void)state;
    begin_session();
    for (unsigned i = 0; i < 3 * 256; i += 3) {
        uint8_t first = (uint8_t)i;
        memset(seen, 0, sizeof seen);
        for (uint8_t body = 0; body < 3; body++)
            assert_int_equal(mp_link_send(&device, MP_PRIO_READING, 0x20, &body, 1), MP_OK);
        pull(1000);
        now_us += 20000;
        assert_int_equal(seen[first], 1);
        ack(first, first, 0, 3); /* the two behind it have arrived */
        pull(5);
        now_us += 20000;
        for (uint8_t next = 0; next < 3; next++)
            ack(first, first, 0, 3);
        pull(1000);
        now_us += 20000;
        assert_int_equal(seen[first], 2);
        /* Again lost: it must still be known as not received, and go once more. */
        ack(first, first, MP_ACK_BAD_FRAME, 3);
        pull(1000);
        assert_int_equal(seen[first], 3);
        now_us += 20000;
        ack((uint8_t)(first + 3), (uint8_t)(first + 3), 0, 0);
        assert_int_equal(safe, i + 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            with_the_least_memory_it_answers_a_host_after_any_time_without_one, setup_world,
            teardown_world),
        cmocka_unit_test_setup_teardown(
            with_the_least_memory_a_host_that_keeps_nothing_safe_may_be_replaced, setup_world,
            teardown_world),
        cmocka_unit_test_setup_teardown(a_host_is_told_how_many_readings_found_no_room, setup_world,
                                        teardown_world),
        cmocka_unit_test(a_message_that_leaves_again_is_not_taken_for_another),
    };
    return cmocka_run_group_tests_name("mp_small", tests, NULL, NULL);
}
