/*
 * Listening and answering. What a page says is watch_metrics.c's and watch_status.c's, what a
 * request is watch_http.c's.
 *
 * A client reads its page from a buffer of its own, made in one turn of the loop, so that a slow
 * one holds up nobody; when it has not read it in time it is closed.
 */
#include "watch_server.h"

#include "base/log.h"
#include "config/config_listen.h"
#include "watch_http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define WHO         "metrics"
#define BACKLOG     8
#define SOCKET_MODE 0660

union stream {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

struct client {
    struct watch_server *server;
    union stream stream;
    uv_timer_t timer;
    uv_write_t write;
    unsigned open; /* handles */
    bool closing;
    size_t n;
    char head[WATCH_HTTP_HEAD_MAX + 4];
    struct watch_text page;
    char answer[192];
};

struct watch_server {
    struct loop *loop;
    struct config_listen at;
    bool (*picture)(void *user, struct watch *watch);
    void *user;
    union stream stream;
    bool closing, closed;
    struct client *clients[WATCH_CLIENTS_MAX];
    size_t page_bytes; /* of the largest page so far: the next one is made in one piece */
};

/* -- The end of a client. */

static void free_when_done(struct watch_server *server)
{
    if (!server->closed)
        return;
    for (size_t i = 0; i < WATCH_CLIENTS_MAX; i++)
        if (server->clients[i] != NULL)
            return;
    free(server);
}

static void on_client_closed(uv_handle_t *handle)
{
    struct client *client = handle->data;
    if (--client->open > 0)
        return;
    struct watch_server *server = client->server;
    for (size_t i = 0; i < WATCH_CLIENTS_MAX; i++)
        if (server->clients[i] == client)
            server->clients[i] = NULL;
    watch_text_free(&client->page);
    free(client);
    free_when_done(server);
}

static void close_client(struct client *client)
{
    if (client->closing)
        return;
    client->closing = true;
    uv_close(&client->stream.handle, on_client_closed);
    uv_close((uv_handle_t *)&client->timer, on_client_closed);
}

static void on_too_slow(uv_timer_t *timer)
{
    close_client(timer->data);
}

/* -- An answer. */

static void on_written(uv_write_t *write, int status)
{
    (void)status;
    close_client(write->data);
}

static void answer(struct client *client, const char *status, const char *type, bool head_only)
{
    int n = snprintf(client->answer, sizeof client->answer,
                     "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                     "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
                     status, type, client->page.n);
    uv_buf_t parts[2] = {uv_buf_init(client->answer, (unsigned)n),
                         uv_buf_init(client->page.at, (unsigned)client->page.n)};
    uv_read_stop(&client->stream.stream);
    client->write.data = client;
    unsigned count = head_only || client->page.n == 0 ? 1 : 2;
    if (uv_write(&client->write, &client->stream.stream, parts, count, on_written) != 0)
        close_client(client);
}

static void refuse(struct client *client, const char *status, const char *why)
{
    watch_put(&client->page, why);
    answer(client, status, "text/plain; charset=utf-8", false);
}

#define PAGES "this serves /metrics, /healthz and /status\n"

static void serve(struct client *client, const struct watch_http_request *request)
{
    struct watch_server *server = client->server;
    struct watch watch = {.lanes = NULL};
    const char *status = "200 OK", *type = "text/plain; charset=utf-8";
    client->page.at = malloc(server->page_bytes);
    client->page.cap = client->page.at != NULL ? server->page_bytes : 0;
    if (!server->picture(server->user, &watch)) {
        client->page.failed = true;
    } else if (strcmp(request->path, "/metrics") == 0) {
        type = "text/plain; version=0.0.4; charset=utf-8";
        watch_metrics(&client->page, &watch);
    } else if (strcmp(request->path, "/status") == 0) {
        type = "application/json";
        watch_status(&client->page, &watch);
    } else if (strcmp(request->path, "/healthz") == 0) {
        if (watch_health(&client->page, &watch))
            watch_put(&client->page, "ok\n");
        else
            status = "503 Service Unavailable";
    } else {
        status = "404 Not Found";
        watch_put(&client->page, PAGES);
    }
    if (client->page.n > server->page_bytes)
        server->page_bytes = client->page.n + client->page.n / 8;
    if (client->page.failed)
        close_client(client);
    else
        answer(client, status, type, request->head_only);
}

static void on_head(struct client *client)
{
    struct watch_http_request request;
    switch (watch_http_parse(client->head, client->n, &request)) {
    case WATCH_HTTP_MORE:
        break;
    case WATCH_HTTP_GET:
        serve(client, &request);
        break;
    case WATCH_HTTP_METHOD:
        refuse(client, "405 Method Not Allowed",
               "only GET and HEAD: nothing can be changed here\n");
        break;
    case WATCH_HTTP_BAD:
        refuse(client, "400 Bad Request", "this is no HTTP request that can be served\n");
        break;
    case WATCH_HTTP_FOREIGN:
        refuse(client, "403 Forbidden", "not for the scripts of a web page\n");
        break;
    }
}

/* -- Listening. */

static void give_room(uv_handle_t *handle, size_t wanted, uv_buf_t *room)
{
    struct client *client = handle->data;
    (void)wanted;
    *room = uv_buf_init(client->head + client->n, (unsigned)(sizeof client->head - client->n));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
    struct client *client = stream->data;
    (void)bytes;
    if (n < 0) {
        close_client(client);
        return;
    }
    client->n += (size_t)n;
    on_head(client);
}

static void init_stream(struct watch_server *server, union stream *stream)
{
    if (server->at.is_unix)
        uv_pipe_init(&server->loop->uv, &stream->pipe, 0);
    else
        uv_tcp_init(&server->loop->uv, &stream->tcp);
}

static struct client **free_place(struct watch_server *server)
{
    for (size_t i = 0; i < WATCH_CLIENTS_MAX; i++)
        if (server->clients[i] == NULL)
            return &server->clients[i];
    return NULL;
}

static void on_refused_closed(uv_handle_t *handle)
{
    free(handle);
}

/* libuv reports a connection again and again until it is accepted. */
static void turn_away(struct watch_server *server)
{
    union stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return;
    init_stream(server, stream);
    uv_accept(&server->stream.stream, &stream->stream);
    uv_close(&stream->handle, on_refused_closed);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct watch_server *server = listener->data;
    if (status != 0 || server->closing)
        return;
    struct client **place = free_place(server);
    struct client *client = place != NULL ? calloc(1, sizeof *client) : NULL;
    if (client == NULL) {
        turn_away(server);
        return;
    }
    *place = client;
    client->server = server;
    client->open = 2;
    init_stream(server, &client->stream);
    uv_timer_init(&server->loop->uv, &client->timer);
    client->stream.handle.data = client->timer.data = client;
    uv_timer_start(&client->timer, on_too_slow, WATCH_CLIENT_MS, 0);
    if (uv_accept(listener, &client->stream.stream) != 0 ||
        uv_read_start(&client->stream.stream, give_room, on_read) != 0)
        close_client(client);
}

/* Whether somebody listens on the socket of that path. */
static bool is_served(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    memcpy(address.sun_path, path, strlen(path) + 1);
    int error = fd < 0 ? 0 : connect(fd, (struct sockaddr *)&address, sizeof address);
    bool served = fd >= 0 && (error == 0 || errno == EAGAIN);
    if (fd >= 0)
        close(fd);
    return served;
}

/* A socket that a killed process left behind is in the way. */
static int bind_unix(struct watch_server *server)
{
    const char *path = server->at.path;
    struct stat status;
    if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode) && !is_served(path))
        unlink(path);
    int error = uv_pipe_bind(&server->stream.pipe, path);
    if (error == 0)
        chmod(path, SOCKET_MODE);
    return error;
}

static int bind_tcp(struct watch_server *server)
{
    struct sockaddr_storage address = {0};
    int error = server->at.is_ipv6
                    ? uv_ip6_addr(server->at.host, server->at.port, (struct sockaddr_in6 *)&address)
                    : uv_ip4_addr(server->at.host, server->at.port, (struct sockaddr_in *)&address);
    if (error != 0)
        return error;
    return uv_tcp_bind(&server->stream.tcp, (struct sockaddr *)&address, 0);
}

static void on_server_closed(uv_handle_t *handle)
{
    struct watch_server *server = handle->data;
    server->closed = true;
    free_when_done(server);
}

struct watch_server *watch_server_open(struct loop *loop, const char *listen,
                                       bool (*picture)(void *user, struct watch *watch), void *user)
{
    struct watch_server *server = calloc(1, sizeof *server);
    if (server == NULL || config_listen(listen, &server->at) != 0) {
        free(server);
        return NULL;
    }
    server->loop = loop;
    server->picture = picture;
    server->user = user;
    server->page_bytes = 16384;
    init_stream(server, &server->stream);
    server->stream.handle.data = server;
    int error = server->at.is_unix ? bind_unix(server) : bind_tcp(server);
    if (error == 0)
        error = uv_listen(&server->stream.stream, BACKLOG, on_connection);
    if (error != 0) {
        log_error(WHO, "cannot listen on %s: %s%s", listen, uv_strerror(error),
                  error == UV_EADDRINUSE ? "; does another mcu-bridge run?" : "");
        server->closing = true;
        uv_close(&server->stream.handle, on_server_closed);
        return NULL;
    }
    log_info(WHO, "/metrics, /healthz and /status on %s", listen);
    return server;
}

void watch_server_close(struct watch_server *server)
{
    server->closing = true;
    uv_close(&server->stream.handle, on_server_closed); /* a UNIX socket's path goes with it */
    for (size_t i = 0; i < WATCH_CLIENTS_MAX; i++)
        if (server->clients[i] != NULL)
            close_client(server->clients[i]);
}
