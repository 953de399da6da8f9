/*
 * phx_push.c - the pushes of a channel: refused, held, sent, answered, too late or lost. Which
 * reply is whose is told by phx_channel.c.
 */
#include "phx_core.h"

#include <stdlib.h>
#include <string.h>

static void list_init(struct phx_pushes *list)
{
    list->first = NULL;
    list->end = &list->first;
}

void phx_pushes_init(struct phx_channel *ch)
{
    list_init(&ch->pushes);
    list_init(&ch->held);
}

static void append(struct phx_pushes *list, struct phx_push *push)
{
    push->next = NULL;
    *list->end = push;
    list->end = &push->next;
}

static struct phx_push *unlink_push(struct phx_pushes *list, struct phx_push **at)
{
    struct phx_push *push = *at;

    *at = push->next;
    if (!*at)
        list->end = at;
    return push;
}

/* ---- a push's end ---- */

void phx_push_end(struct phx_channel *ch, struct phx_push *push,
                  const struct phx_push_result *result)
{
    struct phx_push_result told = *result;
    void *token = push->token;

    told.ref = push->ref;
    if (token)
        ch->machine->pushes--;
    free(push);
    if (token && ch->events.push_end)
        ch->events.push_end(ch->events.user, token, &told);
}

struct phx_push *phx_push_take(struct phx_channel *ch, uint64_t ref)
{
    for (struct phx_push **at = &ch->pushes.first; *at; at = &(*at)->next)
        if ((*at)->ref == ref)
            return unlink_push(&ch->pushes, at);
    return NULL;
}

/* The room promised to it is free again. */
static struct phx_push *take_held(struct phx_channel *ch, struct phx_push **at)
{
    struct phx_push *push = unlink_push(&ch->held, at);

    ch->held_count--;
    ch->machine->queue.promised -= push->event_len + push->payload_len;
    return push;
}

void phx_pushes_lose(struct phx_channel *ch)
{
    struct phx_push_result lost = {.end = PHX_PUSH_LOST};

    while (ch->pushes.first)
        phx_push_end(ch, unlink_push(&ch->pushes, &ch->pushes.first), &lost);
}

void phx_pushes_lose_held(struct phx_channel *ch)
{
    struct phx_push_result lost = {.end = PHX_PUSH_LOST};

    while (ch->held.first)
        phx_push_end(ch, take_held(ch, &ch->held.first), &lost);
}

static struct phx_push **overdue(struct phx_pushes *list, uint64_t now)
{
    struct phx_push **at = &list->first;

    while (*at && (*at)->due > now)
        at = &(*at)->next;
    return at;
}

void phx_pushes_expire(struct phx_channel *ch, uint64_t now)
{
    struct phx_push_result late = {.end = PHX_PUSH_TIMEOUT};
    struct phx_push **at;

    while (*(at = overdue(&ch->pushes, now)))
        phx_push_end(ch, unlink_push(&ch->pushes, at), &late);
    while (*(at = overdue(&ch->held, now)))
        phx_push_end(ch, take_held(ch, at), &late);
}

static uint64_t soonest(const struct phx_pushes *list, uint64_t at)
{
    for (const struct phx_push *push = list->first; push; push = push->next)
        at = push->due < at ? push->due : at;
    return at;
}

uint64_t phx_pushes_deadline(const struct phx_channel *ch)
{
    return soonest(&ch->pushes, soonest(&ch->held, PHX_NEVER));
}

void phx_pushes_free(struct phx_channel *ch)
{
    while (ch->pushes.first)
        free(unlink_push(&ch->pushes, &ch->pushes.first));
    while (ch->held.first)
        free(take_held(ch, &ch->held.first));
}

/* ---- sending ---- */

static struct phx_frame_out frame_of(const struct phx_channel *ch, struct phx_text event,
                                     struct phx_text payload, bool binary)
{
    return (struct phx_frame_out){
        .join_ref = ch->join_ref,
        .ref = ch->machine->last_ref + 1,
        .topic = ch->topic,
        .event = event,
        .payload = payload,
        .binary = binary,
    };
}

/* A push without a token is not waited for: whatever its reply says, nobody asked. */
static int send_now(struct phx_channel *ch, const struct phx_push_order *order, uint64_t due)
{
    struct phx_frame_out frame =
        frame_of(ch, phx_text_of(order->event), order->payload, order->binary);
    struct phx_push *push = NULL;
    int error;

    if (order->token && !(push = malloc(sizeof *push)))
        return PHX_ERR_MEMORY;
    error = phx_machine_send(ch->machine, &frame, true);
    if (error) {
        free(push);
        return error;
    }
    ch->machine->last_ref = frame.ref;
    if (push) {
        *push = (struct phx_push){.ref = frame.ref, .due = due, .token = order->token};
        append(&ch->pushes, push);
        ch->machine->pushes++;
        phx_machine_wake(ch->machine, due);
    }
    return PHX_OK;
}

/* ---- holding ---- */

static int hold(struct phx_channel *ch, const struct phx_push_order *order, uint64_t due)
{
    struct phx_text event = phx_text_of(order->event);
    size_t len = event.len + order->payload.len;
    struct phx_push *push;

    if (ch->held_count >= ch->max_held || !phx_queue_has_room(&ch->machine->queue, len))
        return PHX_ERR_FULL;
    push = malloc(sizeof *push + len);
    if (!push)
        return PHX_ERR_MEMORY;
    *push = (struct phx_push){.due = due,
                              .token = order->token,
                              .binary = order->binary,
                              .event_len = event.len,
                              .payload_len = order->payload.len};
    memcpy(push->text, event.at, event.len);
    if (order->payload.len)
        memcpy(push->text + event.len, order->payload.at, order->payload.len);
    append(&ch->held, push);
    ch->held_count++;
    ch->machine->queue.promised += len;
    ch->machine->pushes += order->token != NULL;
    phx_machine_wake(ch->machine, due);
    return PHX_OK;
}

static void send_held(struct phx_channel *ch, struct phx_push *push)
{
    struct phx_text event = {push->text, push->event_len};
    struct phx_text payload = {push->text + push->event_len, push->payload_len};
    struct phx_frame_out frame = frame_of(ch, event, payload, push->binary);
    struct phx_push_result lost = {.end = PHX_PUSH_LOST};
    struct phx_push *smaller;

    if (phx_machine_send(ch->machine, &frame, false)) {
        phx_push_end(ch, push, &lost);
        return;
    }
    ch->machine->last_ref = push->ref = frame.ref;
    if (!push->token) {
        free(push);
        return;
    }
    smaller = realloc(push, sizeof *push);
    append(&ch->pushes, smaller ? smaller : push);
}

void phx_pushes_flush(struct phx_channel *ch)
{
    while (ch->held.first && ch->state == PHX_CH_JOINED && ch->machine->state == PHX_UP)
        send_held(ch, take_held(ch, &ch->held.first));
}

/* ---- the caller's order ---- */

static int check_order(const struct phx_channel *ch, const struct phx_push_order *order)
{
    struct phx_text event = phx_text_of(order->event);

    if (event.len == 0 || !phx_utf8_valid(event) || strncmp(order->event, "phx_", 4) == 0)
        return PHX_ERR_BAD_OPTION;
    if (ch->max_held == 0 && ch->machine->state != PHX_UP)
        return PHX_ERR_DISCONNECTED;
    if (ch->state == PHX_CH_GONE || ch->state == PHX_CH_LEAVING ||
        (ch->max_held == 0 && ch->state != PHX_CH_JOINED))
        return PHX_ERR_NOT_JOINED;
    if (order->binary && !phx_frame_fits_binary(ch->machine->settings.vsn, ch->topic, event))
        return PHX_ERR_BINARY;
    if (!order->binary && !phx_json_valid(order->payload))
        return PHX_ERR_BAD_JSON;
    if (order->token && ch->machine->pushes >= PHX_PUSHES_MAX)
        return PHX_ERR_FULL;
    return PHX_OK;
}

int phx_machine_push(struct phx_channel *ch, const struct phx_push_order *order, uint64_t now)
{
    uint64_t due = now + (order->timeout_ms ? order->timeout_ms : ch->timeout_ms);
    int error = check_order(ch, order);

    if (error)
        return error;
    if (ch->state == PHX_CH_JOINED && ch->machine->state == PHX_UP)
        return send_now(ch, order, due);
    return hold(ch, order, due);
}
