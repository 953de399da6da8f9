/*
 * phx_ws.c - attempts at WebSocket connections, one address after the other, and the orders of the
 * socket. What libwebsockets calls back is in phx_ws_lws.c.
 */
#include "phx_ws.h"

#include "phx_judge.h"
#include "phx_ws_conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a connection's memory ---- */

void phx_ws_free_attempt(struct phx_ws_conn *conn)
{
    struct attempt *attempt = conn->attempt;

    if (!attempt)
        return;
    if (attempt->headers)
        explicit_bzero(attempt->headers, strlen(attempt->headers));
    free(attempt->headers);
    explicit_bzero(attempt->target, sizeof attempt->target);
    free(attempt->ca);
    free(attempt);
    conn->attempt = NULL;
}

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
    phx_ws_free_attempt(conn);
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

static const char *next_address(struct attempt *attempt)
{
    unsigned index = (attempt->first + attempt->tried++) % attempt->addresses.count;

    return attempt->addresses.text[index];
}

bool phx_ws_has_address(const struct attempt *attempt)
{
    return attempt->tried < attempt->addresses.count;
}

/* Host as it stands in the request: with the port where it is not the usual one. */
static void host_header(const struct attempt *attempt, char *text, size_t cap)
{
    if (attempt->port == (attempt->tls ? 443 : 80))
        snprintf(text, cap, "%s", attempt->name);
    else
        snprintf(text, cap, "%s:%u", attempt->name, attempt->port);
}

/* Takes the next address. On false libwebsockets is done with the connection already. */
static bool begin(struct phx_ws_conn *conn)
{
    static const lws_retry_bo_t no_pings = {.secs_since_valid_ping = 0};
    struct attempt *attempt = conn->attempt;
    char host[PHX_HOST_MAX + 10];
    struct lws_client_connect_info info = {
        .context = phx_hosts_context(conn->ws->hosts, attempt->tls),
        .vhost = attempt->vhost,
        .address = next_address(attempt),
        .port = attempt->port,
        .path = attempt->target,
        .host = host,
        .ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT | (attempt->tls ? LCCSCF_USE_SSL : 0),
        .ietf_version_or_minus_one = -1,
        .userdata = conn,
        .local_protocol_name = PHX_WS_PROTOCOL,
        .alpn = "http/1.1",
        .retry_and_idle_policy = &no_pings,
    };

    host_header(attempt, host, sizeof host);
    attempt->verify_error = 0;
    conn->starting = true;
    conn->wsi = NULL;
    conn->wsi = lws_client_connect_via_info(&info);
    conn->starting = false;
    if (conn->wsi)
        lws_cancel_service(info.context);
    return conn->wsi != NULL;
}

static void cannot_connect(struct phx_end *end, const char *why)
{
    struct phx_sight sight = {.stage = PHX_STAGE_CONNECT, .detail = why};

    phx_judge(&sight, end);
}

bool phx_ws_begin_any(struct phx_ws_conn *conn, struct phx_end *end)
{
    while (phx_ws_has_address(conn->attempt))
        if (begin(conn))
            return true;
    cannot_connect(end, "the attempt could not be started");
    return false;
}

static void on_resolved(void *user, const struct phx_addresses *addresses, const char *error)
{
    struct phx_ws_conn *conn = user;
    struct phx_sight sight = {
        .stage = PHX_STAGE_RESOLVE, .host = conn->attempt->name, .detail = error};
    struct phx_end end;

    conn->resolve = NULL;
    phx_judge(&sight, &end);
    if (addresses) {
        conn->attempt->addresses = *addresses;
        conn->base.events->progress(conn->base.user);
        if (phx_ws_begin_any(conn, &end))
            return;
    }
    phx_ws_report(conn, &end);
    phx_ws_free_conn(conn);
}

static struct attempt *new_attempt(const struct phx_request *request, struct lws_vhost *vhost)
{
    const struct phx_url *url = request->url;
    struct attempt *attempt = calloc(1, sizeof *attempt);

    if (!attempt)
        return NULL;
    attempt->first = request->attempt;
    attempt->tls = url->tls;
    attempt->port = url->port;
    attempt->vhost = vhost;
    attempt->ca = request->tls.ca ? strdup(request->tls.ca) : NULL;
    attempt->headers = strdup(request->headers);
    snprintf(attempt->name, sizeof attempt->name, url->ipv6 ? "[%.*s]" : "%.*s", (int)url->host.len,
             url->host.at);
    snprintf(attempt->target, sizeof attempt->target, "%s", request->target);
    return attempt;
}

static bool start(struct phx_ws_conn *conn, const struct phx_url *url, struct phx_end *end)
{
    char host[PHX_HOST_MAX + 1];

    snprintf(host, sizeof host, "%.*s", (int)url->host.len, url->host.at);
    if (phx_resolve_numeric(host, &conn->attempt->addresses))
        return phx_ws_begin_any(conn, end);
    conn->resolve = phx_resolve_start(conn->ws->loop, host, on_resolved, conn);
    return conn->resolve != NULL;
}

static const struct phx_transport_ops ops;

static struct phx_conn *ws_connect(struct phx_transport *transport,
                                   const struct phx_request *request,
                                   const struct phx_conn_events *events, void *user,
                                   struct phx_end *end)
{
    struct phx_ws *ws = (struct phx_ws *)transport;
    struct phx_ws_conn *conn;
    struct lws_vhost *vhost = phx_hosts_get(ws->hosts, request->url->tls, &request->tls, end);

    if (!vhost)
        return NULL;
    cannot_connect(end, "out of memory");
    conn = calloc(1, sizeof *conn);
    if (!conn)
        return NULL;
    conn->base = (struct phx_conn){&ops, events, user};
    conn->ws = ws;
    conn->max_message = request->max_message;
    conn->next = ws->conns;
    if (ws->conns)
        ws->conns->prev = conn;
    ws->conns = conn;
    conn->attempt = new_attempt(request, vhost);
    if (conn->attempt && conn->attempt->headers && start(conn, request->url, end))
        return &conn->base;
    phx_ws_free_conn(conn);
    return NULL;
}

/* ---- orders ---- */

static void ws_want_write(struct phx_conn *base)
{
    struct phx_ws_conn *conn = (struct phx_ws_conn *)base;

    if (conn->open && conn->wsi)
        lws_callback_on_writable(conn->wsi);
}

static void ws_shut(struct phx_conn *base, int code)
{
    struct phx_ws_conn *conn = (struct phx_ws_conn *)base;

    conn->shut_code = code;
    ws_want_write(base);
}

static void finish_close(struct phx_ws *ws)
{
    void (*closed)(void *user) = ws->closed;
    void *user = ws->closed_user;

    if (!ws->hosts_gone || ws->lookups > 0)
        return;
    free(ws);
    closed(user);
}

static void on_lookup_over(void *user)
{
    struct phx_ws *ws = user;

    ws->lookups--;
    finish_close(ws);
}

static void ws_drop(struct phx_conn *base)
{
    struct phx_ws_conn *conn = (struct phx_ws_conn *)base;

    conn->base.user = NULL;
    if (conn->resolve) {
        conn->ws->lookups++;
        phx_resolve_cancel(conn->resolve, on_lookup_over, conn->ws);
        phx_ws_free_conn(conn);
    } else if (conn->wsi) {
        lws_set_timeout(conn->wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_ASYNC);
        lws_cancel_service(lws_get_context(conn->wsi));
    }
}

static void on_hosts_closed(void *user)
{
    struct phx_ws *ws = user;

    ws->hosts_gone = true;
    finish_close(ws);
}

static void ws_close(struct phx_transport *transport, void (*closed)(void *user), void *user)
{
    struct phx_ws *ws = (struct phx_ws *)transport;
    struct phx_ws_conn *conn = ws->conns, *next;

    ws->closed = closed;
    ws->closed_user = user;
    for (; conn; conn = next) {
        next = conn->next;
        conn->base.user = NULL;
        if (conn->resolve)
            ws_drop(&conn->base);
    }
    phx_hosts_close(ws->hosts, on_hosts_closed, ws);
}

static const struct phx_transport_ops ops = {
    .name = "WebSocket",
    .connect = ws_connect,
    .want_write = ws_want_write,
    .shut = ws_shut,
    .drop = ws_drop,
    .close = ws_close,
};

struct phx_transport *phx_ws_open(uv_loop_t *loop, unsigned max_sockets,
                                  void (*log)(void *user, int level, const char *text), void *user)
{
    struct phx_hosts_options options = {
        .loop = loop,
        .max_sockets = max_sockets,
        .protocols = phx_ws_protocols,
        .log = log,
        .user = user,
    };
    struct phx_ws *ws = calloc(1, sizeof *ws);

    if (!ws)
        return NULL;
    ws->base.ops = &ops;
    ws->loop = loop;
    ws->hosts = phx_hosts_open(&options);
    if (ws->hosts)
        return &ws->base;
    free(ws);
    return NULL;
}
