/*
 * A serial line and the protocol on it. It moves bytes and keeps the line open; what readings and
 * commands mean is the client's, how a line is opened bridge/serial's, what one board may cost
 * port_guard's, what is said of a line port_say's; the line itself is port_life.c's, what a client
 * asks of its board port_board.c's, the line in other hands port_lend.c's, and when nothing is
 * written port_quiet.c's.
 *
 *       absent, busy                             refused, client full, babbling
 *      .------------.                           .--------------------.
 *      v            |                           |                    v
 *   CLOSED ----> OPENING --open--> ASKING --> SERVING               HELD
 *      ^                            ^  ^         |                   |
 *      |                            |  '-- gone -'                   |
 *      |                            '---------- time is up ----------'
 *      |-- CLOSING <-- hang-up, a reset of the board, lent: from each of the three
 *      |      |
 *      |      v
 *      '--- LENT <-- lent: from CLOSED too, and from OPENING when that has ended
 *        taken back
 */
#include "port_private.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define REFUSED_MS          10000 /* before a refused board is asked again */
#define READ_BYTES          4096
#define READS_PER_TURN      4 /* then other lines have their turn */
#define CREDIT_BEFORE_CLAIM 1024

const char *port_name(const struct port *port)
{
    return port->config->name;
}

const char *port_path(const struct port *port)
{
    const struct config_port *config = port->config;
    if (port->serial != NULL)
        return serial_path(port->serial);
    if (port->lent_path != NULL)
        return port->lent_path;
    if (config->path != NULL)
        return config->path;
    return config->usb_serial != NULL ? config->usb_serial
           : config->usb_path != NULL ? config->usb_path
                                      : config->usb_id;
}

uint32_t port_baud(const struct port *port)
{
    return port->config->baud;
}

uint64_t port_now_us(const struct port *port)
{
    return loop_now_us(port->loop);
}

/* -- What the link says. */

static void *on_room(void *user, enum mp_host_room what, size_t bytes)
{
    struct port *port = user;
    free(port->room[what]);
    port->room[what] = malloc(bytes);
    return port->room[what];
}

static void on_ready(void *user, const struct mp_peer *peer,
                     const struct mp_description *description, bool fresh)
{
    struct port *port = user;
    port->silent_us = port->silent_wait_us = 0;
    port->state = PORT_SERVING;
    if (!port->events.claim(port->events.user, port, peer, description, fresh, &port->client)) {
        port->state = PORT_ASKING;
        port->hold_ms = REFUSED_MS;
        port_end_upload(port);
    }
}

void port_tell_lost(struct port *port, const char *why)
{
    if (port->state != PORT_SERVING)
        return;
    port->state = PORT_ASKING;
    port_end_upload(port);
    port->client.lost(port->client.user, why);
}

static void on_lost(void *user, enum mp_down why)
{
    struct port *port = user;
    port->silent_us = 0;
    if (why == MP_DOWN_RESTARTED)
        port->quiet_us = 0; /* firmware that speaks is no boot loader */
    port_tell_lost(port, mp_down_text(why));
}

static void on_mismatch(void *user, const struct mp_mismatch *mismatch, const char *text)
{
    struct port *port = user;
    (void)mismatch;
    port->silent_us = 0;
    log_error(port->config->name, "%s", text);
}

bool port_is_heard(const struct port *port)
{
    return port->state == PORT_SERVING && port->hold_ms == 0;
}

static void on_reading(void *user, const struct mp_host_reading *reading)
{
    struct port *port = user;
    if (port_is_heard(port))
        port->client.reading(port->client.user, reading);
}

static void on_received(void *user, uint32_t number)
{
    struct port *port = user;
    if (port_is_heard(port))
        port->client.received(port->client.user, number);
}

static void on_result(void *user, uint16_t request, enum mp_status status)
{
    struct port *port = user;
    if (port->bulk != NULL && mp_bulk_host_result(port->bulk, request, status))
        return;
    if (port_is_heard(port))
        port->client.result(port->client.user, request, status);
}

static void on_control_state(void *user, uint8_t control, enum mp_cause cause, union mp_value value)
{
    struct port *port = user;
    if (port_is_heard(port))
        port->client.control_state(port->client.user, control, cause, value);
}

static void on_log(void *user, enum mp_level level, const char *text, size_t n)
{
    struct port *port = user;
    if (port_is_heard(port))
        port->client.log(port->client.user, level, text, n);
}

static void on_console(void *user, const uint8_t *bytes, size_t n)
{
    struct port *port = user;
    if (port_is_heard(port) && port->client.console != NULL)
        port->client.console(port->client.user, bytes, n);
}

static void on_bulk(void *user, const struct mp_message *message)
{
    struct port *port = user;
    if (port->bulk != NULL)
        mp_bulk_host_message(port->bulk, message);
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

/* A board that starts anew counts from 0 again. Said at the 1st, 10th, 100th... */
static void on_dropped(void *user, uint32_t count)
{
    struct port *port = user;
    port->before.dropped += count < port->dropped ? count : count - port->dropped;
    port->dropped = count;
    if (port->before.dropped < port->dropped_said)
        return;
    log_warning(port->config->name,
                "the board had no room for %u readings since it started: they are lost. It needs "
                "more memory for the time that nobody takes them, or to read less often",
                count);
    port->dropped_said = port->before.dropped * 10;
}

static uint32_t random_seed(void)
{
    uint32_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed || seed == 0)
        seed = (uint32_t)uv_hrtime() | 1;
    return seed;
}

/* What the link has counted since that was last added to `before`, on top of `to`. Its counters
 * wrap, so it is added at each tick. */
static void add_link(const struct port *port, struct watch_port *to)
{
    const struct mp_link_stats *now = &port->host.stats, *then = &port->counted;
    to->frames_in += now->frames_in - then->frames_in;
    to->frames_out += now->frames_out - then->frames_out;
    to->bytes_in += now->bytes_in - then->bytes_in;
    to->bytes_out += now->bytes_out - then->bytes_out;
    to->bad_frames += now->bad_frames - then->bad_frames;
    to->resent += now->resent - then->resent;
    to->duplicates += now->duplicates - then->duplicates;
    to->foreign += now->foreign - then->foreign;
    to->sessions += now->sessions - then->sessions;
    to->nonsense += port->host.nonsense - port->nonsense_counted;
    to->lost += port->host.readings_missing - port->missing_counted;
}

static void count_link(struct port *port)
{
    add_link(port, &port->before);
    port->counted = port->host.stats;
    port->nonsense_counted = port->host.nonsense;
    port->missing_counted = port->host.readings_missing;
}

/* Begins anew: whatever a board sent before and was not told to be safe will be sent again. */
void port_ask(struct port *port)
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
        .room = on_room,
        .mismatch = on_mismatch,
        .lost = on_lost,
        .reading = on_reading,
        .received = on_received,
        .result = on_result,
        .control_state = on_control_state,
        .dropped = on_dropped,
        .log = on_log,
        .console = on_console,
        .bulk = on_bulk,
        .nonsense = on_nonsense,
    };
    count_link(port);
    mp_host_init(&port->host, &config, &io, port_now_us(port));
    port->counted = (struct mp_link_stats){0};
    port->nonsense_counted = port->missing_counted = 0;
    port->state = PORT_ASKING;
    port->hold_ms = 0;
    port->out_len = port->out_at = 0;
    port->due_us = 0;
}

static void hold(struct port *port, uint32_t ms)
{
    port->state = PORT_HELD;
    port->read_on_us = 0;
    port->hold_ms = 0;
    port->out_len = port->out_at = 0;
    port->due_us = port_now_us(port) + (uint64_t)ms * 1000;
}

/* -- Bytes. */

static void poll_link(struct port *port, uint64_t now)
{
    uint32_t bulk_us = port->bulk != NULL ? mp_bulk_host_poll(port->bulk, now) : UINT32_MAX;
    uint32_t link_us = mp_host_poll(&port->host, now);
    port->due_us = now + (bulk_us < link_us ? bulk_us : link_us);
}

/* Pushes out what the link has for the line, and learns when it wants to go on. Returns -1 when the
 * line is gone. */
static int write_out(struct port *port)
{
    uint64_t quiet_us, now = port_now_us(port);
    ssize_t n = 0;
    bool is_quiet = port_is_quiet(port, now, &quiet_us);
    if (!is_quiet || port->state == PORT_SERVING)
        poll_link(port, now); /* who asks without being heard would soon rest */
    if (is_quiet) {
        port->due_us = now + quiet_us;
        return 0;
    }
    for (;;) {
        if (port->out_at == port->out_len) {
            port->out_at = 0;
            port->out_len = mp_host_output(&port->host, port->out, sizeof port->out, now);
        }
        if (port->out_len == 0)
            break;
        n = serial_write(port->serial, port->out + port->out_at, port->out_len - port->out_at);
        if (n <= 0)
            return (int)n;
        port->out_at += (size_t)n;
        now = port_now_us(port);
    }
    if (n > 0)
        poll_link(port, now);
    return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events);

static int wanted_events(const struct port *port)
{
    int events = port->deaf || port->read_on_us != 0 ? UV_DISCONNECT : UV_READABLE;
    if (port->state != PORT_HELD && port->out_at < port->out_len && port->quiet_us == 0)
        events |= UV_WRITABLE;
    return events;
}

/* After anything that may have given the link something to say or a new deadline. */
void port_settle(struct port *port)
{
    if (port->serial == NULL)
        return;
    if (port->hold_ms != 0) {
        mp_host_line_lost(&port->host);
        hold(port, port->hold_ms);
    }
    if (port->state != PORT_HELD && write_out(port) != 0) {
        port_hang_up(port);
        return;
    }
    if (port->read_on_us != 0 && port->read_on_us < port->due_us)
        port->due_us = port->read_on_us;
    int events = wanted_events(port);
    if (events != port->polled)
        uv_poll_start(port->poll, events, on_poll);
    port->polled = events;
}

struct port_silence port_silence_now(const struct port *port)
{
    const struct mp_link_stats *stats = &port->host.stats;
    return (struct port_silence){
        .name = port->config->name,
        .path = port_path(port),
        .baud = port->config->baud,
        .bytes = stats->bytes_in,
        .frames = stats->frames_in,
        .framing_errors = serial_framing_errors(port->serial) - port->framing_errors,
        .is_text = port_guard_is_text(&port->guard),
        .dtr_off = port->config->dtr_rts == CONFIG_NEVER,
    };
}

/* Nobody is there whom we could understand: not listened to for a while, so that its nonsense costs
 * nothing. */
static void be_deaf(struct port *port)
{
    const struct port_silence about = port_silence_now(port);
    uint32_t wait_ms = port_guard_babble(&port->guard);
    port->counts.babbles++;
    port->silent_us = 0;
    port_say_babbling(&about, wait_ms);
    port_end_session(port, "it sends nothing but nonsense");
    port->deaf = true;
    hold(port, wait_ms);
}

static void pause_reading(struct port *port)
{
    port->read_on_us = port->guard.slice_us + PORT_GUARD_SLICE_US;
    if (port->counts.pauses++ == 0)
        port_say_flooding(port->config->name, port_path(port));
}

/* Returns -1 when the line is gone. */
static int read_in(struct port *port)
{
    uint8_t bytes[READ_BYTES];
    for (int turn = 0; turn < READS_PER_TURN; turn++) {
        ssize_t n = serial_read(port->serial, bytes, sizeof bytes);
        if (n <= 0)
            return (int)n;
        uint64_t now = port_now_us(port);
        if (port->state != PORT_HELD && port->hold_ms == 0)
            mp_host_bytes(&port->host, bytes, (size_t)n, now);
        switch (port_guard_bytes(&port->guard, bytes, (size_t)n, port->host.stats.frames_in, now)) {
        case PORT_READ_ON:
            break;
        case PORT_PAUSE:
            pause_reading(port);
            return 0;
        case PORT_BABBLE:
            if (port->state == PORT_HELD) { /* what it sends now is not looked at for frames */
                port->guard.junk = 0;
                break;
            }
            be_deaf(port);
            return 0;
        }
        if ((size_t)n < sizeof bytes)
            break;
    }
    return 0;
}

static uint64_t turn_due_us(const struct port *port)
{
    uint64_t due_us = port->due_us;
    if (port->read_on_us != 0 && port->read_on_us < due_us)
        due_us = port->read_on_us;
    bool may_be_silent = port->state == PORT_ASKING && port->silent_us != 0;
    return may_be_silent && port->silent_us < due_us ? port->silent_us : due_us;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct port *port = poll->data;
    bool gone = status < 0 || (events & UV_DISCONNECT) != 0;
    if (!gone && (events & UV_READABLE) != 0)
        gone = read_in(port) != 0;
    if (gone) {
        port_hang_up(port);
        return;
    }
    port_settle(port);
    turn_at(&port->turn, turn_due_us(port));
}

/* -- For the bridge and the client. */

static uint64_t take_turn(void *user, uint64_t now_us)
{
    struct port *port = user;
    port_tick(port, now_us);
    return turn_due_us(port);
}

struct port *port_new(struct turns *turns, struct hotplug *hotplug,
                      const struct config_port *config, uint32_t keepalive_ms,
                      const struct port_events *events)
{
    struct port *port = calloc(1, sizeof *port);
    if (port == NULL)
        return NULL;
    if (turn_begin(&port->turn, turns, take_turn, port) != 0) {
        free(port);
        return NULL;
    }
    port->loop = turns->loop;
    port->hotplug = hotplug;
    port->config = config;
    port->keepalive_ms = keepalive_ms;
    port->events = *events;
    port->said = SERIAL_OK;
    return port;
}

void port_free(struct port *port)
{
    turn_end(&port->turn);
    port_end_upload(port);
    if (port->state == PORT_SERVING)
        write_out(port);
    if (port->serial != NULL)
        port_close_line(port);
    if (port->job != NULL)
        port_line_forget(port->job);
    for (int i = 0; i < MP_HOST_ROOM_COUNT; i++)
        free(port->room[i]);
    port_free_loan(port);
    free(port);
}

uint64_t port_tick(struct port *port, uint64_t now)
{
    count_link(port);
    if (port->read_on_us != 0 && now >= port->read_on_us)
        port->read_on_us = port->due_us = 0;
    if (now >= port->due_us) {
        switch (port->state) {
        case PORT_CLOSED:
            port_open_line(port);
            break;
        case PORT_HELD:
            if (port->deaf)
                serial_forget_input(port->serial);
            port->deaf = false;
            port_ask(port);
            port_settle(port);
            break;
        case PORT_ASKING:
        case PORT_SERVING:
            port_settle(port);
            break;
        case PORT_LENT:
            port_tell_lent(port);
            break;
        case PORT_OPENING:
        case PORT_CLOSING:
            break;
        }
    }
    if (port->state == PORT_ASKING)
        port_on_silence(port, now);
    return port->due_us;
}

void port_look(struct port *port)
{
    switch (port->state) {
    case PORT_CLOSED:
        port->due_us = port->not_before_us;
        turn_at(&port->turn, port->due_us);
        break;
    case PORT_OPENING:
        port->look_again = true;
        break;
    case PORT_ASKING:
    case PORT_SERVING:
    case PORT_HELD:
        port_look_for_twins(port);
        break;
    case PORT_CLOSING:
    case PORT_LENT:
        break;
    }
}

struct port_counts port_counts(const struct port *port)
{
    return port->counts;
}

static enum watch_link link_state(const struct port *port)
{
    switch (port->state) {
    case PORT_CLOSED:
    case PORT_OPENING:
    case PORT_CLOSING:
        return WATCH_LINK_CLOSED;
    case PORT_ASKING:
        return WATCH_LINK_ASKING;
    case PORT_SERVING:
        return WATCH_LINK_SERVING;
    case PORT_HELD:
        return WATCH_LINK_HELD;
    case PORT_LENT:
        return WATCH_LINK_LENT;
    }
    return WATCH_LINK_CLOSED;
}

void port_watch(const struct port *port, struct watch_port *out)
{
    bool up = port->state == PORT_SERVING;
    uint32_t rtt_us = port->host.stats.rtt_us;
    uint32_t bound_us = port->host.clock.bound_us;
    *out = port->before;
    add_link(port, out);
    out->opens = port->counts.opens;
    out->hang_ups = port->counts.hang_ups;
    out->flaps = port->counts.flaps;
    out->babbles = port->counts.babbles;
    out->pauses = port->counts.pauses;
    out->resets = port->counts.resets;
    out->name = port_name(port);
    out->path = port_path(port);
    out->state = link_state(port);
    out->trouble =
        port->deaf ? "it sends nothing but nonsense: not listened to for a while" : port->trouble;
    out->rtt_us = up && rtt_us != 0 ? rtt_us : WATCH_NONE;
    out->clock_bound_us = up && bound_us != MP_CLOCK_UNKNOWN ? bound_us : WATCH_NONE;
}

void port_ask_again(struct port *port)
{
    if (port->state == PORT_HELD && !port->deaf) {
        port->due_us = 0;
        turn_wake(&port->turn);
    }
}

void port_hold(struct port *port, uint32_t ms)
{
    port->hold_ms = ms == 0 ? 1 : ms;
    port->state = PORT_ASKING;
    port_end_upload(port);
    port->due_us = 0;
    turn_wake(&port->turn);
}
