/*
 * The rig of the tests of a port; what it offers is in port_rig.h.
 */
#include "port_rig.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

struct rig rig;

uint32_t rig_now_us(void)
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

static void sized(void *user, uint16_t rows, uint16_t columns)
{
    (void)user;
    rig.rows = rows;
    rig.columns = columns;
}

static void echo(void *user, const uint8_t *bytes, size_t n)
{
    (void)user;
    mp_device_console(&rig.device, bytes, n);
}

void rig_start_board(void)
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
    const struct mp_device_io io = {.apply = apply,
                                    .reset = restart,
                                    .identify = identify,
                                    .console = echo,
                                    .console_size = sized};
    assert_int_equal(mp_device_init(&rig.device, &config, &io, rig_now_us()), MP_OK);
}

void rig_plug(void)
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
    rig_start_board();
}

void rig_pull(void)
{
    unlink(rig.link);
    close(rig.slave);
    close(rig.master);
    rig.is_plugged = false;
}

void rig_turn_board(void)
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
            mp_device_bytes(&rig.device, bytes, (size_t)n, rig_now_us());
    }
    if (rig.board_is_mute)
        return;
    mp_device_poll(&rig.device, rig_now_us());
    while ((n = (ssize_t)mp_device_output(&rig.device, bytes, sizeof bytes, rig_now_us())) > 0)
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

static bool on_claim(void *user, struct port *port, const struct mp_peer *peer,
                     const struct mp_description *description, bool fresh,
                     struct port_client *client)
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
    if (rig.is_plugged)
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
    int fd = open(rig.path, O_RDWR | O_NOCTTY | O_NONBLOCK);
    assert_true(fd >= 0);
    bool free_of_locks = flock(fd, LOCK_EX | LOCK_NB) == 0;
    close(fd);
    return free_of_locks;
}
