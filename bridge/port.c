/*
 * A serial line and the protocol on it. It moves bytes and keeps the line open; what readings and
 * commands mean is the client's, how a line is opened bridge/serial's.
 *
 *             absent, busy                       refused, client full
 *            .-----------.                      .--------------------.
 *            v           |                      |                    v
 *         CLOSED --open--'-> ASKING --claimed-> SERVING            HELD
 *            ^                 ^  ^               |                  |
 *            |                 |  '--board gone---'                  |
 *            |                 '-------------time is up--------------'
 *            '--------------- hang-up, from each of them
 */
#include "port.h"
#include "log.h"
#include "serial/serial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define OPEN_ABSENT_US      250000  /* between looks for a line that is not there */
#define OPEN_FAILED_US      5000000 /* ... that is there and cannot be opened */
#define SILENT_US           5000000 /* without an answer, before that is said */
#define REFUSED_MS          10000   /* before a refused board is asked again */
#define READ_BYTES          4096
#define READS_PER_TURN      4   /* then other lines have their turn */
#define WRITE_BYTES         512 /* handed to the line at once: what follows can be more urgent */
#define LINK_TX_BYTES       1024
#define LINK_RX_BYTES       3072
#define CREDIT_BEFORE_CLAIM 1024

enum port_state { PORT_CLOSED, PORT_ASKING, PORT_SERVING, PORT_HELD };

struct port {
    struct loop *loop;
    const struct config_port *config;
    struct port_events events;
    struct port_client client;
    enum port_state state;
    struct serial *serial;
    uv_poll_t *poll;
    struct mp_host host;
    uint32_t keepalive_ms;
    uint64_t due_us;               /* of whatever the state waits for */
    uint64_t silent_us;            /* when to say that nothing answers; 0: said */
    uint32_t hold_ms;              /* 0, or a wish to be HELD that the link's callbacks have left */
    enum serial_result said;       /* the last reason for not being open that was logged */
    int polled;                    /* events that the poll handle waits for */
    struct watch_port before;      /* counters of links that were begun anew since */
    char trouble[WATCH_ERROR_MAX]; /* why the line is not open; "": it is */
    uint32_t nonsense_said;
    size_t out_len, out_at;
    uint8_t out[WRITE_BYTES];
    uint8_t tx_mem[LINK_TX_BYTES], rx_mem[LINK_RX_BYTES];
};

const char *port_name(const struct port *port)
{
    return port->config->name;
}

const char *port_path(const struct port *port)
{
    if (port->serial != NULL)
        return serial_path(port->serial);
    return port->config->path != NULL ? port->config->path : port->config->usb_serial;
}

static uint64_t now_us(const struct port *port)
{
    return loop_now_us(port->loop);
}

/* -- What the link says. */

static void on_ready(void *user, const struct mp_peer *peer,
                     const struct mp_description *description, bool fresh)
{
    struct port *port = user;
    port->silent_us = 0;
    port->state = PORT_SERVING;
    if (!port->events.claim(port->events.user, port, peer, description, fresh, &port->client)) {
        port->state = PORT_ASKING;
        port->hold_ms = REFUSED_MS;
    }
}

static void tell_lost(struct port *port, const char *why)
{
    if (port->state != PORT_SERVING)
        return;
    port->state = PORT_ASKING;
    port->client.lost(port->client.user, why);
}

static void on_lost(void *user, enum mp_down why)
{
    struct port *port = user;
    port->silent_us = 0;
    tell_lost(port, mp_down_text(why));
}

static void on_mismatch(void *user, const struct mp_mismatch *mismatch, const char *text)
{
    struct port *port = user;
    (void)mismatch;
    port->silent_us = 0;
    log_error(port->config->name, "%s", text);
}

static bool is_heard(const struct port *port)
{
    return port->state == PORT_SERVING && port->hold_ms == 0;
}

static void on_reading(void *user, const struct mp_host_reading *reading)
{
    struct port *port = user;
    if (is_heard(port))
        port->client.reading(port->client.user, reading);
}

static void on_received(void *user, uint32_t number)
{
    struct port *port = user;
    if (is_heard(port))
        port->client.received(port->client.user, number);
}

static void on_result(void *user, uint16_t request, enum mp_status status)
{
    struct port *port = user;
    if (is_heard(port))
        port->client.result(port->client.user, request, status);
}

static void on_control_state(void *user, uint8_t control, enum mp_cause cause, union mp_value value)
{
    struct port *port = user;
    if (is_heard(port))
        port->client.control_state(port->client.user, control, cause, value);
}

static void on_log(void *user, enum mp_level level, const char *text, size_t n)
{
    struct port *port = user;
    if (is_heard(port))
        port->client.log(port->client.user, level, text, n);
}

/* Said at the 1st, 10th, 100th...: a babbling board does not fill the log. */
static void on_nonsense(void *user, const char *what)
{
    struct port *port = user;
    if (port->host.nonsense < port->nonsense_said)
        return;
    log_warning(port->config->name, "the board sent what makes no sense: %s (%u so far)", what,
                port->host.nonsense);
    port->nonsense_said = port->nonsense_said == 0 ? 10 : port->nonsense_said * 10;
}

static uint32_t random_seed(void)
{
    uint32_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed || seed == 0)
        seed = (uint32_t)uv_hrtime() | 1;
    return seed;
}

/* The link's counters, on top of what was counted before it. */
static void add_link(const struct port *port, struct watch_port *to)
{
    const struct mp_link_stats *stats = mp_link_stats(&port->host.link);
    to->frames_in += stats->frames_in;
    to->frames_out += stats->frames_out;
    to->bytes_in += stats->bytes_in;
    to->bytes_out += stats->bytes_out;
    to->bad_frames += stats->bad_frames;
    to->resent += stats->resent;
    to->duplicates += stats->duplicates;
    to->foreign += stats->foreign;
    to->sessions += stats->sessions;
    to->nonsense += port->host.nonsense;
    to->lost += port->host.readings_missing;
}

/* Begins anew: whatever a board sent before and was not told to be safe will be sent again. */
static void ask(struct port *port)
{
    const struct mp_host_config config = {
        .tx_mem = port->tx_mem,
        .rx_mem = port->rx_mem,
        .tx_bytes = sizeof port->tx_mem,
        .rx_bytes = sizeof port->rx_mem,
        .credit = CREDIT_BEFORE_CLAIM,
        .baud = port->config->baud,
        .seed = random_seed(),
        .keepalive_ms = (uint16_t)port->keepalive_ms,
    };
    const struct mp_host_io io = {
        .user = port,
        .ready = on_ready,
        .mismatch = on_mismatch,
        .lost = on_lost,
        .reading = on_reading,
        .received = on_received,
        .result = on_result,
        .control_state = on_control_state,
        .log = on_log,
        .nonsense = on_nonsense,
    };
    add_link(port, &port->before);
    mp_host_init(&port->host, &config, &io, now_us(port));
    port->state = PORT_ASKING;
    port->hold_ms = 0;
    port->out_len = port->out_at = 0;
    port->due_us = 0;
}

static void hold(struct port *port, uint32_t ms)
{
    port->state = PORT_HELD;
    port->hold_ms = 0;
    port->out_len = port->out_at = 0;
    port->due_us = now_us(port) + (uint64_t)ms * 1000;
}

/* -- The line. */

static void close_poll(uv_handle_t *handle)
{
    free(handle);
}

static void close_line(struct port *port)
{
    uv_poll_stop(port->poll);
    uv_close((uv_handle_t *)port->poll, close_poll);
    serial_close(port->serial);
    port->poll = NULL;
    port->polled = 0;
    port->serial = NULL;
    port->due_us = now_us(port) + OPEN_ABSENT_US;
    port->state = PORT_CLOSED;
}

static void hang_up(struct port *port)
{
    log_warning(port->config->name, "%s is gone", port_path(port));
    port->said = SERIAL_ABSENT;
    if (port->state != PORT_HELD)
        mp_host_line_lost(&port->host);
    tell_lost(port, "the line is gone");
    close_line(port);
    loop_wake(port->loop);
}

/* Pushes out what the link has for the line, and learns when it wants to go on. Returns -1 when the
 * line is gone. */
static int write_out(struct port *port)
{
    ssize_t n = 0;
    port->due_us = now_us(port) + mp_host_poll(&port->host, now_us(port));
    for (;;) {
        if (port->out_at == port->out_len) {
            port->out_at = 0;
            port->out_len = mp_host_output(&port->host, port->out, sizeof port->out, now_us(port));
        }
        if (port->out_len == 0)
            break;
        n = serial_write(port->serial, port->out + port->out_at, port->out_len - port->out_at);
        if (n <= 0)
            return (int)n;
        port->out_at += (size_t)n;
    }
    if (n > 0)
        port->due_us = now_us(port) + mp_host_poll(&port->host, now_us(port));
    return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events);

/* After anything that may have given the link something to say or a new deadline. */
static void settle(struct port *port)
{
    if (port->hold_ms != 0) {
        mp_host_line_lost(&port->host);
        hold(port, port->hold_ms);
    }
    if (port->state == PORT_CLOSED)
        return;
    int events = UV_READABLE;
    if (port->state != PORT_HELD) {
        if (write_out(port) != 0) {
            hang_up(port);
            return;
        }
        if (port->out_at < port->out_len)
            events |= UV_WRITABLE;
    }
    if (events != port->polled)
        uv_poll_start(port->poll, events, on_poll);
    port->polled = events;
}

/* Returns -1 when the line is gone. */
static int read_in(struct port *port)
{
    uint8_t bytes[READ_BYTES];
    for (int turn = 0; turn < READS_PER_TURN; turn++) {
        ssize_t n = serial_read(port->serial, bytes, sizeof bytes);
        if (n <= 0)
            return (int)n;
        if (port->state != PORT_HELD && port->hold_ms == 0)
            mp_host_bytes(&port->host, bytes, (size_t)n, now_us(port));
        if ((size_t)n < sizeof bytes)
            break;
    }
    return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct port *port = poll->data;
    bool gone = status < 0;
    if (!gone && (events & UV_READABLE) != 0)
        gone = read_in(port) != 0;
    if (gone) {
        hang_up(port);
        return;
    }
    settle(port);
    loop_wake(port->loop);
}

static void say_why_closed(struct port *port, enum serial_result result, const char *why)
{
    snprintf(port->trouble, sizeof port->trouble, "%.*s", WATCH_ERROR_MAX - 1, why);
    if (result == port->said)
        return;
    port->said = result;
    if (result == SERIAL_ABSENT)
        log_info(port->config->name, "waiting for the line: %s", why);
    else
        log_error(port->config->name, "%s; trying again", why);
}

static void open_line(struct port *port)
{
    const struct serial_target target = {port->config->path, port->config->usb_serial,
                                         port->config->baud};
    char why[256];
    enum serial_result result = serial_open(&port->serial, &target, why, sizeof why);
    if (result != SERIAL_OK) {
        say_why_closed(port, result, why);
        port->due_us = now_us(port) + (result == SERIAL_ABSENT ? OPEN_ABSENT_US : OPEN_FAILED_US);
        return;
    }
    port->poll = calloc(1, sizeof *port->poll);
    int error = port->poll == NULL
                    ? UV_ENOMEM
                    : uv_poll_init(&port->loop->uv, port->poll, serial_fd(port->serial));
    if (error != 0) {
        say_why_closed(port, SERIAL_FAILED, uv_strerror(error));
        free(port->poll);
        port->poll = NULL;
        serial_close(port->serial);
        port->serial = NULL;
        port->due_us = now_us(port) + OPEN_FAILED_US;
        return;
    }
    port->poll->data = port;
    port->said = SERIAL_OK;
    port->trouble[0] = '\0';
    port->silent_us = now_us(port) + SILENT_US;
    log_info(port->config->name, "%s is open at %u baud", serial_path(port->serial),
             port->config->baud);
    ask(port);
    settle(port);
}

static void say_silent(struct port *port, uint64_t now)
{
    if (port->silent_us == 0 || now < port->silent_us)
        return;
    port->silent_us = 0;
    log_warning(port->config->name,
                "nothing answers on %s: is it this firmware's port, and %u its baud rate?",
                port_path(port), port->config->baud);
}

/* -- For the bridge and the client. */

struct port *port_new(struct loop *loop, const struct config_port *config, uint32_t keepalive_ms,
                      const struct port_events *events)
{
    struct port *port = calloc(1, sizeof *port);
    if (port == NULL)
        return NULL;
    port->loop = loop;
    port->config = config;
    port->keepalive_ms = keepalive_ms;
    port->events = *events;
    port->said = SERIAL_OK;
    return port;
}

void port_free(struct port *port)
{
    if (port->state == PORT_SERVING)
        write_out(port);
    if (port->state != PORT_CLOSED)
        close_line(port);
    free(port);
}

uint64_t port_tick(struct port *port, uint64_t now)
{
    if (now >= port->due_us) {
        switch (port->state) {
        case PORT_CLOSED:
            open_line(port);
            break;
        case PORT_HELD:
            ask(port);
            settle(port);
            break;
        case PORT_ASKING:
        case PORT_SERVING:
            settle(port);
            break;
        }
    }
    if (port->state == PORT_ASKING)
        say_silent(port, now);
    return port->due_us;
}

static enum watch_link link_state(const struct port *port)
{
    switch (port->state) {
    case PORT_CLOSED:
        return WATCH_LINK_CLOSED;
    case PORT_ASKING:
        return WATCH_LINK_ASKING;
    case PORT_SERVING:
        return WATCH_LINK_SERVING;
    case PORT_HELD:
        return WATCH_LINK_HELD;
    }
    return WATCH_LINK_CLOSED;
}

void port_watch(const struct port *port, struct watch_port *out)
{
    bool up = port->state == PORT_SERVING;
    uint32_t rtt_us = mp_link_stats(&port->host.link)->rtt_us;
    uint32_t bound_us = port->host.clock.bound_us;
    *out = port->before;
    add_link(port, out);
    out->name = port_name(port);
    out->path = port_path(port);
    out->state = link_state(port);
    out->trouble = port->trouble;
    out->rtt_us = up && rtt_us != 0 ? rtt_us : WATCH_NONE;
    out->clock_bound_us = up && bound_us != MP_CLOCK_UNKNOWN ? bound_us : WATCH_NONE;
}

void port_ask_again(struct port *port)
{
    if (port->state == PORT_HELD) {
        port->due_us = 0;
        loop_wake(port->loop);
    }
}

void port_hold(struct port *port, uint32_t ms)
{
    port->hold_ms = ms == 0 ? 1 : ms;
    port->state = PORT_ASKING;
    port->due_us = 0;
    loop_wake(port->loop);
}

void port_safe(struct port *port, uint32_t number)
{
    mp_host_safe(&port->host, number);
    port->due_us = 0;
    loop_wake(port->loop);
}

void port_credit(struct port *port, uint16_t bytes)
{
    mp_link_credit(&port->host.link, bytes);
}

int port_command(struct port *port, uint8_t control, union mp_value value, uint32_t ttl_ms,
                 uint16_t *request)
{
    if (!is_heard(port))
        return MP_ERR_NO_SESSION;
    int error = mp_host_command(&port->host, control, value, ttl_ms, now_us(port), request);
    port->due_us = 0;
    loop_wake(port->loop);
    return error;
}

uint64_t port_host_us(const struct port *port, uint64_t device_us)
{
    const struct mp_clock *clock = &port->host.clock;
    uint64_t now = now_us(port);
    int64_t at = (int64_t)device_us + clock->offset_us;
    if (clock->bound_us == UINT32_MAX || at < 0 || (uint64_t)at > now)
        return now;
    return (uint64_t)at;
}
