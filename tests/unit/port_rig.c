/*
 * The rig of the tests of a port; what it offers is in port_rig.h.
 */
#include "port_rig.h"

#include "test_client.h"
#include "test_clock.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct rig rig;

uint32_t rig_now_us(void)
{
    return (uint32_t)test_now_us();
}

/* -- The board. */

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

static void sized(void *user, uint16_t rows, uint16_t columns)
{
    (void)user;
    rig.rows = rows;
    rig.columns = columns;
}

static void echo(void *user, const uint8_t *bytes, size_t n)
{
    (void)user;
    mp_device_console(&rig.board.device, bytes, n);
}

void rig_start_board(void)
{
    static const struct mp_sensor sensors[] = {
        {"bme280", MP_KIND_TEMPERATURE, 0, 0, MP_TYPE_I16, -2}};
    static const char id[] = "bench";
    const struct mp_device_config config = {
        .firmware = {"test", "1.0.0", "host", "unit"},
        .sensors = sensors,
        .sensor_count = 1,
        .image_id = (const uint8_t *)id,
        .image_id_len = sizeof id - 1,
        .deadman_ms = 1000,
        .tx_bytes = 512,
        .rx_bytes = 512,
        .max_body = 64,
    };
    const struct mp_device_io io = {
        .reset = restart, .identify = identify, .console = echo, .console_size = sized};
    assert_int_equal(test_board_start(&rig.board, id, &config, &io), MP_OK);
}

void rig_plug(void)
{
    assert_int_equal(pty_open(&rig.pty, rig.link), 0);
    rig_start_board();
}

void rig_pull(void)
{
    pty_close(&rig.pty);
}

void rig_turn_board(void)
{
    uint8_t bytes[512];
    ssize_t n;
    struct mp_device *device = &rig.board.device;
    struct pollfd master = {.fd = rig.pty.master, .events = POLLIN};
    poll(&master, 1, 1);
    if (rig.pty.master < 0)
        return;
    while ((n = read(rig.pty.master, bytes, sizeof bytes)) > 0) {
        rig.bytes_down += (size_t)n;
        if (!rig.board_is_mute)
            mp_device_bytes(device, bytes, (size_t)n, rig_now_us());
    }
    if (rig.board_is_mute)
        return;
    mp_device_poll(device, rig_now_us());
    while ((n = (ssize_t)mp_device_output(device, bytes, sizeof bytes, rig_now_us())) > 0)
        assert_int_equal(write(rig.pty.master, bytes, (size_t)n), n);
}

/* -- Its client. */

static void on_result(void *user, uint16_t request, enum mp_status status)
{
    (void)user;
    (void)request;
    rig.results++;
    rig.status = status;
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

static bool on_claim(void *user, struct port *port, const struct mp_peer *peer,
                     const struct mp_description *description, bool fresh,
                     struct port_client *client)
{
    (void)user;
    (void)peer;
    (void)description;
    (void)fresh;
    rig.ready++;
    *client = test_client;
    client->result = on_result;
    client->console = on_console;
    client->lost = on_lost;
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

const struct port_borrower rig_borrower = {NULL, on_lent, on_freed};

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

void rig_turn(void)
{
    uv_run(&rig.loop.uv, UV_RUN_NOWAIT);
    rig_turn_board();
}

void rig_turn_for(uint32_t ms)
{
    for (uint32_t began = rig_now_us(); rig_now_us() - began < ms * 1000u;)
        rig_turn();
}

const struct port_events rig_port_events = {NULL, on_claim};

int rig_set_up(void **state)
{
    const struct loop_events events = {NULL, tick, nothing, nothing};
    (void)state;
    memset(&rig, 0, sizeof rig);
    rig.claims = true;
    snprintf(rig.link, sizeof rig.link, "/tmp/port-test-%d", (int)getpid());
    rig.config = (struct config_port){.name = rig.link, .path = rig.link, .baud = 115200};
    assert_int_equal(loop_open(&rig.loop, &events), 0);
    turns_init(&rig.turns, &rig.loop);
    rig_plug();
    rig.port = port_new(&rig.turns, NULL, &rig.config, 500, &rig_port_events);
    assert_non_null(rig.port);
    return 0;
}

int rig_tear_down(void **state)
{
    (void)state;
    port_free(rig.port);
    turns_deinit(&rig.turns);
    loop_close(&rig.loop);
    loop_run(&rig.loop);
    rig_pull();
    return 0;
}

bool rig_is_ours(void)
{
    struct watch_port picture;
    port_watch(rig.port, &picture);
    return picture.state == WATCH_LINK_SERVING;
}

bool rig_is_open(void)
{
    struct watch_port picture;
    port_watch(rig.port, &picture);
    return picture.state != WATCH_LINK_CLOSED && picture.state != WATCH_LINK_LENT;
}

bool rig_is_free(void)
{
    int fd = open(rig.pty.path, O_RDWR | O_NOCTTY | O_NONBLOCK);
    assert_true(fd >= 0);
    bool free_of_locks = flock(fd, LOCK_EX | LOCK_NB) == 0;
    close(fd);
    return free_of_locks;
}
