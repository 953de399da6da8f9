/*
 * The link alone: sessions, the window, priorities, and what each function promises.
 */
#include "mp_frame.h"
#include "mp_msg.h"
#include "mp_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct pair *pair;
static const struct pair_options idle = {.body = 32,
                                         .up_interval_us = UINT32_MAX,
                                         .down_interval_us = UINT32_MAX,
                                         .once_interval_us = UINT32_MAX};

static int setup(void **state)
{
    (void)state;
    pair = malloc(sizeof *pair);
    pair_init(pair, &idle, 1, 115200, 1000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pair_free(pair);
    free(pair);
    return 0;
}

static bool both_up(void *user)
{
    struct pair *p = user;
    return mp_link_is_up(&p->link[PAIR_HOST]) && mp_link_is_up(&p->link[PAIR_DEVICE]) &&
           p->link[PAIR_HOST].tag == p->link[PAIR_DEVICE].tag;
}

static void come_up(void)
{
    assert_true(sim_until(&pair->sim, both_up, pair, 2000000));
}

/* Puts a frame into an end as if it came from the line. */
static void inject(int end, uint8_t id, uint8_t tag, uint8_t number, const uint8_t *body,
                   size_t len)
{
    uint8_t wire[MP_BODY_MAX + MP_FRAME_OVERHEAD];
    uint8_t frame[MP_FRAME_MAX] = {
        [MP_FRAME_ID] = id, [MP_FRAME_TAG] = tag, [MP_FRAME_NUMBER] = number};
    struct mp_framer framer = {0};
    if (len > 0)
        memcpy(frame + MP_FRAME_BODY, body, len);
    mp_framer_begin(&framer, frame, len, false);
    size_t n = mp_framer_read(&framer, wire, sizeof wire);
    mp_link_bytes(&pair->link[end], wire, n, (uint32_t)sim_now_us(&pair->sim));
    sim_touch(&pair->sim, end);
}

static void inject_hello(uint8_t version, uint32_t nonce)
{
    uint8_t body[32];
    struct mp_hello hello = {.version = version,
                             .nonce = nonce,
                             .epoch_offer = 77,
                             .max_body = MP_BODY_MAX,
                             .credit = 1000};
    int len = mp_encode_hello(body, sizeof body, &hello);
    inject(PAIR_DEVICE, MP_MSG_HELLO, 0, 0, body, (size_t)len);
}

static void send_up(void)
{
    uint8_t body[32] = {0};
    mp_put_u32(body, pair->life);
    mp_put_u32(body + 4, pair->sent[pair->life]);
    mp_put_u32(body + 12, ~pair->sent[pair->life]);
    assert_int_equal(mp_link_send(&pair->link[PAIR_DEVICE], MP_PRIO_READING, 0x20, body, 32),
                     MP_OK);
    pair->sent[pair->life]++;
}

static void a_session_stands_after_hello_answer_and_ack(void **state)
{
    (void)state;
    come_up();
    assert_true(sim_now_us(&pair->sim) < 20000);
    assert_int_equal(pair->ups, 1);
    assert_int_equal(mp_link_peer(&pair->link[PAIR_HOST])->epoch,
                     mp_get_u32(pair->link[PAIR_DEVICE].epoch));
}

static void a_hello_sent_twice_or_late_ends_no_session(void **state)
{
    (void)state;
    come_up();
    uint32_t nonce = pair->link[PAIR_HOST].nonce;
    uint8_t tag = pair->link[PAIR_DEVICE].tag;
    inject_hello(MP_VERSION, nonce);
    sim_run(&pair->sim, 100000);
    inject_hello(MP_VERSION, nonce + 1); /* of nobody who would confirm it */
    sim_run(&pair->sim, 5000000);
    send_up();
    sim_run(&pair->sim, 100000);
    assert_int_equal(pair->delivered, 1);
    assert_int_equal(pair->link[PAIR_DEVICE].tag, tag);
    assert_int_equal(pair->ups, 1);
    assert_int_equal(pair->link[PAIR_DEVICE].offer_tag, 0);
}

static void a_hello_without_nonce_or_cut_short_is_not_answered(void **state)
{
    uint8_t body[12] = {MP_VERSION, 0, 0, 0, 0, 1, 0, 0, 0, 240, 0, 1};
    (void)state;
    pair->sim.end[PAIR_HOST].output = NULL;
    inject(PAIR_DEVICE, MP_MSG_HELLO, 0, 0, body, sizeof body);
    assert_int_equal(pair->link[PAIR_DEVICE].offer_tag, 0);
    body[1] = 1;
    inject(PAIR_DEVICE, MP_MSG_HELLO, 0, 0, body, sizeof body - 1);
    assert_int_equal(pair->link[PAIR_DEVICE].offer_tag, 0);
    inject(PAIR_DEVICE, MP_MSG_HELLO, 0, 0, body, sizeof body);
    assert_int_not_equal(pair->link[PAIR_DEVICE].offer_tag, 0);
}

static void an_answer_to_another_hello_begins_no_session(void **state)
{
    struct mp_hello_ack ack = {.version = MP_VERSION,
                               .epoch = 7,
                               .max_body = MP_BODY_MIN,
                               .credit = 1000,
                               .tick_us = 1000};
    uint8_t body[MP_BODY_MAX];
    (void)state;
    pair->sim.end[PAIR_DEVICE].output = NULL;
    for (uint32_t i = 0; i < 2; i++) {
        ack.nonce = pair->link[PAIR_HOST].nonce + 1 - i;
        int len = mp_encode_hello_ack(body, sizeof body, &ack);
        inject(PAIR_HOST, MP_MSG_HELLO_ACK, 9, 0, body, (size_t)len);
        assert_int_equal(mp_link_is_up(&pair->link[PAIR_HOST]), i == 1);
    }
}

static void another_version_is_told_with_its_number_and_asked_slowly(void **state)
{
    uint8_t body[1] = {MP_VERSION + 1};
    (void)state;
    pair->sim.end[PAIR_DEVICE].output = NULL;
    sim_run(&pair->sim, 10000);
    inject(PAIR_HOST, MP_MSG_HELLO_ACK, 0, 0, body, 1);
    assert_int_equal(pair->downs[MP_DOWN_VERSION], 1);
    assert_int_equal(mp_link_peer(&pair->link[PAIR_HOST])->version, MP_VERSION + 1);
    uint64_t before = pair->sim.line[PAIR_HOST].bytes;
    sim_run(&pair->sim, 4900000);
    assert_int_equal(pair->sim.line[PAIR_HOST].bytes, before);
    sim_run(&pair->sim, 200000);
    assert_true(pair->sim.line[PAIR_HOST].bytes > before);
}

/* The longest time in which the host sends nothing, of so long. */
static uint64_t longest_rest_us(uint64_t run_us)
{
    uint64_t longest = 0, quiet_since = sim_now_us(&pair->sim);
    for (uint64_t end = quiet_since + run_us; sim_now_us(&pair->sim) < end;) {
        uint64_t before = pair->sim.line[PAIR_HOST].bytes;
        sim_run(&pair->sim, 10000);
        if (pair->sim.line[PAIR_HOST].bytes != before)
            quiet_since = sim_now_us(&pair->sim);
        if (sim_now_us(&pair->sim) - quiet_since > longest)
            longest = sim_now_us(&pair->sim) - quiet_since;
    }
    return longest;
}

static void a_boot_loader_that_waits_for_silence_gets_it(void **state)
{
    (void)state;
    pair->sim.end[PAIR_DEVICE].output = NULL;
    assert_in_range(longest_rest_us(3000000), 400000, 600000);
    assert_in_range(longest_rest_us(10000000), 6900000, 7100000);
    assert_in_range(longest_rest_us(17000000), 13800000, 14200000);
    assert_in_range(longest_rest_us(35000000), 27600000, 28200000);
    assert_in_range(longest_rest_us(200000000), 55900000, 56200000);
}

static void a_device_that_speaks_ends_the_silence(void **state)
{
    (void)state;
    struct sim_end device = pair->sim.end[PAIR_DEVICE];
    pair->sim.end[PAIR_DEVICE].output = NULL;
    sim_run(&pair->sim, 5000000); /* in the midst of it */
    uint64_t before = pair->sim.line[PAIR_HOST].bytes;
    sim_run(&pair->sim, 500000);
    assert_int_equal(pair->sim.line[PAIR_HOST].bytes, before);
    pair_restart(pair, PAIR_DEVICE);
    pair->sim.end[PAIR_DEVICE] = device;
    sim_run(&pair->sim, 1200000);
    assert_true(both_up(pair));
}

static void a_host_that_listens_says_hello_when_the_time_is_over_or_something_is_heard(void **state)
{
    (void)state;
    struct sim_end device = pair->sim.end[PAIR_DEVICE];
    pair->sim.end[PAIR_DEVICE].output = NULL;
    mp_link_listen(&pair->link[PAIR_HOST], 2000);
    sim_run(&pair->sim, 1950000);
    assert_int_equal(pair->sim.line[PAIR_HOST].bytes, 0);
    sim_run(&pair->sim, 100000);
    assert_true(pair->sim.line[PAIR_HOST].bytes > 0);

    mp_link_listen(&pair->link[PAIR_HOST], 2000);
    pair_restart(pair, PAIR_DEVICE);
    pair->sim.end[PAIR_DEVICE] = device;
    come_up();
    mp_link_listen(&pair->link[PAIR_HOST], 2000); /* too late: nothing */
    sim_run(&pair->sim, 100000);
    assert_true(both_up(pair));
}

static void a_device_answers_another_version_with_its_own(void **state)
{
    uint8_t out[128], mem[MP_FRAME_MAX];
    struct mp_deframer deframer;
    struct mp_hello_ack ack;
    bool seen = false;
    (void)state;
    pair->sim.end[PAIR_HOST].output = NULL;
    inject_hello(MP_VERSION + 1, 5);
    size_t n = mp_link_output(&pair->link[PAIR_DEVICE], out, sizeof out, 0);
    mp_deframer_init(&deframer, mem, MP_BODY_MAX);
    for (size_t i = 0; i < n; i++)
        if (mp_deframer_byte(&deframer, out[i]) == MP_DEFRAMED_FRAME &&
            mem[MP_FRAME_ID] == MP_MSG_HELLO_ACK) {
            assert_int_equal(mp_decode_hello_ack(mem + MP_FRAME_BODY, deframer.body_len, &ack), 0);
            assert_int_equal(ack.version, MP_VERSION);
            assert_int_equal(ack.nonce, 5);
            seen = true;
        }
    assert_true(seen);
    sim_run(&pair->sim, 100000);
    assert_false(mp_link_is_up(&pair->link[PAIR_DEVICE]));
}

static void a_frame_of_no_session_is_answered_and_counted(void **state)
{
    uint8_t body[32] = {0};
    (void)state;
    come_up();
    sim_run(&pair->sim, 200000);
    uint64_t before = pair->sim.line[PAIR_DEVICE].bytes;
    uint8_t foreign = (uint8_t)(pair->link[PAIR_DEVICE].tag + 1);
    for (int i = 0; i < 10; i++)
        inject(PAIR_DEVICE, 0x30 | MP_FRAME_RELIABLE, foreign, 0, body, sizeof body);
    sim_run(&pair->sim, 40000);
    assert_int_equal(mp_link_stats(&pair->link[PAIR_DEVICE])->foreign, 10);
    assert_int_equal(pair->sim.line[PAIR_DEVICE].bytes - before, 13); /* one answer, not ten */
    assert_int_equal(pair->commands, 0);
    assert_true(both_up(pair)); /* the host did not mean that tag */
}

static void a_host_hears_at_once_that_the_device_restarted(void **state)
{
    (void)state;
    come_up();
    sim_run(&pair->sim, 100000);
    uint64_t at = sim_now_us(&pair->sim);
    pair_restart(pair, PAIR_DEVICE);
    sim_run(&pair->sim, 5000);
    assert_int_equal(pair->downs[MP_DOWN_RESTARTED], 1);
    come_up();
    assert_true(sim_now_us(&pair->sim) - at < 30000);
    assert_false(pair->host_knows);
}

static void a_line_that_was_lost_resumes_without_loss_or_repeat(void **state)
{
    (void)state;
    come_up();
    for (int i = 0; i < 20; i++)
        send_up();
    sim_run(&pair->sim, 20000); /* in the middle */
    mp_link_line_lost(&pair->link[PAIR_HOST]);
    sim_touch(&pair->sim, PAIR_HOST);
    assert_int_equal(pair->downs[MP_DOWN_LINE], 1);
    assert_true(pair_settle(pair));
    assert_int_equal(pair->delivered, 20);
    assert_int_equal(pair->ups, 2);
}

static void silence_ends_a_session(void **state)
{
    (void)state;
    pair->link[PAIR_HOST].silence = 300;
    come_up();
    pair->sim.line[PAIR_DEVICE].cut = true;
    sim_run(&pair->sim, 290000);
    assert_int_equal(pair->downs[MP_DOWN_SILENT], 0);
    sim_run(&pair->sim, 50000);
    assert_int_equal(pair->downs[MP_DOWN_SILENT], 1);
}

/* Two callers may have read the clock in the other order. */
static void a_time_that_steps_back_a_little_ends_nothing(void **state)
{
    (void)state;
    pair->link[PAIR_HOST].silence = 300;
    come_up();
    sim_run(&pair->sim, 1000);
    uint32_t now = (uint32_t)sim_now_us(&pair->sim);
    for (uint32_t back = 1; back < 250000; back *= 3) {
        assert_true(mp_link_poll(&pair->link[PAIR_HOST], now - back) < 1000000);
        mp_link_poll(&pair->link[PAIR_HOST], now);
    }
    assert_int_equal(pair->downs[MP_DOWN_SILENT], 0);
    assert_true(mp_link_is_up(&pair->link[PAIR_HOST]));
}

static void the_most_urgent_message_leaves_first_however_late_it_came(void **state)
{
    static const enum mp_priority order[] = {MP_PRIO_BULK, MP_PRIO_LOG, MP_PRIO_READING,
                                             MP_PRIO_COMMAND};
    uint8_t body[32] = {0}, out[600], mem[MP_FRAME_MAX];
    struct mp_deframer deframer;
    uint8_t ids[8];
    size_t count = 0;
    (void)state;
    come_up();
    sim_run(&pair->sim, 100000);
    for (uint8_t i = 0; i < 4; i++)
        mp_link_send(&pair->link[PAIR_DEVICE], order[i], (uint8_t)(0x50 + i), body, 8);
    size_t n = mp_link_output(&pair->link[PAIR_DEVICE], out, sizeof out, 0);
    mp_deframer_init(&deframer, mem, MP_BODY_MAX);
    for (size_t i = 0; i < n; i++)
        if (mp_deframer_byte(&deframer, out[i]) == MP_DEFRAMED_FRAME)
            ids[count++] = mem[MP_FRAME_ID] & 0x7f;
    assert_int_equal(count, 4);
    for (uint8_t i = 0; i < 4; i++)
        assert_int_equal(ids[i], 0x53 - i);
}

static void without_safe_the_window_closes_and_memory_stays_taken(void **state)
{
    (void)state;
    pair->host.safe_at_once = false;
    come_up();
    for (int i = 0; i < 80; i++)
        send_up();
    sim_run(&pair->sim, 2000000);
    assert_int_equal(pair->delivered, MP_LINK_WINDOW - 8); /* eight are kept for results */
    assert_int_equal(mp_queue_used(pair->link[PAIR_DEVICE].tx_queue), 80 * MP_LINK_TX_BYTES(32));
    mp_link_safe(&pair->link[PAIR_HOST], 30);
    sim_touch(&pair->sim, PAIR_HOST);
    sim_run(&pair->sim, 500000);
    assert_int_equal(pair->told_safe[0], 30);
    assert_int_equal(pair->delivered, 80);
}

static void safe_of_what_has_not_come_is_not_believed(void **state)
{
    (void)state;
    pair->host.safe_at_once = false;
    come_up();
    send_up();
    sim_run(&pair->sim, 50000);
    mp_link_safe(&pair->link[PAIR_HOST], 2);
    sim_touch(&pair->sim, PAIR_HOST);
    sim_run(&pair->sim, 50000);
    assert_int_equal(pair->told_safe[0], 0);
    mp_link_safe(&pair->link[PAIR_HOST], 1);
    mp_link_safe(&pair->link[PAIR_HOST], 0);
    sim_touch(&pair->sim, PAIR_HOST);
    sim_run(&pair->sim, 50000);
    assert_int_equal(pair->told_safe[0], 1);
}

static void credit_is_kept_and_zero_stops_everything(void **state)
{
    (void)state;
    pair->host.safe_at_once = false;
    mp_link_credit(&pair->link[PAIR_HOST], 0);
    come_up();
    for (int i = 0; i < 10; i++)
        send_up();
    sim_run(&pair->sim, 1000000);
    assert_int_equal(pair->delivered, 0);
    mp_link_credit(&pair->link[PAIR_HOST], 3 * 36);
    sim_touch(&pair->sim, PAIR_HOST);
    sim_run(&pair->sim, 1000000);
    assert_int_equal(pair->delivered, 3);
}

static void an_ack_lost_with_new_credit_or_safe_is_asked_for(void **state)
{
    (void)state;
    pair->host.safe_at_once = false;
    mp_link_credit(&pair->link[PAIR_HOST], 36);
    come_up();
    send_up();
    send_up();
    sim_run(&pair->sim, 100000);
    assert_int_equal(pair->delivered, 1);
    pair->sim.line[PAIR_HOST].cut = true;
    mp_link_safe(&pair->link[PAIR_HOST], 1);
    sim_touch(&pair->sim, PAIR_HOST);
    sim_run(&pair->sim, 100000);
    pair->sim.line[PAIR_HOST].cut = false;
    sim_run(&pair->sim, 1000000);
    assert_int_equal(pair->told_safe[0], 1);
    assert_int_equal(pair->delivered, 2);
}

/* A device often looks at its timers between a question and its answer. */
static void best_effort_that_waits_to_leave_asks_for_no_ack(void **state)
{
    uint8_t body[1] = {0};
    (void)state;
    come_up();
    sim_run(&pair->sim, 1000000);
    struct mp_link *device = &pair->link[PAIR_DEVICE];
    uint32_t acks = pair->stats[PAIR_HOST].frames_out;
    assert_int_equal(mp_link_send_once(device, MP_MSG_TIME, body, 1), MP_OK);
    mp_link_poll(device, (uint32_t)sim_now_us(&pair->sim));
    sim_touch(&pair->sim, PAIR_DEVICE);
    sim_run(&pair->sim, 100000);
    assert_int_equal(pair->stats[PAIR_HOST].frames_out, acks);
}

static void sending_says_what_it_cannot_do(void **state)
{
    uint8_t body[MP_BODY_MAX + 1] = {0};
    struct mp_link *host = &pair->link[PAIR_HOST];
    struct mp_link *device = &pair->link[PAIR_DEVICE];
    (void)state;
    assert_int_equal(mp_link_send(host, MP_PRIO_COMMAND, 0x30, body, 1), MP_ERR_NO_SESSION);
    assert_int_equal(mp_link_send_once(device, 0x30, body, 1), MP_ERR_NO_SESSION);
    come_up();
    assert_int_equal(mp_link_send(host, MP_PRIO_COMMAND, 0, body, 1), MP_ERR_BAD_VALUE);
    assert_int_equal(mp_link_send(host, MP_PRIO_COMMAND, 0x80, body, 1), MP_ERR_BAD_VALUE);
    assert_int_equal(mp_link_send(device, MP_PRIO_COMMAND, 1, body, MP_BODY_MAX + 1),
                     MP_ERR_TOO_LONG);
    while (mp_link_room(device) >= 32)
        assert_int_equal(mp_link_send(device, MP_PRIO_READING, 0x20, body, 32), MP_OK);
    assert_int_equal(mp_link_send(device, MP_PRIO_READING, 0x20, body, 32), MP_ERR_FULL);
    assert_int_equal(mp_link_send(device, MP_PRIO_COMMAND, 0x21, body, 3), MP_OK);
}

static void memory_that_is_too_small_is_refused(void **state)
{
    static uint8_t tx[1024], rx[1024];
    struct mp_link link;
    struct mp_link_host of_host;
    struct mp_link_config config = {.host = &of_host,
                                    .tx_mem = tx,
                                    .tx_bytes = sizeof tx,
                                    .rx_mem = rx,
                                    .rx_bytes = sizeof rx,
                                    .max_body = MP_BODY_MAX};
    struct mp_link_io io = {0};
    (void)state;
    assert_int_equal(mp_link_init(&link, &config, &io), MP_OK);
    config.rx_bytes = MP_LINK_RX_MIN(MP_BODY_MAX) - 1;
    assert_int_equal(mp_link_init(&link, &config, &io), MP_ERR_BAD_VALUE);
    config.max_body = MP_BODY_MIN - 1;
    assert_int_equal(mp_link_init(&link, &config, &io), MP_ERR_BAD_VALUE);
    config.max_body = MP_BODY_MIN;
    assert_int_equal(mp_link_init(&link, &config, &io), MP_OK);
    config.tx_bytes = MP_LINK_TX_MIN(MP_BODY_MIN) - 1;
    assert_int_equal(mp_link_init(&link, &config, &io), MP_ERR_BAD_VALUE);
    config.tx_bytes = MP_LINK_TX_MIN(MP_BODY_MIN);
    assert_int_equal(mp_link_init(&link, &config, &io), MP_OK);
    assert_true(mp_link_room(&link) >= MP_BODY_MIN);
}

static void a_commands_frame_of_an_ended_session_is_not_taken(void **state)
{
    uint8_t body[32] = {0};
    (void)state;
    come_up();
    uint8_t old = pair->link[PAIR_HOST].tag;
    mp_link_line_lost(&pair->link[PAIR_HOST]);
    sim_touch(&pair->sim, PAIR_HOST);
    sim_run(&pair->sim, 1000);
    come_up();
    assert_int_not_equal(pair->link[PAIR_HOST].tag, old);
    inject(PAIR_DEVICE, 0x30 | MP_FRAME_RELIABLE, old, 0, body, sizeof body);
    assert_int_equal(pair->commands, 0);
}

static void the_time_out_stays_bounded_on_a_dead_line(void **state)
{
    (void)state;
    come_up();
    send_up();
    sim_run(&pair->sim, 100000);
    pair->sim.line[PAIR_HOST].cut = true;
    send_up();
    uint32_t before = mp_link_stats(&pair->link[PAIR_DEVICE])->resent;
    sim_run(&pair->sim, 10000000);
    uint32_t resent = mp_link_stats(&pair->link[PAIR_DEVICE])->resent - before;
    assert_in_range(resent, 40, 500); /* at least every 250 ms, and no storm */
}

/* Nor when its number is due again. */
static void a_message_that_came_before_is_acknowledged_and_not_delivered_again(void **state)
{
    uint8_t first[32] = {0};
    (void)state;
    come_up();
    mp_put_u32(first + 12, ~0u);
    send_up();
    sim_run(&pair->sim, 100000);
    assert_int_equal(pair->delivered, 1);
    const struct mp_link *host = &pair->link[PAIR_HOST];
    inject(PAIR_HOST, 0x20 | MP_FRAME_RELIABLE, host->tag, (uint8_t)(host->rx_next - 1), first,
           sizeof first);
    for (int i = 0; i < 300; i++) {
        send_up();
        sim_run(&pair->sim, 100000);
    }
    assert_int_equal(pair->delivered, 301);
    assert_int_equal(mp_link_stats(host)->duplicates, 1);
    assert_string_equal(pair->broken, "");
}

/* The time-out has not been measured yet and is above 100 ms. */
static void a_damaged_frame_is_asked_for_at_once(void **state)
{
    (void)state;
    come_up();
    sim_run(&pair->sim, 100000);
    send_up();
    sim_touch(&pair->sim, PAIR_DEVICE);
    sim_run(&pair->sim, 1000);
    pair->sim.line[PAIR_DEVICE].faults.flip = 1;
    sim_run(&pair->sim, 300);
    pair->sim.line[PAIR_DEVICE].faults.flip = 0;
    sim_run(&pair->sim, 15000);
    assert_true(mp_link_stats(&pair->link[PAIR_HOST])->bad_frames > 0);
    assert_int_equal(pair->delivered, 1);
}

/* 3.5 ms for each of the three frames, 1 ms each way, 1 ms for the ack: the time-out that the ack
 * makes known would come 4 ms later. */
static void a_frame_that_vanished_goes_again_when_its_successor_has_come(void **state)
{
    (void)state;
    come_up();
    sim_run(&pair->sim, 100000);
    pair->sim.line[PAIR_DEVICE].cut = true;
    send_up();
    send_up();
    sim_touch(&pair->sim, PAIR_DEVICE);
    sim_run(&pair->sim, 3400);
    pair->sim.line[PAIR_DEVICE].cut = false;
    sim_run(&pair->sim, 12400);
    assert_int_equal(pair->delivered, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_session_stands_after_hello_answer_and_ack),
        TEST(a_hello_sent_twice_or_late_ends_no_session),
        TEST(a_hello_without_nonce_or_cut_short_is_not_answered),
        TEST(an_answer_to_another_hello_begins_no_session),
        TEST(another_version_is_told_with_its_number_and_asked_slowly),
        TEST(a_boot_loader_that_waits_for_silence_gets_it),
        TEST(a_device_that_speaks_ends_the_silence),
        TEST(a_host_that_listens_says_hello_when_the_time_is_over_or_something_is_heard),
        TEST(a_device_answers_another_version_with_its_own),
        TEST(a_frame_of_no_session_is_answered_and_counted),
        TEST(a_host_hears_at_once_that_the_device_restarted),
        TEST(a_line_that_was_lost_resumes_without_loss_or_repeat),
        TEST(silence_ends_a_session),
        TEST(a_time_that_steps_back_a_little_ends_nothing),
        TEST(the_most_urgent_message_leaves_first_however_late_it_came),
        TEST(without_safe_the_window_closes_and_memory_stays_taken),
        TEST(safe_of_what_has_not_come_is_not_believed),
        TEST(credit_is_kept_and_zero_stops_everything),
        TEST(an_ack_lost_with_new_credit_or_safe_is_asked_for),
        TEST(best_effort_that_waits_to_leave_asks_for_no_ack),
        TEST(sending_says_what_it_cannot_do),
        TEST(memory_that_is_too_small_is_refused),
        TEST(a_commands_frame_of_an_ended_session_is_not_taken),
        TEST(a_message_that_came_before_is_acknowledged_and_not_delivered_again),
        TEST(a_damaged_frame_is_asked_for_at_once),
        TEST(a_frame_that_vanished_goes_again_when_its_successor_has_come),
        TEST(the_time_out_stays_bounded_on_a_dead_line),
    };
    return cmocka_run_group_tests_name("mp_link", tests, NULL, NULL);
}
