/*
 * The channels the recordings were made against: each event does one thing that a channel can do.
 * The list of what they do is in README.md.
 */
#include "app_lab.h"

#include "app_presence.h"

#include <string.h>

enum { MAX_DELAY_MS = 60000, MAX_PUSHES = 100, MAX_BIG_REPLY = 4 * 1024 * 1024 };

static long number_of(const struct json *payload, const char *name, long high, long otherwise)
{
    long n = otherwise;
    json_int(json_get(payload, name), 0, high, &n);
    return n;
}

/* -- joining */

static void push_ticks(struct channel *ch, long n)
{
    for (long i = 1; i <= n; i++) {
        struct buf payload = {0};
        buf_printf(&payload, "{\"i\":%ld}", i);
        channel_push(ch, "tick", payload.data);
        buf_deinit(&payload);
    }
}

static void room_join(struct channel *ch, const struct json *payload, struct join_result *result)
{
    const struct json *deny = json_get(payload, "deny");
    if (json_is(json_get(payload, "crash"), JSON_TRUE) ||
        json_is(json_get(payload, "exit"), JSON_TRUE)) {
        result->status = JOIN_CRASH;
    } else if (json_is(deny, JSON_TRUE)) {
        result->status = JOIN_ERROR;
        buf_str(&result->response, "{\"reason\":\"denied\"}");
    } else if (json_is_text(deny, "noreason")) {
        result->status = JOIN_ERROR;
    } else if (json_is(json_get(payload, "info"), JSON_TRUE)) {
        buf_slice(&result->response, channel_info(ch));
    } else if (json_is(json_get(payload, "reply"), JSON_OBJECT)) {
        json_write(&result->response, json_get(payload, "reply"));
    }
    push_ticks(ch, number_of(payload, "push", MAX_PUSHES, 0));
}

static void slow_join(struct channel *ch, const struct json *payload, struct join_result *result)
{
    (void)ch;
    result->block_ms = number_of(payload, "ms", MAX_DELAY_MS, 0);
    buf_str(&result->response, "{\"slow\":true}");
}

static void device_join(struct channel *ch, const struct json *payload, struct join_result *result)
{
    (void)ch;
    (void)payload;
    (void)result;
}

/* -- events */

static void on_ping(struct channel *ch, const struct json *payload)
{
    channel_reply_json(ch, "ok", payload);
}

static void on_nothing(struct channel *ch, const struct json *payload)
{
    (void)ch;
    (void)payload;
}

static void on_shout(struct channel *ch, const struct json *payload)
{
    channel_broadcast(ch, "shout", payload, true);
}

static void on_new_msg(struct channel *ch, const struct json *payload)
{
    channel_broadcast(ch, "new_msg", payload, true);
    channel_reply(ch, "ok", "{}");
}

static void on_shout_from(struct channel *ch, const struct json *payload)
{
    channel_broadcast(ch, "shout", payload, false);
    channel_reply(ch, "ok", "{}");
}

static void on_push_me(struct channel *ch, const struct json *payload)
{
    push_ticks(ch, number_of(payload, "n", MAX_PUSHES, 1));
}

static void on_push_me_first(struct channel *ch, const struct json *payload)
{
    push_ticks(ch, number_of(payload, "n", MAX_PUSHES, 1));
    channel_reply_json(ch, "ok", payload);
}

static void on_ok(struct channel *ch, const struct json *payload)
{
    (void)payload;
    channel_reply(ch, "ok", "{}");
}

static void on_error(struct channel *ch, const struct json *payload)
{
    (void)payload;
    channel_reply(ch, "error", "{}");
}

static void on_fail(struct channel *ch, const struct json *payload)
{
    (void)payload;
    channel_reply(ch, "error", "{\"reason\":\"no\"}");
}

static void on_weird_status(struct channel *ch, const struct json *payload)
{
    (void)payload;
    channel_reply(ch, "maybe", "{\"a\":1}");
}

static void on_reply_twice(struct channel *ch, const struct json *payload)
{
    channel_reply_json(ch, "ok", payload);
    channel_reply_json(ch, "ok", payload);
}

static void on_big_reply(struct channel *ch, const struct json *payload)
{
    struct buf response = {0};
    long n = number_of(payload, "n", MAX_BIG_REPLY, 0);
    buf_str(&response, "{\"data\":\"");
    for (long i = 0; i < n; i++) {
        buf_add(&response, "x", 1);
    }
    buf_str(&response, "\"}");
    channel_reply(ch, "ok", response.data);
    buf_deinit(&response);
}

static void on_slow(struct channel *ch, const struct json *payload)
{
    channel_reply_after(ch, number_of(payload, "ms", MAX_DELAY_MS, 0), "ok", payload);
}

static void on_slow_block(struct channel *ch, const struct json *payload)
{
    on_slow(ch, payload);
    channel_block(ch, number_of(payload, "ms", MAX_DELAY_MS, 0));
}

static void on_bin(struct channel *ch, const struct json *payload)
{
    struct buf response = {0};
    if (payload->type == JSON_BYTES) {
        channel_reply_json(ch, "ok", payload);
        return;
    }
    buf_str(&response, "{\"notbinary\":");
    json_write(&response, payload);
    buf_str(&response, "}");
    channel_reply(ch, "ok", response.data);
    buf_deinit(&response);
}

static void on_bin_err(struct channel *ch, const struct json *payload)
{
    channel_reply_json(ch, "error", payload);
}

static void on_bin_push(struct channel *ch, const struct json *payload)
{
    if (payload->type == JSON_BYTES) {
        channel_push_bytes(ch, "tick_bin", payload->text);
    }
}

static void on_bin_json(struct channel *ch, const struct json *payload)
{
    struct buf response = {0};
    buf_printf(&response, "{\"size\":%zu}", payload->text.len);
    channel_reply(ch, "ok", response.data);
    buf_deinit(&response);
}

static void on_shout_bin(struct channel *ch, const struct json *payload)
{
    channel_broadcast(ch, "shout_bin", payload, true);
}

static void on_stop(struct channel *ch, const struct json *payload)
{
    (void)payload;
    channel_stop(ch, STOP_NORMAL);
}

static void on_stop_reply(struct channel *ch, const struct json *payload)
{
    channel_reply_json(ch, "ok", payload);
    channel_stop(ch, STOP_NORMAL);
}

static void on_crash(struct channel *ch, const struct json *payload)
{
    (void)payload;
    channel_stop(ch, STOP_CRASH);
}

static void on_kill_transport(struct channel *ch, const struct json *payload)
{
    (void)payload;
    channel_kill_transport(ch);
}

static const struct {
    const char *event;
    void (*run)(struct channel *ch, const struct json *payload);
} ROOM_EVENTS[] = {
    {"ping", on_ping},
    {"noreply", on_nothing},
    {"shout", on_shout},
    {"new_msg", on_new_msg},
    {"shout_from", on_shout_from},
    {"push_me", on_push_me},
    {"push_me_first", on_push_me_first},
    {"ok_nopayload", on_ok},
    {"err_nopayload", on_error},
    {"fail", on_fail},
    {"weird_status", on_weird_status},
    {"reply_twice", on_reply_twice},
    {"big_reply", on_big_reply},
    {"bin", on_bin},
    {"bin_err", on_bin_err},
    {"bin_push", on_bin_push},
    {"bin_json", on_bin_json},
    {"shout_bin", on_shout_bin},
    {"slow", on_slow},
    {"slow_block", on_slow_block},
    {"stop", on_stop},
    {"stop_shutdown", on_stop},
    {"stop_shutdown2", on_stop},
    {"stop_reply", on_stop_reply},
    {"stop_other", on_crash},
    {"crash", on_crash},
    {"kill_transport", on_kill_transport},
};

static void room_handle_in(struct channel *ch, const struct json *event, const struct json *payload)
{
    for (size_t i = 0; i < sizeof ROOM_EVENTS / sizeof *ROOM_EVENTS; i++) {
        if (json_is_text(event, ROOM_EVENTS[i].event)) {
            ROOM_EVENTS[i].run(ch, payload);
            return;
        }
    }
    channel_stop(ch, STOP_CRASH);
}

/* "intercepted" passes through the channel, which adds a member and pushes it itself. */
static bool room_handle_out(struct channel *ch, const char *event, struct slice payload)
{
    struct buf marked = {0};
    if (strcmp(event, "intercepted") != 0 || payload.len < 2 || payload.data[0] != '{') {
        return false;
    }
    bool empty = payload.len == 2;
    buf_str(&marked, "{\"by\":\"handle_out\"");
    buf_str(&marked, empty ? "" : ",");
    buf_add(&marked, payload.data + 1, payload.len - 1);
    channel_push(ch, event, marked.data);
    buf_deinit(&marked);
    return true;
}

static void device_handle_in(struct channel *ch, const struct json *event,
                             const struct json *payload)
{
    if (json_is_text(event, "new_msg")) {
        on_ok(ch, payload);
    } else {
        channel_stop(ch, STOP_CRASH);
    }
}

static const struct channel_app room = {
    .pattern = "room:*",
    .join = room_join,
    .handle_in = room_handle_in,
    .handle_out = room_handle_out,
};
static const struct channel_app exact = {
    .pattern = "exact",
    .join = room_join,
    .handle_in = room_handle_in,
    .handle_out = room_handle_out,
};
static const struct channel_app slow = {
    .pattern = "slowjoin:*",
    .join = slow_join,
    .handle_in = room_handle_in,
};
static const struct channel_app device = {
    .pattern = "device:*",
    .join = device_join,
    .handle_in = device_handle_in,
};

const struct channel_app *const user_channel_apps[] = {
    &room, &exact, &slow, &presence_channel_app, NULL,
};
const struct channel_app *const device_channel_apps[] = {&device, NULL};
