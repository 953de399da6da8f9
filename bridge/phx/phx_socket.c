/*
 * phx_socket.c - sockets: their options, and the wiring of each one's machine to the timer and log
 * of its context and to its attempts, which phx_attempt.c makes. What a socket does is decided in
 * phx_machine.c.
 */
#include "phx_socket.h"

#include "phx_attempt.h"
#include "phx_gate.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#ifndef MCU_VERSION
#define MCU_VERSION "0"
#endif

/* ---- machine to transport ---- */

static bool io_open(void *user, struct phx_end *end)
{
    return phx_attempt_open(user, end);
}

/* What is queued may leave at once, and so not before the machine is done with its input. */
static void io_want_write(void *user)
{
    struct phx_socket *socket = user;

    socket->wants = true;
}

static void io_close(void *user, int code)
{
    struct phx_socket *socket = user;

    if (socket->conn)
        socket->conn->ops->shut(socket->conn, code);
}

static void io_drop(void *user)
{
    phx_attempt_drop(user);
}

static void io_log(void *user, int level, const char *text)
{
    struct phx_socket *socket = user;

    phx_context_log(socket->context, level, text);
}

static uint64_t io_turn(void *user, uint64_t now)
{
    struct phx_socket *socket = user;

    return phx_pace_turn(&socket->context->pace, now);
}

/* Out of memory is no reason to wait. */
static bool io_enter(void *user)
{
    struct phx_socket *socket = user;
    struct phx_context *context = socket->context;

    socket->gate = phx_gate_of(&context->gates, &socket->url, context->options.attempts_under_way);
    if (!socket->gate || phx_gate_enter(socket->gate))
        return true;
    socket->gate = NULL;
    return false;
}

static void io_leave(void *user)
{
    struct phx_socket *socket = user;

    if (socket->gate)
        phx_gate_leave(socket->gate);
    socket->gate = NULL;
}

/* ---- transport to machine ---- */

static void conn_progress(void *user)
{
    struct phx_socket *socket = user;
    uint64_t now = phx_socket_enter(socket);

    phx_machine_progress(socket->machine, now);
    phx_socket_leave(socket);
}

static void conn_opened(void *user)
{
    struct phx_socket *socket = user;
    uint64_t now = phx_socket_enter(socket);

    phx_machine_opened(socket->machine, now);
    phx_socket_leave(socket);
}

static void conn_frame(void *user, bool binary, char *bytes, size_t len)
{
    struct phx_socket *socket = user;
    uint64_t now = phx_socket_enter(socket);

    if (binary)
        phx_machine_binary(socket->machine, bytes, len, now);
    else
        phx_machine_text(socket->machine, bytes, len, now);
    phx_socket_leave(socket);
}

static struct phx_send *conn_next(void *user)
{
    struct phx_socket *socket = user;
    uint64_t now = phx_socket_enter(socket);
    struct phx_send *send = phx_machine_next(socket->machine, now);

    phx_socket_leave(socket);
    return send;
}

static void conn_closed(void *user, const struct phx_end *end)
{
    struct phx_socket *socket = user;
    uint64_t now = phx_socket_enter(socket);

    socket->conn = NULL;
    phx_machine_closed(socket->machine, end, now);
    phx_socket_leave(socket);
}

const struct phx_conn_events phx_socket_conn_events = {
    .progress = conn_progress,
    .opened = conn_opened,
    .frame = conn_frame,
    .next = conn_next,
    .closed = conn_closed,
};

/* ---- sockets ---- */

void phx_socket_destroy(struct phx_socket *socket)
{
    struct phx_context *context = socket->context;

    if (socket->prev)
        socket->prev->next = socket->next;
    else
        context->sockets = socket->next;
    if (socket->next)
        socket->next->prev = socket->prev;
    phx_machine_free(socket->machine);
    phx_attempt_deinit(socket);
    free(socket->url_text);
    free(socket->ca);
    free(socket->cert);
    free(socket->key);
    free(socket->agent);
    free(socket);
}

static uint64_t seed(void)
{
    uint64_t value = 0;

    if (getrandom(&value, sizeof value, GRND_NONBLOCK) != sizeof value)
        value = uv_hrtime();
    return value;
}

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
    return value ? value : fallback;
}

static struct phx_machine *make_machine(struct phx_socket *socket,
                                        const struct phx_socket_options *options,
                                        const struct phx_socket_events *events)
{
    struct phx_machine_settings settings = {
        .vsn = options->vsn,
        .heartbeat_ms = or_default(options->heartbeat_ms, 30000),
        .heartbeat_timeout_ms = or_default(options->heartbeat_timeout_ms, 10000),
        .connect_timeout_ms = or_default(options->connect_timeout_ms, 10000),
        .backoff_min_ms = or_default(options->backoff_min_ms, 1000),
        .backoff_max_ms = or_default(options->backoff_max_ms, 60000),
        .stable_ms = or_default(options->stable_ms, 60000),
        .max_queue = options->max_queue ? options->max_queue : (size_t)1 << 20,
        .seed = seed(),
    };
    struct phx_machine_io io = {
        .user = socket,
        .open = io_open,
        .want_write = io_want_write,
        .close = io_close,
        .drop = io_drop,
        .log = io_log,
        .turn = io_turn,
        .enter = io_enter,
        .leave = io_leave,
    };

    return phx_machine_new(&settings, &io, events);
}

static bool copy_text(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return !from || *to;
}

static bool fill(struct phx_socket *socket, const struct phx_socket_options *options,
                 const struct phx_socket_events *events)
{
    socket->vsn = options->vsn;
    socket->max_message = options->max_message ? options->max_message : (size_t)1 << 20;
    if (events) {
        socket->credentials = events->credentials;
        socket->credentials_user = events->user;
    }
    socket->machine = make_machine(socket, options, events);
    return socket->machine && phx_attempt_init(socket, options) &&
           copy_text(&socket->url_text, options->url ? options->url : "") &&
           copy_text(&socket->ca, options->ca_file) &&
           copy_text(&socket->cert, options->cert_file) &&
           copy_text(&socket->key, options->key_file) &&
           copy_text(&socket->agent,
                     options->user_agent ? options->user_agent : "libphx/" MCU_VERSION);
}

struct phx_socket *phx_socket_new(struct phx_context *context,
                                  const struct phx_socket_options *options,
                                  const struct phx_socket_events *events)
{
    struct phx_socket *socket = calloc(1, sizeof *socket);

    if (!socket)
        return NULL;
    socket->context = context;
    socket->next = context->sockets;
    if (context->sockets)
        context->sockets->prev = socket;
    context->sockets = socket;
    if (fill(socket, options, events))
        return socket;
    phx_socket_destroy(socket);
    return NULL;
}

static bool check_tls(struct phx_socket *socket, const struct phx_tls_files *files)
{
    SSL_CTX *tls;

    if (!files->cert != !files->key) {
        snprintf(socket->error, sizeof socket->error,
                 "a client certificate and its key are given both or not at all");
        return false;
    }
    if (!files->ca && !files->cert)
        return true;
    tls = phx_tls_open(files, NULL, socket->error, sizeof socket->error);
    SSL_CTX_free(tls);
    return tls != NULL;
}

int phx_socket_connect(struct phx_socket *socket)
{
    struct phx_tls_files files = {socket->ca, socket->cert, socket->key};
    uint64_t now;

    if (phx_url_parse(socket->url_text, &socket->url, socket->error, sizeof socket->error))
        return PHX_ERR_BAD_OPTION;
    if (!check_tls(socket, socket->url.tls ? &files : &(struct phx_tls_files){.ca = NULL}))
        return PHX_ERR_BAD_OPTION;
    if (!phx_attempt_check(socket))
        return PHX_ERR_BAD_OPTION;
    now = phx_socket_enter(socket);
    phx_machine_connect(socket->machine, now);
    phx_socket_leave(socket);
    return PHX_OK;
}

void phx_socket_hurry(struct phx_socket *socket)
{
    uint64_t now = phx_socket_enter(socket);

    phx_machine_hurry(socket->machine, now);
    phx_socket_leave(socket);
}

static void replace(char **to, char *by)
{
    free(*to);
    *to = by;
}

int phx_socket_set_url(struct phx_socket *socket, const char *url)
{
    struct phx_url parsed;
    char *copy = strdup(url);

    if (!copy)
        return PHX_ERR_MEMORY;
    if (phx_url_parse(copy, &parsed, socket->error, sizeof socket->error)) {
        free(copy);
        return PHX_ERR_BAD_OPTION;
    }
    replace(&socket->url_text, copy);
    socket->url = parsed;
    return PHX_OK;
}

int phx_socket_set_tls(struct phx_socket *socket, const char *ca_file, const char *cert_file,
                       const char *key_file)
{
    struct phx_tls_files files = {ca_file, cert_file, key_file};
    char *ca = NULL, *cert = NULL, *key = NULL;

    if (!check_tls(socket, &files))
        return PHX_ERR_BAD_OPTION;
    if (!copy_text(&ca, ca_file) || !copy_text(&cert, cert_file) || !copy_text(&key, key_file)) {
        free(ca);
        free(cert);
        free(key);
        return PHX_ERR_MEMORY;
    }
    replace(&socket->ca, ca);
    replace(&socket->cert, cert);
    replace(&socket->key, key);
    return PHX_OK;
}

void phx_socket_disconnect(struct phx_socket *socket, uint32_t linger_ms)
{
    uint64_t now = phx_socket_enter(socket);

    phx_machine_disconnect(socket->machine, linger_ms, now);
    phx_socket_leave(socket);
}

void phx_socket_free(struct phx_socket *socket)
{
    if (!socket || socket->dead)
        return;
    socket->dead = true;
    socket->credentials = NULL;
    phx_machine_mute(socket->machine);
    io_drop(socket);
    if (socket->depth == 0)
        phx_socket_destroy(socket);
}

bool phx_socket_is_connected(const struct phx_socket *socket)
{
    return phx_machine_is_connected(socket->machine);
}

void phx_socket_probe(struct phx_socket *socket)
{
    uint64_t now = phx_socket_enter(socket);

    phx_machine_probe(socket->machine, now);
    phx_socket_leave(socket);
}

bool phx_socket_is_doubtful(const struct phx_socket *socket)
{
    return phx_machine_is_doubtful(socket->machine, phx_context_now(socket->context));
}

const char *phx_socket_error(const struct phx_socket *socket)
{
    return socket->error;
}
