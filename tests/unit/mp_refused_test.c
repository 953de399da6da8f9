/*
 * Frames that are whole and yet must not be taken, or not even be sent: what acts on a device
 * without order or out of its session, what is not what was announced, what goes beyond what was
 * allowed.
 */
#include "mp_msg.h"
#include "mp_rig.h"

#include <string.h>

/* Sends it best effort, as a line that repeats frames would bring it again. */
static void send_without_order(uint8_t id, const uint8_t *body, int len)
{
    sim_run(&world->sim, 50000);
    assert_int_equal(mp_link_send_once(&world->host.link, id, body, (size_t)len), MP_OK);
    sim_run(&world->sim, 50000);
}

static int sealed_command(uint8_t *body, size_t cap)
{
    struct mp_command m = {.request = 100, .value = 5, .deadline = 1u << 20};
    mp_encode_command(body, cap, &m);
    m.crc = mp_seal(world->host.link.nonce, MP_MSG_COMMAND, body, MP_COMMAND_SEALED);
    return mp_encode_command(body, cap, &m);
}

static void what_acts_on_a_device_and_did_not_come_in_order_is_ignored(void **state)
{
    struct mp_reset reset = {.request = 101};
    struct mp_identify identify = {.request = 102, .ms = 500};
    struct mp_set_id set_id = {.request = 103, .device = (const uint8_t *)"x", .device_len = 1};
    uint8_t body[64];
    (void)state;
    mp_rig_get_ready();
    unsigned applies = world->applies;
    set_id.crc = mp_seal(world->host.link.nonce, MP_MSG_SET_ID, set_id.device, set_id.device_len);
    send_without_order(MP_MSG_COMMAND, body, sealed_command(body, sizeof body));
    send_without_order(MP_MSG_RESET, body, mp_encode_reset(body, sizeof body, &reset));
    send_without_order(MP_MSG_IDENTIFY, body, mp_encode_identify(body, sizeof body, &identify));
    send_without_order(MP_MSG_SET_ID, body, mp_encode_set_id(body, sizeof body, &set_id));
    send_without_order(MP_MSG_CONSOLE, (const uint8_t *)"stop\n", 5);
    sim_run(&world->sim, 500000);
    assert_int_equal(world->applies, applies);
    assert_int_equal(world->resets, 0);
    assert_int_equal(world->identified_ms, 0);
    assert_int_equal(world->new_id_len, 0);
    assert_int_equal(world->consoles, 0);
    assert_int_equal(world->results, 0);

    int len = sealed_command(body, sizeof body);
    mp_link_send(&world->host.link, MP_PRIO_COMMAND, MP_MSG_COMMAND, body, (size_t)len);
    sim_run(&world->sim, 50000);
    assert_int_equal(world->applies, applies + 1);
}

/* By the nonce in its CRC-32 it would be refused; it must not even be sent. */
static void a_command_that_had_not_left_ends_with_its_session(void **state)
{
    (void)state;
    mp_rig_get_ready();
    unsigned applies = world->applies;
    world->sim.line[WORLD_HOST].cut = true;
    assert_int_equal(mp_host_command(&world->host, 0, (union mp_value){.i = 5}, 60000,
                                     sim_now_us(&world->sim), NULL),
                     MP_OK);
    sim_run(&world->sim, 50000);
    mp_host_line_lost(&world->host);
    world->sim.line[WORLD_HOST].cut = false;
    assert_true(sim_until(&world->sim, world_ready, world, 3000000));
    sim_run(&world->sim, 1000000);
    assert_int_equal(world->applies, applies);
    assert_int_equal(world->results, 0);
    /* The numbers of this session begin anew, so what is sent now is not kept back behind it. */
    mp_host_command(&world->host, 0, (union mp_value){.i = 6}, 60000, sim_now_us(&world->sim),
                    NULL);
    sim_run(&world->sim, 50000);
    assert_int_equal(world->applies, applies + 1);
    assert_int_equal(world->applied[0].i, 6);
}

static void a_description_that_is_not_the_announced_one_is_not_believed(void **state)
{
    (void)state;
    world->device.identity.schema ^= 1;
    assert_false(sim_until(&world->sim, world_ready, world, 3000000));
    assert_true(mp_link_is_up(&world->host.link));
    assert_int_equal(world->host.mismatch.of, MP_MISMATCH_SCHEMA);
    world_restart_device(world);
    assert_true(sim_until(&world->sim, world_ready, world, 3000000));
}

static void an_identity_that_was_damaged_or_is_of_another_session_is_not_kept(void **state)
{
    struct mp_set_id m = {.request = 1, .device = (const uint8_t *)"ab", .device_len = 2};
    uint8_t body[32];
    (void)state;
    mp_rig_get_ready();
    uint32_t nonce = world->host.link.nonce;
    const uint32_t wrong[] = {mp_seal(nonce, MP_MSG_SET_ID, (const uint8_t *)"xb", 2),
                              mp_seal(nonce + 1, MP_MSG_SET_ID, m.device, m.device_len)};
    for (unsigned i = 0; i < 2; i++, m.request++) {
        m.crc = wrong[i];
        int len = mp_encode_set_id(body, sizeof body, &m);
        mp_link_send(&world->host.link, MP_PRIO_COMMAND, MP_MSG_SET_ID, body, (size_t)len);
        sim_run(&world->sim, 50000);
        assert_int_equal(world->results, i + 1);
        assert_int_equal(world->last_status, MP_STATUS_CORRUPT);
        assert_int_equal(world->new_id_len, 0);
    }
}

/* What restarts first never says that it will. */
static void a_reset_waits_for_its_answer_to_be_received_and_not_for_ever(void **state)
{
    (void)state;
    mp_rig_get_ready();
    sim_run(&world->sim, 50000);
    world->sim.line[WORLD_DEVICE].cut = true;
    assert_int_equal(mp_host_reset(&world->host, MP_RESET_TO_BOOTLOADER, NULL), MP_OK);
    sim_run(&world->sim, 80000);
    assert_int_equal(world->resets, 0);
    sim_run(&world->sim, 50000);
    assert_int_equal(world->resets, 1);
    assert_int_equal(world->reset_mode, MP_RESET_TO_BOOTLOADER);
}

static void a_reset_of_a_kind_that_is_not_known_is_refused(void **state)
{
    struct mp_reset m = {.request = 1, .mode = MP_RESET_MODE_COUNT};
    uint8_t body[8];
    (void)state;
    mp_rig_get_ready();
    int len = mp_encode_reset(body, sizeof body, &m);
    mp_link_send(&world->host.link, MP_PRIO_COMMAND, MP_MSG_RESET, body, (size_t)len);
    sim_run(&world->sim, 200000);
    assert_int_equal(world->last_status, MP_STATUS_UNSUPPORTED);
    assert_int_equal(world->results, 1);
    assert_int_equal(world->resets, 0);
}

/* -- Images. */

static bool is_sending(void *user)
{
    const struct world *w = user;
    return w->bulk_host.phase == MP_BULK_HOST_SENDING;
}

static void nothing_of_an_image_is_sent_beyond_the_window(void **state)
{
    const struct mp_bulk_host *bulk = &world->bulk_host;
    (void)state;
    mp_rig_get_ready();
    world_upload(world, 20000, 1);
    assert_true(sim_until(&world->sim, is_sending, world, 1000000));
    world->sim.line[WORLD_DEVICE].cut = true;
    sim_run(&world->sim, 400000);
    assert_int_equal(bulk->phase, MP_BULK_HOST_SENDING);
    assert_true(bulk->sent > bulk->stored);
    assert_true(bulk->sent - bulk->stored <= bulk->window);
}

static void begin_image(uint32_t size)
{
    static const uint8_t hash[MP_SHA256_BYTES] = {1};
    struct mp_bulk_begin m = {.size = size, .hash = hash, .hash_len = sizeof hash};
    uint8_t body[64];
    int len = mp_encode_bulk_begin(body, sizeof body, &m);
    mp_rig_get_ready();
    assert_int_equal(mp_host_request(&world->host, MP_MSG_BULK_BEGIN, body, (size_t)len, NULL),
                     MP_OK);
    sim_run(&world->sim, 50000);
    assert_int_equal(world->bulk_device.phase, MP_BULK_STORING);
}

static void send_piece(uint32_t offset, size_t n)
{
    static const uint8_t bytes[64];
    struct mp_bulk_data m = {.offset = offset, .bytes = bytes, .bytes_len = n};
    uint8_t body[80];
    int len = mp_encode_bulk_data(body, sizeof body, &m);
    mp_link_send(&world->host.link, MP_PRIO_BULK, MP_MSG_BULK_DATA, body, (size_t)len);
    sim_run(&world->sim, 50000);
}

static void data_beyond_the_announced_size_ends_an_upload(void **state)
{
    (void)state;
    begin_image(10);
    send_piece(0, 6);
    send_piece(6, 5);
    assert_int_equal(world->written, 6);
    assert_int_equal(world->bulk_device.phase, MP_BULK_ENDED);
    assert_int_equal(world->bulk_device.status, MP_STATUS_MISMATCH);
}

static void data_that_leaves_a_gap_is_dropped(void **state)
{
    (void)state;
    begin_image(20);
    send_piece(0, 6);
    send_piece(7, 6);
    send_piece(0, 6);
    assert_int_equal(world->written, 6);
    assert_int_equal(world->bulk_device.phase, MP_BULK_STORING);
}

static void half_an_image_is_not_committed_and_what_is_stored_is_kept(void **state)
{
    uint8_t body[2] = {0};
    (void)state;
    begin_image(10);
    send_piece(0, 6);
    mp_host_request(&world->host, MP_MSG_BULK_COMMIT, body, sizeof body, NULL);
    sim_run(&world->sim, 50000);
    assert_int_equal(world->bulk_device.status, MP_STATUS_MISMATCH);
    assert_int_equal(world->commits, 0);
    assert_int_equal(world->drops, 0);
    assert_int_equal(world->stored_bytes, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MP_RIG_TEST(what_acts_on_a_device_and_did_not_come_in_order_is_ignored),
        MP_RIG_TEST(a_command_that_had_not_left_ends_with_its_session),
        MP_RIG_TEST(a_description_that_is_not_the_announced_one_is_not_believed),
        MP_RIG_TEST(an_identity_that_was_damaged_or_is_of_another_session_is_not_kept),
        MP_RIG_TEST(a_reset_waits_for_its_answer_to_be_received_and_not_for_ever),
        MP_RIG_TEST(a_reset_of_a_kind_that_is_not_known_is_refused),
        MP_RIG_TEST(nothing_of_an_image_is_sent_beyond_the_window),
        MP_RIG_TEST(data_beyond_the_announced_size_ends_an_upload),
        MP_RIG_TEST(data_that_leaves_a_gap_is_dropped),
        MP_RIG_TEST(half_an_image_is_not_committed_and_what_is_stored_is_kept),
    };
    return cmocka_run_group_tests_name("mp_refused", tests, NULL, NULL);
}
