/*
 * One channel: its place in the socket, its last words, and what its module may say. When it runs
 * is socket.c's decision.
 */
#include "socket_private.h"

#include <stdlib.h>
#include <string.h>

struct channel *channel_find(const struct socket *s, struct slice topic)
{
    for (struct channel *ch = s->channels; ch != NULL; ch = ch->next) {
        if (ch->topic.len == topic.len && memcmp(ch->topic.data, topic.data, topic.len) == 0) {
            return ch;
        }
    }
    return NULL;
}

struct channel *channel_by_id(const struct socket *s, uint64_t id)
{
    struct channel *ch = s->channels;
    while (ch != NULL && ch->id != id) {
        ch = ch->next;
    }
    return ch;
}

static void free_channel(struct channel *ch)
{
    free((char *)ch->topic.data);
    buf_deinit(&ch->topic_json);
    buf_deinit(&ch->join_ref);
    buf_deinit(&ch->join_name);
    free(ch);
}

void channel_remove(struct socket *s, struct channel *ch)
{
    if (ch->app->terminate != NULL && !ch->joining) {
        ch->app->terminate(ch);
    }
    struct channel **at = &s->channels;
    while (*at != ch) {
        at = &(*at)->next;
    }
    *at = ch->next;
    s->channel_count--;
    free_channel(ch);
}

/* A ref in a binary frame. */
static void write_name(struct buf *out, const struct json *ref)
{
    if (ref->type == JSON_STRING) {
        buf_slice(out, ref->text);
    } else if (ref->type != JSON_NULL) {
        json_write(out, ref);
    }
}

struct channel *channel_new(struct socket *s, const struct channel_app *app,
                            const struct phx_msg *msg)
{
    struct channel *ch = must_calloc(1, sizeof *ch);
    ch->socket = s;
    ch->app = app;
    ch->id = ++s->next_id;
    ch->topic = (struct slice){copy_bytes(msg->topic->text.data, msg->topic->text.len),
                               msg->topic->text.len};
    json_write(&ch->topic_json, msg->topic);
    json_write(&ch->join_ref, msg->join_ref);
    write_name(&ch->join_name, msg->join_ref);
    struct channel **tail = &s->channels;
    while (*tail != NULL) {
        tail = &(*tail)->next;
    }
    *tail = ch;
    s->channel_count++;
    return ch;
}

static void encode_push(const struct channel *ch, struct buf *out, struct slice ref,
                        const char *event, struct slice payload)
{
    serializer_encode(ch->socket->config.vsn, out,
                      &(struct phx_out){.join_ref = buf_all(&ch->join_ref),
                                        .ref = ref,
                                        .topic = buf_all(&ch->topic_json),
                                        .event = event,
                                        .payload = payload});
}

void channel_encode_end(const struct channel *ch, struct buf *out, enum stop how)
{
    bool reason = how == STOP_CRASH && ch->socket->config.like == LIKE_18_BANDIT;
    encode_push(ch, out, buf_all(&ch->join_ref), how == STOP_CRASH ? "phx_error" : "phx_close",
                slice_of(reason ? "{\"reason\":\"channel_crash\"}" : JSON_EMPTY));
}

/* -- for the channel modules */

void channel_reply(struct channel *ch, const char *status, const char *response)
{
    socket_send_reply(ch->socket, buf_all(&ch->join_ref), ch->current, status, response);
}

/* A name too long for a binary frame raises in the channel. */
static void send_bytes(struct channel *ch, enum binary_kind kind, const struct slice *names,
                       size_t count, struct slice data)
{
    struct buf frame = {0};
    if (serializer_encode_binary(&frame, kind, names, count, data)) {
        socket_send_binary(ch->socket, &frame);
    } else {
        channel_stop(ch, STOP_CRASH);
    }
    buf_deinit(&frame);
}

static void reply_bytes(struct channel *ch, const char *status, struct slice data)
{
    struct buf ref = {0};
    write_name(&ref, ch->current->ref);
    struct slice names[] = {buf_all(&ch->join_name), buf_all(&ref), ch->topic, slice_of(status)};
    send_bytes(ch, BINARY_REPLY, names, 4, data);
    buf_deinit(&ref);
}

void channel_reply_json(struct channel *ch, const char *status, const struct json *response)
{
    if (response->type == JSON_BYTES) {
        reply_bytes(ch, status, response->text);
        return;
    }
    struct buf text = {0};
    json_write(&text, response);
    struct buf frame = {0};
    socket_encode_reply(ch->socket, &frame, buf_all(&ch->join_ref), ch->current, status,
                        buf_all(&text));
    socket_send_frame(ch->socket, &frame);
    buf_deinit(&text);
    buf_deinit(&frame);
}

void channel_reply_after(struct channel *ch, int64_t ms, const char *status,
                         const struct json *response)
{
    struct task *t = socket_add_task(ch->socket, TASK_LATE, ch->id);
    if (t == NULL) {
        return;
    }
    struct buf text = {0};
    json_write(&text, response);
    t->due_ms = ch->socket->now_ms + ms;
    socket_encode_reply(ch->socket, &t->frame, buf_all(&ch->join_ref), ch->current, status,
                        buf_all(&text));
    buf_deinit(&text);
    socket_weigh_task(ch->socket, t, t->frame.len);
}

void channel_block(struct channel *ch, int64_t ms)
{
    ch->busy_until_ms = ch->socket->now_ms + ms;
}

void channel_push(struct channel *ch, const char *event, const char *payload)
{
    struct buf frame = {0};
    encode_push(ch, &frame, slice_of(JSON_NULL_TEXT), event, slice_of(payload));
    if (!ch->joining) {
        socket_send_frame(ch->socket, &frame);
        buf_deinit(&frame);
        return;
    }
    struct task *t = socket_add_task(ch->socket, TASK_PUSH, ch->id);
    if (t == NULL) {
        buf_deinit(&frame);
        return;
    }
    t->frame = frame;
    socket_weigh_task(ch->socket, t, frame.len);
}

void channel_push_plain(struct channel *ch, const char *event, const char *payload)
{
    struct buf frame = {0};
    serializer_encode(ch->socket->config.vsn, &frame,
                      &(struct phx_out){.join_ref = slice_of(JSON_NULL_TEXT),
                                        .ref = slice_of(JSON_NULL_TEXT),
                                        .topic = buf_all(&ch->topic_json),
                                        .event = event,
                                        .payload = slice_of(payload)});
    socket_send_frame(ch->socket, &frame);
    buf_deinit(&frame);
}

void channel_push_bytes(struct channel *ch, const char *event, struct slice data)
{
    struct slice names[] = {buf_all(&ch->join_name), ch->topic, slice_of(event)};
    send_bytes(ch, BINARY_PUSH, names, 3, data);
}

void channel_broadcast(struct channel *ch, const char *event, const struct json *payload, bool self)
{
    struct buf text = {0};
    bool binary = payload->type == JSON_BYTES;
    if (!binary) {
        json_write(&text, payload);
    }
    struct broadcast what = {ch->topic, event, binary ? payload->text : buf_all(&text), binary};
    ch->socket->config.io.broadcast(ch->socket->config.io.ctx, &what, self ? NULL : ch);
    buf_deinit(&text);
}

void channel_stop(struct channel *ch, enum stop how)
{
    ch->stopping = true;
    ch->how = how;
}

void channel_kill_transport(struct channel *ch)
{
    struct socket *s = ch->socket;
    if (!s->ended) {
        s->ended = true;
        s->config.io.cut(s->config.io.ctx);
    }
}

struct slice channel_topic(const struct channel *ch)
{
    return ch->topic;
}

struct slice channel_info(const struct channel *ch)
{
    return ch->socket->config.info;
}

void *channel_app_ctx(const struct channel *ch)
{
    return ch->socket->config.app_ctx;
}

void channel_send_self(struct channel *ch)
{
    socket_add_task(ch->socket, TASK_SELF, ch->id);
}
