/*
 * phx_poll.c - a session of long polling: which request follows which answer. A request by itself
 * is phx_http.c's, what stands in it phx_poll_body.c's.
 *
 *              a token            410, 408, an error page, a connection that broke, shut
 *  BEGINNING ----------> OPEN ------------------------------------------------------------> gone
 */
#include "phx_poll.h"

#include "phx_http.h"
#include "phx_judge.h"
#include "phx_poll_body.h"
#include "phx_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define ANSWER_MORE (1u << 20) /* an answer holds several messages */
#define HEADERS_MAX 8192
#define EMPTY_MS    100 /* between polls, when one brought nothing and was not held */

struct phx_poll {
    struct phx_transport base;
    struct phx_net *net;
    struct poll_conn *conns;
    uv_timer_t kick; /* orders are carried out from the loop, not from inside the machine; and what
                        waits for a time */
    bool has_kick;
};

enum poll_state { BEGINNING, OPEN, GONE };

struct poll_conn {
    struct phx_conn base;
    struct poll_conn *next, *prev;
    struct phx_poll *poll;
    enum poll_state state;
    struct phx_request *request;
    struct phx_http *get, *post;
    unsigned depth; /* events under way: it is freed behind the last */
    bool kicked, shut;
    uint64_t asked_at; /* the latest poll */
    uint64_t get_due;  /* the next one; 0: not for a time that it waits */
    char address[46];
    char token[PHX_POLL_TOKEN_MAX + 1];
    char target[PHX_TARGET_MAX + 1]; /* without the token */
};

/* ---- life ---- */

static void free_conn(struct poll_conn *conn)
{
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        conn->poll->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    phx_request_free(conn->request);
    explicit_bzero(conn->token, sizeof conn->token);
    explicit_bzero(conn->target, sizeof conn->target);
    free(conn);
}

static void enter(struct poll_conn *conn)
{
    conn->depth++;
}

static void leave(struct poll_conn *conn)
{
    if (--conn->depth == 0 && conn->state == GONE)
        free_conn(conn);
}

static void drop_request(struct phx_http **http)
{
    if (*http)
        phx_http_drop(*http);
    *http = NULL;
}

static void drop(struct poll_conn *conn)
{
    conn->base.user = NULL;
    conn->state = GONE;
    drop_request(&conn->get);
    drop_request(&conn->post);
}

static void end(struct poll_conn *conn, const struct phx_end *why)
{
    void *user = conn->base.user;

    drop(conn);
    if (user)
        conn->base.events->closed(user, why);
}

static void end_with(struct poll_conn *conn, enum phx_cause cause, int status, const char *text)
{
    struct phx_end why = {.cause = cause, .http_status = status};

    snprintf(why.text, sizeof why.text, "%s", text);
    end(conn, &why);
}

/* ---- requests ---- */

static const struct phx_http_events get_events, post_events;

static bool with_token(const struct poll_conn *conn, char *target)
{
    memcpy(target, conn->target, sizeof conn->target);
    return !conn->token[0] ||
           phx_url_add_param(target, PHX_TARGET_MAX + 1, "token", conn->token) == PHX_OK;
}

static void write_headers(const struct poll_conn *conn, const struct phx_send *body, bool ndjson,
                          char *headers)
{
    const char *token = conn->request->auth_token;
    size_t len;

    snprintf(headers, HEADERS_MAX, "%sAccept: application/json\r\n", conn->request->headers);
    len = strlen(headers);
    if (token)
        snprintf(headers + len, HEADERS_MAX - len, "X-Phoenix-AuthToken: %s\r\n", token);
    len = strlen(headers);
    if (body)
        snprintf(headers + len, HEADERS_MAX - len, "Content-Type: %s\r\nContent-Length: %zu\r\n",
                 ndjson ? "application/x-ndjson" : "application/json", body->len);
}

/* Owns `body`. NULL: the connection has ended. */
static struct phx_http *ask(struct poll_conn *conn, struct phx_send *body, bool ndjson,
                            struct phx_end *why)
{
    char target[PHX_TARGET_MAX + 1], headers[HEADERS_MAX];
    struct phx_http_request request = {
        .base = conn->request,
        .method = body ? "POST" : "GET",
        .target = target,
        .headers = headers,
        .address = conn->address[0] ? conn->address : NULL,
        .body = body,
        .max_answer = conn->request->max_message * 4 + ANSWER_MORE,
    };
    struct phx_http *http;

    if (!with_token(conn, target)) {
        *why = (struct phx_end){.cause = PHX_CAUSE_PROTOCOL};
        snprintf(why->text, sizeof why->text,
                 "path, query and the server's token are over %d bytes", PHX_TARGET_MAX);
        free(body);
        return NULL;
    }
    write_headers(conn, body, ndjson, headers);
    http = phx_http_start(conn->poll->net, &request, body ? &post_events : &get_events, conn, why);
    explicit_bzero(headers, sizeof headers);
    explicit_bzero(target, sizeof target);
    return http;
}

static void poll_again(struct poll_conn *conn)
{
    struct phx_end why;

    if (conn->state == GONE)
        return;
    conn->asked_at = uv_now(conn->poll->net->loop);
    conn->get = ask(conn, NULL, false, &why);
    if (!conn->get)
        end(conn, &why);
}

static void arm(struct phx_poll *poll, uint64_t after_ms);

/* A server that does not hold its polls would have us make connections as fast as we can. */
static void poll_after_nothing(struct poll_conn *conn)
{
    uint64_t due = conn->asked_at + EMPTY_MS, now = uv_now(conn->poll->net->loop);

    if (conn->state == GONE || now >= due) {
        poll_again(conn);
        return;
    }
    conn->get_due = due;
    arm(conn->poll, due - now);
}

static bool collect(struct poll_conn *conn, struct phx_poll_batch *batch)
{
    struct phx_send *message;

    while (!batch->full && conn->base.user &&
           (message = conn->base.events->next(conn->base.user)) != NULL)
        phx_poll_batch_add(batch, message, conn->request->vsn);
    if (conn->state != GONE)
        return batch->count > 0;
    phx_queue_clear(&batch->messages);
    return false;
}

/* Posts what is queued, if nothing is being posted; then, if that was asked for, ends. */
static void post_next(struct poll_conn *conn)
{
    struct phx_poll_batch batch = {.count = 0};
    struct phx_end why = {.cause = PHX_CAUSE_PROTOCOL};
    struct phx_send *body;
    bool ndjson;

    if (conn->state != OPEN || conn->post)
        return;
    if (!collect(conn, &batch)) {
        if (conn->shut && conn->state == OPEN)
            end_with(conn, PHX_CAUSE_CLOSED, 0, "closed");
        return;
    }
    snprintf(why.text, sizeof why.text, "out of memory for a message");
    body = phx_poll_batch_body(&batch, &ndjson);
    conn->post = body ? ask(conn, body, ndjson, &why) : NULL;
    if (!conn->post)
        end(conn, &why);
}

/* ---- answers ---- */

static void end_by_status(struct poll_conn *conn, int status)
{
    struct phx_sight sight = {.stage = PHX_STAGE_REQUEST, .http_status = status};
    struct phx_end why;

    if (status == 410) {
        end_with(conn, PHX_CAUSE_CLOSED, status,
                 "the server has forgotten our session: a restart, a kick, or too long without a "
                 "poll (410)");
    } else if (status == 408) {
        end_with(conn, PHX_CAUSE_CLOSED, status, "the server could not read a message (408)");
    } else {
        phx_judge(&sight, &why);
        end(conn, &why);
    }
}

/* False: it is no answer to a long poll, and the connection has ended. */
static bool understand(struct poll_conn *conn, const struct phx_http_answer *http,
                       struct phx_poll_answer *answer)
{
    struct phx_end why = http->end;

    if (http->status >= 200 && http->status <= 299) {
        if (phx_poll_answer_read((struct phx_text){http->body, http->len}, answer))
            return true;
        end_with(conn, PHX_CAUSE_SERVER, http->status,
                 "the answer is no long poll's: an error page, or no Phoenix server");
        return false;
    }
    if (http->status == 404)
        snprintf(why.text, sizeof why.text,
                 "no long polling at this path: the server must allow it (HTTP 404)");
    end(conn, &why);
    return false;
}

static void on_begun(struct poll_conn *conn, const struct phx_poll_answer *answer)
{
    if (answer->status != 410) {
        end_by_status(conn, answer->status);
        return;
    }
    if (!answer->token[0]) {
        end_with(conn, PHX_CAUSE_SERVER, 200, "the server began a session without a token");
        return;
    }
    memcpy(conn->token, answer->token, sizeof conn->token);
    conn->state = OPEN;
    conn->base.events->opened(conn->base.user);
    poll_again(conn);
}

static void on_messages(struct poll_conn *conn, const struct phx_poll_answer *answer)
{
    struct phx_poll_messages messages;
    enum phx_json_step step = PHX_JSON_BAD;
    char *text;
    size_t len, count = 0;

    if (phx_poll_messages_begin(&messages, answer))
        while (conn->state == OPEN &&
               (step = phx_poll_messages_next(&messages, &text, &len)) == PHX_JSON_ITEM) {
            count++;
            if (len > conn->request->max_message)
                end_with(conn, PHX_CAUSE_PROTOCOL, 0, "the server sent a message that is too long");
            else
                conn->base.events->frame(conn->base.user, false, text, len);
        }
    if (conn->state == OPEN && step == PHX_JSON_BAD)
        end_with(conn, PHX_CAUSE_SERVER, 200, "the server's messages cannot be read");
    if (count > 0)
        poll_again(conn);
    else
        poll_after_nothing(conn);
}

static void on_polled(struct poll_conn *conn, const struct phx_poll_answer *answer)
{
    switch (answer->status) {
    case 200:
        on_messages(conn, answer);
        break;
    case 204:
        poll_after_nothing(conn);
        break;
    default:
        end_by_status(conn, answer->status);
        break;
    }
}

static void on_get_answered(void *user, const struct phx_http_answer *http)
{
    struct poll_conn *conn = user;
    struct phx_poll_answer answer;

    enter(conn);
    conn->get = NULL;
    snprintf(conn->address, sizeof conn->address, "%s", http->address);
    if (understand(conn, http, &answer)) {
        if (conn->state == BEGINNING)
            on_begun(conn, &answer);
        else
            on_polled(conn, &answer);
        explicit_bzero(answer.token, sizeof answer.token);
    }
    leave(conn);
}

static void on_post_answered(void *user, const struct phx_http_answer *http)
{
    struct poll_conn *conn = user;
    struct phx_poll_answer answer;

    enter(conn);
    conn->post = NULL;
    if (understand(conn, http, &answer)) {
        if (answer.status == 200)
            post_next(conn);
        else
            end_by_status(conn, answer.status);
    }
    leave(conn);
}

static void on_get_failed(void *user, const struct phx_end *why)
{
    struct poll_conn *conn = user;

    enter(conn);
    conn->get = NULL;
    end(conn, why);
    leave(conn);
}

static void on_post_failed(void *user, const struct phx_end *why)
{
    struct poll_conn *conn = user;

    enter(conn);
    conn->post = NULL;
    end(conn, why);
    leave(conn);
}

static void on_progress(void *user)
{
    struct poll_conn *conn = user;

    enter(conn);
    if (conn->state == BEGINNING)
        conn->base.events->progress(conn->base.user);
    leave(conn);
}

static const struct phx_http_events get_events = {
    .progress = on_progress,
    .answered = on_get_answered,
    .failed = on_get_failed,
};

static const struct phx_http_events post_events = {
    .progress = on_progress,
    .answered = on_post_answered,
    .failed = on_post_failed,
};

/* ---- orders ---- */

static const struct phx_transport_ops ops;

static struct phx_conn *poll_connect(struct phx_transport *transport,
                                     const struct phx_request *request,
                                     const struct phx_conn_events *events, void *user,
                                     struct phx_end *why)
{
    struct phx_poll *poll = (struct phx_poll *)transport;
    struct poll_conn *conn = calloc(1, sizeof *conn);

    *why = (struct phx_end){.cause = PHX_CAUSE_CONNECT};
    snprintf(why->text, sizeof why->text, "out of memory");
    if (!conn)
        return NULL;
    conn->base = (struct phx_conn){&ops, events, user};
    conn->poll = poll;
    conn->next = poll->conns;
    if (poll->conns)
        poll->conns->prev = conn;
    poll->conns = conn;
    conn->request = phx_request_copy(request);
    if (conn->request && !phx_url_poll_target(request->target, conn->target, sizeof conn->target))
        snprintf(why->text, sizeof why->text,
                 "a path that ends in /websocket is needed for long polling");
    else if (conn->request)
        conn->get = ask(conn, NULL, false, why);
    if (conn->get)
        return &conn->base;
    free_conn(conn);
    return NULL;
}

static void act(struct poll_conn *conn, uint64_t now)
{
    if (conn->kicked) {
        conn->kicked = false;
        post_next(conn);
    }
    if (conn->get_due != 0 && conn->get_due <= now) {
        conn->get_due = 0;
        poll_again(conn);
    }
}

static void on_kick(uv_timer_t *timer)
{
    struct phx_poll *poll = timer->data;
    struct poll_conn *conn = poll->conns, *next;
    uint64_t now = uv_now(poll->net->loop), wait = UINT64_MAX;

    for (; conn; conn = next) {
        enter(conn);
        act(conn, now);
        if (conn->get_due > now && conn->get_due - now < wait)
            wait = conn->get_due - now;
        next = conn->next;
        leave(conn);
    }
    if (wait != UINT64_MAX)
        arm(poll, wait);
}

/* It may be called sooner than that, never later. */
static void arm(struct phx_poll *poll, uint64_t after_ms)
{
    if (!poll->has_kick) {
        uv_timer_init(poll->net->loop, &poll->kick);
        poll->kick.data = poll;
        poll->has_kick = true;
    }
    if (!uv_is_active((uv_handle_t *)&poll->kick) || uv_timer_get_due_in(&poll->kick) > after_ms)
        uv_timer_start(&poll->kick, on_kick, after_ms, 0);
}

static void kick(struct poll_conn *conn)
{
    conn->kicked = true;
    arm(conn->poll, 0);
}

static void poll_want_write(struct phx_conn *base)
{
    struct poll_conn *conn = (struct poll_conn *)base;

    if (conn->state == OPEN)
        kick(conn);
}

static void poll_shut(struct phx_conn *base, int code)
{
    struct poll_conn *conn = (struct poll_conn *)base;

    (void)code;
    conn->shut = true;
    kick(conn);
}

static void poll_drop(struct phx_conn *base)
{
    struct poll_conn *conn = (struct poll_conn *)base;

    enter(conn);
    drop(conn);
    leave(conn);
}

static void on_kick_closed(uv_handle_t *handle)
{
    struct phx_poll *poll = handle->data;

    phx_net_release(poll->net);
}

static void poll_stop(struct phx_transport *transport)
{
    struct phx_poll *poll = (struct phx_poll *)transport;
    struct poll_conn *conn = poll->conns, *next;

    for (; conn; conn = next) {
        next = conn->next;
        poll_drop(&conn->base);
    }
    if (poll->has_kick) {
        phx_net_hold(poll->net);
        uv_close((uv_handle_t *)&poll->kick, on_kick_closed);
    }
}

static void poll_free(struct phx_transport *transport)
{
    free(transport);
}

static const struct phx_transport_ops ops = {
    .name = "long polling",
    .connect = poll_connect,
    .want_write = poll_want_write,
    .shut = poll_shut,
    .drop = poll_drop,
    .stop = poll_stop,
    .free = poll_free,
};

struct phx_transport *phx_poll_open(struct phx_net *net)
{
    struct phx_poll *poll = calloc(1, sizeof *poll);

    if (!poll)
        return NULL;
    poll->base.ops = &ops;
    poll->net = net;
    return &poll->base;
}
