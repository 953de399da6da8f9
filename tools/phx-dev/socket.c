/*
 * The Phoenix socket machine. Like a real one it handles the frames that arrived together first
 * (heartbeats, joins) and what its channels answer afterwards; a slow join holds everything up, a
 * slow handler only its own channel. What the channels do is the applications' business; frames on
 * the wire and the clock are session.c's.
 */
#include "socket_private.h"

#include <stdlib.h>
#include <string.h>

/* -- output */

void socket_send_frame(struct socket *s, const struct buf *frame)
{
    if (!s->ended) {
        s->config.io.send(s->config.io.ctx, false, frame->data, frame->len);
    }
}

void socket_send_binary(struct socket *s, const struct buf *frame)
{
    if (!s->ended) {
        s->config.io.send(s->config.io.ctx, true, frame->data, frame->len);
    }
}

/* Closes with code, once. */
static void end_with(struct socket *s, int code)
{
    if (!s->ended) {
        s->ended = true;
        s->config.io.close(s->config.io.ctx, code);
    }
}

void socket_encode_reply(const struct socket *s, struct buf *out, struct slice join_ref,
                         const struct phx_msg *to, const char *status, struct slice response)
{
    struct buf ref = {0};
    struct buf topic = {0};
    struct buf payload = {0};
    json_write(&ref, to->ref);
    json_write(&topic, to->topic);
    buf_str(&payload, "{\"response\":");
    buf_slice(&payload, response);
    buf_printf(&payload, ",\"status\":\"%s\"}", status);
    serializer_encode(s->config.vsn, out,
                      &(struct phx_out){.join_ref = join_ref,
                                        .ref = buf_all(&ref),
                                        .topic = buf_all(&topic),
                                        .event = "phx_reply",
                                        .payload = buf_all(&payload)});
    buf_deinit(&ref);
    buf_deinit(&topic);
    buf_deinit(&payload);
}

void socket_send_reply(struct socket *s, struct slice join_ref, const struct phx_msg *to,
                       const char *status, const char *response)
{
    struct buf frame = {0};
    socket_encode_reply(s, &frame, join_ref, to, status, slice_of(response));
    socket_send_frame(s, &frame);
    buf_deinit(&frame);
}

static void reply_unmatched(struct socket *s, const struct phx_msg *msg)
{
    socket_send_reply(s, slice_of(JSON_NULL_TEXT), msg, "error",
                      "{\"reason\":\"unmatched topic\"}");
}

/* -- tasks */

static void free_task(struct task *t)
{
    json_deinit(&t->doc);
    buf_deinit(&t->frame);
    free(t);
}

/* One more thing waits. False: it is one too many, and the socket is closed. */
static bool hold(struct socket *s, size_t bytes)
{
    s->waiting++;
    s->waiting_bytes += bytes;
    if (s->waiting <= SOCKET_MAX_WAITING && s->waiting_bytes <= SOCKET_MAX_WAITING_BYTES) {
        return true;
    }
    s->waiting--;
    s->waiting_bytes -= bytes;
    end_with(s, 1011);
    return false;
}

static void release(struct socket *s, size_t bytes)
{
    s->waiting--;
    s->waiting_bytes -= bytes;
}

void socket_weigh_task(struct socket *s, struct task *t, size_t bytes)
{
    t->bytes = bytes;
    s->waiting_bytes += bytes;
    if (s->waiting_bytes > SOCKET_MAX_WAITING_BYTES) {
        end_with(s, 1011);
    }
}

struct task *socket_add_task(struct socket *s, enum task_kind kind, uint64_t channel_id)
{
    if (!hold(s, 0)) {
        return NULL;
    }
    struct task *t = must_calloc(1, sizeof *t);
    t->kind = kind;
    t->channel_id = channel_id;
    struct task **at = &s->tasks;
    while (*at != NULL && !(kind == TASK_LATE && (*at)->kind == TASK_IN)) {
        at = &(*at)->next;
    }
    t->next = *at;
    *at = t;
    return t;
}

static const struct channel_app *match_app(const struct socket *s, struct slice topic)
{
    for (size_t i = 0; s->config.apps[i] != NULL; i++) {
        const char *pattern = s->config.apps[i]->pattern;
        size_t n = strlen(pattern);
        bool prefix = n > 0 && pattern[n - 1] == '*';
        if (prefix ? topic.len >= n - 1 && memcmp(topic.data, pattern, n - 1) == 0
                   : slice_eq(topic, pattern)) {
            return s->config.apps[i];
        }
    }
    return NULL;
}

/* -- joining */

/* A second join of a topic ends the first channel at once; its phx_close comes behind what the
 * socket says before it runs its channels. */
static void end_duplicate(struct socket *s, struct channel *ch)
{
    struct task *t = socket_add_task(s, TASK_SEND, 0);
    if (t != NULL) {
        channel_encode_end(ch, &t->frame, STOP_NORMAL);
    }
    channel_remove(s, ch);
}

static void finish_join(struct socket *s)
{
    s->joining = false;
    socket_send_frame(s, &s->join_reply);
    buf_deinit(&s->join_reply);
}

static const char *join_status_text(enum join_status status)
{
    return status == JOIN_OK ? "ok" : "error";
}

static void run_join(struct socket *s, const struct channel_app *app, const struct phx_msg *msg)
{
    struct join_result result = {0};
    struct channel *ch = channel_new(s, app, msg);
    uint64_t id = ch->id;
    ch->joining = true;
    app->join(ch, msg->payload, &result);
    ch->joining = false;
    if (result.status == JOIN_CRASH) {
        buf_deinit(&result.response);
        buf_str(&result.response, "{\"reason\":\"join crashed\"}");
    }
    if (result.response.len == 0) {
        buf_str(&result.response, JSON_EMPTY);
    }
    socket_encode_reply(s, &s->join_reply, buf_all(&ch->join_ref), msg,
                        join_status_text(result.status), buf_all(&result.response));
    buf_deinit(&result.response);
    if (result.status != JOIN_OK) {
        channel_remove(s, channel_by_id(s, id));
    }
    s->joining = true;
    s->join_done_ms = s->now_ms + result.block_ms;
    if (result.block_ms <= 0) {
        finish_join(s);
    }
}

static size_t channel_limit(const struct socket *s)
{
    return s->config.like == LIKE_18_BANDIT ? SOCKET_MAX_CHANNELS : SOCKET_MAX_CHANNELS_17;
}

static void run_mailbox(struct socket *s, uint64_t channel_id);

static void on_join(struct socket *s, const struct phx_msg *msg, struct channel *present)
{
    if (present != NULL) { /* told to close, it first does what it was sent before */
        uint64_t id = present->id;
        run_mailbox(s, id);
        present = channel_by_id(s, id);
    }
    if (present != NULL) {
        end_duplicate(s, present);
    }
    const struct channel_app *app = match_app(s, msg->topic->text);
    if (app == NULL) {
        reply_unmatched(s, msg);
    } else if (s->channel_count >= channel_limit(s)) {
        struct buf join_ref = {0};
        json_write(&join_ref, msg->join_ref);
        socket_send_reply(s, buf_all(&join_ref), msg, "error",
                          "{\"reason\":\"too many channels joined\"}");
        buf_deinit(&join_ref);
    } else {
        run_join(s, app, msg);
    }
}

/* -- one message */

static void on_heartbeat(struct socket *s, const struct phx_msg *msg)
{
    if (!s->config.faults->hold_heartbeat) {
        socket_send_reply(s, slice_of(JSON_NULL_TEXT), msg, "ok", JSON_EMPTY);
    }
}

static void on_leave_not_joined(struct socket *s, const struct phx_msg *msg)
{
    struct buf join_ref = {0};
    json_write(&join_ref, msg->join_ref);
    socket_send_reply(s, buf_all(&join_ref), msg, "ok", JSON_EMPTY);
    buf_deinit(&join_ref);
}

/* Is this message for the channel as it is joined now? 1.8 drops what carries another join_ref and
 * takes a missing one as good; 1.7 looks at it only for a leave. */
static bool join_ref_fits(const struct channel *ch, const struct phx_msg *msg)
{
    bool like_17 = ch->socket->config.like == LIKE_17_COWBOY;
    if (like_17 && !json_is_text(msg->event, "phx_leave")) {
        return true;
    }
    if (!like_17 && msg->join_ref->type == JSON_NULL) {
        return true;
    }
    struct buf text = {0};
    json_write(&text, msg->join_ref);
    bool same = text.len == ch->join_ref.len && memcmp(text.data, ch->join_ref.data, text.len) == 0;
    buf_deinit(&text);
    return same;
}

/* A message of n bytes. Takes doc over when it is for a channel. */
static void on_message(struct socket *s, struct json_doc *doc, const struct phx_msg *msg, size_t n)
{
    struct channel *ch = msg->topic->type == JSON_STRING ? channel_find(s, msg->topic->text) : NULL;
    if (json_is_text(msg->topic, "phoenix") && json_is_text(msg->event, "heartbeat")) {
        on_heartbeat(s, msg);
    } else if (json_is_text(msg->event, "phx_join") && msg->topic->type == JSON_STRING) {
        on_join(s, msg, ch);
    } else if (ch == NULL && json_is_text(msg->event, "phx_leave")) {
        on_leave_not_joined(s, msg);
    } else if (ch == NULL) {
        reply_unmatched(s, msg);
    } else if (join_ref_fits(ch, msg)) {
        struct task *t = socket_add_task(s, TASK_IN, ch->id);
        if (t != NULL) {
            t->doc = *doc;
            t->msg = *msg;
            *doc = (struct json_doc){0};
            socket_weigh_task(s, t, json_doc_bytes(&t->doc) + n);
        }
    }
}

static void on_frame(struct socket *s, bool binary, const char *data, size_t n)
{
    struct json_doc doc;
    struct phx_msg msg;
    int rc = binary && s->config.vsn == VSN_2
                 ? serializer_decode_binary(&doc, data, n, &msg)
                 : serializer_decode(s->config.vsn, &doc, data, n, &msg);
    if (rc != 0) {
        end_with(s, 1011);
    } else {
        on_message(s, &doc, &msg, n);
    }
    json_deinit(&doc);
}

static void keep_frame(struct socket *s, bool binary, const char *data, size_t n, int64_t due_ms)
{
    if (!hold(s, n)) {
        return;
    }
    struct waiting_frame *frame = must_calloc(1, sizeof *frame);
    frame->binary = binary;
    frame->due_ms = due_ms;
    buf_add(&frame->data, data, n);
    struct waiting_frame **tail = &s->frames;
    while (*tail != NULL) {
        tail = &(*tail)->next;
    }
    *tail = frame;
}

static void free_first_frame(struct socket *s)
{
    struct waiting_frame *frame = s->frames;
    s->frames = frame->next;
    release(s, frame->data.len);
    buf_deinit(&frame->data);
    free(frame);
}

static void hear(struct socket *s, bool binary, const char *data, size_t n, int64_t now_ms)
{
    s->now_ms = now_ms;
    if (s->ended) {
        return;
    }
    int64_t slow_ms = s->config.faults->slow_ms;
    if (s->joining || s->frames != NULL || slow_ms > 0) {
        keep_frame(s, binary, data, n, now_ms + slow_ms);
    } else {
        on_frame(s, binary, data, n);
    }
}

void socket_on_text(struct socket *s, const char *text, size_t n, int64_t now_ms)
{
    hear(s, false, text, n, now_ms);
}

void socket_on_binary(struct socket *s, const char *data, size_t n, int64_t now_ms)
{
    hear(s, true, data, n, now_ms);
}

/* -- running the channels */

static void end_channel(struct channel *ch)
{
    struct buf frame = {0};
    channel_encode_end(ch, &frame, ch->how);
    socket_send_frame(ch->socket, &frame);
    buf_deinit(&frame);
    channel_remove(ch->socket, ch);
}

static void run_message(struct channel *ch, const struct phx_msg *msg)
{
    ch->current = msg;
    if (json_is_text(msg->event, "phx_leave")) {
        channel_reply(ch, "ok", JSON_EMPTY);
        channel_stop(ch, STOP_NORMAL);
    } else if (msg->event->type == JSON_STRING) {
        ch->app->handle_in(ch, msg->event, msg->payload);
    } else {
        channel_stop(ch, STOP_CRASH);
    }
    ch->current = NULL;
    if (ch->stopping) {
        end_channel(ch);
    }
}

static bool is_for_channel(const struct task *t)
{
    return t->kind != TASK_SEND;
}

static int64_t task_due(const struct socket *s, const struct task *t)
{
    const struct channel *ch = channel_by_id(s, t->channel_id);
    if (t->kind == TASK_IN && ch != NULL && ch->busy_until_ms > t->due_ms) {
        return ch->busy_until_ms;
    }
    return t->due_ms;
}

static void run_task(struct socket *s, struct task *t)
{
    struct channel *ch = channel_by_id(s, t->channel_id);
    if (ch == NULL && is_for_channel(t)) {
        return;
    }
    if (t->kind == TASK_IN) {
        run_message(ch, &t->msg);
    } else if (t->kind == TASK_SELF) {
        ch->app->handle_info(ch);
    } else {
        socket_send_frame(s, &t->frame);
    }
}

/* The first that is due: of this channel alone, or of any (0). */
static struct task *take_due(struct socket *s, uint64_t channel_id)
{
    struct task **at = &s->tasks;
    while (*at != NULL &&
           (task_due(s, *at) > s->now_ms || (channel_id != 0 && (*at)->channel_id != channel_id))) {
        at = &(*at)->next;
    }
    struct task *t = *at;
    if (t != NULL) {
        *at = t->next;
        release(s, t->bytes);
    }
    return t;
}

/* A leave that waits there gets no reply, as recorded (leave.v2): the new join has ended it. */
static void run_mailbox(struct socket *s, uint64_t channel_id)
{
    struct task *t;
    bool left = false;
    while (!s->ended && !left && (t = take_due(s, channel_id)) != NULL) {
        left = t->kind == TASK_IN && json_is_text(t->msg.event, "phx_leave");
        if (!left) {
            run_task(s, t);
        }
        free_task(t);
    }
}

static void run_waiting_frames(struct socket *s)
{
    if (s->joining && s->join_done_ms <= s->now_ms) {
        finish_join(s);
    }
    while (!s->joining && s->frames != NULL && s->frames->due_ms <= s->now_ms && !s->ended) {
        on_frame(s, s->frames->binary, s->frames->data.data, s->frames->data.len);
        free_first_frame(s);
    }
}

void socket_run(struct socket *s, int64_t now_ms)
{
    s->now_ms = now_ms;
    run_waiting_frames(s);
    while (!s->joining && !s->ended) {
        struct task *t = take_due(s, 0);
        if (t == NULL) {
            return;
        }
        run_task(s, t);
        free_task(t);
    }
}

int64_t socket_deadline(const struct socket *s)
{
    if (s->ended) {
        return -1;
    }
    if (s->joining) {
        return s->join_done_ms;
    }
    int64_t first = s->frames != NULL ? s->frames->due_ms : -1;
    for (const struct task *t = s->tasks; t != NULL; t = t->next) {
        int64_t due = task_due(s, t);
        if (first < 0 || due < first) {
            first = due;
        }
    }
    return first;
}

static void send_broadcast(struct socket *s, const struct channel *ch, const struct broadcast *what)
{
    struct buf frame = {0};
    if (what->binary) {
        struct slice names[] = {what->topic, slice_of(what->event)};
        if (serializer_encode_binary(&frame, BINARY_BROADCAST, names, 2, what->payload)) {
            socket_send_binary(s, &frame);
        }
    } else {
        serializer_encode(s->config.vsn, &frame,
                          &(struct phx_out){.join_ref = slice_of(JSON_NULL_TEXT),
                                            .ref = slice_of(JSON_NULL_TEXT),
                                            .topic = buf_all(&ch->topic_json),
                                            .event = what->event,
                                            .payload = what->payload});
        socket_send_frame(s, &frame);
    }
    buf_deinit(&frame);
}

bool socket_deliver(struct socket *s, const struct broadcast *what, const struct channel *except)
{
    struct channel *ch = s->ended ? NULL : channel_find(s, what->topic);
    if (ch == NULL || ch == except || ch->joining || (what->binary && s->config.vsn == VSN_1)) {
        return false;
    }
    bool handled = !what->binary && ch->app->handle_out != NULL &&
                   ch->app->handle_out(ch, what->event, what->payload);
    if (!handled) {
        send_broadcast(s, ch, what);
    }
    return true;
}

/* -- life */

struct socket *socket_open(const struct socket_config *config)
{
    struct socket *s = must_calloc(1, sizeof *s);
    s->config = *config;
    return s;
}

void socket_free(struct socket *s)
{
    s->ended = true;
    while (s->channels != NULL) {
        channel_remove(s, s->channels);
    }
    while (s->frames != NULL) {
        free_first_frame(s);
    }
    while (s->tasks != NULL) {
        struct task *t = s->tasks;
        s->tasks = t->next;
        free_task(t);
    }
    buf_deinit(&s->join_reply);
    free(s);
}

bool socket_crash(struct socket *s, struct slice topic)
{
    struct channel *ch = s->ended ? NULL : channel_find(s, topic);
    if (ch == NULL || ch->joining) {
        return false;
    }
    channel_stop(ch, STOP_CRASH);
    end_channel(ch);
    return true;
}

bool socket_is_joined(const struct socket *s, struct slice topic)
{
    return channel_find(s, topic) != NULL;
}

size_t socket_channels(const struct socket *s)
{
    return s->channel_count;
}

enum vsn socket_vsn(const struct socket *s)
{
    return s->config.vsn;
}

void socket_write_topics(const struct socket *s, struct buf *out)
{
    buf_str(out, "[");
    for (const struct channel *ch = s->channels; ch != NULL; ch = ch->next) {
        buf_str(out, ch == s->channels ? "" : ",");
        buf_slice(out, buf_all(&ch->topic_json));
    }
    buf_str(out, "]");
}
