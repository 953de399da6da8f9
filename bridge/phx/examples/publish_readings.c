/*
 * Publishes readings as a device without a bridge: publish_readings URL KEY-FILE COUNT
 *
 * The server is the microcontrollers example: an API key in a header selects the device, a metadata
 * message names its topic, readings go up as upload_readings. Every reading waits for its reply, so
 * none is lost or sent twice while the connection lasts.
 */
#include <phx.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct publisher {
    const char *key_file;
    struct phx_context *context;
    struct phx_socket *socket;
    struct phx_channel *channel;
    int left, number;
};

/* Read afresh for every attempt: a key that was replaced is used without a restart. */
static bool on_credentials(void *user, struct phx_credentials *credentials)
{
    struct publisher *publisher = user;
    char key[128] = "";
    FILE *in = fopen(publisher->key_file, "r");
    if (in == NULL || fgets(key, sizeof(key), in) == NULL)
        perror(publisher->key_file);
    if (in != NULL)
        fclose(in);
    key[strcspn(key, "\r\n")] = '\0';
    return key[0] != '\0' && phx_add_header(credentials, "X-API-Key", key) == PHX_OK;
}

static void publish(struct publisher *publisher)
{
    char json[128];
    int n =
        snprintf(json, sizeof(json), "{\"outside\":[{\"type\":\"temperature\",\"value\":%d.5}]}",
                 20 + publisher->number++ % 5);
    phx_push(publisher->channel, "upload_readings", (struct phx_text){json, (size_t)n}, 0,
             publisher);
}

static void on_joined(void *user, struct phx_text response)
{
    (void)response;
    publish(user);
}

static void on_push_end(void *user, void *token, const struct phx_push_result *result)
{
    struct publisher *publisher = user;
    (void)token;
    if (result->end == PHX_PUSH_LOST)
        return; /* on_joined goes on */
    if (result->end != PHX_PUSH_REPLY || !result->ok)
        publisher->number--;
    else if (--publisher->left == 0) {
        printf("all readings are on the server\n");
        phx_socket_disconnect(publisher->socket, 1000);
        return;
    }
    publish(publisher);
}

/* {"user_id":..,"location_id":..,"controller_id":N}: the topic is microcontroller:v1:N. */
static void on_message(void *user, const struct phx_message *message)
{
    static const char member[] = "\"controller_id\":";
    struct publisher *publisher = user;
    char topic[64], payload[256];
    size_t n = message->payload.len < sizeof(payload) ? message->payload.len : sizeof(payload) - 1;
    memcpy(payload, message->payload.at, n);
    payload[n] = '\0';
    const char *id = strstr(payload, member);
    if (publisher->channel != NULL || id == NULL)
        return;
    snprintf(topic, sizeof(topic), "microcontroller:v1:%ld", strtol(id + strlen(member), NULL, 10));
    struct phx_channel_options options = {.topic = topic};
    struct phx_channel_events events = {
        .user = publisher, .joined = on_joined, .push_end = on_push_end};
    phx_join(publisher->socket, &options, &events, &publisher->channel);
}

static void on_closed(void *user)
{
    (void)user;
}

static void on_disconnected(void *user, const struct phx_disconnect *why)
{
    struct publisher *publisher = user;
    if (why->cause == PHX_CAUSE_ASKED)
        phx_context_close(publisher->context, on_closed, NULL);
    else
        fprintf(stderr, "%s\n", why->text);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s URL KEY-FILE COUNT\n", argv[0]);
        return 2;
    }
    uv_loop_t *loop = uv_default_loop();
    struct phx_context_options context_options = {0};
    struct publisher publisher = {.key_file = argv[2], .left = (int)strtol(argv[3], NULL, 10)};
    publisher.context = phx_context_open(loop, &context_options);
    struct phx_socket_options options = {.url = argv[1]};
    struct phx_socket_events events = {
        .user = &publisher,
        .credentials = on_credentials,
        .disconnected = on_disconnected,
        .message = on_message,
    };
    publisher.socket = phx_socket_new(publisher.context, &options, &events);
    if (publisher.socket == NULL || phx_socket_connect(publisher.socket) != PHX_OK) {
        fprintf(stderr, "%s\n",
                publisher.socket != NULL ? phx_socket_error(publisher.socket) : "out of memory");
        return 1;
    }
    return uv_run(loop, UV_RUN_DEFAULT);
}
