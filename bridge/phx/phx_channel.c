/*
 * phx_channel.c - the life of one channel: join, rejoin, and what the server says to it. Its pushes
 * are in phx_push.c; when its socket has a connection is told by phx_machine.c.
 */
#include "phx_core.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_TIMEOUT_MS    10000
#define DEFAULT_REJOIN_MIN_MS 1000
#define DEFAULT_REJOIN_MAX_MS 10000

static const struct phx_text empty_payload = {"{}", 2};
static const struct phx_text timeout_response = {"{\"reason\":\"timeout\"}", 20};

struct phx_machine *phx_machine_of(const struct phx_channel *channel)
{
    return channel->machine;
}

struct phx_channel *phx_channel_find(struct phx_machine *machine, struct phx_text topic)
{
    for (struct phx_channel *channel = machine->channels; channel; channel = channel->next)
        if (channel->state != PHX_CH_GONE && channel->state != PHX_CH_LEAVING &&
            phx_text_equal(channel->topic, topic))
            return channel;
    return NULL;
}

static void set_state(struct phx_channel *ch, enum phx_channel_state state, uint64_t due)
{
    ch->state = state;
    ch->due = due;
    phx_machine_wake(ch->machine, due);
}

bool phx_machine_is_joined(const struct phx_channel *ch)
{
    return ch->state == PHX_CH_JOINED && ch->machine->state == PHX_UP;
}

/* ---- joining ---- */

static uint32_t pause_channel(struct phx_channel *ch, uint64_t now)
{
    uint32_t wait = phx_backoff_next(&ch->backoff, 0, &ch->machine->random);

    set_state(ch, PHX_CH_PAUSED, now + wait);
    return wait;
}

static void send_join(struct phx_channel *ch, uint64_t now)
{
    uint64_t ref = ch->machine->last_ref + 1;
    struct phx_frame_out frame = {
        .join_ref = ref,
        .ref = ref,
        .topic = ch->topic,
        .event = phx_text_of("phx_join"),
        .payload = phx_text_of(ch->join_payload),
    };

    if (phx_machine_send(ch->machine, &frame, false)) {
        pause_channel(ch, now);
        return;
    }
    ch->machine->last_ref = ch->join_ref = ref;
    set_state(ch, PHX_CH_JOINING, now + ch->timeout_ms);
}

static void copy_options(struct phx_channel *ch, const struct phx_channel_options *options)
{
    uint32_t min_ms = options->rejoin_min_ms ? options->rejoin_min_ms : DEFAULT_REJOIN_MIN_MS;
    uint32_t max_ms = options->rejoin_max_ms ? options->rejoin_max_ms : DEFAULT_REJOIN_MAX_MS;

    ch->timeout_ms = options->timeout_ms ? options->timeout_ms : DEFAULT_TIMEOUT_MS;
    ch->max_held = options->max_held;
    phx_backoff_init(&ch->backoff, min_ms, max_ms);
}

static struct phx_channel *new_channel(const struct phx_channel_options *options,
                                       struct phx_text topic, const char *payload)
{
    struct phx_channel *ch = calloc(1, sizeof *ch + topic.len);
    char *copy = strdup(payload);

    if (!ch || !copy) {
        free(ch);
        free(copy);
        return NULL;
    }
    copy_options(ch, options);
    memcpy(ch->text, topic.at, topic.len);
    ch->topic = (struct phx_text){ch->text, topic.len};
    ch->join_payload = copy;
    ch->state = PHX_CH_OFFLINE;
    ch->due = PHX_NEVER;
    phx_pushes_init(ch);
    return ch;
}

static void append_channel(struct phx_machine *machine, struct phx_channel *ch)
{
    struct phx_channel **at = &machine->channels;

    while (*at)
        at = &(*at)->next;
    *at = ch;
    ch->machine = machine;
}

int phx_machine_join(struct phx_machine *machine, const struct phx_channel_options *options,
                     const struct phx_channel_events *events, uint64_t now,
                     struct phx_channel **channel)
{
    struct phx_text topic = phx_text_of(options->topic ? options->topic : "");
    const char *payload = options->join_payload ? options->join_payload : "{}";
    struct phx_channel *ch;

    if (topic.len == 0 || !phx_utf8_valid(topic) || phx_text_equal(topic, phx_text_of("phoenix")))
        return PHX_ERR_BAD_OPTION;
    if (!phx_json_valid(phx_text_of(payload)))
        return PHX_ERR_BAD_JSON;
    if (phx_channel_find(machine, topic))
        return PHX_ERR_ALREADY_JOINED;
    ch = new_channel(options, topic, payload);
    if (!ch)
        return PHX_ERR_MEMORY;
    if (events)
        ch->events = *events;
    append_channel(machine, ch);
    phx_channel_online(ch, now);
    *channel = ch;
    return PHX_OK;
}

int phx_machine_set_payload(struct phx_channel *ch, const char *join_payload)
{
    char *copy;

    if (!phx_json_valid(phx_text_of(join_payload)))
        return PHX_ERR_BAD_JSON;
    copy = strdup(join_payload);
    if (!copy)
        return PHX_ERR_MEMORY;
    free(ch->join_payload);
    ch->join_payload = copy;
    return PHX_OK;
}

/* ---- leaving ---- */

static void gone(struct phx_channel *ch)
{
    ch->state = PHX_CH_GONE;
    ch->due = PHX_NEVER;
    if (ch->events.left)
        ch->events.left(ch->events.user);
}

static bool send_leave(struct phx_channel *ch)
{
    struct phx_machine *machine = ch->machine;
    struct phx_frame_out frame = {
        .join_ref = ch->join_ref,
        .ref = machine->last_ref + 1,
        .topic = ch->topic,
        .event = phx_text_of("phx_leave"),
        .payload = empty_payload,
    };

    if (!ch->join_ref || machine->state != PHX_UP || phx_machine_send(machine, &frame, false))
        return false;
    machine->last_ref = ch->leave_ref = frame.ref;
    return true;
}

/* LEAVING comes first: the pushes' ends find a channel that is left already. */
void phx_machine_leave(struct phx_channel *ch, uint64_t now)
{
    struct phx_machine *machine = ch->machine;
    bool answered;

    if (ch->state == PHX_CH_GONE || ch->state == PHX_CH_LEAVING)
        return;
    phx_machine_enter(machine);
    answered = send_leave(ch);
    set_state(ch, PHX_CH_LEAVING, answered ? now + ch->timeout_ms : PHX_NEVER);
    phx_pushes_lose(ch);
    phx_pushes_lose_held(ch);
    if (ch->state == PHX_CH_LEAVING && (!answered || !ch->events.left))
        gone(ch);
    phx_machine_exit(machine);
}

static uint64_t whose_close(const struct phx_frame *frame)
{
    return frame->has_join_ref ? frame->join_ref : frame->ref;
}

/* The reply and the close come in either order, or one alone. */
static bool answers_leave(const struct phx_channel *ch, const struct phx_frame *frame)
{
    if (ch->state != PHX_CH_LEAVING || !phx_text_equal(ch->topic, frame->topic))
        return false;
    if (phx_text_equal(frame->event, phx_text_of("phx_reply")))
        return frame->ref == ch->leave_ref;
    return whose_close(frame) == ch->join_ref;
}

bool phx_channel_take_leave(struct phx_machine *machine, const struct phx_frame *frame)
{
    for (struct phx_channel *ch = machine->channels; ch; ch = ch->next) {
        if (answers_leave(ch, frame)) {
            gone(ch);
            return true;
        }
    }
    return false;
}

/* ---- the connection comes and goes ---- */

void phx_channel_online(struct phx_channel *ch, uint64_t now)
{
    if (ch->state == PHX_CH_OFFLINE && ch->machine->state == PHX_UP)
        send_join(ch, now);
}

void phx_channel_offline(struct phx_channel *ch)
{
    if (ch->state == PHX_CH_LEAVING)
        gone(ch);
    if (ch->state == PHX_CH_GONE)
        return;
    ch->join_ref = 0;
    ch->state = PHX_CH_OFFLINE;
    ch->due = PHX_NEVER;
    phx_pushes_lose(ch);
}

/* ---- what the server says ---- */

static void on_joined(struct phx_channel *ch, struct phx_text response, uint64_t now)
{
    ch->joined_at = now;
    set_state(ch, PHX_CH_JOINED, PHX_NEVER);
    phx_pushes_flush(ch);
    if (ch->state != PHX_CH_JOINED)
        return;
    if (ch->events.joined)
        ch->events.joined(ch->events.user, response);
}

static void on_refused(struct phx_channel *ch, struct phx_text response, uint64_t now)
{
    uint32_t wait = pause_channel(ch, now);

    if (ch->events.refused)
        ch->events.refused(ch->events.user, response, wait);
}

/* The backoff starts over only after the channel had held longer than its longest pause, or had
 * answered a push: one that is joined and crashes at once is not healthy. */
static void on_ended(struct phx_channel *ch, bool crashed, uint64_t now)
{
    uint32_t wait;

    if (ch->state == PHX_CH_JOINED && now - ch->joined_at >= ch->backoff.max_ms)
        phx_backoff_reset(&ch->backoff);
    ch->join_ref = 0;
    wait = pause_channel(ch, now);
    phx_pushes_lose(ch);
    if (ch->state == PHX_CH_PAUSED && ch->events.ended)
        ch->events.ended(ch->events.user, crashed, wait);
}

bool phx_channel_is_asking(const struct phx_channel *ch)
{
    return ch->state == PHX_CH_JOINING ||
           (ch->state == PHX_CH_PAUSED && ch->join_ref > ch->machine->heard_ref);
}

/* A join that was given up for late is over: nothing holds back the next one any more. */
static void on_late_join_over(struct phx_channel *ch, uint64_t now)
{
    ch->join_ref = 0;
    if (ch->due == PHX_NEVER)
        pause_channel(ch, now);
}

void phx_channel_heard(struct phx_channel *ch, uint64_t now)
{
    if (ch->state == PHX_CH_PAUSED && ch->due == PHX_NEVER && !phx_channel_is_asking(ch))
        set_state(ch, PHX_CH_PAUSED, now);
}

static void on_join_reply(struct phx_channel *ch, bool ok, struct phx_text response, uint64_t now)
{
    switch (ch->state) {
    case PHX_CH_JOINING:
    case PHX_CH_PAUSED:
        if (ok) {
            on_joined(ch, response, now);
            break;
        }
        if (ch->state == PHX_CH_PAUSED) {
            on_late_join_over(ch, now);
            break;
        }
        ch->join_ref = 0;
        on_refused(ch, response, now);
        break;
    case PHX_CH_OFFLINE:
    case PHX_CH_JOINED:
    case PHX_CH_LEAVING:
    case PHX_CH_GONE:
        break;
    }
}

static void on_push_reply(struct phx_channel *ch, uint64_t ref,
                          const struct phx_push_result *result, uint64_t now)
{
    bool unmatched = !result->ok && !result->binary && phx_frame_is_unmatched(result->response);
    bool current = ch->join_ref && ref > ch->join_ref;
    uint64_t join_ref = ch->join_ref;
    struct phx_push *push = phx_push_take(ch, ref);

    /* A channel that answers is well: its next crash is not one more of an earlier row. */
    if (result->ok && current && ch->state == PHX_CH_JOINED)
        phx_backoff_reset(&ch->backoff);
    if (push)
        phx_push_end(ch, push, result);
    if (unmatched && current && ch->state == PHX_CH_JOINED && ch->join_ref == join_ref)
        on_ended(ch, false, now);
}

static bool read_reply(const struct phx_frame *frame, struct phx_push_result *result)
{
    *result = (struct phx_push_result){.end = PHX_PUSH_REPLY, .binary = frame->binary};
    if (frame->binary) {
        result->status = frame->status;
        result->response = frame->payload;
    } else if (!phx_frame_reply(frame->payload, &result->status, &result->response)) {
        return false;
    }
    result->ref = frame->ref;
    result->ok = phx_text_equal(result->status, phx_text_of("ok"));
    return frame->ref != 0;
}

/* A binary answer to a join has no response that is JSON. */
static void on_reply(struct phx_channel *ch, const struct phx_frame *frame, uint64_t now)
{
    struct phx_push_result result;

    if (!read_reply(frame, &result))
        return;
    if (frame->ref == ch->join_ref)
        on_join_reply(ch, result.ok, result.binary ? empty_payload : result.response, now);
    else
        on_push_reply(ch, frame->ref, &result, now);
}

static void on_close(struct phx_channel *ch, const struct phx_frame *frame, bool crashed,
                     uint64_t now)
{
    if (ch->join_ref == 0 || whose_close(frame) != ch->join_ref)
        return;
    if (ch->state == PHX_CH_PAUSED)
        on_late_join_over(ch, now);
    else
        on_ended(ch, crashed, now);
}

static void on_message(struct phx_channel *ch, const struct phx_frame *frame)
{
    void (*tell)(void *user, struct phx_text event, struct phx_text payload) =
        frame->binary ? ch->events.binary : ch->events.message;

    if (ch->state == PHX_CH_JOINED && tell)
        tell(ch->events.user, frame->event, frame->payload);
}

void phx_channel_frame(struct phx_channel *ch, const struct phx_frame *frame, uint64_t now)
{
    if (phx_text_equal(frame->event, phx_text_of("phx_reply")))
        on_reply(ch, frame, now);
    else if (phx_text_equal(frame->event, phx_text_of("phx_close")))
        on_close(ch, frame, false, now);
    else if (phx_text_equal(frame->event, phx_text_of("phx_error")))
        on_close(ch, frame, true, now);
    else if (frame->has_join_ref && frame->join_ref != ch->join_ref)
        return;
    else
        on_message(ch, frame);
}

/* ---- time ---- */

static void join_late(struct phx_channel *ch, uint64_t now)
{
    on_refused(ch, timeout_response, now);
    if (ch->state != PHX_CH_GONE)
        phx_machine_ask(ch->machine, now);
}

static void pause_over(struct phx_channel *ch, uint64_t now)
{
    if (ch->machine->state != PHX_UP || phx_channel_is_asking(ch))
        ch->due = PHX_NEVER;
    else
        send_join(ch, now);
}

void phx_channel_tick(struct phx_channel *ch, uint64_t now)
{
    if (ch->state != PHX_CH_GONE)
        phx_pushes_expire(ch, now);
    switch (ch->state) {
    case PHX_CH_JOINING:
        if (now >= ch->due)
            join_late(ch, now);
        break;
    case PHX_CH_PAUSED:
        if (now >= ch->due)
            pause_over(ch, now);
        break;
    case PHX_CH_LEAVING:
        if (now >= ch->due)
            gone(ch);
        break;
    case PHX_CH_JOINED:
    case PHX_CH_OFFLINE:
    case PHX_CH_GONE:
        break;
    }
}

uint64_t phx_channel_deadline(const struct phx_channel *ch)
{
    uint64_t pushes = phx_pushes_deadline(ch);

    if (ch->state == PHX_CH_GONE)
        return PHX_NEVER;
    return pushes < ch->due ? pushes : ch->due;
}

void phx_channel_free(struct phx_channel *ch)
{
    phx_pushes_free(ch);
    free(ch->join_payload);
    free(ch);
}
