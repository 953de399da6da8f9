/*
 * phx_storm.c - draws what happens from bytes and holds the machine to its rules. It looks into
 * phx_core.h, to compare what the machine believes with what it said.
 */
#include "phx_storm_core.h"

#include "phx_usual.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void act(struct storm *s);

/* What a caller does inside an event: anything, sometimes. */
static void inside(struct storm *s)
{
    if (s->depth < 3 && phx_storm_draw(s, 4) == 3) {
        s->depth++;
        act(s);
        s->depth--;
    }
}

/* ---- the transport ---- */

static bool io_open(void *user, struct phx_end *end)
{
    struct storm *s = user;

    RULE(!s->is_open);
    RULE(s->now >= s->not_before);
    s->counts->opens++;
    *end = (struct phx_end){.cause = PHX_CAUSE_CREDENTIAL};
    s->is_open = phx_storm_draw(s, 8) != 7;
    return s->is_open;
}

static void io_want_write(void *user)
{
    (void)user;
}

static void io_close(void *user, int code)
{
    struct storm *s = user;

    RULE(s->is_open && code == 1000);
}

static void io_drop(void *user)
{
    struct storm *s = user;

    s->is_open = false;
}

/* ---- the caller's events ---- */

static void on_connected(void *user)
{
    struct storm *s = user;

    RULE(s->is_open && !s->connected);
    s->connected = true;
    s->alive = s->now;
    s->stalled = 0;
    inside(s);
}

static void on_disconnected(void *user, const struct phx_disconnect *why)
{
    struct storm *s = user;

    RULE(why->was_connected == s->connected);
    RULE(why->cause == PHX_CAUSE_ASKED || why->retry || !s->machine->wanted);
    RULE(why->retry_ms <= PHX_RETRY_AFTER_MAX_MS * 5 / 4);
    if (why->retry && why->cause != PHX_CAUSE_ASKED && !s->hurried)
        RULE(why->retry_ms >= s->settings.backoff_min_ms);
    s->connected = s->hurried = false;
    s->not_before = s->now + why->retry_ms;
    s->counts->ends++;
    inside(s);
}

static bool on_retry(void *user, const struct phx_disconnect *why, uint32_t *wait_ms)
{
    struct storm *s = user;

    RULE(why->cause != PHX_CAUSE_ASKED && why->retry && *wait_ms == why->retry_ms);
    inside(s);
    return phx_storm_draw(s, 16) != 15;
}

static void on_binary(void *user, struct phx_text event, struct phx_text bytes)
{
    struct seat *seat = user;

    (void)bytes;
    RULE(!seat->left && phx_utf8_valid(event));
    inside(seat->storm);
}

static void on_stray(void *user, const struct phx_message *message)
{
    (void)message;
    inside(user);
}

static void on_heartbeat(void *user)
{
    struct storm *s = user;

    RULE(s->connected);
    s->alive = s->now;
    s->stalled = 0;
    inside(s);
}

static void on_joined(void *user, struct phx_text response)
{
    struct seat *seat = user;

    RULE(!seat->left && seat->storm->connected);
    RULE(phx_json_valid(response));
    seat->storm->counts->joins++;
    seat->storm->unlimited += HELD_MAX;
    inside(seat->storm);
}

static void on_refused(void *user, struct phx_text response, uint32_t retry_ms)
{
    struct seat *seat = user;

    RULE(!seat->left && phx_json_valid(response));
    RULE(retry_ms >= 1000 && retry_ms <= 10000);
    inside(seat->storm);
}

static void on_ended(void *user, bool crashed, uint32_t retry_ms)
{
    struct seat *seat = user;

    (void)crashed;
    RULE(!seat->left && retry_ms >= 1000 && retry_ms <= 10000);
    inside(seat->storm);
}

static void on_message(void *user, struct phx_text event, struct phx_text payload)
{
    struct seat *seat = user;

    RULE(!seat->left && phx_utf8_valid(event) && phx_json_valid(payload));
    inside(seat->storm);
}

static void on_left(void *user)
{
    struct seat *seat = user;

    RULE(seat->left && !seat->told && seat->waiting == 0);
    seat->told = true;
    seat->storm->leaving--;
    inside(seat->storm);
}

static void on_push_end(void *user, void *token, const struct phx_push_result *result)
{
    struct seat *seat = user;

    RULE(token == seat && seat->waiting > 0);
    RULE(!seat->left || result->end == PHX_PUSH_LOST);
    seat->waiting--;
    seat->storm->waiting--;
    seat->storm->counts->replies += result->end == PHX_PUSH_REPLY;
    seat->storm->counts->timeouts += result->end == PHX_PUSH_TIMEOUT;
    seat->storm->counts->lost += result->end == PHX_PUSH_LOST;
    inside(seat->storm);
}

/* ---- what happens ---- */

static void join(struct storm *s, unsigned topic)
{
    struct phx_channel_options options = {.topic = phx_storm_topics[topic],
                                          .max_held = phx_storm_draw(s, 2) ? HELD_MAX : 0};
    struct seat *seat = &s->seats[s->used];
    struct phx_channel_events events = {
        .user = seat,
        .joined = on_joined,
        .refused = on_refused,
        .ended = on_ended,
        .message = on_message,
        .binary = on_binary,
        .left = phx_storm_draw(s, 2) ? on_left : NULL,
        .push_end = on_push_end,
    };
    int error;

    if (s->used == SEATS)
        return;
    *seat = (struct seat){.storm = s};
    s->unlimited++;
    error = phx_machine_join(s->machine, &options, &events, s->now, &seat->channel);
    RULE(error == (s->topics[topic] ? PHX_ERR_ALREADY_JOINED : PHX_OK));
    if (error == PHX_OK) {
        s->topics[topic] = seat;
        s->used++;
    }
}

static void leave(struct storm *s, unsigned topic)
{
    struct seat *seat = s->topics[topic];

    if (!seat)
        return;
    s->topics[topic] = NULL;
    seat->left = true;
    s->leaving += seat->channel->events.left != NULL;
    s->unlimited++;
    phx_machine_leave(seat->channel, s->now);
    RULE(seat->waiting == 0);
}

static void push(struct storm *s, unsigned topic)
{
    static const char *const payloads[] = {"{}", "[1,2,3]", "{\"a\":nan}", "\"\xff\"", "1e400", ""};
    struct seat *seat = s->topics[topic];
    unsigned which = phx_storm_draw(s, sizeof payloads / sizeof payloads[0]);
    void *token = phx_storm_draw(s, 4) ? seat : NULL;
    struct phx_push_order order = {.event = "e",
                                   .payload = phx_text_of(payloads[which]),
                                   .binary = phx_storm_draw(s, 4) == 0,
                                   .timeout_ms = phx_storm_draw(s, 200) * 100,
                                   .token = token};
    int error;

    if (!seat)
        return;
    error = phx_machine_push(seat->channel, &order, s->now);
    RULE(error != PHX_OK || which < 2 || order.binary);
    RULE(error != PHX_OK || !order.binary || s->settings.vsn == PHX_V2);
    RULE(error != PHX_OK || s->connected || seat->channel->max_held);
    if (error == PHX_OK && token) {
        seat->waiting++;
        s->waiting++;
        s->counts->pushes++;
    }
}

static void closed(struct storm *s)
{
    struct phx_end end = {.cause = phx_storm_draw(s, 2) ? PHX_CAUSE_CLOSED : PHX_CAUSE_LIMITED};

    end.retry_after_ms = phx_storm_draw(s, 8) == 7 ? phx_storm_draw(s, 256) * 20000000u : 0;
    if (!s->is_open)
        return;
    s->is_open = false;
    phx_machine_closed(s->machine, &end, s->now);
    RULE(!s->connected || s->is_open);
}

/* Our own binary pushes carry a ref, which the server's do not. */
static bool decodes(struct phx_send *send, struct phx_frame *sent)
{
    const unsigned char *at = (const unsigned char *)phx_send_text(send);
    struct phx_text join_ref, ref;

    if (!send->binary)
        return phx_json_valid((struct phx_text){phx_send_text(send), send->len}) &&
               phx_frame_decode(phx_send_text(send), send->len, sent);
    if (send->len < 5 || send->len < 5u + at[1] + at[2] + at[3] + at[4] || at[0] != 0)
        return false;
    join_ref = (struct phx_text){(const char *)at + 5, at[1]};
    ref = (struct phx_text){join_ref.at + join_ref.len, at[2]};
    *sent = (struct phx_frame){.topic = {ref.at + ref.len, at[3]}};
    for (size_t i = 0; i < join_ref.len; i++)
        sent->join_ref = sent->join_ref * 10 + (uint64_t)(join_ref.at[i] - '0');
    for (size_t i = 0; i < ref.len; i++)
        sent->ref = sent->ref * 10 + (uint64_t)(ref.at[i] - '0');
    return true;
}

static void drain(struct storm *s)
{
    unsigned most = phx_storm_draw(s, 8);
    struct phx_send *send;
    struct phx_frame sent;
    bool heartbeat;

    while (most-- > 0 && (send = phx_machine_next(s->machine, s->now)) != NULL) {
        RULE(decodes(send, &sent));
        heartbeat = phx_text_equal(sent.topic, phx_text_of("phoenix"));
        RULE(sent.ref > 0 && (heartbeat ? sent.join_ref == 0 : sent.join_ref > 0));
        RULE(sent.join_ref <= sent.ref && sent.ref <= s->machine->last_ref);
        RULE(heartbeat || sent.ref > s->last_ref);
        s->last_ref = heartbeat ? s->last_ref : sent.ref;
        free(send);
    }
    if (!phx_machine_has_next(s->machine))
        s->unlimited = 0;
}

static void pass(struct storm *s, uint64_t ms)
{
    uint64_t until = s->now + ms, at;
    unsigned ticks = 0;

    while ((at = phx_machine_deadline(s->machine)) <= until) {
        s->now = at > s->now ? at : s->now;
        s->unlimited += TOPICS + 1;
        phx_machine_tick(s->machine, s->now);
        RULE(++ticks < 10000);
    }
    s->now = until;
    if (s->machine->state == PHX_UP)
        RULE(s->now - s->alive <= s->settings.heartbeat_ms + s->settings.heartbeat_timeout_ms +
                                      s->machine->patience_ms + SLACK_MS + s->stalled);
}

/* The whole program stands still. */
static void stall(struct storm *s, uint64_t ms)
{
    s->now += ms;
    s->stalled += ms;
}

static void act(struct storm *s)
{
    switch (phx_storm_draw(s, 25)) {
    case 0:
        phx_machine_connect(s->machine, s->now);
        break;
    case 1:
        if (phx_storm_draw(s, 16) == 0)
            phx_machine_disconnect(s->machine, phx_storm_draw(s, 3) * 1000, s->now);
        break;
    case 2:
    case 3:
        if (s->is_open && s->machine->state == PHX_OPENING) {
            s->unlimited += TOPICS;
            phx_machine_opened(s->machine, s->now);
        }
        break;
    case 4:
        join(s, phx_storm_draw(s, TOPICS));
        break;
    case 5:
        if (phx_storm_draw(s, 4) == 0)
            leave(s, phx_storm_draw(s, TOPICS));
        break;
    case 6:
    case 7:
        push(s, phx_storm_draw(s, TOPICS));
        break;
    case 8:
        if (phx_storm_draw(s, 16) == 0)
            closed(s);
        break;
    case 9:
        phx_storm_raw(s);
        break;
    case 10:
        drain(s);
        break;
    case 11:
        if (s->depth == 0)
            pass(s, (uint64_t)phx_storm_draw(s, 256) * (phx_storm_draw(s, 8) ? 10 : 200));
        break;
    case 12:
        if (s->depth == 0 && phx_storm_draw(s, 8) == 0)
            stall(s, (uint64_t)phx_storm_draw(s, 256) * 1000);
        break;
    case 13:
        if (phx_storm_draw(s, 16) == 0) {
            s->unlimited++;
            phx_machine_probe(s->machine, s->now);
        }
        break;
    case 14:
        phx_storm_frame(s);
        break;
    case 15:
        if (phx_storm_draw(s, 2))
            phx_storm_binary_frame(s);
        else
            phx_storm_frame(s);
        break;
    case 16:
        phx_machine_hurry(s->machine, s->now);
        s->not_before = s->now;
        s->hurried = true;
        break;
    default:
        phx_storm_answer(s);
        break;
    }
}

static void check(struct storm *s)
{
    const struct phx_machine *m = s->machine;
    unsigned waiting = 0, held = 0, leaving = 0;
    size_t promised = 0;

    RULE(m->pushes == s->waiting);
    RULE(m->pushes <= PHX_PUSHES_MAX);
    RULE(m->queue.bytes <= QUEUE_MAX + s->unlimited * 100u);
    for (const struct phx_channel *ch = m->channels; ch; ch = ch->next) {
        RULE(ch->state != PHX_CH_GONE);
        leaving += ch->state == PHX_CH_LEAVING;
        RULE(ch->state == PHX_CH_OFFLINE || s->connected);
        for (const struct phx_channel *other = ch->next; other; other = other->next)
            RULE(ch->state == PHX_CH_LEAVING || other->state == PHX_CH_LEAVING ||
                 !phx_text_equal(ch->topic, other->topic));
        for (const struct phx_push *p = ch->pushes.first; p; p = p->next)
            waiting++;
        for (const struct phx_push *p = ch->held.first; p; p = p->next) {
            held += p->token != NULL;
            promised += p->event_len + p->payload_len;
        }
        RULE(ch->state != PHX_CH_JOINED || m->state != PHX_UP || !ch->held.first);
        RULE(ch->held_count <= HELD_MAX);
    }
    RULE(leaving == s->leaving && (s->connected || leaving == 0));
    RULE(waiting + held == m->pushes);
    RULE(promised == m->queue.promised && promised <= QUEUE_MAX);
    RULE(s->connected || waiting == 0);
}

/* However it went: it must come back, join and answer. */
static void recover(struct storm *s)
{
    s->at = s->end;
    s->depth = 3;
    phx_machine_connect(s->machine, s->now);
    for (int i = 0; i < 10000 && !(s->is_open && s->machine->state == PHX_OPENING); i++)
        pass(s, 1000);
    RULE(s->is_open);
    phx_machine_opened(s->machine, s->now);
    RULE(phx_machine_is_connected(s->machine));
    for (unsigned i = 0; i < TOPICS; i++)
        RULE(!s->topics[i] || s->topics[i]->channel->state == PHX_CH_JOINING);
}

void phx_storm(const uint8_t *bytes, size_t n, struct phx_storm_counts *counts)
{
    static struct storm s;
    struct phx_machine_io io = {
        .user = &s,
        .open = io_open,
        .want_write = io_want_write,
        .close = io_close,
        .drop = io_drop,
    };
    struct phx_socket_events events = {
        .user = &s,
        .connected = on_connected,
        .disconnected = on_disconnected,
        .retry = on_retry,
        .message = on_stray,
        .heartbeat = on_heartbeat,
    };

    s = (struct storm){.at = bytes, .end = bytes + n, .counts = counts, .now = 5000};
    enum phx_vsn vsn = phx_storm_draw(&s, 2) ? PHX_V1 : PHX_V2;
    s.settings = phx_usual(vsn, phx_storm_draw(&s, 256));
    s.settings.max_queue = QUEUE_MAX;
    s.machine = phx_machine_new(&s.settings, &io, &events);
    if (!s.machine)
        abort();
    while (s.at < s.end) {
        act(&s);
        check(&s);
    }
    recover(&s);
    phx_machine_free(s.machine);
}
