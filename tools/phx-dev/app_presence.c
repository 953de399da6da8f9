/*
 * Phoenix.Presence in small: one server, so there is nothing to replicate. A key may be present
 * several times, each with a meta of its own and a phx_ref by which clients tell them apart.
 */
#include "app_presence.h"

#include "app_mc.h"

#include <stdlib.h>
#include <string.h>

struct presence_entry {
    struct presence_entry *next;
    const struct channel *channel;
    struct buf topic;
    struct buf key; /* a JSON string */
    struct buf meta;
};

static struct presence *presence_of(const struct channel *ch)
{
    const struct mc_client *client = channel_app_ctx(ch);
    return client->app->presence;
}

static struct presence_entry **find(const struct channel *ch)
{
    struct presence_entry **at = &presence_of(ch)->entries;
    while (*at != NULL && (*at)->channel != ch) {
        at = &(*at)->next;
    }
    return at;
}

/* The members of meta with phx_ref, and with the one that it takes the place of. */
static void write_meta(struct presence *presence, const struct json *meta, const char *replaced,
                       struct buf *out)
{
    struct buf own = {0};
    if (json_is(meta, JSON_OBJECT)) {
        json_write(&own, meta);
    } else {
        buf_str(&own, "{}");
    }
    buf_printf(out, "{\"phx_ref\":\"GP%014llx\"", (unsigned long long)++presence->refs);
    if (replaced != NULL) {
        buf_printf(out, ",\"phx_ref_prev\":\"%.16s\"", replaced);
    }
    buf_str(out, own.len > 2 ? "," : "");
    buf_add(out, own.data + 1, own.len - 1);
    buf_deinit(&own);
}

static void write_one(struct buf *out, const struct presence_entry *e, const struct buf *meta)
{
    buf_printf(out, "{%s:{\"metas\":[%s]}}", e->key.data, meta->data);
}

static void tell_diff(struct channel *ch, const char *joins, const char *leaves)
{
    struct buf text = {0};
    struct json_doc doc;
    buf_printf(&text, "{\"joins\":%s,\"leaves\":%s}", joins, leaves);
    if (json_parse(&doc, text.data, text.len) == 0) {
        channel_broadcast(ch, "presence_diff", doc.root, true);
    }
    json_deinit(&doc);
    buf_deinit(&text);
}

/* -- the list */

static bool same(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static bool is_on(const struct presence_entry *e, const struct channel *ch)
{
    struct slice topic = channel_topic(ch);
    return e->topic.len == topic.len && memcmp(e->topic.data, topic.data, topic.len) == 0;
}

static bool was_written(const struct presence_entry *first, const struct presence_entry *e,
                        const struct channel *ch)
{
    while (first != e && !(is_on(first, ch) && same(&first->key, &e->key))) {
        first = first->next;
    }
    return first != e;
}

static void write_state(const struct channel *ch, struct buf *out)
{
    const struct presence_entry *first = presence_of(ch)->entries;
    const char *comma = "";
    buf_str(out, "{");
    for (const struct presence_entry *e = first; e != NULL; e = e->next) {
        if (!is_on(e, ch) || was_written(first, e, ch)) {
            continue;
        }
        buf_printf(out, "%s%s:{\"metas\":[%s", comma, e->key.data, e->meta.data);
        for (const struct presence_entry *more = e->next; more != NULL; more = more->next) {
            if (is_on(more, ch) && same(&more->key, &e->key)) {
                buf_printf(out, ",%s", more->meta.data);
            }
        }
        buf_str(out, "]}");
        comma = ",";
    }
    buf_str(out, "}");
}

/* -- the channel */

static void presence_join(struct channel *ch, const struct json *payload,
                          struct join_result *result)
{
    const struct json *key = json_get(payload, "key");
    if (!json_is(key, JSON_STRING)) {
        result->status = JOIN_ERROR;
        buf_str(&result->response, "{\"reason\":\"expected a key\"}");
        return;
    }
    struct presence_entry *e = must_calloc(1, sizeof *e);
    e->channel = ch;
    buf_slice(&e->topic, channel_topic(ch));
    json_write(&e->key, key);
    write_meta(presence_of(ch), json_get(payload, "meta"), NULL, &e->meta);
    *find(ch) = e;
    channel_send_self(ch);
}

static void after_join(struct channel *ch)
{
    const struct presence_entry *e = *find(ch);
    struct buf state = {0};
    struct buf joins = {0};
    write_state(ch, &state);
    channel_push(ch, "presence_state", state.data);
    write_one(&joins, e, &e->meta);
    tell_diff(ch, joins.data, "{}");
    buf_deinit(&state);
    buf_deinit(&joins);
}

static void on_update(struct channel *ch, const struct json *payload)
{
    struct presence_entry *e = *find(ch);
    struct buf meta = {0};
    struct buf joins = {0};
    struct buf leaves = {0};
    const char *ref = memchr(e->meta.data, ':', e->meta.len);
    write_meta(presence_of(ch), payload, ref + 2, &meta);
    write_one(&joins, e, &meta);
    write_one(&leaves, e, &e->meta);
    buf_deinit(&e->meta);
    e->meta = meta;
    tell_diff(ch, joins.data, leaves.data);
    channel_reply(ch, "ok", "{}");
    buf_deinit(&joins);
    buf_deinit(&leaves);
}

static void on_list(struct channel *ch)
{
    struct buf state = {0};
    write_state(ch, &state);
    channel_reply(ch, "ok", state.data);
    buf_deinit(&state);
}

static void presence_handle_in(struct channel *ch, const struct json *event,
                               const struct json *payload)
{
    if (json_is_text(event, "update")) {
        on_update(ch, payload);
    } else if (json_is_text(event, "list")) {
        on_list(ch);
    } else {
        channel_stop(ch, STOP_CRASH);
    }
}

static void presence_terminate(struct channel *ch)
{
    struct presence_entry **at = find(ch);
    struct presence_entry *e = *at;
    struct buf leaves = {0};
    if (e == NULL) {
        return;
    }
    *at = e->next;
    write_one(&leaves, e, &e->meta);
    tell_diff(ch, "{}", leaves.data);
    buf_deinit(&leaves);
    buf_deinit(&e->topic);
    buf_deinit(&e->key);
    buf_deinit(&e->meta);
    free(e);
}

const struct channel_app presence_channel_app = {
    .pattern = "presence:*",
    .join = presence_join,
    .handle_in = presence_handle_in,
    .handle_info = after_join,
    .terminate = presence_terminate,
};
