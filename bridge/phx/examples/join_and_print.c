/*
 * Joins a topic and prints its events: join_and_print ws://localhost:4000/socket/websocket
 * room:lobby
 */
#include <phx.h>
#include <stdio.h>
#include <uv.h>

static void on_joined(void *user, struct phx_text response)
{
    (void)user;
    printf("joined: %.*s\n", (int)response.len, response.at);
    fflush(stdout);
}

static void on_message(void *user, struct phx_text event, struct phx_text payload)
{
    (void)user;
    printf("%.*s %.*s\n", (int)event.len, event.at, (int)payload.len, payload.at);
    fflush(stdout);
}

static void on_disconnected(void *user, const struct phx_disconnect *why)
{
    (void)user;
    fprintf(stderr, "%s\n", why->text);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s URL TOPIC\n", argv[0]);
        return 2;
    }
    uv_loop_t *loop = uv_default_loop();
    struct phx_context_options context_options = {0};
    struct phx_context *context = phx_context_open(loop, &context_options);

    struct phx_socket_options options = {.url = argv[1]};
    struct phx_socket_events events = {.disconnected = on_disconnected};
    struct phx_socket *socket = phx_socket_new(context, &options, &events);
    if (socket == NULL || phx_socket_connect(socket) != PHX_OK) {
        fprintf(stderr, "%s\n", socket != NULL ? phx_socket_error(socket) : "out of memory");
        return 1;
    }

    struct phx_channel *channel;
    struct phx_channel_options channel_options = {.topic = argv[2]};
    struct phx_channel_events channel_events = {.joined = on_joined, .message = on_message};
    if (phx_join(socket, &channel_options, &channel_events, &channel) != PHX_OK)
        return 1;
    return uv_run(loop, UV_RUN_DEFAULT); /* it connects and joins again by itself, for ever */
}
