/*
 * phx_machine.c - the life of one socket: attempts, ends, and which message is whose. Heartbeats
 * are in phx_heartbeat.c, what becomes of a single channel in phx_channel.c; bytes on the network
 * are the transport's.
 */
#include "phx_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GATE_MS 100 /* until an attempt that was not let in is tried again */

struct phx_machine *phx_machine_new(const struct phx_machine_settings *settings,
                                    const struct phx_machine_io *io,
                                    const struct phx_socket_events *events)
{
    struct phx_machine *m = calloc(1, sizeof *m);

    if (!m)
        return NULL;
    m->state = PHX_DOWN;
    m->settings = *settings;
    m->io = *io;
    if (events)
        m->events = *events;
    m->random = settings->seed;
    m->due = m->deadline = PHX_NEVER;
    m->queue.max_bytes = settings->max_queue;
    phx_backoff_init(&m->backoff, settings->backoff_min_ms, settings->backoff_max_ms);
    return m;
}

static void free_channels(struct phx_machine *m, bool all)
{
    struct phx_channel **at = &m->channels;

    while (*at) {
        struct phx_channel *channel = *at;
        if (all || channel->state == PHX_CH_GONE) {
            *at = channel->next;
            phx_channel_free(channel);
        } else {
            at = &channel->next;
        }
    }
}

void phx_machine_free(struct phx_machine *m)
{
    free_channels(m, true);
    phx_queue_clear(&m->queue);
    free(m);
}

void phx_machine_mute(struct phx_machine *m)
{
    phx_machine_set_state(m, PHX_DOWN, PHX_NEVER);
    m->wanted = false;
    m->events = (struct phx_socket_events){.user = NULL};
    for (struct phx_channel *channel = m->channels; channel; channel = channel->next)
        channel->events = (struct phx_channel_events){.user = NULL};
    phx_queue_clear(&m->queue);
    m->due = m->deadline = PHX_NEVER;
}

void *phx_machine_user(const struct phx_machine *m)
{
    return m->io.user;
}

void phx_machine_enter(struct phx_machine *m)
{
    m->depth++;
}

void phx_machine_exit(struct phx_machine *m)
{
    if (--m->depth == 0)
        free_channels(m, false);
}

void phx_machine_wake(struct phx_machine *m, uint64_t at)
{
    if (at < m->deadline)
        m->deadline = at;
}

uint64_t phx_machine_deadline(const struct phx_machine *m)
{
    return m->deadline;
}

static void leave_gate(struct phx_machine *m)
{
    if (m->io.leave)
        m->io.leave(m->io.user);
}

void phx_machine_set_state(struct phx_machine *m, enum phx_state state, uint64_t due)
{
    m->has_turn = m->has_turn && state == PHX_WAITING;
    if (m->state == PHX_OPENING && state != PHX_OPENING)
        leave_gate(m);
    m->state = state;
    m->due = due;
    phx_machine_wake(m, due);
}

static void log_line(struct phx_machine *m, int level, const char *text)
{
    if (m->io.log)
        m->io.log(m->io.user, level, text);
}

/* ---- sending ---- */

struct phx_send *phx_machine_encode(const struct phx_machine *m, const struct phx_frame_out *frame)
{
    size_t len = phx_frame_encode(m->settings.vsn, frame, NULL, 0);
    struct phx_send *send = phx_send_new(len);

    if (send) {
        phx_frame_encode(m->settings.vsn, frame, phx_send_text(send), len);
        send->binary = frame->binary;
        send->ref = frame->ref;
    }
    return send;
}

int phx_machine_send(struct phx_machine *m, const struct phx_frame_out *frame, bool limited)
{
    struct phx_send *send;

    if (limited &&
        !phx_queue_has_room(&m->queue, phx_frame_encode(m->settings.vsn, frame, NULL, 0)))
        return PHX_ERR_FULL;
    send = phx_machine_encode(m, frame);
    if (!send)
        return PHX_ERR_MEMORY;
    phx_queue_put(&m->queue, send);
    m->io.want_write(m->io.user);
    return PHX_OK;
}

bool phx_machine_has_next(const struct phx_machine *m)
{
    return m->queue.first != NULL;
}

/* What was queued last may still be on its way out: the rest of the lingering time is its. */
static void begin_close(struct phx_machine *m, uint64_t now)
{
    uint64_t due = now + PHX_CLOSE_MS;

    if (m->state == PHX_LINGERING && m->due > due)
        due = m->due;
    phx_machine_set_state(m, PHX_CLOSING, due);
    m->io.close(m->io.user, 1000);
}

struct phx_send *phx_machine_next(struct phx_machine *m, uint64_t now)
{
    struct phx_send *send = phx_queue_take(&m->queue);

    if (m->state == PHX_LINGERING && !m->queue.first)
        begin_close(m, now);
    return send;
}

/* ---- the end of an attempt or a connection ---- */

static struct phx_disconnect explain(const struct phx_machine *m, const struct phx_end *end,
                                     bool was_up, uint64_t now)
{
    struct phx_disconnect why = {
        .cause = end->cause,
        .http_status = end->http_status,
        .close_code = end->close_code,
        .server_time_s = end->server_time_s,
        .was_connected = was_up,
        .retry = m->state == PHX_WAITING,
        .retry_ms = m->state == PHX_WAITING ? (uint32_t)(m->due - now) : 0,
    };

    memcpy(why.text, end->text, sizeof why.text);
    return why;
}

static void emit_disconnected(struct phx_machine *m, const struct phx_end *end, bool was_up,
                              uint64_t now)
{
    struct phx_disconnect why = explain(m, end, was_up, now);

    if (m->events.disconnected)
        m->events.disconnected(m->events.user, &why);
}

/* The next attempt is set already. The caller may have taken other decisions inside its answer. */
static void ask_caller(struct phx_machine *m, const struct phx_end *end, bool was_up, uint64_t now)
{
    struct phx_disconnect why = explain(m, end, was_up, now);
    uint32_t wait_ms = why.retry_ms;
    bool again;

    if (m->state != PHX_WAITING || !m->events.retry)
        return;
    again = m->events.retry(m->events.user, &why, &wait_ms);
    if (m->state != PHX_WAITING)
        return;
    m->wanted = again;
    if (again)
        phx_machine_set_state(m, PHX_WAITING, now + wait_ms);
    else
        phx_machine_set_state(m, PHX_DOWN, PHX_NEVER);
}

/* A connection that held well, with nothing left to wait for, halves the patience that it took. */
static void forgive(struct phx_machine *m, uint64_t now)
{
    if (now - m->up_since < m->settings.stable_ms)
        return;
    phx_backoff_reset(&m->backoff);
    if (!phx_machine_is_joining(m))
        m->patience_ms /= 2;
}

/* What has a good chance to last is soon asked for at the longest intervals only, but not at once:
 * it may as well have been a part of the server that starts later than the rest. */
static uint32_t next_wait(struct phx_machine *m, const struct phx_end *end)
{
    uint32_t wait_ms = phx_backoff_next(&m->backoff, end->retry_after_ms, &m->random);

    if (end->lasting)
        phx_backoff_skip(&m->backoff, PHX_LASTING_STEPS);
    return wait_ms;
}

/* The state changes first: what the caller does inside its events meets a socket without
 * connection. */
static void end_connection(struct phx_machine *m, const struct phx_end *end, uint64_t now)
{
    bool was_up = m->state == PHX_UP || m->was_up;
    bool asked = m->state == PHX_LINGERING || m->state == PHX_CLOSING;
    struct phx_end told = *end;

    if (m->state == PHX_LINGERING)
        was_up = true;
    m->was_up = false;
    m->heartbeat_ref = m->heard_ref = 0;
    phx_queue_clear(&m->queue);
    if (was_up)
        forgive(m, now);
    if (!m->wanted)
        phx_machine_set_state(m, PHX_DOWN, PHX_NEVER);
    else if (asked)
        phx_machine_set_state(m, PHX_WAITING, now);
    else
        phx_machine_set_state(m, PHX_WAITING, now + next_wait(m, end));
    if (asked) {
        told.cause = PHX_CAUSE_ASKED;
        snprintf(told.text, sizeof told.text, "closed as asked");
    }
    for (struct phx_channel *channel = m->channels; channel; channel = channel->next)
        phx_channel_offline(channel);
    if (!asked)
        ask_caller(m, &told, was_up, now);
    emit_disconnected(m, &told, was_up, now);
}

/* Ends it from our side, without ceremony. */
void phx_machine_give_up(struct phx_machine *m, enum phx_cause cause, const char *text,
                         uint64_t now)
{
    struct phx_end end = {.cause = cause};

    snprintf(end.text, sizeof end.text, "%s", text);
    m->io.drop(m->io.user);
    end_connection(m, &end, now);
}

/* ---- what the caller wants ---- */

void phx_machine_connect(struct phx_machine *m, uint64_t now)
{
    m->wanted = true;
    if (m->state == PHX_DOWN)
        phx_machine_set_state(m, PHX_WAITING, now);
}

void phx_machine_hurry(struct phx_machine *m, uint64_t now)
{
    if (m->state == PHX_WAITING && !m->has_turn)
        phx_machine_set_state(m, PHX_WAITING, now);
}

void phx_machine_disconnect(struct phx_machine *m, uint32_t linger_ms, uint64_t now)
{
    m->wanted = false;
    switch (m->state) {
    case PHX_OPENING:
        m->io.drop(m->io.user);
        phx_machine_set_state(m, PHX_CLOSING, now);
        break;
    case PHX_WAITING:
        phx_machine_set_state(m, PHX_CLOSING, now);
        break;
    case PHX_UP:
        m->was_up = true;
        if (m->queue.first && linger_ms > 0)
            phx_machine_set_state(m, PHX_LINGERING, now + linger_ms);
        else
            begin_close(m, now);
        break;
    case PHX_DOWN:
    case PHX_LINGERING:
    case PHX_CLOSING:
        break;
    }
}

bool phx_machine_is_connected(const struct phx_machine *m)
{
    return m->state == PHX_UP;
}

/* ---- what the transport saw ---- */

void phx_machine_progress(struct phx_machine *m, uint64_t now)
{
    if (m->state == PHX_OPENING)
        phx_machine_set_state(m, PHX_OPENING, now + m->settings.connect_timeout_ms);
}

void phx_machine_opened(struct phx_machine *m, uint64_t now)
{
    if (m->state != PHX_OPENING)
        return;
    phx_machine_enter(m);
    m->misshaped = 0;
    m->up_since = now;
    phx_machine_set_state(m, PHX_UP, now + m->settings.heartbeat_ms);
    if (m->events.connected)
        m->events.connected(m->events.user);
    for (struct phx_channel *ch = m->channels; ch && m->state == PHX_UP; ch = ch->next)
        phx_channel_online(ch, now);
    phx_machine_exit(m);
}

void phx_machine_closed(struct phx_machine *m, const struct phx_end *end, uint64_t now)
{
    switch (m->state) {
    case PHX_OPENING:
    case PHX_UP:
    case PHX_LINGERING:
    case PHX_CLOSING:
        phx_machine_enter(m);
        end_connection(m, end, now);
        phx_machine_exit(m);
        break;
    case PHX_DOWN:
    case PHX_WAITING:
        break;
    }
}

static void on_misshaped(struct phx_machine *m, uint64_t now)
{
    if (++m->misshaped > PHX_MISSHAPED_MAX)
        phx_machine_give_up(m, PHX_CAUSE_PROTOCOL,
                            "the server keeps sending what is not a Phoenix message", now);
    else
        log_line(m, 4, "ignored a message from the server that is not a Phoenix message");
}

static bool is_reserved(struct phx_text event)
{
    return event.len >= 4 && memcmp(event.at, "phx_", 4) == 0;
}

static void on_stray(struct phx_machine *m, const struct phx_frame *frame)
{
    struct phx_message message = {frame->topic, frame->event, frame->payload, frame->binary};

    if (!is_reserved(frame->event) && m->events.message)
        m->events.message(m->events.user, &message);
}

static void on_frame(struct phx_machine *m, const struct phx_frame *frame, uint64_t now)
{
    struct phx_channel *channel;

    if (phx_text_equal(frame->topic, phx_text_of("phoenix"))) {
        if (phx_text_equal(frame->event, phx_text_of("phx_reply")))
            phx_heartbeat_reply(m, frame, now);
        return;
    }
    if (is_reserved(frame->event) && phx_channel_take_leave(m, frame))
        return;
    channel = phx_channel_find(m, frame->topic);
    if (channel && (channel->state == PHX_CH_JOINED || is_reserved(frame->event)))
        phx_channel_frame(channel, frame, now);
    else if (!frame->has_join_ref)
        on_stray(m, frame);
}

static void on_bytes(struct phx_machine *m, bool binary, char *bytes, size_t len, uint64_t now)
{
    struct phx_frame frame;

    if (m->state != PHX_UP && m->state != PHX_LINGERING)
        return;
    phx_machine_enter(m);
    if (binary ? phx_frame_decode_binary(bytes, len, &frame) : phx_frame_decode(bytes, len, &frame))
        on_frame(m, &frame, now);
    else
        on_misshaped(m, now);
    phx_machine_exit(m);
}

void phx_machine_text(struct phx_machine *m, char *text, size_t len, uint64_t now)
{
    on_bytes(m, false, text, len, now);
}

void phx_machine_binary(struct phx_machine *m, char *bytes, size_t len, uint64_t now)
{
    on_bytes(m, true, bytes, len, now);
}

/* ---- time ---- */

/* Where many wait, another's turn may come first. */
static bool is_its_turn(struct phx_machine *m, uint64_t now)
{
    uint64_t turn = m->has_turn || !m->io.turn ? now : m->io.turn(m->io.user, now);

    m->has_turn = turn > now;
    if (m->has_turn)
        phx_machine_set_state(m, PHX_WAITING, turn);
    return !m->has_turn;
}

static void attempt(struct phx_machine *m, uint64_t now)
{
    struct phx_end end = {.cause = PHX_CAUSE_CONNECT};

    if (m->io.enter && !m->io.enter(m->io.user)) {
        m->has_turn = true;
        phx_machine_set_state(m, PHX_WAITING, now + GATE_MS);
        return;
    }
    phx_machine_set_state(m, PHX_OPENING, now + m->settings.connect_timeout_ms);
    if (!m->io.open(m->io.user, &end) && m->state == PHX_OPENING)
        end_connection(m, &end, now);
}

static void state_due(struct phx_machine *m, uint64_t now)
{
    switch (m->state) {
    case PHX_WAITING:
        if (is_its_turn(m, now))
            attempt(m, now);
        break;
    case PHX_OPENING:
        phx_machine_give_up(m, PHX_CAUSE_CONNECT, "no answer in time", now);
        break;
    case PHX_UP:
        phx_heartbeat_due(m, now);
        break;
    case PHX_LINGERING:
        phx_queue_clear(&m->queue);
        begin_close(m, now);
        break;
    case PHX_CLOSING:
        phx_machine_give_up(m, PHX_CAUSE_ASKED, "closed as asked", now);
        break;
    case PHX_DOWN:
        break;
    }
}

static uint64_t earliest(const struct phx_machine *m)
{
    uint64_t at = m->due;

    for (const struct phx_channel *channel = m->channels; channel; channel = channel->next) {
        uint64_t due = phx_channel_deadline(channel);
        at = due < at ? due : at;
    }
    return at;
}

/* After a stall of ours the answers may be waiting in the kernel: they are read before anything is
 * declared lost. */
static bool let_pass(struct phx_machine *m, uint64_t now)
{
    if (m->late || now - m->deadline < PHX_LATE_MS) {
        m->late = false;
        return false;
    }
    m->late = true;
    m->deadline = now;
    return true;
}

void phx_machine_tick(struct phx_machine *m, uint64_t now)
{
    if (now < m->deadline || let_pass(m, now))
        return;
    phx_machine_enter(m);
    m->deadline = PHX_NEVER;
    if (now >= m->due)
        state_due(m, now);
    for (struct phx_channel *channel = m->channels; channel; channel = channel->next)
        phx_channel_tick(channel, now);
    m->deadline = earliest(m);
    phx_machine_exit(m);
}
