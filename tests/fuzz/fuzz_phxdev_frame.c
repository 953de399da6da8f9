/*
 * Whatever a peer sends, phx-dev says only well-formed JSON, nothing after it closed, and comes to
 * rest. The first byte of an input chooses version, habits, application, and whether the rest is
 * WebSocket bytes or one text frame a line.
 */
#include "app_lab.h"
#include "app_mc.h"
#include "readings.h"
#include "socket.h"
#include "ws.h"

#include <stdlib.h>
#include <string.h>

enum choice { CHOOSE_V1 = 1, CHOOSE_COWBOY = 2, CHOOSE_MC = 4, CHOOSE_WS = 8, CHOOSE_DEFLATE = 16 };
enum { MAX_FRAME = 4096, STEP_MS = 20, REST_MS = 120000 };

struct peer {
    struct socket *socket;
    struct ws ws;
    bool closed;
    int64_t now_ms;
};

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void on_send(void *ctx, bool binary, const char *text, size_t n)
{
    const struct peer *p = ctx;
    struct json_doc doc;
    if (p->closed || (binary && n < 3)) {
        abort();
    }
    if (binary) {
        return;
    }
    if (json_parse(&doc, text, n) != 0) {
        abort();
    }
    json_deinit(&doc);
}

static void on_socket_close(void *ctx, int code)
{
    struct peer *p = ctx;
    if (p->closed || code < 1000) {
        abort();
    }
    p->closed = true;
    ws_end(&p->ws);
}

static void on_cut(void *ctx)
{
    on_socket_close(ctx, 1000);
}

static size_t on_broadcast(void *ctx, const struct broadcast *what, const struct channel *except)
{
    const struct peer *p = ctx;
    return socket_deliver(p->socket, what, except);
}

static void on_message(void *ctx, bool binary, const char *data, size_t n)
{
    struct peer *p = ctx;
    (binary ? socket_on_binary : socket_on_text)(p->socket, data, n, p->now_ms);
}

static void on_ping(void *ctx, const char *data, size_t n)
{
    (void)ctx;
    (void)data;
    if (n > 125) {
        abort();
    }
}

static void on_end(void *ctx, int code)
{
    struct peer *p = ctx;
    (void)code;
    p->closed = true;
}

static void hear_lines(struct peer *p, struct slice rest)
{
    bool incomplete;
    while (rest.len > 0) {
        struct slice line = slice_next(&rest, '\n');
        size_t valid = utf8_valid_prefix(line.data, line.len, &incomplete);
        socket_on_text(p->socket, line.data, valid, p->now_ms);
        if (line.len % 2 == 0) { /* otherwise the next one arrives together with it */
            socket_run(p->socket, p->now_ms);
            p->now_ms += STEP_MS;
        }
    }
}

/* Long after the last byte nothing may be waiting any more. */
static void come_to_rest(struct peer *p)
{
    int64_t end = p->now_ms + REST_MS * (int64_t)SOCKET_MAX_WAITING;
    int64_t next = p->now_ms;
    while (next >= 0 && next <= end) {
        socket_run(p->socket, next);
        int64_t later = socket_deadline(p->socket);
        if (later >= 0 && later <= next) {
            abort();
        }
        next = later;
    }
    if (next >= 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static struct readings readings;
    static struct faults faults;
    static const struct log silent = {.quiet = true};
    struct presence presence = {0};
    struct mc_app app = {&readings, &faults, &presence, &silent};
    struct mc_client client = {.app = &app, .identity = {3, 2, 1}};
    struct peer p = {0};
    if (size == 0) {
        return 0;
    }
    struct slice rest = {(const char *)data + 1, size - 1};
    struct socket_config config = {
        .io = {&p, on_send, on_socket_close, on_cut, on_broadcast},
        .vsn = (data[0] & CHOOSE_V1) != 0 ? VSN_1 : VSN_2,
        .like = (data[0] & CHOOSE_COWBOY) != 0 ? LIKE_17_COWBOY : LIKE_18_BANDIT,
        .apps = (data[0] & CHOOSE_MC) != 0 ? mc_channel_apps : user_channel_apps,
        .faults = &faults.socket,
        .app_ctx = &client,
        .info = {"{}", 2},
    };
    struct ws_handler handler = {&p, on_message, on_ping, on_end, on_end};
    struct buf answer = {0};
    p.socket = socket_open(&config);
    ws_init(&p.ws, &handler, MAX_FRAME);
    if ((data[0] & CHOOSE_DEFLATE) != 0) {
        ws_negotiate_deflate(&p.ws, slice_of("permessage-deflate"), &answer);
    }
    if ((data[0] & CHOOSE_WS) != 0) {
        ws_on_bytes(&p.ws, rest.data, rest.len);
    } else {
        hear_lines(&p, rest);
    }
    if (!p.closed) {
        come_to_rest(&p);
    }
    buf_deinit(&answer);
    ws_deinit(&p.ws);
    socket_free(p.socket);
    readings_reset(&readings);
    return 0;
}
