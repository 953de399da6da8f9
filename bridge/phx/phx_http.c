/*
 * phx_http.c - libwebsockets' HTTP client for one request: its callbacks translated, the answer
 * put together. What to ask and what an answer means is phx_poll.c's business.
 */
#include "phx_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_BYTES 4096

struct phx_http {
    const struct phx_http_events *events;
    void *user; /* NULL: dropped, or told */
    struct phx_dial_way way;
    struct phx_send *body;
    int status;
    char *answer;
    size_t len, cap, max;
    struct phx_end end;
};

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len);

static void free_http(struct phx_http *http)
{
    phx_dial_free(http->way.dial);
    free(http->body);
    free(http->answer);
    free(http);
}

static void fail(struct phx_http *http, const struct phx_end *end)
{
    void *user = http->user;

    http->user = NULL;
    if (user)
        http->events->failed(user, end);
}

static void fail_with(struct phx_http *http, enum phx_cause cause, const char *text)
{
    struct phx_end end = {.cause = cause, .http_status = http->status};

    snprintf(end.text, sizeof end.text, "%s", text);
    fail(http, &end);
}

/* ---- the way there ---- */

static void dial_progress(void *user)
{
    struct phx_http *http = user;

    if (http->user)
        http->events->progress(http->user);
}

static void dial_failed(void *user, const struct phx_end *end, struct lws *wsi)
{
    struct phx_http *http = user;

    fail(http, end);
    if (!wsi)
        free_http(http);
}

static const struct phx_dial_events dial_events = {
    .progress = dial_progress,
    .failed = dial_failed,
};

struct phx_http *phx_http_start(struct phx_net *net, const struct phx_http_request *request,
                                const struct phx_http_events *events, void *user,
                                struct phx_end *end)
{
    struct phx_http *http = calloc(1, sizeof *http);
    struct phx_dial_options options = {
        .request = request->base,
        .target = request->target,
        .headers = request->headers,
        .address = request->address,
        .method = request->method,
        .events = &dial_events,
    };

    if (!http) {
        *end = (struct phx_end){.cause = PHX_CAUSE_CONNECT};
        snprintf(end->text, sizeof end->text, "no connection: out of memory");
        free(request->body);
        return NULL;
    }
    http->events = events;
    http->user = user;
    http->body = request->body;
    http->max = request->max_answer;
    http->way.user = http;
    http->way.on_lws = on_lws;
    options.way = &http->way;
    if (phx_dial_start(net, &options, end))
        return http;
    free_http(http);
    return NULL;
}

void phx_http_drop(struct phx_http *http)
{
    http->user = NULL;
    if (phx_dial_is_resolving(http->way.dial)) {
        phx_dial_cancel_resolving(http->way.dial);
        free_http(http);
    } else {
        phx_dial_kill(http->way.dial->wsi);
    }
}

/* ---- request and answer ---- */

static int on_headers(struct phx_http *http, struct lws *wsi, char **at, size_t room)
{
    int result = phx_dial_on_headers(http->way.dial, at, room);

    if (result == 0 && http->body) {
        lws_client_http_body_pending(wsi, 1);
        lws_callback_on_writable(wsi);
    }
    return result;
}

static int on_writeable(struct phx_http *http, struct lws *wsi)
{
    struct phx_send *body = http->body;
    int written, len;

    if (!body)
        return 0;
    len = (int)body->len;
    http->body = NULL;
    lws_client_http_body_pending(wsi, 0);
    written = lws_write(wsi, body->bytes + PHX_SEND_ROOM, body->len, LWS_WRITE_HTTP_FINAL);
    free(body);
    return written < len ? -1 : 0;
}

static int on_established(struct phx_http *http, struct lws *wsi)
{
    http->status = (int)lws_http_client_http_response(wsi);
    if (http->status < 200 || http->status > 299)
        phx_dial_judge(http->way.dial, wsi, "", &http->end);
    return 0;
}

static bool grow(struct phx_http *http, size_t more)
{
    size_t cap = http->cap ? http->cap : READ_BYTES;
    char *bigger;

    if (http->len + more + 1 <= http->cap)
        return true;
    while (cap < http->len + more + 1)
        cap *= 2;
    bigger = realloc(http->answer, cap);
    if (!bigger)
        return false;
    http->answer = bigger;
    http->cap = cap;
    return true;
}

static int on_part(struct phx_http *http, const char *in, size_t len)
{
    if (len > http->max - http->len) {
        fail_with(http, PHX_CAUSE_PROTOCOL, "the server's answer to a long poll is too long");
        return -1;
    }
    if (!grow(http, len)) {
        fail_with(http, PHX_CAUSE_PROTOCOL, "out of memory for the answer to a long poll");
        return -1;
    }
    memcpy(http->answer + http->len, in, len);
    http->len += len;
    return 0;
}

static int on_readable(struct lws *wsi)
{
    char room[READ_BYTES + LWS_PRE], *at = room + LWS_PRE;
    int len = READ_BYTES;

    return lws_http_client_read(wsi, &at, &len) < 0 ? -1 : 0;
}

static int on_completed(struct phx_http *http)
{
    struct phx_http_answer answer = {.status = http->status, .end = http->end};
    void *user = http->user;

    if (!user || !grow(http, 0))
        return -1;
    http->user = NULL;
    http->answer[http->len] = '\0';
    answer.body = http->answer;
    answer.len = http->len;
    answer.address = http->way.dial->used;
    http->events->answered(user, &answer);
    return -1;
}

/* An answer without a length ends with its connection. */
static void on_closed(struct phx_http *http)
{
    if (http->status && http->len)
        on_completed(http);
    else
        fail_with(http, PHX_CAUSE_CLOSED, "the connection of a long poll broke");
}

static void on_destroyed(struct phx_http *http)
{
    if (http->way.dial->starting)
        return;
    on_closed(http);
    free_http(http);
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len)
{
    struct phx_http *http = user;

    if (reason == LWS_CALLBACK_WSI_DESTROY) {
        on_destroyed(http);
        return 0;
    }
    if (reason == LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER)
        return on_headers(http, wsi, in, len);
    if (!http->user)
        return reason == LWS_CALLBACK_CLOSED_CLIENT_HTTP ? 0 : -1;
    if (reason == LWS_CALLBACK_CLIENT_CONNECTION_ERROR)
        phx_dial_on_error(http->way.dial, wsi, in, len);
    else if (reason == LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP)
        return on_established(http, wsi);
    else if (reason == LWS_CALLBACK_CLIENT_HTTP_WRITEABLE)
        return on_writeable(http, wsi);
    else if (reason == LWS_CALLBACK_RECEIVE_CLIENT_HTTP)
        return on_readable(wsi);
    else if (reason == LWS_CALLBACK_RECEIVE_CLIENT_HTTP_READ)
        return on_part(http, in, len);
    else if (reason == LWS_CALLBACK_COMPLETED_CLIENT_HTTP)
        return on_completed(http);
    else if (reason == LWS_CALLBACK_CLOSED_CLIENT_HTTP)
        on_closed(http);
    return 0;
}
