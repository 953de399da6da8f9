/*
 * Uploads over a simulated line: whole, interrupted at many points, refused, and beside commands.
 */
#include "mp_msg.h"
#include "mp_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BAUD 921600
#define FULL 65536

static struct world *world;

static int set_up(void **state)
{
    (void)state;
    world = calloc(1, sizeof *world);
    if (world == NULL)
        return -1;
    world_init(world, 3, BAUD, 500);
    return sim_until(&world->sim, world_ready, world, 5000000) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    world_free(world);
    free(world);
    return 0;
}

static void must_end(enum mp_status status)
{
    assert_true(sim_until(&world->sim, world_uploaded, world, 60000000));
    assert_int_equal(world->upload_status, status);
}

static void must_hold(uint32_t size)
{
    must_end(MP_STATUS_DONE);
    assert_int_equal(world->stored_bytes, size);
    assert_memory_equal(world->stored, world->image, size);
    assert_true(world->commits > 0);
}

static void sha256_is_that_of_the_standard(void **state)
{
    static const struct {
        const char *text;
        uint8_t first[4], last[4];
    } known[] = {
        {"", {0xe3, 0xb0, 0xc4, 0x42}, {0x78, 0x52, 0xb8, 0x55}},
        {"abc", {0xba, 0x78, 0x16, 0xbf}, {0xf2, 0x00, 0x15, 0xad}},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         {0x24, 0x8d, 0x6a, 0x61},
         {0x19, 0xdb, 0x06, 0xc1}},
    };
    struct mp_sha256 sha;
    uint8_t hash[MP_SHA256_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        mp_sha256_begin(&sha);
        mp_sha256_add(&sha, (const uint8_t *)known[i].text, strlen(known[i].text));
        mp_sha256_end(&sha, hash);
        assert_memory_equal(hash, known[i].first, 4);
        assert_memory_equal(hash + 28, known[i].last, 4);
    }
}

static void an_image_arrives_whole_and_is_committed_once(void **state)
{
    (void)state;
    world_upload(world, 1000, 1);
    must_hold(1000);
    assert_int_equal(world->commits, 1);
    assert_int_equal(world->written, 1000);
    world_upload(world, 1, 2);
    must_hold(1);
}

static void it_is_faster_than_40_kib_a_second_at_921600_baud(void **state)
{
    uint64_t begun_us = sim_now_us(&world->sim);
    (void)state;
    world_upload(world, FULL, 1);
    must_hold(FULL);
    uint64_t us = sim_now_us(&world->sim) - begun_us;
    printf("%.1f KiB/s\n", FULL / 1024.0 * 1e6 / (double)us);
    assert_true(FULL * 1000000ull / us >= 40 * 1024);
}

static void noise_delays_but_does_not_spoil(void **state)
{
    (void)state;
    sim_faults(&world->sim, &(struct sim_faults){.ber = 3e-4, .drop = 1e-3, .repeat = 0.05});
    world_upload(world, 20000, 5);
    must_hold(20000);
    assert_int_equal(world->written, 20000);
    assert_int_equal(world->drops, 0);
}

/* The host of a tool takes nothing from the device for good. */
static void readings_that_nobody_makes_safe_do_not_hold_it_up(void **state)
{
    (void)state;
    world->hold_safe = true;
    for (int i = 0; i < 300; i++) {
        (void)world_read(world, i, true);
        (void)mp_device_flush(&world->device);
    }
    world_upload(world, 60000, 5);
    must_hold(60000);
}

static void a_device_without_a_store_refuses_as_unsupported(void **state)
{
    (void)state;
    world->no_store = true;
    world_restart_device(world);
    world_upload(world, 1000, 1);
    must_end(MP_STATUS_UNSUPPORTED);
    assert_int_equal(world->written, 0);
}

/* Only a BULK_STATE tells that an image is committed. */
static void a_result_that_says_done_is_no_image_in_place(void **state)
{
    (void)state;
    world->no_store = true;
    world_restart_device(world);
    world_upload(world, 1000, 1);
    assert_true(mp_bulk_host_result(&world->bulk_host, world->bulk_host.request, MP_STATUS_DONE));
    assert_int_not_equal(world->bulk_host.phase, MP_BULK_HOST_IDLE);
    must_end(MP_STATUS_UNSUPPORTED);
}

static void an_image_that_has_no_place_is_refused(void **state)
{
    (void)state;
    world_upload(world, WORLD_IMAGE + 1, 1);
    must_end(MP_STATUS_TOO_LARGE);
    assert_int_equal(world->written, 0);
    assert_int_equal(world->bulk_host.limit, WORLD_IMAGE);
}

/* Its hash would be right. */
static void an_image_of_no_bytes_is_not_put_to_use(void **state)
{
    uint8_t begin[6 + MP_SHA256_BYTES] = {0}, commit[2] = {0};
    struct mp_sha256 sha;
    uint16_t request;
    (void)state;
    mp_sha256_begin(&sha);
    mp_sha256_end(&sha, begin + 6);
    assert_true(sim_until(&world->sim, world_ready, world, 5000000));
    assert_int_equal(
        mp_host_request(&world->host, MP_MSG_BULK_BEGIN, begin, sizeof begin, &request), MP_OK);
    assert_int_equal(
        mp_host_request(&world->host, MP_MSG_BULK_COMMIT, commit, sizeof commit, &request), MP_OK);
    sim_run(&world->sim, 1000000);
    assert_int_equal(world->commits, 0);
    assert_int_equal(world->bulk_device.phase, MP_BULK_ENDED);
    assert_int_equal(world->bulk_device.status, MP_STATUS_MISMATCH);
}

static void an_image_for_another_board_is_refused_as_such(void **state)
{
    (void)state;
    world->foreign = true;
    world_upload(world, 10000, 1);
    must_end(MP_STATUS_FOREIGN);
    assert_int_equal(world->commits, 0);
    world->foreign = false;
    world_upload(world, 10000, 1);
    must_hold(10000);
}

/* Queues below the link may hold it for longer than the host waits. */
static void a_late_answer_will_do_though_it_was_asked_again_meanwhile(void **state)
{
    struct mp_bulk_host *bulk = &world->bulk_host;
    struct mp_bulk_state late = {.status = MP_STATUS_DONE, .window = 100};
    uint8_t body[9];
    (void)state;
    world_upload(world, 10000, 1);
    sim_faults(&world->sim, &(struct sim_faults){.drop = 1});
    sim_run(&world->sim, 700000);
    assert_int_equal(bulk->phase, MP_BULK_HOST_BEGINNING);
    assert_int_not_equal(bulk->request, bulk->first_request);
    late.request = bulk->first_request;
    struct mp_message message = {.id = MP_MSG_BULK_STATE, .body = body};
    message.len = (size_t)mp_encode_bulk_state(body, sizeof body, &late);
    mp_bulk_host_message(bulk, &message);
    assert_int_equal(bulk->phase, MP_BULK_HOST_SENDING);
    sim_faults(&world->sim, &(struct sim_faults){.drop = 0});
    must_hold(10000);
}

static void a_write_that_fails_ends_the_upload(void **state)
{
    (void)state;
    world->writes_to_fail = 5;
    world_upload(world, 10000, 1);
    must_end(MP_STATUS_FAILED);
    assert_int_equal(world->commits, 0);
}

static bool half_stored(void *user)
{
    const struct world *w = user;
    return w->stored_bytes >= w->bulk_host.size / 2;
}

static void what_is_not_the_announced_image_is_not_committed(void **state)
{
    (void)state;
    world_upload(world, 10000, 1);
    assert_true(sim_until(&world->sim, half_stored, world, 5000000));
    world->stored[17] ^= 1; /* the flash forgot a bit */
    must_end(MP_STATUS_MISMATCH);
    assert_int_equal(world->commits, 0);
    assert_int_equal(world->drops, 1);
    world_upload(world, 10000, 1);
    must_hold(10000);
}

static void a_restart_at_any_point_resumes_where_it_was(void **state)
{
    (void)state;
    for (uint64_t step = 0; step < 40; step++) {
        uint32_t before;
        world->written = 0;
        world->commits = 0;
        world_upload(world, 6000, 100 + step);
        sim_run(&world->sim, step * 2500);
        before = world->stored_bytes;
        if (step % 2)
            world_restart_device(world);
        else
            world_restart_host(world);
        must_hold(6000);
        assert_true(world->written <= 6000 + before * (before == 6000));
        assert_true(sim_until(&world->sim, world_ready, world, 5000000));
    }
}

static void without_a_host_it_waits_and_goes_on_with_the_next(void **state)
{
    (void)state;
    world_upload(world, 10000, 1);
    assert_true(sim_until(&world->sim, half_stored, world, 5000000));
    mp_bulk_host_move(&world->bulk_host, NULL);
    sim_run(&world->sim, 100000); /* what was on its way */
    uint32_t before = world->stored_bytes;
    sim_run(&world->sim, 10000000);
    assert_in_range(before, 5000, 9000);
    assert_int_equal(world->stored_bytes, before);
    mp_bulk_host_move(&world->bulk_host, &world->host);
    must_hold(10000);
    assert_int_equal(world->written, 10000);
}

static void another_image_in_between_begins_anew(void **state)
{
    (void)state;
    world_upload(world, 10000, 1);
    assert_true(sim_until(&world->sim, half_stored, world, 5000000));
    world_upload(world, 8000, 2);
    must_hold(8000);
}

static bool applied(void *user)
{
    const struct world *w = user;
    return w->applies > WORLD_CONTROLS; /* beside the initial ones */
}

static uint64_t command_us(void)
{
    uint64_t begun_us = sim_now_us(&world->sim);
    world->applies = WORLD_CONTROLS;
    assert_int_equal(
        mp_host_command(&world->host, 0, (union mp_value){.i = 5}, 1000, begun_us, NULL), MP_OK);
    sim_touch(&world->sim, WORLD_HOST);
    assert_true(sim_until(&world->sim, applied, world, 1000000));
    return sim_now_us(&world->sim) - begun_us;
}

/* One frame that has begun is all that a command may wait for, and an ACK of what the device said
 * of the upload. */
static void an_upload_delays_a_command_by_one_frame_at_most(void **state)
{
    const uint64_t frame_us = (128 + 8 + 6 + 8) * 10 * 1000000ull / BAUD + 1;
    uint64_t idle_us, most_us = 0;
    (void)state;
    sim_run(&world->sim, 200000);
    idle_us = command_us();
    sim_run(&world->sim, 50000);
    world_upload(world, FULL, 1);
    for (int i = 0; i < 100 && !world_uploaded(world); i++) {
        sim_run(&world->sim, 3000 + sim_random(&world->sim) % 3000);
        uint64_t us = command_us();
        most_us = us > most_us ? us : most_us;
    }
    printf("a command takes %llu us idle, %llu us at most beside an upload\n",
           (unsigned long long)idle_us, (unsigned long long)most_us);
    assert_true(most_us <= idle_us + frame_us);
    must_hold(FULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_is_that_of_the_standard),
        TEST(an_image_arrives_whole_and_is_committed_once),
        TEST(it_is_faster_than_40_kib_a_second_at_921600_baud),
        TEST(noise_delays_but_does_not_spoil),
        TEST(readings_that_nobody_makes_safe_do_not_hold_it_up),
        TEST(a_device_without_a_store_refuses_as_unsupported),
        TEST(a_result_that_says_done_is_no_image_in_place),
        TEST(an_image_that_has_no_place_is_refused),
        TEST(an_image_of_no_bytes_is_not_put_to_use),
        TEST(an_image_for_another_board_is_refused_as_such),
        TEST(a_late_answer_will_do_though_it_was_asked_again_meanwhile),
        TEST(a_write_that_fails_ends_the_upload),
        TEST(what_is_not_the_announced_image_is_not_committed),
        TEST(a_restart_at_any_point_resumes_where_it_was),
        TEST(without_a_host_it_waits_and_goes_on_with_the_next),
        TEST(another_image_in_between_begins_anew),
        TEST(an_upload_delays_a_command_by_one_frame_at_most),
    };
    return cmocka_run_group_tests_name("mp_bulk", tests, NULL, NULL);
}
