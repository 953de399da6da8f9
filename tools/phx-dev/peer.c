/*
 * A Phoenix socket among the others of this server. What carries its messages is session.c's and
 * longpoll.c's business.
 */
#include "peer.h"

#include "handshake.h"

#include <string.h>

static void io_send(void *ctx, bool binary, const char *data, size_t n)
{
    struct peer *p = ctx;
    p->ops->send(p, binary, data, n);
}

static void io_close(void *ctx, int code)
{
    struct peer *p = ctx;
    p->ops->close(p, code);
}

static void io_cut(void *ctx)
{
    struct peer *p = ctx;
    p->ops->cut(p);
}

static size_t io_broadcast(void *ctx, const struct broadcast *what, const struct channel *except)
{
    const struct peer *p = ctx;
    return server_broadcast(p->server, what, except);
}

static void say_metadata(struct peer *p)
{
    struct buf metadata = {0};
    mc_write_metadata(&p->mc, &metadata);
    p->ops->send(p, false, metadata.data, metadata.len);
    buf_deinit(&metadata);
}

void peer_open(struct peer *p, const struct conn *conn, const struct http_request *request,
               struct connect_result *connect)
{
    p->id = connect->id;
    connect->id = (struct buf){0};
    buf_str(&p->id, "");
    p->mc = (struct mc_client){.app = &p->server->mc, .identity = connect->identity};
    p->nerves = (struct nerves_client){.nerves = &p->server->nerves, .device = connect->device};
    bool is_nerves =
        p->mount->connect == CONNECT_NERVES || p->mount->connect == CONNECT_NERVES_USER;
    if (connect->device != NULL) {
        server_kick(p->server, p->id.data); /* one identity, one socket */
    }
    handshake_write_info(conn, request, connect, &p->info);
    struct socket_config config = {
        .io = {p, io_send, io_close, io_cut, io_broadcast},
        .vsn = connect->vsn,
        .like = p->server->options.like,
        .apps = p->mount->apps,
        .faults = &p->server->faults.socket,
        .app_ctx = is_nerves ? (void *)&p->nerves : (void *)&p->mc,
        .info = {p->info.data, p->info.len},
    };
    p->socket = p->nerves.socket = socket_open(&config);
    p->next = p->server->peers;
    p->link = &p->server->peers;
    if (p->next != NULL) {
        p->next->link = &p->next;
    }
    p->server->peers = p;
    if (p->mount->connect == CONNECT_MC) {
        say_metadata(p);
    }
    if (p->id.len > 0) {
        log_event(&p->server->options.log, "connected", p->mc.identity.controller_id,
                  buf_all(&p->id));
    }
}

void peer_end(struct peer *p)
{
    p->ended = true;
    if (p->link == NULL) {
        return;
    }
    *p->link = p->next;
    if (p->next != NULL) {
        p->next->link = p->link;
    }
    p->link = NULL;
    if (p->id.len > 0) {
        log_event(&p->server->options.log, "left", p->mc.identity.controller_id, buf_all(&p->id));
    }
}

void peer_deinit(struct peer *p)
{
    peer_end(p);
    if (p->socket != NULL) {
        socket_free(p->socket);
    }
    buf_deinit(&p->info);
    buf_deinit(&p->id);
}

const char *peer_id(const struct peer *p)
{
    return p->id.data != NULL ? p->id.data : "";
}

long peer_controller(const struct peer *p)
{
    return p->mc.identity.controller_id;
}

bool peer_deliver(struct peer *p, const struct broadcast *what, const struct channel *except)
{
    return !p->ended && socket_deliver(p->socket, what, except);
}

bool peer_is_v1_subscriber(const struct peer *p, struct slice topic)
{
    return !p->ended && socket_vsn(p->socket) == VSN_1 && socket_is_joined(p->socket, topic);
}

bool peer_crash(struct peer *p, struct slice topic)
{
    return !p->ended && socket_crash(p->socket, topic);
}

size_t peer_channels(const struct peer *p)
{
    return p->ended ? 0 : socket_channels(p->socket);
}

/* The path it came by: the mount's names the WebSocket. */
static void write_path(const struct peer *p, struct buf *out)
{
    static const char LAST_PART[] = "websocket";
    size_t n = strlen(p->mount->path), last = sizeof LAST_PART - 1;
    bool named = n > last && strcmp(p->mount->path + n - last, LAST_PART) == 0;
    buf_printf(out, "%.*s%s", (int)(named ? n - last : n), p->mount->path,
               named ? p->ops->transport : "");
}

void peer_write(const struct peer *p, struct buf *out)
{
    buf_printf(out, "{\"controller_id\":%ld,\"id\":", p->mc.identity.controller_id);
    json_write_string(out, slice_of(peer_id(p)));
    buf_printf(out, ",\"number\":%llu,\"path\":\"", (unsigned long long)p->number);
    write_path(p, out);
    buf_str(out, "\",\"topics\":");
    socket_write_topics(p->socket, out);
    buf_printf(out, ",\"uploads\":%llu,\"vsn\":\"%s\"}", (unsigned long long)p->mc.uploads,
               socket_vsn(p->socket) == VSN_1 ? "1.0.0" : "2.0.0");
}
