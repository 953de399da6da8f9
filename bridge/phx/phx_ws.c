/*
 * phx_ws.c - connections of libwebsockets: the handshake, messages put together and written, the
 * end. Its callbacks only translate; what to do about an end is decided in phx_machine.c.
 */
#include "phx_ws.h"

#include "phx_hosts.h"
#include "phx_judge.h"
#include "phx_resolve.h"

#include <libwebsockets.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

_Static_assert(PHX_SEND_ROOM >= LWS_PRE, "libwebsockets writes its header before the message");

#define PROTOCOL_NAME "phx"

struct phx_ws {
    struct phx_transport base;
    uv_loop_t *loop;
    struct phx_hosts *hosts;
    struct phx_ws_conn *conns;
    unsigned lookups; /* given up, still on the loop */
    bool hosts_gone;
    void (*closed)(void *user);
    void *closed_user;
};

struct phx_ws_conn {
    struct phx_conn base;
    struct phx_ws_conn *next, *prev;
    struct phx_ws *ws;
    struct lws *wsi;
    struct phx_resolve *resolve;
    struct attempt *attempt; /* NULL once the connection is open */
    char *message;           /* the start of one that comes in pieces */
    size_t message_len, message_cap, max_message;
    int close_code; /* what the server said */
    int shut_code;  /* what we shall say; 0: not yet */
    bool open, starting, closing;
};

/* What is needed until the connection is open. */
struct attempt {
    struct phx_addresses addresses;
    unsigned tried;
    unsigned first;
    int verify_error; /* X509_V_ERR of OpenSSL */
    bool tls;
    bool asked; /* the connection stood and the request went out */
    uint16_t port;
    struct lws_vhost *vhost;
    char *ca;
    char name[PHX_HOST_MAX + 3]; /* in brackets if IPv6 */
    char *headers;
    char target[PHX_TARGET_MAX + 1];
};

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len);

static const struct lws_protocols protocols[] = {
    {.name = PROTOCOL_NAME, .callback = on_lws},
    {.name = NULL},
};

/* ---- a connection's memory ---- */

static void free_attempt(struct phx_ws_conn *conn)
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

static void free_message(struct phx_ws_conn *conn)
{
    free(conn->message);
    conn->message = NULL;
    conn->message_len = conn->message_cap = 0;
}

static void free_conn(struct phx_ws_conn *conn)
{
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        conn->ws->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    free_attempt(conn);
    free_message(conn);
    free(conn);
}

/* Tells the end once; the connection itself goes with libwebsockets' last word on it. */
static void report(struct phx_ws_conn *conn, const struct phx_end *end)
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

static bool has_address(const struct attempt *attempt)
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
        .local_protocol_name = PROTOCOL_NAME,
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

static void cannot_connect(struct phx_end *end, const char *text)
{
    *end = (struct phx_end){.cause = PHX_CAUSE_CONNECT};
    snprintf(end->text, sizeof end->text, "no connection: %.100s", text);
}

static bool begin_any(struct phx_ws_conn *conn, struct phx_end *end)
{
    while (has_address(conn->attempt))
        if (begin(conn))
            return true;
    cannot_connect(end, "the attempt could not be started");
    return false;
}

static void on_resolved(void *user, const struct phx_addresses *addresses, const char *error)
{
    struct phx_ws_conn *conn = user;
    struct phx_end end = {.cause = PHX_CAUSE_RESOLVE};

    conn->resolve = NULL;
    if (addresses) {
        conn->attempt->addresses = *addresses;
        conn->base.events->progress(conn->base.user);
        if (begin_any(conn, &end))
            return;
    } else {
        snprintf(end.text, sizeof end.text, "host name %.80s: %.50s", conn->attempt->name, error);
    }
    report(conn, &end);
    free_conn(conn);
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
        return begin_any(conn, end);
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
    free_conn(conn);
    return NULL;
}

/* ---- how it ended ---- */

static uint32_t retry_after(struct lws *wsi)
{
    char text[24];
    int n = lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_RETRY_AFTER);

    return n > 0 ? phx_judge_retry_after(text, (size_t)n) : 0;
}

/* libwebsockets has one text for a refused connection and for one that ended early. */
static const char *explain_early_end(const struct attempt *attempt, const char *detail)
{
    if (*detail && strcmp(detail, "closed before established") != 0)
        return detail;
    if (attempt->asked)
        return "the server closed before it answered";
    return attempt->tls ? "nothing listens there, or it does not speak TLS"
                        : "nothing listens there";
}

static void explain_failure(struct phx_ws_conn *conn, struct lws *wsi, const char *detail,
                            struct phx_end *end)
{
    const struct attempt *attempt = conn->attempt;
    int status = (int)lws_http_client_http_response(wsi);

    if (attempt->verify_error) {
        end->cause = PHX_CAUSE_TLS;
        phx_tls_explain(attempt->verify_error, attempt->name, attempt->ca, end->text,
                        sizeof end->text);
    } else if (status > 0) {
        phx_judge_status(end, status);
        end->retry_after_ms = retry_after(wsi);
    } else if (attempt->tls && strstr(detail, "SSL")) {
        end->cause = PHX_CAUSE_TLS;
        snprintf(end->text, sizeof end->text, "the TLS handshake failed: %.100s", detail);
    } else {
        cannot_connect(end, explain_early_end(attempt, detail));
    }
}

static void on_failed(struct phx_ws_conn *conn, struct lws *wsi, const char *in, size_t len)
{
    struct phx_end end = {.cause = PHX_CAUSE_CONNECT};
    char detail[120];

    if (conn->starting || !conn->base.user || !conn->attempt)
        return;
    snprintf(detail, sizeof detail, "%.*s", in ? (int)len : 0, in ? in : "");
    explain_failure(conn, wsi, detail, &end);
    if (end.cause == PHX_CAUSE_CONNECT && has_address(conn->attempt)) {
        conn->base.events->progress(conn->base.user);
        if (begin_any(conn, &end)) {
            lws_set_wsi_user(wsi, NULL);
            return;
        }
    }
    report(conn, &end);
}

static void on_closed(struct phx_ws_conn *conn)
{
    struct phx_end end = {.cause = PHX_CAUSE_CLOSED, .close_code = conn->close_code};

    if (conn->close_code)
        snprintf(end.text, sizeof end.text, "the server closed the connection (code %d)",
                 conn->close_code);
    else
        snprintf(end.text, sizeof end.text, "the connection broke");
    report(conn, &end);
}

/* Starts the closing handshake. Returning -1 from a callback would do it too, but Debian's build
 * closes twice then, and the second one cuts the first short. */
static void close_politely(struct phx_ws_conn *conn, struct lws *wsi, int code)
{
    conn->shut_code = code;
    conn->closing = true;
    lws_close_reason(wsi, (enum lws_close_status)code, NULL, 0);
    lws_set_timeout(wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_SYNC);
}

static void on_too_long(struct phx_ws_conn *conn, struct lws *wsi)
{
    struct phx_end end = {.cause = PHX_CAUSE_PROTOCOL};

    snprintf(end.text, sizeof end.text, "the server sent a message of over %zu bytes",
             conn->max_message);
    report(conn, &end);
    free_message(conn);
    close_politely(conn, wsi, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE);
}

/* ---- messages ---- */

static bool grow(struct phx_ws_conn *conn, size_t more)
{
    size_t cap = conn->message_cap ? conn->message_cap * 2 : PHX_SERVICE_BYTES;
    char *bigger;

    if (conn->message_len + more <= conn->message_cap)
        return true;
    while (cap < conn->message_len + more)
        cap *= 2;
    bigger = realloc(conn->message, cap);
    if (!bigger)
        return false;
    conn->message = bigger;
    conn->message_cap = cap;
    return true;
}

static void deliver(struct phx_ws_conn *conn, bool binary, char *text, size_t len)
{
    if (!conn->base.user)
        return;
    conn->base.events->frame(conn->base.user, binary, text, len);
}

/* Returns what libwebsockets' callback shall: -1 ends the connection. */
static int on_receive(struct phx_ws_conn *conn, struct lws *wsi, char *in, size_t len)
{
    bool last = lws_is_final_fragment(wsi) != 0;
    bool binary = lws_frame_is_binary(wsi) != 0;

    if (!conn->base.user)
        return conn->closing ? 0 : -1;
    if (len > conn->max_message - conn->message_len) {
        on_too_long(conn, wsi);
        return 0;
    }
    if (last && conn->message_len == 0) {
        deliver(conn, binary, in, len);
        return conn->base.user ? 0 : -1;
    }
    if (!grow(conn, len))
        return -1;
    if (len)
        memcpy(conn->message + conn->message_len, in, len);
    conn->message_len += len;
    if (last) {
        deliver(conn, binary, conn->message, conn->message_len);
        free_message(conn);
    }
    return conn->base.user ? 0 : -1;
}

static int on_writeable(struct phx_ws_conn *conn, struct lws *wsi)
{
    struct phx_send *send = conn->base.user ? conn->base.events->next(conn->base.user) : NULL;
    int written = 0, len;

    if (send) {
        len = (int)send->len;
        written = lws_write(wsi, send->bytes + PHX_SEND_ROOM, send->len,
                            send->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT);
        free(send);
        if (written < len)
            return -1;
        lws_callback_on_writable(wsi);
        return 0;
    }
    if (conn->closing)
        return 0;
    if (!conn->base.user)
        return -1;
    if (conn->shut_code)
        close_politely(conn, wsi, conn->shut_code);
    return 0;
}

static int append_headers(const struct phx_ws_conn *conn, char **at, size_t room)
{
    const char *headers = conn->attempt && conn->attempt->headers ? conn->attempt->headers : "";
    size_t n = strlen(headers);

    if (n >= room)
        return -1;
    if (conn->attempt)
        conn->attempt->asked = true;
    memcpy(*at, headers, n);
    *at += n;
    return 0;
}

static void on_peer_close(struct phx_ws_conn *conn, const unsigned char *in, size_t len)
{
    if (len >= 2)
        conn->close_code = in[0] << 8 | in[1];
}

static void on_established(struct phx_ws_conn *conn)
{
    conn->open = true;
    free_attempt(conn);
    if (conn->base.user)
        conn->base.events->opened(conn->base.user);
}

static void on_destroyed(struct phx_ws_conn *conn)
{
    if (conn->starting)
        return;
    on_closed(conn);
    free_conn(conn);
}

static int on_verify(struct lws *wsi, void *store, bool good)
{
    struct phx_ws_conn *conn = lws_wsi_user(wsi);

    if (!good && conn && conn->attempt)
        conn->attempt->verify_error = X509_STORE_CTX_get_error(store);
    return good ? 0 : 1;
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len)
{
    struct phx_ws_conn *conn = user;

    if (reason == LWS_CALLBACK_OPENSSL_PERFORM_SERVER_CERT_VERIFICATION)
        return on_verify(wsi, user, len != 0);
    if (!conn)
        return 0;
    if (reason == LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER)
        return append_headers(conn, in, len);
    if (reason == LWS_CALLBACK_CLIENT_CONNECTION_ERROR)
        on_failed(conn, wsi, in, len);
    else if (reason == LWS_CALLBACK_CLIENT_ESTABLISHED)
        on_established(conn);
    else if (reason == LWS_CALLBACK_CLIENT_RECEIVE)
        return on_receive(conn, wsi, in, len);
    else if (reason == LWS_CALLBACK_CLIENT_WRITEABLE)
        return on_writeable(conn, wsi);
    else if (reason == LWS_CALLBACK_WS_PEER_INITIATED_CLOSE)
        on_peer_close(conn, in, len);
    else if (reason == LWS_CALLBACK_CLIENT_CLOSED)
        on_closed(conn);
    else if (reason == LWS_CALLBACK_WSI_DESTROY)
        on_destroyed(conn);
    return 0;
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
        free_conn(conn);
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
        .protocols = protocols,
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
