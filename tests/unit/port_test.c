/* One port on a real loop, a PTY, and a board of mp_device on its other end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flash_claim.h"
#include "mp_device.h"
#include "port.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 60000
#define CREDIT      600
#define QUIET_MS    300

static struct rig {
    struct loop loop;
    struct turns turns;
    struct config_port config;
    struct port *port;
    bool claims; /* whether the bridge takes the board */

    bool is_plugged, board_is_mute;
    int master, slave;
    char path[64], link[64];
    struct mp_device device;
    uint8_t tx[512], rx[512];
    size_t bytes_down; /* what the board has got */

    unsigned ready, lost, lent, freed, results, identified, resets;
    char lost_why[128], lent_why[512], console[256];
    enum mp_status status;
    struct mp_bulk_host bulk;
} rig;

static uint32_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u);
}

/* -- The board. */

static enum mp_status apply(void *user, uint8_t control, union mp_value value)
{
    (void)user;
    (void)control;
    (void)value;
    return MP_STATUS_DONE;
}

static void restart(void *user, enum mp_reset_mode mode)
{
    (void)user;
    (void)mode;
    rig.resets++;
}

static void identify(void *user, uint16_t ms)
{
    (void)user;
    rig.identified = ms;
}

static void echo(void *user, const uint8_t *bytes, size_t n)
{
    (void)user;
    mp_device_console(&rig.device, bytes, n);
}

static void start_board(void)
{
    static const struct mp_sensor sensors[] = {
        {"bme280", MP_KIND_TEMPERATURE, 0, 0, MP_TYPE_I16, -2}};
    static const uint8_t id[] = "bench";
    const struct mp_device_config config = {
        .firmware = {"test", "1.0.0", "host", "unit"},
        .sensors = sensors,
        .sensor_count = 1,
        .device_id = id,
        .device_id_len = 5,
        .image_id = id,
        .image_id_len = 5,
        .tick_us = 1000,
        .deadman_ms = 1000,
        .tx_mem = rig.tx,
        .rx_mem = rig.rx,
        .tx_bytes = sizeof rig.tx,
        .rx_bytes = sizeof rig.rx,
        .max_body = 64,
    };
    const struct mp_device_io io = {
        .apply = apply, .reset = restart, .identify = identify, .console = echo};
    assert_int_equal(mp_device_init(&rig.device, &config, &io, now_us()), MP_OK);
}

static void plug(void)
{
    assert_int_equal(openpty(&rig.master, &rig.slave, rig.path, NULL, NULL), 0);
    struct termios raw;
    tcgetattr(rig.slave, &raw);
    cfmakeraw(&raw);
    tcsetattr(rig.slave, TCSANOW, &raw);
    fcntl(rig.master, F_SETFL, O_NONBLOCK);
    unlink(rig.link);
    assert_int_equal(symlink(rig.path, rig.link), 0);
    rig.is_plugged = true;
    start_board();
}

static void pull(void)
{
    unlink(rig.link);
    close(rig.slave);
    close(rig.master);
    rig.is_plugged = false;
}

static void turn_board(void)
{
    uint8_t bytes[512];
    ssize_t n;
    struct pollfd master = {.fd = rig.is_plugged ? rig.master : -1, .events = POLLIN};
    poll(&master, 1, 1);
    if (!rig.is_plugged)
        return;
    while ((n = read(rig.master, bytes, sizeof bytes)) > 0) {
        rig.bytes_down += (size_t)n;
        if (!rig.board_is_mute)
            mp_device_bytes(&rig.device, bytes, (size_t)n, now_us());
    }
    if (rig.board_is_mute)
        return;
    mp_device_poll(&rig.device, now_us());
    while ((n = (ssize_t)mp_device_output(&rig.device, bytes, sizeof bytes, now_us())) > 0)
        assert_int_equal(write(rig.master, bytes, (size_t)n), n);
}

/* -- Its client. */

static void on_reading(void *user, const struct mp_host_reading *reading)
{
    (void)user;
    (void)reading;
}

static void on_received(void *user, uint32_t number)
{
    (void)user;
    (void)number;
}

static void on_result(void *user, uint16_t request, enum mp_status status)
{
    (void)user;
    (void)request;
    rig.results++;
    rig.status = status;
}

static void on_control_state(void *user, uint8_t control, enum mp_cause cause, union mp_value value)
{
    (void)user;
    (void)control;
    (void)cause;
    (void)value;
}

static void on_log(void *user, enum mp_level level, const char *text, size_t n)
{
    (void)user;
    (void)level;
    (void)text;
    (void)n;
}

static void on_console(void *user, const uint8_t *bytes, size_t n)
{
    (void)user;
    size_t had = strlen(rig.console);
    if (had + n < sizeof rig.console)
        memcpy(rig.console + had, bytes, n);
}

static void on_lost(void *user, const char *why)
{
    (void)user;
    rig.lost++;
    snprintf(rig.lost_why, sizeof rig.lost_why, "%s", why);
}

static bool claim(void *user, struct port *port, const struct mp_peer *peer,
                  const struct mp_description *description, bool fresh, struct port_client *client)
{
    (void)user;
    (void)peer;
    (void)description;
    (void)fresh;
    rig.ready++;
    *client = (struct port_client){NULL,   on_reading, on_received, on_result, on_control_state,
                                   on_log, on_console, on_lost};
    if (rig.claims)
        port_credit(port, CREDIT);
    return rig.claims;
}

static void on_lent(void *user, const char *why)
{
    (void)user;
    rig.lent++;
    snprintf(rig.lent_why, sizeof rig.lent_why, "%s", why != NULL ? why : "");
}

static void on_freed(void *user)
{
    (void)user;
    rig.freed++;
}

static const struct port_borrower borrower = {NULL, on_lent, on_freed};

/* -- Time. */

static uint64_t tick(void *user, uint64_t now)
{
    (void)user;
    return turns_take(&rig.turns, now);
}

static void nothing(void *user)
{
    (void)user;
}

static void turn(void)
{
    uv_run(&rig.loop.uv, UV_RUN_NOWAIT);
    turn_board();
}

/* Turns both until it is so, or nothing is as it should be. */
#define WAIT_FOR(condition)                                      \
    do {                                                         \
        uint32_t waits_since_us = now_us();                      \
        while (!(condition)) {                                   \
            if (now_us() - waits_since_us > PATIENCE_MS * 1000u) \
                fail_msg("never: " #condition);                  \
            turn();                                              \
        }                                                        \
    } while (0)

static void turn_for(uint32_t ms)
{
    for (uint32_t began = now_us(); now_us() - began < ms * 1000u;)
        turn();
}

static int set_up(void **state)
{
    const struct loop_events events = {NULL, tick, nothing, nothing};
    const struct port_events port_events = {NULL, claim};
    (void)state;
    memset(&rig, 0, sizeof rig);
    rig.claims = true;
    snprintf(rig.link, sizeof rig.link, "/tmp/port-test-%d", (int)getpid());
    rig.config = (struct config_port){.name = rig.link, .path = rig.link, .baud = 115200};
    assert_int_equal(loop_open(&rig.loop, &events), 0);
    turns_init(&rig.turns, &rig.loop);
    plug();
    rig.port = port_new(&rig.turns, NULL, &rig.config, 500, &port_events);
    assert_non_null(rig.port);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    port_free(rig.port);
    turns_deinit(&rig.turns);
    loop_close(&rig.loop);
    loop_run(&rig.loop);
    if (rig.is_plugged)
        pull();
    return 0;
}

static bool is_ours(void)
{
    struct watch_port picture;
    port_watch(rig.port, &picture);
    return picture.state == WATCH_LINK_SERVING;
}

static bool is_open(void)
{
    struct watch_port picture;
    port_watch(rig.port, &picture);
    return picture.state != WATCH_LINK_CLOSED && picture.state != WATCH_LINK_LENT;
}

/* Whether nobody holds the line. */
static bool is_free(void)
{
    int fd = open(rig.path, O_RDWR | O_NOCTTY | O_NONBLOCK);
    assert_true(fd >= 0);
    bool free_of_locks = flock(fd, LOCK_EX | LOCK_NB) == 0;
    close(fd);
    return free_of_locks;
}

/* -- The board's client asks. */

static void what_is_typed_reaches_the_board_and_its_answer_comes_back(void **state)
{
    (void)state;
    WAIT_FOR(is_ours());
    assert_int_equal(port_console(rig.port, (const uint8_t *)"help\n", 5), MP_OK);
    WAIT_FOR(strcmp(rig.console, "help\n") == 0);
}

static void what_the_line_has_no_room_for_is_not_taken(void **state)
{
    static const uint8_t line[50] = "a long line";
    int error = MP_OK;
    (void)state;
    WAIT_FOR(is_ours());
    for (int i = 0; i < 1000 && error == MP_OK; i++)
        error = port_console(rig.port, line, sizeof line);
    assert_int_equal(error, MP_ERR_FULL);
    WAIT_FOR(port_console(rig.port, line, sizeof line) == MP_OK);
}

static void identify_and_reset_are_answered_by_a_result(void **state)
{
    uint16_t request;
    (void)state;
    WAIT_FOR(is_ours());
    assert_int_equal(port_identify(rig.port, 250, &request), MP_OK);
    WAIT_FOR(rig.results == 1);
    assert_int_equal(rig.status, MP_STATUS_DONE);
    assert_int_equal(rig.identified, 250);
    assert_int_equal(port_reset(rig.port, MP_RESET_TO_APPLICATION, &request), MP_OK);
    WAIT_FOR(rig.results == 2 && rig.resets == 1);
}

static void without_a_claimed_board_nothing_can_be_asked(void **state)
{
    uint16_t request;
    (void)state;
    rig.claims = false;
    assert_int_equal(port_identify(rig.port, 1, &request), MP_ERR_NO_SESSION);
    WAIT_FOR(rig.ready == 1);
    assert_int_equal(port_console(rig.port, (const uint8_t *)"x", 1), MP_ERR_NO_SESSION);
    assert_int_equal(port_reset(rig.port, MP_RESET_TO_APPLICATION, &request), MP_ERR_NO_SESSION);
    mp_bulk_host_start(&rig.bulk, NULL, 1, (const uint8_t[MP_SHA256_BYTES]){0},
                       &(struct mp_bulk_host_io){0});
    port_upload(rig.port, &rig.bulk);
    assert_null(rig.bulk.host);
}

static void credit_is_given_in_the_next_turn(void **state)
{
    (void)state;
    WAIT_FOR(is_ours());
    WAIT_FOR(rig.turns.heap[0].due_us != 0);
    port_credit(rig.port, CREDIT / 2);
    assert_int_equal(rig.turns.heap[0].due_us, 0);
}

static void an_upload_has_no_host_once_its_session_has_ended(void **state)
{
    (void)state;
    WAIT_FOR(is_ours());
    mp_bulk_host_start(&rig.bulk, NULL, 1000, (const uint8_t[MP_SHA256_BYTES]){0},
                       &(struct mp_bulk_host_io){0});
    port_upload(rig.port, &rig.bulk);
    assert_non_null(rig.bulk.host);
    assert_int_equal(rig.bulk.phase, MP_BULK_HOST_BEGINNING);
    port_hold(rig.port, 1);
    assert_null(rig.bulk.host);
    assert_int_equal(rig.bulk.phase, MP_BULK_HOST_WAITING);
    WAIT_FOR(is_ours());
    port_upload(rig.port, &rig.bulk);
    pull();
    WAIT_FOR(rig.lost == 1);
    assert_null(rig.bulk.host);
}

/* -- Quiet. */

static void nothing_is_written_while_it_is_quiet_and_the_session_outlives_it(void **state)
{
    (void)state;
    WAIT_FOR(is_ours());
    turn_for(50);
    uint64_t until_us = loop_now_us(&rig.loop) + QUIET_MS * 1000;
    port_quiet(rig.port, QUIET_MS);
    turn_board(); /* what was on its way */
    size_t before = rig.bytes_down;
    assert_int_equal(port_console(rig.port, (const uint8_t *)"x", 1), MP_OK);
    WAIT_FOR(rig.bytes_down != before);
    assert_true(loop_now_us(&rig.loop) >= until_us);
    WAIT_FOR(strcmp(rig.console, "x") == 0);
    assert_int_equal(rig.lost, 0);
}

static void a_board_that_has_restarted_is_answered_at_once(void **state)
{
    (void)state;
    WAIT_FOR(is_ours());
    port_quiet(rig.port, 2 * PATIENCE_MS);
    start_board();
    WAIT_FOR(rig.lost == 1);
    WAIT_FOR(is_ours());
}

/* -- Lent. */

static void a_lent_line_is_closed_and_stays_closed_until_it_is_taken_back(void **state)
{
    (void)state;
    WAIT_FOR(is_ours());
    assert_false(is_free());
    assert_int_equal(port_lend(rig.port, &borrower), 0);
    assert_string_equal(rig.lost_why, "its port is lent to a flasher");
    assert_int_equal(rig.lent, 0);
    assert_int_equal(port_lend(rig.port, &borrower), -1);
    WAIT_FOR(rig.lent == 1);
    assert_string_equal(rig.lent_why, "");
    assert_string_equal(port_path(rig.port), rig.path);
    assert_true(is_free());
    port_look(rig.port);
    turn_for(1200); /* longer than any look for a line that came */
    assert_true(is_free());
    assert_true(port_is_there(rig.port));
    port_take_back(rig.port, 0);
    WAIT_FOR(is_ours());
    assert_int_equal(rig.lent, 1);
    assert_int_equal(rig.freed, 0);
}

static void nothing_is_written_for_a_while_after_a_line_is_taken_back(void **state)
{
    (void)state;
    WAIT_FOR(is_ours());
    port_lend(rig.port, &borrower);
    WAIT_FOR(rig.lent == 1);
    rig.board_is_mute = true;
    turn();
    size_t before = rig.bytes_down;
    uint64_t until_us = loop_now_us(&rig.loop) + QUIET_MS * 1000;
    port_take_back(rig.port, QUIET_MS);
    WAIT_FOR(is_open());
    WAIT_FOR(rig.bytes_down != before);
    assert_true(loop_now_us(&rig.loop) >= until_us);
    rig.board_is_mute = false;
    WAIT_FOR(is_ours());
}

static void who_speaks_after_an_opening_is_no_boot_loader_and_answered_at_once(void **state)
{
    (void)state;
    WAIT_FOR(is_ours());
    port_lend(rig.port, &borrower);
    WAIT_FOR(rig.lent == 1);
    start_board();
    port_take_back(rig.port, 2 * PATIENCE_MS);
    WAIT_FOR(is_ours());
}

static void a_device_that_goes_while_it_is_lent_is_missed(void **state)
{
    (void)state;
    WAIT_FOR(is_ours());
    port_lend(rig.port, &borrower);
    WAIT_FOR(rig.lent == 1);
    pull();
    assert_false(port_is_there(rig.port));
    port_take_back(rig.port, 0);
    turn_for(50);
    plug();
    assert_true(port_is_there(rig.port));
    WAIT_FOR(is_ours());
}

/* Terminals' numbers are given anew at once. */
static void a_lent_line_whose_link_has_gone_is_missed_though_its_number_lives(void **state)
{
    (void)state;
    WAIT_FOR(is_ours());
    port_lend(rig.port, &borrower);
    WAIT_FOR(rig.lent == 1);
    assert_true(port_is_there(rig.port));
    assert_int_equal(unlink(rig.link), 0);
    assert_false(port_is_there(rig.port));
}

static void a_line_that_is_not_there_cannot_be_lent(void **state)
{
    (void)state;
    WAIT_FOR(is_ours());
    pull();
    WAIT_FOR(rig.lost == 1);
    port_lend(rig.port, &borrower);
    WAIT_FOR(rig.lent == 1);
    assert_non_null(strstr(rig.lent_why, "is not there"));
    plug();
    WAIT_FOR(is_ours());
}

static void a_line_is_lent_whatever_it_is_just_doing(void **state)
{
    (void)state;
    assert_false(is_open()); /* before its first turn */
    for (unsigned turns = 0; turns < 12; turns++) {
        for (unsigned i = 0; i < turns; i++)
            turn();
        rig.lent = 0;
        assert_int_equal(port_lend(rig.port, &borrower), 0);
        WAIT_FOR(rig.lent == 1);
        assert_string_equal(rig.lent_why, "");
        assert_true(is_free());
        port_take_back(rig.port, 0);
    }
    WAIT_FOR(is_ours());
}

static void who_takes_it_back_at_once_is_told_nothing(void **state)
{
    (void)state;
    for (unsigned turns = 0; turns < 12; turns++) {
        for (unsigned i = 0; i < turns; i++)
            turn();
        port_lend(rig.port, &borrower);
        port_take_back(rig.port, 0);
    }
    WAIT_FOR(is_ours());
    assert_int_equal(rig.lent, 0);
}

static void the_borrower_hears_that_the_port_is_freed(void **state)
{
    const struct port_events events = {NULL, claim};
    (void)state;
    WAIT_FOR(is_ours());
    port_lend(rig.port, &borrower);
    WAIT_FOR(rig.lent == 1);
    port_free(rig.port);
    assert_int_equal(rig.freed, 1);
    rig.port = port_new(&rig.turns, NULL, &rig.config, 500, &events);
    WAIT_FOR(is_ours());
}

static void a_port_at_which_a_flasher_runs_is_not_opened(void **state)
{
    char why[512];
    struct watch_port picture;
    (void)state;
    int fd = flash_claim(rig.link, why, sizeof why);
    assert_true(fd >= 0);
    turn_for(1200);
    assert_false(is_open());
    WAIT_FOR((port_watch(rig.port, &picture), strstr(picture.trouble, "a flasher is at") != NULL));
    assert_true(is_free());
    close(fd);
    WAIT_FOR(is_ours());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_typed_reaches_the_board_and_its_answer_comes_back),
        TEST(what_the_line_has_no_room_for_is_not_taken),
        TEST(identify_and_reset_are_answered_by_a_result),
        TEST(without_a_claimed_board_nothing_can_be_asked),
        TEST(credit_is_given_in_the_next_turn),
        TEST(an_upload_has_no_host_once_its_session_has_ended),
        TEST(nothing_is_written_while_it_is_quiet_and_the_session_outlives_it),
        TEST(a_board_that_has_restarted_is_answered_at_once),
        TEST(a_lent_line_is_closed_and_stays_closed_until_it_is_taken_back),
        TEST(nothing_is_written_for_a_while_after_a_line_is_taken_back),
        TEST(who_speaks_after_an_opening_is_no_boot_loader_and_answered_at_once),
        TEST(a_device_that_goes_while_it_is_lent_is_missed),
        TEST(a_lent_line_whose_link_has_gone_is_missed_though_its_number_lives),
        TEST(a_line_that_is_not_there_cannot_be_lent),
        TEST(a_line_is_lent_whatever_it_is_just_doing),
        TEST(who_takes_it_back_at_once_is_told_nothing),
        TEST(the_borrower_hears_that_the_port_is_freed),
        TEST(a_port_at_which_a_flasher_runs_is_not_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
