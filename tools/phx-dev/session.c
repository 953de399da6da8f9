/*
 * One connection from its first byte to its last: HTTP requests, the WebSocket handshake, and then
 * the wiring of frames to the Phoenix socket. Which path means what is decided by mounts.c and
 * control.c.
 */
#include "session.h"

#include "conn.h"
#include "control.h"
#include "handshake.h"
#include "http.h"
#include "ws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum mode {
    MODE_HTTP,
    MODE_SOCKET,
    MODE_ENDED, /* the connection is on its way out */
};

enum { HTTP_IDLE_MS = 60000, HTTP_MAX_BODY = 1024 * 1024 };

struct session {
    struct session *next;
    struct session **link; /* what points here */
    struct server *server;
    struct conn *conn;
    uv_timer_t timer;
    enum mode mode;
    bool silent; /* nothing is answered any more */
    int64_t heard_ms;
    struct buf in; /* HTTP bytes not handled yet */
    const struct mount *mount;
    struct ws ws;
    struct socket *socket;
    struct buf info;
    struct buf id;
    struct mc_client mc;
    uint64_t number;
};

static int64_t now_ms(const struct session *s)
{
    return (int64_t)uv_now(s->server->loop);
}

/* -- the end */

static void on_timer_closed(uv_handle_t *handle)
{
    struct session *s = handle->data;
    if (s->socket != NULL) {
        socket_free(s->socket);
    }
    ws_deinit(&s->ws);
    buf_deinit(&s->in);
    buf_deinit(&s->info);
    buf_deinit(&s->id);
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
    if (s->id.len > 0) {
        log_event(&s->server->options.log, "left", s->mc.identity.controller_id, buf_all(&s->id));
    }
    uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

static void finish(struct session *s)
{
    s->mode = MODE_ENDED;
    uv_timer_stop(&s->timer);
    conn_finish(s->conn);
}

void session_cut(struct session *s)
{
    if (s->mode == MODE_ENDED) {
        return; /* its last words may still be on their way */
    }
    s->mode = MODE_ENDED;
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

void session_close(struct session *s, int code)
{
    if (s->mode != MODE_SOCKET) {
        return;
    }
    char body[2] = {(char)(code >> 8), (char)(code & 0xFF)};
    ws_end(&s->ws);
    send_ws(s, WS_CLOSE, body, sizeof body);
    finish(s);
}

void session_send_text(struct session *s, struct slice text)
{
    send_ws(s, WS_TEXT, text.data, text.len);
}

static void io_send(void *ctx, bool binary, const char *data, size_t n)
{
    send_ws(ctx, binary ? WS_BINARY : WS_TEXT, data, n);
}

static void io_close(void *ctx, int code)
{
    session_close(ctx, code);
}

static void io_cut(void *ctx)
{
    finish(ctx);
}

static size_t io_broadcast(void *ctx, const struct broadcast *what, const struct channel *except)
{
    const struct session *s = ctx;
    return server_broadcast(s->server, what, except);
}

/* -- time */

static int64_t idle_deadline(const struct session *s)
{
    if (s->mode == MODE_HTTP) {
        return s->heard_ms + HTTP_IDLE_MS;
    }
    return s->heard_ms + (s->mount->idle_ms > 0 ? s->mount->idle_ms : s->server->options.idle_ms);
}

static void on_timer(uv_timer_t *timer);

static void set_timer(struct session *s)
{
    if (s->mode == MODE_ENDED) {
        return;
    }
    int64_t at = idle_deadline(s);
    int64_t wanted = s->socket != NULL ? socket_deadline(s->socket) : -1;
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
        session_close(s, s->server->options.like == LIKE_17_COWBOY ? 1000 : 1002);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct session *s = timer->data;
    if (idle_deadline(s) <= now_ms(s)) {
        on_idle(s);
    } else if (s->socket != NULL) {
        socket_run(s->socket, now_ms(s));
    }
    set_timer(s);
}

/* -- frames in */

static void on_message(void *ctx, bool binary, const char *data, size_t n)
{
    struct session *s = ctx;
    (binary ? socket_on_binary : socket_on_text)(s->socket, data, n, now_ms(s));
}

static void on_ping(void *ctx, const char *data, size_t n)
{
    send_ws(ctx, WS_PONG, data, n);
}

static void on_close(void *ctx, int code)
{
    struct session *s = ctx;
    session_close(s, ws_close_answer(code, s->server->options.like == LIKE_17_COWBOY));
}

static void on_fail(void *ctx, int code)
{
    session_close(ctx, code);
}

static void on_socket_bytes(struct session *s, const char *bytes, size_t n)
{
    ws_on_bytes(&s->ws, bytes, n);
    if (s->mode == MODE_SOCKET) {
        socket_run(s->socket, now_ms(s));
    }
}

/* -- the upgrade */

static void start_socket(struct session *s, const struct connect_result *connect)
{
    struct socket_config config = {
        .io = {s, io_send, io_close, io_cut, io_broadcast},
        .vsn = connect->vsn,
        .like = s->server->options.like,
        .apps = s->mount->apps,
        .faults = &s->server->faults.socket,
        .app_ctx = &s->mc,
        .info = {s->info.data, s->info.len},
    };
    s->mode = MODE_SOCKET;
    s->socket = socket_open(&config);
    if (s->mount->connect == CONNECT_MC) {
        struct buf metadata = {0};
        mc_write_metadata(&s->mc, &metadata);
        session_send_text(s, buf_all(&metadata));
        buf_deinit(&metadata);
    }
    if (s->id.len > 0) {
        log_event(&s->server->options.log, "connected", s->mc.identity.controller_id,
                  buf_all(&s->id));
    }
}

static void upgrade(struct session *s, const struct http_request *request,
                    struct connect_result *connect)
{
    struct ws_handler handler = {s, on_message, on_ping, on_close, on_fail};
    struct buf out = {0};
    ws_init(&s->ws, &handler, s->mount->max_frame);
    handshake_write(s->mount, request, &s->ws, &out);
    conn_write(s->conn, out.data, out.len);
    buf_deinit(&out);
    s->id = connect->id;
    connect->id = (struct buf){0};
    buf_str(&s->id, "");
    s->mc = (struct mc_client){.app = &s->server->mc, .identity = connect->identity};
    handshake_write_info(s->conn, request, connect, &s->info);
    start_socket(s, connect);
}

static void respond(struct session *s, const struct http_response *response)
{
    struct buf out = {0};
    http_write(&out, response);
    conn_write(s->conn, out.data, out.len);
    buf_deinit(&out);
    if (response->close) {
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

/* The next upgrade is to be refused. True: it was. */
static bool refused_by_fault(struct session *s)
{
    struct faults *faults = &s->server->faults;
    char retry[64] = "";
    if (faults->refuse_count <= 0) {
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
    if (s->server->faults.silent) {
        s->silent = true;
        return;
    }
    if (!slice_eq(request->method, "GET")) {
        respond_text(s, 400, NULL, "");
        return;
    }
    if (refused_by_fault(s)) {
        return;
    }
    mount_connect(
        &(struct connect_request){s->mount, request, &s->server->keys, s->server->options.like},
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

static void on_other_request(struct session *s, const struct http_request *request,
                             struct slice body)
{
    struct buf answer = {0};
    struct http_response response = {.type = "application/json; charset=utf-8"};
    response.status = control_handle(s->server, request, body, &answer);
    response.body = buf_all(&answer);
    if (response.status == 404) {
        respond_text(s, 404, NULL, "Not Found");
    } else {
        respond(s, &response);
    }
    buf_deinit(&answer);
}

/* The body's length, or -1 when it cannot be known or is too large. */
static long body_length(const struct http_request *request)
{
    struct slice text = http_header(request, "content-length");
    struct json number = {.type = JSON_INT, .text = text};
    long length = 0;
    if (http_header(request, "transfer-encoding").data != NULL) {
        return -1;
    }
    if (text.data == NULL) {
        return 0;
    }
    return json_is_number_text(text) && json_int(&number, 0, HTTP_MAX_BODY, &length) ? length : -1;
}

static void on_request(struct session *s, const struct http_request *request, struct slice body)
{
    s->mount = mount_find(request->path, s->server->options.lab);
    if (s->mount != NULL) {
        on_upgrade_request(s, request);
    } else if (mount_find_longpoll(request->path, s->server->options.lab) != NULL) {
        respond_text(s, 200, NULL, "{\"status\":403}");
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
    long body = parsed == HTTP_DONE ? body_length(&request) : -1;
    if (body < 0 || http_header_count(&request, "host") != 1) {
        reject(s);
        return false;
    }
    if (s->in.len < used + (size_t)body) {
        return false;
    }
    on_request(s, &request, (struct slice){s->in.data + used, (size_t)body});
    if (s->mode == MODE_HTTP && request.minor == 0) {
        finish(s);
    }
    /* What came with an upgrade request is dropped, as Bandit does. */
    buf_drop(&s->in, s->mode == MODE_HTTP ? used + (size_t)body : s->in.len);
    return s->mode == MODE_HTTP && s->in.len > 0 && !s->silent;
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
    while (take_request(s)) {
    }
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
    s->server = server;
    s->number = ++server->sessions_ever;
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

bool session_is_socket(const struct session *s)
{
    return s->mode == MODE_SOCKET;
}

const char *session_id(const struct session *s)
{
    return s->id.data != NULL ? s->id.data : "";
}

long session_controller(const struct session *s)
{
    return s->mc.identity.controller_id;
}

bool session_deliver(struct session *s, const struct broadcast *what, const struct channel *except)
{
    return s->mode == MODE_SOCKET && socket_deliver(s->socket, what, except);
}

bool session_is_v1_subscriber(const struct session *s, struct slice topic)
{
    return s->mode == MODE_SOCKET && socket_vsn(s->socket) == VSN_1 &&
           socket_is_joined(s->socket, topic);
}

size_t session_channels(const struct session *s)
{
    return s->mode == MODE_SOCKET ? socket_channels(s->socket) : 0;
}

void session_write(const struct session *s, struct buf *out)
{
    buf_printf(out, "{\"controller_id\":%ld,\"id\":", s->mc.identity.controller_id);
    json_write_string(out, slice_of(session_id(s)));
    buf_printf(out, ",\"number\":%llu,\"path\":\"%s\",\"topics\":", (unsigned long long)s->number,
               s->mount->path);
    socket_write_topics(s->socket, out);
    buf_printf(out, ",\"uploads\":%llu,\"vsn\":\"%s\"}", (unsigned long long)s->mc.uploads,
               socket_vsn(s->socket) == VSN_1 ? "1.0.0" : "2.0.0");
}
