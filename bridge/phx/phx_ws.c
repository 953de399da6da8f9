/*
 * phx_ws.c - WebSocket connections and the orders of their sockets. How one comes about is in
 * phx_dial.c, what libwebsockets calls back in phx_ws_lws.c.
 */
#include "phx_ws.h"

#include "phx_auth_token.h"
#include "phx_judge.h"
#include "phx_ws_conn.h"

#include <stdlib.h>
#include <string.h>

/* ---- a connection's memory ---- */

void phx_ws_free_message(struct phx_ws_conn *conn)
{
    free(conn->message);
    conn->message = NULL;
    conn->message_len = conn->message_cap = 0;
}

void phx_ws_free_conn(struct phx_ws_conn *conn)
{
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        conn->ws->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    phx_dial_free(conn->way.dial);
    phx_ws_free_message(conn);
    free(conn);
}

void phx_ws_report(struct phx_ws_conn *conn, const struct phx_end *end)
{
    void *user = conn->base.user;

    conn->base.user = NULL;
    if (user)
        conn->base.events->closed(user, end);
}

/* ---- attempts ---- */

static void dial_progress(void *user)
{
    struct phx_ws_conn *conn = user;

    if (conn->base.user)
        conn->base.events->progress(conn->base.user);
}

static void dial_failed(void *user, const struct phx_end *end, struct lws *wsi)
{
    struct phx_ws_conn *conn = user;

    phx_ws_report(conn, end);
    if (!wsi)
        phx_ws_free_conn(conn);
}

static const struct phx_dial_events dial_events = {
    .progress = dial_progress,
    .failed = dial_failed,
};

static const struct phx_transport_ops ops;

static bool dial(struct phx_ws_conn *conn, const struct phx_request *request, struct phx_end *end)
{
    char subprotocols[PHX_AUTH_PROTOCOLS_MAX];
    struct phx_dial_options options = {
        .request = request,
        .events = &dial_events,
        .way = &conn->way,
    };
    bool made;

    if (request->auth_token) {
        phx_auth_protocols(request->auth_token, subprotocols);
        options.subprotocols = subprotocols;
    }
    made = phx_dial_start(conn->ws->net, &options, end);
    explicit_bzero(subprotocols, sizeof subprotocols);
    return made;
}

static struct phx_conn *ws_connect(struct phx_transport *transport,
                                   const struct phx_request *request,
                                   const struct phx_conn_events *events, void *user,
                                   struct phx_end *end)
{
    struct phx_ws *ws = (struct phx_ws *)transport;
    struct phx_ws_conn *conn = calloc(1, sizeof *conn);

    if (!conn) {
        phx_judge(&(struct phx_sight){.stage = PHX_STAGE_CONNECT, .detail = "out of memory"}, end);
        return NULL;
    }
    conn->base = (struct phx_conn){&ops, events, user};
    conn->ws = ws;
    conn->max_message = request->max_message;
    conn->deflate = request->deflate;
    conn->next = ws->conns;
    if (ws->conns)
        ws->conns->prev = conn;
    ws->conns = conn;
    conn->way.user = conn;
    conn->way.on_lws = phx_ws_on_lws;
    if (dial(conn, request, end))
        return &conn->base;
    phx_ws_free_conn(conn);
    return NULL;
}

/* ---- orders ---- */

/* Nearly always the connection takes it at once: to be called back for that would cost six system
 * calls and a turn of the loop. Not where libwebsockets may have something of its own under way:
 * compressed pieces, or the end. */
static bool may_write_at_once(const struct phx_ws_conn *conn)
{
    return !conn->waits && !conn->deflate && !conn->closing && conn->shut_code == 0 &&
           conn->close_code == 0;
}

static void ws_want_write(struct phx_conn *base)
{
    struct phx_ws_conn *conn = (struct phx_ws_conn *)base;

    if (!conn->wsi)
        return;
    if (!may_write_at_once(conn))
        phx_ws_wait(conn);
    else if (phx_ws_write(conn) < 0)
        phx_dial_kill(conn->wsi);
}

static void ws_shut(struct phx_conn *base, int code)
{
    struct phx_ws_conn *conn = (struct phx_ws_conn *)base;

    conn->shut_code = code;
    if (conn->wsi)
        phx_ws_wait(conn);
}

static void ws_drop(struct phx_conn *base)
{
    struct phx_ws_conn *conn = (struct phx_ws_conn *)base;
    struct lws *wsi = conn->way.dial ? conn->way.dial->wsi : conn->wsi;

    conn->base.user = NULL;
    if (phx_dial_is_resolving(conn->way.dial)) {
        phx_dial_cancel_resolving(conn->way.dial);
        phx_ws_free_conn(conn);
    } else if (wsi) {
        phx_dial_kill(wsi);
    }
}

/* What is not resolving any more goes with libwebsockets. */
static void ws_stop(struct phx_transport *transport)
{
    struct phx_ws *ws = (struct phx_ws *)transport;
    struct phx_ws_conn *conn = ws->conns, *next;

    for (; conn; conn = next) {
        next = conn->next;
        conn->base.user = NULL;
        if (phx_dial_is_resolving(conn->way.dial))
            ws_drop(&conn->base);
    }
}

static void ws_free(struct phx_transport *transport)
{
    free(transport);
}

static const struct phx_transport_ops ops = {
    .name = "WebSocket",
    .connect = ws_connect,
    .want_write = ws_want_write,
    .shut = ws_shut,
    .drop = ws_drop,
    .stop = ws_stop,
    .free = ws_free,
};

struct phx_transport *phx_ws_open(struct phx_net *net)
{
    struct phx_ws *ws = calloc(1, sizeof *ws);

    if (!ws)
        return NULL;
    ws->base.ops = &ops;
    ws->net = net;
    return &ws->base;
}
