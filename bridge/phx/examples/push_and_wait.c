/*
 * Pushes one event and waits for its reply: push_and_wait URL TOPIC EVENT PAYLOAD
 *
 * The loop is the program's own poll(2), with libuv's descriptor in it: the way into a program that
 * has a loop already.
 */
#include <phx.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

static int status = -1; /* of the program; -1: it runs on */
static char **arguments;

static void on_push_end(void *user, void *token, const struct phx_push_result *result)
{
    (void)user;
    (void)token;
    if (result->end == PHX_PUSH_REPLY)
        printf("%.*s %.*s\n", (int)result->status.len, result->status.at, (int)result->response.len,
               result->response.at);
    else
        fprintf(stderr, "no reply\n");
    status = result->end == PHX_PUSH_REPLY && result->ok ? 0 : 1;
}

static void on_joined(void *user, struct phx_text response)
{
    struct phx_channel **channel = user;
    struct phx_text payload = {arguments[4], strlen(arguments[4])};
    (void)response;
    int error = phx_push(*channel, arguments[3], payload, 5000, channel);
    if (error != PHX_OK) {
        fprintf(stderr, "%s\n", phx_error_text(error));
        status = 1;
    }
}

static bool on_retry(void *user, const struct phx_disconnect *why, uint32_t *wait_ms)
{
    (void)user;
    (void)wait_ms;
    fprintf(stderr, "%s\n", why->text);
    status = 1;
    return false; /* once is enough here */
}

static void on_closed(void *user)
{
    (void)user;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: %s URL TOPIC EVENT PAYLOAD\n", argv[0]);
        return 2;
    }
    arguments = argv;
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct phx_context_options context_options = {0};
    struct phx_context *context = phx_context_open(&loop, &context_options);
    struct phx_socket_options options = {.url = argv[1]};
    struct phx_socket_events events = {.retry = on_retry};
    struct phx_socket *socket = phx_socket_new(context, &options, &events);
    struct phx_channel *channel;
    struct phx_channel_options channel_options = {.topic = argv[2]};
    struct phx_channel_events channel_events = {
        .user = &channel, .joined = on_joined, .push_end = on_push_end};
    if (socket == NULL || phx_join(socket, &channel_options, &channel_events, &channel) != PHX_OK ||
        phx_socket_connect(socket) != PHX_OK) {
        fprintf(stderr, "%s\n", socket != NULL ? phx_socket_error(socket) : "out of memory");
        return 1;
    }

    while (status < 0) { /* other descriptors of the program would stand beside this one */
        struct pollfd descriptor = {.fd = uv_backend_fd(&loop), .events = POLLIN};
        poll(&descriptor, 1, uv_backend_timeout(&loop));
        uv_run(&loop, UV_RUN_NOWAIT);
    }

    phx_context_close(context, on_closed, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return status;
}
