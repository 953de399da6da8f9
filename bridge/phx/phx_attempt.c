/*
 * phx_attempt.c - gathers what an attempt needs, which may take a command some time, and hands it
 * to the transport. When there is one, and what comes of it, is phx_machine.c's business.
 */
#include "phx_attempt.h"

#include "phx_credentials.h"
#include "phx_net.h"
#include "phx_secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND_MS 10000

/* ---- options ---- */

static bool copy_text(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return !from || *to;
}

static bool copy_command(struct phx_socket *socket, const char *const *argv)
{
    size_t count = 0;

    while (argv && argv[count])
        count++;
    if (count == 0)
        return true;
    socket->command_argv = calloc(count + 1, sizeof *socket->command_argv);
    for (size_t i = 0; socket->command_argv && i < count; i++)
        if (!(socket->command_argv[i] = strdup(argv[i])))
            return false;
    return socket->command_argv != NULL;
}

bool phx_attempt_init(struct phx_socket *socket, const struct phx_socket_options *options)
{
    const struct phx_secret *secret = &options->secret;

    socket->via = options->via;
    socket->deflate = options->deflate;
    socket->fallback.after_ms = options->fallback_ms ? options->fallback_ms : 2500;
    socket->fallback.memory_ms = options->fallback_memory_ms ? options->fallback_memory_ms : 600000;
    socket->secret_use = secret->use;
    socket->command_ms = secret->timeout_ms ? secret->timeout_ms : COMMAND_MS;
    return copy_text(&socket->proxy, options->proxy) &&
           copy_text(&socket->secret_name, secret->name) &&
           copy_text(&socket->secret_file, secret->file) && copy_command(socket, secret->command);
}

void phx_attempt_deinit(struct phx_socket *socket)
{
    for (char **arg = socket->command_argv; arg && *arg; arg++)
        free(*arg);
    free(socket->command_argv);
    free(socket->secret_file);
    free(socket->secret_name);
    if (socket->proxy)
        explicit_bzero(socket->proxy, strlen(socket->proxy));
    free(socket->proxy);
}

static bool choose_proxy(struct phx_socket *socket, struct phx_proxy *proxy, char *error,
                         size_t cap)
{
    struct phx_proxy_variables variables = phx_proxy_environment();

    return phx_proxy_for(socket->proxy, &variables, &socket->url, proxy, error, cap) == PHX_OK;
}

static bool fail(struct phx_socket *socket, const char *text)
{
    snprintf(socket->error, sizeof socket->error, "%s", text);
    return false;
}

bool phx_attempt_check(struct phx_socket *socket)
{
    char target[PHX_TARGET_MAX + 1];
    char full[PHX_TARGET_MAX + 1];
    struct phx_proxy proxy;

    snprintf(full, sizeof full, "%.*s", (int)socket->url.target.len, socket->url.target.at);
    if ((unsigned)socket->via >= PHX_TRANSPORTS)
        return fail(socket, "via: expected PHX_WEBSOCKET, PHX_LONGPOLL or PHX_AUTO");
    if (socket->via != PHX_WEBSOCKET && !phx_url_poll_target(full, target, sizeof target))
        return fail(socket, "url: expected a path that ends in /websocket, for long polling");
    if (socket->secret_use != PHX_SECRET_NONE && !socket->secret_file == !socket->command_argv)
        return fail(socket, "secret: expected a file or a command");
    if ((socket->secret_use == PHX_SECRET_HEADER || socket->secret_use == PHX_SECRET_PARAM) &&
        !socket->secret_name)
        return fail(socket, "secret: expected the name of the header or parameter");
    return choose_proxy(socket, &proxy, socket->error, sizeof socket->error);
}

/* ---- credentials ---- */

static bool add_secret(struct phx_socket *socket, struct phx_credentials *credentials,
                       const char *secret)
{
    switch (socket->secret_use) {
    case PHX_SECRET_AUTH_TOKEN:
        return phx_set_auth_token(credentials, secret) == PHX_OK;
    case PHX_SECRET_HEADER:
        return phx_add_header(credentials, socket->secret_name, secret) == PHX_OK;
    case PHX_SECRET_PARAM:
        return phx_add_param(credentials, socket->secret_name, secret) == PHX_OK;
    case PHX_SECRET_NONE:
        break;
    }
    return true;
}

/* vsn comes last: of two the server takes the last. */
static bool gather(struct phx_socket *socket, struct phx_credentials *credentials,
                   const char *secret)
{
    phx_credentials_init(credentials, socket->url.target);
    phx_add_header(credentials, "User-Agent", socket->agent);
    if (!add_secret(socket, credentials, secret))
        return false;
    if (socket->credentials && !socket->credentials(socket->credentials_user, credentials))
        return false;
    return !socket->dead &&
           phx_add_param(credentials, "vsn", socket->vsn == PHX_V1 ? "1.0.0" : "2.0.0") == PHX_OK;
}

static void no_credentials(struct phx_end *end, const char *why)
{
    *end = (struct phx_end){.cause = PHX_CAUSE_CREDENTIAL};
    snprintf(end->text, sizeof end->text, "%s", why);
}

/* ---- the connection ---- */

static bool connect_with(struct phx_socket *socket, struct phx_credentials *credentials,
                         const char *secret, struct phx_end *end)
{
    struct phx_transport *transport = socket->context->transports[socket->via];
    struct phx_request request = {
        .url = &socket->url,
        .target = credentials->target,
        .headers = credentials->headers,
        .vsn = socket->vsn,
        .tls = {socket->ca, socket->cert, socket->key},
        .deflate = socket->deflate,
        .fallback = &socket->fallback,
        .max_message = socket->max_message,
        .attempt = socket->attempts++,
    };

    if (!gather(socket, credentials, secret)) {
        no_credentials(end, "no usable credentials");
        return false;
    }
    if (!choose_proxy(socket, &request.proxy, end->text, sizeof end->text))
        return false;
    request.auth_token = credentials->auth_token[0] ? credentials->auth_token : NULL;
    socket->conn =
        transport->ops->connect(transport, &request, &phx_socket_conn_events, socket, end);
    explicit_bzero(&request.proxy, sizeof request.proxy);
    return socket->conn != NULL;
}

static bool connect_now(struct phx_socket *socket, const char *secret, struct phx_end *end)
{
    struct phx_credentials *credentials = malloc(sizeof *credentials);
    bool good;

    *end = (struct phx_end){.cause = PHX_CAUSE_CONNECT};
    snprintf(end->text, sizeof end->text, "out of memory");
    if (!credentials)
        return false;
    good = connect_with(socket, credentials, secret, end);
    explicit_bzero(credentials, sizeof *credentials);
    free(credentials);
    return good;
}

static void on_command(void *user, const char *secret, const char *error)
{
    struct phx_socket *socket = user;
    struct phx_end end;
    char text[160];
    bool good = false;

    phx_socket_enter(socket);
    socket->command = NULL;
    if (secret) {
        phx_socket_conn_events.progress(socket);
        good = connect_now(socket, secret, &end);
    } else {
        snprintf(text, sizeof text, "secret command %.60s: %s", socket->command_argv[0], error);
        no_credentials(&end, text);
    }
    if (!good && !socket->dead)
        phx_socket_conn_events.closed(socket, &end);
    phx_socket_leave(socket);
}

static bool start_command(struct phx_socket *socket, struct phx_end *end)
{
    char text[160];

    socket->command =
        phx_command_start(socket->context->loop, (const char *const *)socket->command_argv,
                          socket->command_ms, on_command, socket, text, sizeof text);
    if (!socket->command)
        no_credentials(end, text);
    return socket->command != NULL;
}

bool phx_attempt_open(struct phx_socket *socket, struct phx_end *end)
{
    char secret[PHX_SECRET_MAX + 1] = "", text[160];
    bool good;

    if (socket->secret_use != PHX_SECRET_NONE && socket->command_argv)
        return start_command(socket, end);
    if (socket->secret_use != PHX_SECRET_NONE &&
        !phx_secret_read(socket->secret_file, secret, text, sizeof text)) {
        no_credentials(end, text);
        return false;
    }
    good = connect_now(socket, secret, end);
    explicit_bzero(secret, sizeof secret);
    return good;
}

void phx_attempt_drop(struct phx_socket *socket)
{
    struct phx_net *net = socket->context->net;

    if (socket->command) {
        phx_net_hold(net);
        phx_command_cancel(socket->command, phx_net_release, net);
        socket->command = NULL;
    }
    if (socket->conn)
        socket->conn->ops->drop(socket->conn);
    socket->conn = NULL;
}
