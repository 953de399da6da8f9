/*
 * One connection from its first byte to its last: HTTP requests, the WebSocket handshake, and then
 * the wiring of frames to the Phoenix socket. Which path means what is decided by mounts.c and
 * control.c; what a long poll is answered, and when, by longpoll.c.
 */
#include "session.h"

#include "conn.h"
#include "control.h"
#include "handshake.h"
#include "http.h"
#include "longpoll.h"
#include "nerves_http.h"
#include "peer.h"
#include "ws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum mode {
    MODE_HTTP,
    MODE_SOCKET,
    MODE_ENDED, /* the connection is on its way out */
};

enum {
    HTTP_IDLE_MS = 60000,
    HTTP_MAX_BODY = 1024 * 1024,
    LONGPOLL_MAX_BODY = 8000000, /* what a real server reads */
    DRIP_MS = 50,
};

struct session {
    struct peer peer; /* opened by an upgrade; first, so that the peer is the session */
    struct session *next;
    struct session **link; /* what points here */
    struct server *server;
    struct conn *conn;
    uv_timer_t timer;
    enum mode mode;
    bool silent;       /* nothing is answered any more */
    bool close_after;  /* the request being answered wants the connection closed */
    struct held *held; /* a request that is answered later; what comes meanwhile waits */
    int64_t heard_ms;
    struct buf in;   /* HTTP bytes not handled yet */
    struct buf rest; /* of an answer that goes out slowly, and is the last one */
    size_t drip;     /* bytes of it every DRIP_MS */
    struct ws ws;
};

static int64_t now_ms(const struct session *s)
{
    return (int64_t)uv_now(s->server->loop);
}

/* -- the end */

static void on_timer_closed(uv_handle_t *handle)
{
    struct session *s = handle->data;
    peer_deinit(&s->peer);
    ws_deinit(&s->ws);
    buf_deinit(&s->in);
    buf_deinit(&s->rest);
    free(s);
}

static void on_gone(void *user)
{
    struct session *s = user;
    s->mode = MODE_ENDED;
    *s->link = s->next;
    if (s->next != NULL) {
        s->next->link = s->link;
    }
    s->server->session_count--;
    peer_end(&s->peer);
    if (s->held != NULL) {
        longpoll_gone(s->held);
    }
    uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

static void finish(struct session *s)
{
    s->mode = MODE_ENDED;
    s->peer.ended = true;
    uv_timer_stop(&s->timer);
    conn_finish(s->conn);
}

void session_cut(struct session *s)
{
    if (s->mode == MODE_ENDED) {
        return; /* its last words may still be on their way */
    }
    s->mode = MODE_ENDED;
    s->peer.ended = true;
    uv_timer_stop(&s->timer);
    conn_cut(s->conn);
}

/* -- frames out */

static void send_ws(struct session *s, enum ws_opcode opcode, const char *data, size_t n)
{
    struct buf frame = {0};
    if (s->mode == MODE_SOCKET) {
        ws_write_frame(&s->ws, &frame, opcode, data, n);
        conn_write(s->conn, frame.data, frame.len);
    }
    buf_deinit(&frame);
}

static void close_ws(struct session *s, int code)
{
    if (s->mode != MODE_SOCKET) {
        return;
    }
    char body[2] = {(char)(code >> 8), (char)(code & 0xFF)};
    ws_end(&s->ws);
    send_ws(s, WS_CLOSE, body, sizeof body);
    finish(s);
}

static void ws_peer_send(struct peer *p, bool binary, const char *data, size_t n)
{
    send_ws((struct session *)p, binary ? WS_BINARY : WS_TEXT, data, n);
}

static void ws_peer_close(struct peer *p, int code)
{
    close_ws((struct session *)p, code);
}

static void ws_peer_cut(struct peer *p)
{
    finish((struct session *)p);
}

static void ws_peer_drop(struct peer *p)
{
    session_cut((struct session *)p);
}

static const struct peer_ops ws_ops = {
    "websocket", ws_peer_send, ws_peer_close, ws_peer_cut, ws_peer_drop,
};

/* -- time */

static int64_t idle_deadline(const struct session *s)
{
    if (s->mode == MODE_HTTP) {
        return s->heard_ms + HTTP_IDLE_MS;
    }
    int64_t own = s->peer.mount->idle_ms;
    return s->heard_ms + (own > 0 ? own : s->server->options.idle_ms);
}

static void on_timer(uv_timer_t *timer);

static void set_timer(struct session *s)
{
    if (s->mode == MODE_ENDED || s->rest.len > 0) { /* the timer drips */
        return;
    }
    if (s->held != NULL) {
        uv_timer_stop(&s->timer);
        return;
    }
    int64_t at = idle_deadline(s);
    int64_t wanted = s->peer.socket != NULL ? socket_deadline(s->peer.socket) : -1;
    if (wanted >= 0 && wanted < at) {
        at = wanted;
    }
    int64_t wait = at - now_ms(s);
    uv_timer_start(&s->timer, on_timer, wait > 0 ? (uint64_t)wait : 0, 0);
}

static void on_idle(struct session *s)
{
    if (s->mode == MODE_HTTP) {
        session_cut(s);
    } else {
        close_ws(s, s->server->options.like == LIKE_17_COWBOY ? 1000 : 1002);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct session *s = timer->data;
    if (idle_deadline(s) <= now_ms(s)) {
        on_idle(s);
    } else if (s->peer.socket != NULL) {
        socket_run(s->peer.socket, now_ms(s));
    }
    set_timer(s);
}

/* -- frames in */

static void on_message(void *ctx, bool binary, const char *data, size_t n)
{
    struct session *s = ctx;
    (binary ? socket_on_binary : socket_on_text)(s->peer.socket, data, n, now_ms(s));
}

static void on_ping(void *ctx, const char *data, size_t n)
{
    send_ws(ctx, WS_PONG, data, n);
}

static void on_close(void *ctx, int code)
{
    struct session *s = ctx;
    close_ws(s, ws_close_answer(code, s->server->options.like == LIKE_17_COWBOY));
}

static void on_fail(void *ctx, int code)
{
    close_ws(ctx, code);
}

static void on_socket_bytes(struct session *s, const char *bytes, size_t n)
{
    ws_on_bytes(&s->ws, bytes, n);
    if (s->mode == MODE_SOCKET) {
        socket_run(s->peer.socket, now_ms(s));
    }
}

/* -- the upgrade */

static void upgrade(struct session *s, const struct http_request *request,
                    struct connect_result *connect)
{
    struct ws_handler handler = {s, on_message, on_ping, on_close, on_fail};
    struct buf out = {0};
    ws_init(&s->ws, &handler, s->peer.mount->max_frame);
    handshake_write(s->peer.mount, request, &s->ws, &out);
    conn_write(s->conn, out.data, out.len);
    buf_deinit(&out);
    s->mode = MODE_SOCKET;
    peer_open(&s->peer, s->conn, request, connect);
}

static void respond(struct session *s, const struct http_response *response)
{
    struct http_response full = *response;
    struct buf out = {0};
    full.ahead_s = s->server->nerves.ahead_ms / 1000;
    full.close = response->close || s->close_after || s->server->stopping;
    http_write(&out, &full);
    conn_write(s->conn, out.data, out.len);
    buf_deinit(&out);
    if (full.close) {
        finish(s);
    }
}

static void respond_text(struct session *s, int status, const char *extra, const char *body)
{
    bool json = body[0] == '{';
    respond(s, &(struct http_response){.status = status,
                                       .type = json ? "application/json; charset=utf-8" : NULL,
                                       .extra = extra,
                                       .body = slice_of(body),
                                       .close = status == 500});
}

bool session_fault(struct session *s, enum fault_transport transport)
{
    struct faults *faults = &s->server->faults;
    char retry[64] = "";
    bool meant = faults->transport == FAULT_BOTH || faults->transport == transport;
    if (faults->silent && meant) {
        s->silent = true;
        return true;
    }
    if (faults->refuse_count <= 0 || !meant) {
        return false;
    }
    faults->refuse_count--;
    if (faults->retry_after_s > 0) {
        snprintf(retry, sizeof retry, "retry-after: %ld\r\n", faults->retry_after_s);
    }
    const char *body = faults->refuse_status == 500   ? JSON_SERVER_ERROR
                       : faults->refuse_status == 429 ? "Too many requests"
                                                      : "";
    respond_text(s, (int)faults->refuse_status, retry, body);
    return true;
}

static void on_upgrade_request(struct session *s, const struct http_request *request)
{
    struct connect_result connect;
    struct buf error = {0};
    char cert_name[NERVES_IDENTIFIER_MAX + 1];
    if (!slice_eq(request->method, "GET")) {
        respond_text(s, 400, NULL, "");
        return;
    }
    if (session_fault(s, FAULT_WEBSOCKET)) {
        return;
    }
    mount_connect(&(struct connect_request){.mount = s->peer.mount,
                                            .http = request,
                                            .keys = &s->server->keys,
                                            .like = s->server->options.like,
                                            .nerves = &s->server->nerves,
                                            .cert_name = conn_cert_name(s->conn, cert_name,
                                                                        sizeof cert_name)},
                  &connect);
    if (connect.status != 101) {
        respond_text(s, connect.status, connect.extra, connect.body);
    } else if (!handshake_ok(request, &error)) {
        respond_text(s, 400, NULL, error.data);
    } else {
        upgrade(s, request, &connect);
    }
    buf_deinit(&error);
    buf_deinit(&connect.id);
    buf_deinit(&connect.token);
}

/* -- HTTP */

static bool nerves_on(const struct session *s)
{
    return s->server->nerves.like != NERVES_OFF;
}

static void on_other_request(struct session *s, const struct http_request *request,
                             struct slice body)
{
    struct buf answer = {0};
    struct http_response response = {.type = "application/json; charset=utf-8"};
    response.status = control_handle(s->server, request, body, &answer);
    response.body = buf_all(&answer);
    if (response.status == 404 && nerves_on(s) && s->server->options.tls) {
        respond_text(s, 301, "location: https://docs.nerves-hub.org/\r\n", "");
    } else if (response.status == 404) {
        respond_text(s, 404, NULL, "Not Found");
    } else {
        respond(s, &response);
    }
    buf_deinit(&answer);
}

/* /socket is NervesHub's where that is on. */
static const struct mount *socket_mount(const struct session *s, const struct http_request *request)
{
    const struct mount *nerves =
        nerves_on(s) ? mount_find_nerves(request->path, s->server->options.tls) : NULL;
    const struct mount *other = mount_find(request->path, s->server->options.lab);
    bool hidden = nerves_on(s) && other != NULL && strcmp(other->path, "/socket/websocket") == 0;
    return nerves != NULL ? nerves : hidden ? NULL : other;
}

static const struct mount *longpoll_mount(const struct session *s,
                                          const struct http_request *request)
{
    if (nerves_on(s)) {
        return NULL;
    }
    return mount_find_longpoll(request->path, s->server->options.lab);
}

/* The body's length, or -1 when it cannot be known or is too large. */
static long body_length(const struct session *s, const struct http_request *request)
{
    struct slice text = http_header(request, "content-length");
    struct json number = {.type = JSON_INT, .text = text};
    long length = 0;
    long most = longpoll_mount(s, request) != NULL ? LONGPOLL_MAX_BODY : HTTP_MAX_BODY;
    if (http_header(request, "transfer-encoding").data != NULL) {
        return -1;
    }
    if (text.data == NULL) {
        return 0;
    }
    return json_is_number_text(text) && json_int(&number, 0, most, &length) ? length : -1;
}

static void on_drip(uv_timer_t *timer)
{
    struct session *s = timer->data;
    size_t n = s->rest.len < s->drip ? s->rest.len : s->drip;
    conn_write(s->conn, s->rest.data, n);
    buf_drop(&s->rest, n);
    if (s->rest.len == 0 && s->mode != MODE_ENDED) {
        finish(s);
    }
}

/* Takes over what is in `out`. */
static void answer_slowly(struct session *s, struct buf *out, long per_second)
{
    s->rest = *out;
    *out = (struct buf){0};
    s->drip = (size_t)per_second * DRIP_MS / 1000 + 1;
    s->silent = true;
    uv_timer_start(&s->timer, on_drip, 0, DRIP_MS);
}

static bool serve_firmware(struct session *s, const struct http_request *request)
{
    struct buf out = {0};
    enum nerves_end end;
    bool served = nerves_serve(&s->server->nerves, request, &out, &end);
    if (served && end == NERVES_SLOW) {
        answer_slowly(s, &out, s->server->nerves.faults.slow);
    } else if (served) {
        conn_write(s->conn, out.data, out.len);
    }
    if (served && end == NERVES_STALL) {
        s->silent = true;
    } else if (served && (end == NERVES_CUT || s->close_after)) {
        finish(s);
    }
    buf_deinit(&out);
    return served;
}

static void on_request(struct session *s, const struct http_request *request, struct slice body)
{
    const struct mount *polled = longpoll_mount(s, request);
    s->peer.mount = socket_mount(s, request);
    s->close_after = request->minor == 0 || http_header_has(request, "connection", "close");
    if (nerves_on(s) && serve_firmware(s, request)) {
        return;
    }
    if (s->peer.mount != NULL) {
        on_upgrade_request(s, request);
    } else if (polled != NULL) {
        longpoll_request(s, polled, request, body);
    } else {
        on_other_request(s, request, body);
    }
}

static void reject(struct session *s)
{
    static const char BAD[] = "HTTP/1.0 400 Bad Request\r\nconnection: close\r\n\r\n";
    conn_write(s->conn, BAD, sizeof BAD - 1);
    finish(s);
}

/* Handles the first request in s->in if it is all there. True: look for another one. */
static bool take_request(struct session *s)
{
    struct http_request request;
    size_t used = 0;
    enum http_parse parsed = http_parse(&request, s->in.data, s->in.len, &used);
    if (parsed == HTTP_MORE) {
        return false;
    }
    long body = parsed == HTTP_DONE ? body_length(s, &request) : -1;
    if (body < 0 || http_header_count(&request, "host") != 1) {
        reject(s);
        return false;
    }
    if (s->in.len < used + (size_t)body) {
        return false;
    }
    on_request(s, &request, (struct slice){s->in.data + used, (size_t)body});
    /* What came with an upgrade request is dropped, as Bandit does. */
    buf_drop(&s->in, s->mode == MODE_HTTP ? used + (size_t)body : s->in.len);
    return s->mode == MODE_HTTP && s->in.len > 0 && !s->silent && s->held == NULL;
}

static void on_http_bytes(struct session *s, const char *bytes, size_t n)
{
    char alpn[16];
    if (strcmp(conn_alpn(s->conn, alpn, sizeof alpn), "h2") == 0) {
        finish(s); /* HTTP/2 was agreed on, and this is not it */
        return;
    }
    if (s->silent) {
        return;
    }
    buf_add(&s->in, bytes, n);
    if (s->held == NULL) {
        while (take_request(s)) {
        }
    } else if (s->in.len > LONGPOLL_MAX_BODY) {
        session_cut(s);
    }
}

/* -- requests answered later */

void session_hold(struct session *s, struct held *held)
{
    s->held = held;
}

void session_answer(struct session *s, const struct http_response *response)
{
    bool later = s->held != NULL;
    s->held = NULL;
    respond(s, response);
    while (later && s->mode == MODE_HTTP && s->in.len > 0 && take_request(s)) {
    }
    s->heard_ms = now_ms(s);
    set_timer(s);
}

const struct conn *session_conn(const struct session *s)
{
    return s->conn;
}

struct server *session_server(const struct session *s)
{
    return s->server;
}

static void on_bytes(void *user, const char *bytes, size_t n)
{
    struct session *s = user;
    s->heard_ms = now_ms(s);
    switch (s->mode) {
    case MODE_HTTP:
        on_http_bytes(s, bytes, n);
        break;
    case MODE_SOCKET:
        on_socket_bytes(s, bytes, n);
        break;
    case MODE_ENDED:
        break;
    }
    set_timer(s);
}

void session_accept(struct server *server)
{
    static const struct conn_handler handler = {on_bytes, on_gone};
    struct session *s = must_calloc(1, sizeof *s);
    s->server = s->peer.server = server;
    s->peer.ops = &ws_ops;
    s->peer.number = ++server->sessions_ever;
    s->heard_ms = (int64_t)uv_now(server->loop);
    s->next = server->sessions;
    s->link = &server->sessions;
    if (s->next != NULL) {
        s->next->link = &s->next;
    }
    server->sessions = s;
    uv_timer_init(server->loop, &s->timer);
    s->timer.data = s;
    server->session_count++;
    s->conn = conn_accept((uv_stream_t *)&server->listener, server->tls, &handler, s);
    if (s->conn == NULL) {
        s->mode = MODE_ENDED;
    } else if (server->session_count > SERVER_MAX_SESSIONS) {
        session_cut(s);
    }
    set_timer(s);
}

/* -- what others may ask */

struct session *session_next(const struct session *s)
{
    return s->next;
}

bool session_is_open(const struct session *s)
{
    return s->mode == MODE_SOCKET || s->held != NULL;
}
