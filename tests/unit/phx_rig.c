/*
 * phx_rig.c - the transport, clock and caller of a machine, written down. What is right is said by
 * the tests.
 */
#define _POSIX_C_SOURCE 200809L

#include "phx_rig.h"

#include "phx_usual.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A push's token is the address of its number's place here. */
static char tokens[4096];

__attribute__((format(printf, 2, 3))) static void say(struct rig *rig, const char *format, ...)
{
    size_t room = sizeof rig->log - rig->log_len;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(rig->log + rig->log_len, room, format, args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n + 1 < room);
    rig->log_len += (size_t)n;
    rig->log[rig->log_len++] = '\n';
    rig->log[rig->log_len] = '\0';
}

static void inside(struct rig *rig, const char *event)
{
    if (rig->inside)
        rig->inside(rig, event);
}

/* ---- transport ---- */

static bool io_open(void *user, struct phx_end *end)
{
    struct rig *rig = user;

    assert_false(rig->is_open);
    say(rig, "open");
    if (rig->refuse_open) {
        *end = (struct phx_end){.cause = PHX_CAUSE_CREDENTIAL};
        return false;
    }
    rig->is_open = true;
    return true;
}

static void io_want_write(void *user)
{
    (void)user;
}

static void io_close(void *user, int code)
{
    say(user, "close %d", code);
}

static void io_drop(void *user)
{
    struct rig *rig = user;

    if (rig->is_open)
        say(rig, "drop");
    rig->is_open = false;
}

/* ---- events of the socket ---- */

static void on_connected(void *user)
{
    inside(user, "connected");
    say(user, "connected");
}

static const char *cause_name(enum phx_cause cause)
{
    static const char *const names[] = {"asked",     "resolve",  "connect",    "tls",
                                        "refused",   "limited",  "server",     "closed",
                                        "heartbeat", "protocol", "credential", "clock"};
    return names[cause];
}

static void on_disconnected(void *user, const struct phx_disconnect *why)
{
    struct rig *rig = user;

    inside(rig, "disconnected");
    rig->last_wait_ms = why->retry_ms;
    say(rig, why->retry ? "down %s in soon" : "down %s", cause_name(why->cause));
}

static struct phx_text readable(struct phx_text bytes, bool binary)
{
    static char text[8][2100];
    static unsigned turn;
    char *at = text[turn++ % 8];
    size_t n = 0;

    if (!binary)
        return bytes;
    for (size_t i = 0; i < bytes.len && n + 4 < sizeof text[0]; i++)
        n += (size_t)snprintf(at + n, 4, i + 1 < bytes.len ? "%02x " : "%02x",
                              (unsigned char)bytes.at[i]);
    return (struct phx_text){at, n};
}

static bool on_retry(void *user, const struct phx_disconnect *why, uint32_t *wait_ms)
{
    struct rig *rig = user;

    inside(rig, "retry");
    if (!rig->decide)
        return true;
    say(rig, "retry? %s", cause_name(why->cause));
    return rig->decide(rig, why, wait_ms);
}

static void on_stray(void *user, const struct phx_message *message)
{
    struct phx_text payload = readable(message->payload, message->binary);

    inside(user, "stray");
    say(user, "stray %.*s %.*s %.*s", (int)message->topic.len, message->topic.at,
        (int)message->event.len, message->event.at, (int)payload.len, payload.at);
}

static void on_heartbeat(void *user)
{
    inside(user, "heartbeat");
    say(user, "heartbeat");
}

/* ---- events of channels ---- */

static void on_joined(void *user, struct phx_text response)
{
    struct rig_channel *ch = user;

    inside(ch->rig, "joined");
    say(ch->rig, "%s: joined %.*s", ch->topic, (int)response.len, response.at);
}

static void on_refused(void *user, struct phx_text response, uint32_t retry_ms)
{
    struct rig_channel *ch = user;

    inside(ch->rig, "refused");
    ch->rig->last_wait_ms = retry_ms;
    say(ch->rig, "%s: refused %.*s in soon", ch->topic, (int)response.len, response.at);
}

static void on_ended(void *user, bool crashed, uint32_t retry_ms)
{
    struct rig_channel *ch = user;

    inside(ch->rig, "ended");
    ch->rig->last_wait_ms = retry_ms;
    say(ch->rig, "%s: %s in soon", ch->topic, crashed ? "crashed" : "closed");
}

static void on_message(void *user, struct phx_text event, struct phx_text payload)
{
    struct rig_channel *ch = user;

    inside(ch->rig, "message");
    say(ch->rig, "%s: %.*s %.*s", ch->topic, (int)event.len, event.at, (int)payload.len,
        payload.at);
}

static void on_binary(void *user, struct phx_text event, struct phx_text bytes)
{
    struct rig_channel *ch = user;
    struct phx_text text = readable(bytes, true);

    inside(ch->rig, "binary");
    say(ch->rig, "%s: %.*s %.*s", ch->topic, (int)event.len, event.at, (int)text.len, text.at);
}

static void on_left(void *user)
{
    struct rig_channel *ch = user;

    inside(ch->rig, "left");
    say(ch->rig, "%s: left", ch->topic);
}

static void on_push_end(void *user, void *token, const struct phx_push_result *result)
{
    struct rig_channel *ch = user;
    unsigned push = (unsigned)((char *)token - tokens);
    struct phx_text response = readable(result->response, result->binary);

    inside(ch->rig, "push_end");
    ch->rig->last_ref = result->ref;
    switch (result->end) {
    case PHX_PUSH_REPLY:
        say(ch->rig, "%s: push %u %.*s %.*s", ch->topic, push, (int)result->status.len,
            result->status.at, (int)response.len, response.at);
        break;
    case PHX_PUSH_TIMEOUT:
        say(ch->rig, "%s: push %u timeout", ch->topic, push);
        break;
    case PHX_PUSH_LOST:
        say(ch->rig, "%s: push %u lost", ch->topic, push);
        break;
    }
}

/* ---- orders of the tests ---- */

void rig_init(struct rig *rig, enum phx_vsn vsn)
{
    struct phx_machine_io io = {
        .user = rig,
        .open = io_open,
        .want_write = io_want_write,
        .close = io_close,
        .drop = io_drop,
    };

    *rig = (struct rig){
        .settings = phx_usual(vsn, 1),
        .events = {.user = rig,
                   .connected = on_connected,
                   .disconnected = on_disconnected,
                   .retry = on_retry,
                   .message = on_stray,
                   .heartbeat = on_heartbeat},
        .now = 1000000,
    };
    rig->machine = phx_machine_new(&rig->settings, &io, &rig->events);
    assert_non_null(rig->machine);
}

void rig_deinit(struct rig *rig)
{
    phx_machine_free(rig->machine);
}

void rig_drain(struct rig *rig)
{
    struct phx_send *send;

    while ((send = phx_machine_next(rig->machine, rig->now)) != NULL) {
        struct phx_text text =
            readable((struct phx_text){phx_send_text(send), send->len}, send->binary);
        say(rig, "> %.*s", (int)text.len, text.at);
        free(send);
    }
}

void rig_expect(struct rig *rig, const char *lines)
{
    rig_drain(rig);
    assert_string_equal(rig->log, lines);
    rig_forget(rig);
}

void rig_forget(struct rig *rig)
{
    rig_drain(rig);
    rig->log_len = 0;
    rig->log[0] = '\0';
}

void rig_connect(struct rig *rig)
{
    phx_machine_connect(rig->machine, rig->now);
    rig_pass(rig, 0);
    phx_machine_opened(rig->machine, rig->now);
    assert_true(phx_machine_is_connected(rig->machine));
}

int rig_join(struct rig *rig, unsigned index, const char *topic)
{
    return rig_join_with(rig, index, topic, NULL);
}

int rig_join_with(struct rig *rig, unsigned index, const char *topic, const char *payload)
{
    struct rig_channel *ch = &rig->channels[index];
    struct phx_channel_options options = {
        .topic = topic, .join_payload = payload, .max_held = rig->max_held};

    *ch = (struct rig_channel){.rig = rig,
                               .topic = topic,
                               .events = {.user = ch,
                                          .joined = on_joined,
                                          .refused = on_refused,
                                          .ended = on_ended,
                                          .message = on_message,
                                          .binary = on_binary,
                                          .left = rig->tell_left ? on_left : NULL,
                                          .push_end = on_push_end}};
    return phx_machine_join(rig->machine, &options, &ch->events, rig->now, &ch->channel);
}

int rig_push(struct rig *rig, unsigned index, const char *event, const char *payload,
             uintptr_t token)
{
    struct phx_push_order order = {.event = event,
                                   .payload = {payload, strlen(payload)},
                                   .timeout_ms = rig->timeout_ms,
                                   .token = token ? &tokens[token] : NULL};

    return phx_machine_push(rig->channels[index].channel, &order, rig->now);
}

int rig_push_binary(struct rig *rig, unsigned index, const char *event, struct phx_text bytes,
                    uintptr_t token)
{
    struct phx_push_order order = {
        .event = event, .payload = bytes, .binary = true, .token = token ? &tokens[token] : NULL};

    return phx_machine_push(rig->channels[index].channel, &order, rig->now);
}

void rig_server(struct rig *rig, const char *frame)
{
    size_t len = strlen(frame);
    char *copy = strdup(frame);

    assert_non_null(copy);
    phx_machine_text(rig->machine, copy, len, rig->now);
    free(copy);
}

void rig_server_binary(struct rig *rig, const char *bytes, size_t len)
{
    char *copy = malloc(len ? len : 1);

    assert_non_null(copy);
    memcpy(copy, bytes, len);
    phx_machine_binary(rig->machine, copy, len, rig->now);
    free(copy);
}

void rig_end(struct rig *rig, const struct phx_end *why)
{
    rig->is_open = false;
    phx_machine_closed(rig->machine, why, rig->now);
}

void rig_close(struct rig *rig, int code)
{
    rig_end(rig, &(struct phx_end){.cause = PHX_CAUSE_CLOSED, .close_code = code});
}

void rig_fail(struct rig *rig, enum phx_cause cause, int status, uint32_t retry_after_ms)
{
    rig_end(rig, &(struct phx_end){.cause = cause,
                                   .http_status = status,
                                   .retry_after_ms = retry_after_ms,
                                   .lasting = cause == PHX_CAUSE_REFUSED});
}

void rig_pass(struct rig *rig, uint64_t ms)
{
    uint64_t until = rig->now + ms, at;

    while ((at = phx_machine_deadline(rig->machine)) <= until) {
        rig->now = at > rig->now ? at : rig->now;
        phx_machine_tick(rig->machine, rig->now);
    }
    rig->now = until;
}

void rig_connect_again(struct rig *rig)
{
    rig_pass(rig, rig->last_wait_ms);
    phx_machine_opened(rig->machine, rig->now);
    assert_true(phx_machine_is_connected(rig->machine));
}

void rig_up(struct rig *rig, enum phx_vsn vsn)
{
    rig_init(rig, vsn);
    rig_connect(rig);
    rig_expect(rig, "open\nconnected\n");
}

void rig_up_and_joined(struct rig *rig)
{
    rig_up(rig, PHX_V2);
    assert_int_equal(rig_join(rig, 0, "room:1"), PHX_OK);
    rig_server(rig, "[\"1\",\"1\",\"room:1\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]");
    rig_expect(rig, "room:1: joined {}\n> [\"1\",\"1\",\"room:1\",\"phx_join\",{}]\n");
}
