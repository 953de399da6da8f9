/*
 * phx_probe.c - a client on libphx for tests: joins one topic and prints every event as a JSON
 * line. Standard input takes orders, one a line:
 *
 *   push EVENT PAYLOAD      pushb EVENT BYTES      leave      join      disconnect      connect
 *   url URL      ca FILE      payload JSON      hurry      free      quit
 *
 * `--inside EVENT=ORDER` obeys an order once from inside that event instead.
 */
#include "json_out.h"
#include "orders.h"
#include "phx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define HEADERS_MAX 8

/* A push's token is the address of its number's place here. */
#define TOKENS 4096
static char tokens[TOKENS];

struct probe {
    uv_loop_t *loop;
    uv_timer_t watch;
    struct phx_context *context;
    struct phx_socket *socket;
    struct phx_channel *channel;
    struct phx_socket_options options;
    struct phx_channel_options channel_options;
    const char *header_names[HEADERS_MAX], *header_values[HEADERS_MAX];
    int headers;
    const char *secret_argv[9], *token;
    const char *retry; /* "never", or in so many milliseconds */
    bool join_on_metadata, doubtful, freed;
    const char *inside_event, *inside_order;
    unsigned pushes;
};

static void put_name(struct phx_text event)
{
    printf(",\"name\":");
    json_put_text(event.at, event.len);
}

static void log_line(void *user, int level, const char *text)
{
    (void)user;
    json_begin("log");
    json_number("level", level);
    json_text("text", text);
    json_end();
}

static void obey(struct probe *probe, const char *line);

static void inside(struct probe *probe, const char *event)
{
    if (!probe->inside_event || strcmp(probe->inside_event, event) != 0)
        return;
    probe->inside_event = NULL;
    obey(probe, probe->inside_order);
}

static bool credentials(void *user, struct phx_credentials *to)
{
    struct probe *probe = user;

    for (int i = 0; i < probe->headers; i++)
        if (phx_add_header(to, probe->header_names[i], probe->header_values[i]))
            return false;
    if (probe->token && phx_set_auth_token(to, probe->token))
        return false;
    inside(probe, "credentials");
    return true;
}

static void connected(void *user)
{
    json_begin("connected");
    json_end();
    inside(user, "connected");
}

static void disconnected(void *user, const struct phx_disconnect *why)
{
    json_begin("disconnected");
    json_number("cause", why->cause);
    json_number("http", why->http_status);
    json_number("code", why->close_code);
    json_bool("was_connected", why->was_connected);
    json_bool("retry", why->retry);
    json_number("retry_ms", why->retry_ms);
    json_text("text", why->text);
    json_end();
    inside(user, "disconnected");
}

static bool retry(void *user, const struct phx_disconnect *why, uint32_t *wait_ms)
{
    struct probe *probe = user;

    (void)why;
    if (!probe->retry)
        return true;
    if (strcmp(probe->retry, "never") == 0)
        return false;
    *wait_ms = (uint32_t)strtoul(probe->retry, NULL, 10);
    return true;
}

static void joined(void *user, struct phx_text response)
{
    json_begin("joined");
    json_value("response", response.at, response.len);
    json_end();
    inside(user, "joined");
}

static void refused(void *user, struct phx_text response, uint32_t retry_ms)
{
    json_begin("refused");
    json_number("retry_ms", retry_ms);
    json_value("response", response.at, response.len);
    json_end();
    inside(user, "refused");
}

static void ended(void *user, bool crashed, uint32_t retry_ms)
{
    json_begin("ended");
    json_bool("crashed", crashed);
    json_number("retry_ms", retry_ms);
    json_end();
    inside(user, "ended");
}

static void channel_message(void *user, struct phx_text event, struct phx_text payload)
{
    json_begin("message");
    put_name(event);
    json_value("payload", payload.at, payload.len);
    json_end();
    inside(user, "message");
}

static void channel_binary(void *user, struct phx_text event, struct phx_text bytes)
{
    json_begin("binary");
    put_name(event);
    json_hex("hex", bytes.at, bytes.len);
    json_end();
    inside(user, "binary");
}

static void push_end(void *user, void *token, const struct phx_push_result *result)
{
    const struct phx_text *response = &result->response;
    json_begin("push_end");
    json_number("push", (char *)token - tokens);
    json_number("end", result->end);
    if (result->end == PHX_PUSH_REPLY) {
        json_bool("ok", result->ok);
        if (result->binary)
            json_bytes("response", response->at, response->len);
        else
            json_value("response", response->at, response->len);
    }
    json_end();
    inside(user, "push_end");
}

static void done(const char *event, int error)
{
    json_begin(event);
    json_number("error", error);
    json_end();
}

static void join(struct probe *probe)
{
    struct phx_channel_events events = {
        .user = probe,
        .joined = joined,
        .refused = refused,
        .ended = ended,
        .message = channel_message,
        .binary = channel_binary,
        .push_end = push_end,
    };
    int error = phx_join(probe->socket, &probe->channel_options, &events, &probe->channel);

    if (error)
        done("join_error", error);
}

static void socket_message(void *user, const struct phx_message *message)
{
    struct probe *probe = user;

    json_begin("stray");
    printf(",\"topic\":");
    json_put_text(message->topic.at, message->topic.len);
    put_name(message->event);
    json_value("payload", message->payload.at, message->payload.len);
    json_end();
    if (probe->join_on_metadata && !probe->channel)
        join(probe);
}

static void heartbeat(void *user)
{
    json_begin("heartbeat");
    json_end();
    inside(user, "heartbeat");
}

static void context_closed(void *user)
{
    struct probe *probe = user;

    uv_close((uv_handle_t *)&probe->watch, NULL);
}

static void push(struct probe *probe, const char *rest, bool binary)
{
    struct phx_text bytes;
    void *token;
    const char *payload = strchr(rest, ' ');
    char event[64];
    int error;

    if (!payload || !probe->channel)
        return;
    snprintf(event, sizeof event, "%.*s", (int)(payload++ - rest), rest);
    bytes = (struct phx_text){payload, strlen(payload)};
    token = &tokens[++probe->pushes % TOKENS];
    error = binary ? phx_push_binary(probe->channel, event, bytes, 0, token)
                   : phx_push(probe->channel, event, bytes, 0, token);
    json_begin("pushed");
    json_number("push", probe->pushes);
    json_number("error", error);
    json_end();
}

static void quit(struct probe *probe)
{
    if (probe->context)
        phx_context_close(probe->context, context_closed, probe);
    probe->context = NULL;
    orders_close();
}

static void obey(struct probe *probe, const char *line)
{
    if (probe->freed && strcmp(line, "quit") != 0)
        return;
    if (strncmp(line, "push ", 5) == 0) {
        push(probe, line + 5, false);
    } else if (strncmp(line, "pushb ", 6) == 0) {
        push(probe, line + 6, true);
    } else if (strncmp(line, "url ", 4) == 0) {
        done("url", phx_socket_set_url(probe->socket, line + 4));
    } else if (strncmp(line, "ca ", 3) == 0) {
        done("ca", phx_socket_set_tls(probe->socket, line + 3, NULL, NULL));
    } else if (strncmp(line, "payload ", 8) == 0 && probe->channel) {
        done("payload", phx_channel_set_payload(probe->channel, line + 8));
    } else if (strcmp(line, "hurry") == 0) {
        phx_socket_hurry(probe->socket);
    } else if (strcmp(line, "leave") == 0) {
        if (probe->channel)
            phx_leave(probe->channel);
        probe->channel = NULL;
    } else if (strcmp(line, "join") == 0) {
        join(probe);
    } else if (strcmp(line, "disconnect") == 0) {
        phx_socket_disconnect(probe->socket, 1000);
    } else if (strcmp(line, "connect") == 0) {
        phx_socket_connect(probe->socket);
    } else if (strcmp(line, "free") == 0) {
        phx_socket_free(probe->socket);
        probe->freed = true;
    } else if (strcmp(line, "quit") == 0) {
        quit(probe);
    }
}

static void on_order(void *user, char *line)
{
    if (line == NULL)
        quit(user);
    else
        obey(user, line);
}

static void on_watch(uv_timer_t *timer)
{
    struct probe *probe = timer->data;

    if (!probe->context || probe->freed || probe->doubtful == phx_socket_is_doubtful(probe->socket))
        return;
    probe->doubtful = !probe->doubtful;
    json_begin("doubtful");
    json_bool("is", probe->doubtful);
    json_end();
}

static enum phx_via via_of(const char *value)
{
    return strcmp(value, "auto") == 0       ? PHX_AUTO
           : strcmp(value, "longpoll") == 0 ? PHX_LONGPOLL
                                            : PHX_WEBSOCKET;
}

/* Words, by spaces. */
static void set_command(struct probe *probe, char *words)
{
    size_t count = sizeof probe->secret_argv / sizeof probe->secret_argv[0] - 1;

    for (size_t i = 0; i < count && words; i++)
        probe->secret_argv[i] = strsep(&words, " ");
    probe->options.secret.command = probe->secret_argv;
}

/* auth, header:NAME or param:NAME */
static void set_secret_use(struct phx_secret *secret, char *value)
{
    char *name = strchr(value, ':');

    secret->use = *value == 'h'   ? PHX_SECRET_HEADER
                  : *value == 'p' ? PHX_SECRET_PARAM
                                  : PHX_SECRET_AUTH_TOKEN;
    secret->name = name ? name + 1 : NULL;
}

/* How to connect. */
static bool set_way(struct probe *probe, const char *name, char *value)
{
    struct phx_socket_options *o = &probe->options;

    if (strcmp(name, "hold") == 0)
        probe->channel_options.max_held = (unsigned)strtoul(value, NULL, 10);
    else if (strcmp(name, "retry") == 0)
        probe->retry = value;
    else if (strcmp(name, "via") == 0)
        o->via = via_of(value);
    else if (strcmp(name, "deflate") == 0)
        o->deflate = true;
    else if (strcmp(name, "proxy") == 0)
        o->proxy = value;
    else if (strcmp(name, "cert") == 0)
        o->cert_file = value;
    else if (strcmp(name, "key") == 0)
        o->key_file = value;
    else if (strcmp(name, "token") == 0)
        probe->token = value;
    else if (strcmp(name, "secret-file") == 0)
        o->secret.file = value;
    else if (strcmp(name, "secret-command") == 0)
        set_command(probe, value);
    else if (strcmp(name, "secret-as") == 0)
        set_secret_use(&o->secret, value);
    else
        return false;
    return true;
}

static bool set_option(struct probe *probe, const char *name, char *value)
{
    struct phx_socket_options *o = &probe->options;
    struct {
        const char *name;
        uint32_t *to;
    } numbers[] = {
        {"heartbeat", &o->heartbeat_ms},
        {"heartbeat-timeout", &o->heartbeat_timeout_ms},
        {"connect-timeout", &o->connect_timeout_ms},
        {"backoff-min", &o->backoff_min_ms},
        {"backoff-max", &o->backoff_max_ms},
        {"stable", &o->stable_ms},
        {"fallback", &o->fallback_ms},
        {"fallback-memory", &o->fallback_memory_ms},
        {"secret-timeout", &o->secret.timeout_ms},
        {"timeout", &probe->channel_options.timeout_ms},
        {"rejoin-min", &probe->channel_options.rejoin_min_ms},
    };

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (strcmp(name, numbers[i].name) == 0) {
            *numbers[i].to = (uint32_t)strtoul(value, NULL, 10);
            return true;
        }
    if (strcmp(name, "url") == 0)
        o->url = value;
    else if (strcmp(name, "vsn") == 0)
        o->vsn = strcmp(value, "1") == 0 ? PHX_V1 : PHX_V2;
    else if (strcmp(name, "ca") == 0)
        o->ca_file = value;
    else if (strcmp(name, "max-message") == 0)
        o->max_message = strtoul(value, NULL, 10);
    else if (strcmp(name, "topic") == 0)
        probe->channel_options.topic = value;
    else if (strcmp(name, "join") == 0)
        probe->channel_options.join_payload = value;
    else if (strcmp(name, "join-on") == 0)
        probe->join_on_metadata = strcmp(value, "message") == 0;
    else if (strcmp(name, "inside") == 0 && strchr(value, '=')) {
        char *equals = strchr(value, '=');
        *equals = '\0';
        probe->inside_event = value;
        probe->inside_order = equals + 1;
    } else if (strcmp(name, "header") == 0 && probe->headers < HEADERS_MAX && strchr(value, '=')) {
        char *equals = strchr(value, '=');
        *equals = '\0';
        probe->header_names[probe->headers] = value;
        probe->header_values[probe->headers++] = equals + 1;
    } else {
        return set_way(probe, name, value);
    }
    return true;
}

static bool start(struct probe *probe)
{
    struct phx_context_options options = {.max_sockets = 16, .log = log_line, .user = probe};
    struct phx_socket_events events = {
        .user = probe,
        .credentials = credentials,
        .connected = connected,
        .disconnected = disconnected,
        .retry = retry,
        .message = socket_message,
        .heartbeat = heartbeat,
    };

    probe->context = phx_context_open(probe->loop, &options);
    probe->socket =
        probe->context ? phx_socket_new(probe->context, &probe->options, &events) : NULL;
    if (!probe->socket)
        return false;
    if (phx_socket_connect(probe->socket)) {
        json_begin("bad_option");
        json_text("text", phx_socket_error(probe->socket));
        json_end();
    }
    if (probe->channel_options.topic && !probe->join_on_metadata)
        join(probe);
    return true;
}

int main(int argc, char **argv)
{
    struct probe probe = {.loop = uv_default_loop()};

    for (int i = 1; i + 1 < argc; i += 2)
        if (strncmp(argv[i], "--", 2) != 0 || !set_option(&probe, argv[i] + 2, argv[i + 1])) {
            fprintf(stderr, "phx_probe: unknown option %s\n", argv[i]);
            return 2;
        }
    if (!start(&probe))
        return 1;
    orders_open(probe.loop, on_order, &probe);
    uv_timer_init(probe.loop, &probe.watch);
    probe.watch.data = &probe;
    uv_timer_start(&probe.watch, on_watch, 20, 20);
    uv_run(probe.loop, UV_RUN_DEFAULT);
    if (uv_loop_close(probe.loop))
        puts("{\"event\":\"loop_busy\"}");
    puts("{\"event\":\"closed\"}");
    return 0;
}
