/* The listener and what concerns all connections at once: broadcasts, kicks, the graceful stop. */
#include "server.h"

#include "longpoll.h"
#include "peer.h"
#include "session.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void on_connection(uv_stream_t *listener, int status)
{
    if (status == 0) {
        session_accept(listener->data);
    }
}

static int parse_address(const char *text, int port, struct sockaddr_storage *out)
{
    if (uv_ip4_addr(text, port, (struct sockaddr_in *)out) == 0) {
        return 0;
    }
    return uv_ip6_addr(text, port, (struct sockaddr_in6 *)out);
}

static int listen_on(struct server *server, char *error, size_t error_size)
{
    struct sockaddr_storage address = {0};
    const char *text = server->options.listen;
    int port = server->options.port;
    if (parse_address(text, port, &address) != 0) {
        snprintf(error, error_size, "--listen %s: expected a numeric address such as 127.0.0.1",
                 text);
        return -1;
    }
    uv_tcp_init(server->loop, &server->listener);
    server->listener.data = server;
    int rc = uv_tcp_bind(&server->listener, (struct sockaddr *)&address, 0);
    if (rc == 0) {
        rc = uv_listen((uv_stream_t *)&server->listener, SOMAXCONN, on_connection);
    }
    if (rc != 0) {
        snprintf(error, error_size, "cannot listen on %s port %d: %s", text, port, uv_strerror(rc));
        uv_close((uv_handle_t *)&server->listener, NULL);
        return -1;
    }
    return 0;
}

static int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void deliver(void *ctx, const struct nerves_device *device, const struct broadcast *what)
{
    struct server *server = ctx;
    for (struct peer *p = server->peers, *next; p != NULL; p = next) {
        next = p->next;
        if (device == NULL || p->nerves.device == device) {
            peer_deliver(p, what, NULL);
        }
    }
}

int server_start(struct server *server, char *error, size_t error_size)
{
    server->mc = (struct mc_app){&server->readings, &server->faults, &server->presence,
                                 &server->options.log};
    server->nerves.log = &server->options.log;
    server->nerves.clock_ms = clock_ms;
    server->nerves.deliver = deliver;
    server->nerves.deliver_ctx = server;
    server->nerves.tls = server->options.tls;
    if (server->options.tls) {
        server->tls = tls_open(&server->options.tls_options, error, error_size);
        if (server->tls == NULL) {
            return -1;
        }
    }
    return listen_on(server, error, error_size);
}

int server_port(const struct server *server)
{
    struct sockaddr_storage address = {0};
    int length = sizeof address;
    uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &length);
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

void server_stop(struct server *server)
{
    if (server->stopping) {
        return;
    }
    server->stopping = true;
    uv_close((uv_handle_t *)&server->listener, NULL);
    for (struct peer *p = server->peers, *next; p != NULL; p = next) {
        next = p->next;
        p->ops->close(p, peer_channels(p) > 0 ? 1012 : 1000);
    }
    for (struct session *s = server->sessions; s != NULL; s = session_next(s)) {
        if (!session_is_open(s)) {
            session_cut(s);
        }
    }
}

void server_deinit(struct server *server)
{
    readings_reset(&server->readings);
    mc_keys_deinit(&server->keys);
    nerves_deinit(&server->nerves);
    SSL_CTX_free(server->tls);
}

size_t server_broadcast(struct server *server, const struct broadcast *what,
                        const struct channel *except)
{
    size_t reached = 0;
    for (struct peer *p = server->peers, *next; p != NULL; p = next) {
        next = p->next;
        reached += peer_deliver(p, what, except);
    }
    return reached;
}

int server_kick_code(const struct server *server)
{
    switch (server->options.like) {
    case LIKE_17_COWBOY:
        return 1000;
    case LIKE_185_BANDIT:
        return 1011;
    case LIKE_18_BANDIT:
        break;
    }
    return 1001;
}

size_t server_kick(struct server *server, const char *id)
{
    size_t kicked = 0;
    int code = server_kick_code(server);
    for (struct peer *p = server->peers, *next; p != NULL; p = next) {
        next = p->next;
        if (!p->ended && strcmp(peer_id(p), id) == 0) {
            p->ops->close(p, code);
            kicked++;
        }
    }
    return kicked;
}
