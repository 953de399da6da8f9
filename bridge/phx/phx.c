/*
 * phx.c - the public functions of channels. What a channel does is decided in phx_channel.c.
 */
#include "phx_socket.h"

int phx_join(struct phx_socket *socket, const struct phx_channel_options *options,
             const struct phx_channel_events *events, struct phx_channel **channel)
{
    uint64_t now = phx_socket_enter(socket);
    int error = phx_machine_join(socket->machine, options, events, now, channel);

    phx_socket_leave(socket);
    return error;
}

static struct phx_socket *socket_of(const struct phx_channel *channel)
{
    return phx_machine_user(phx_machine_of(channel));
}

void phx_leave(struct phx_channel *channel)
{
    struct phx_socket *socket = socket_of(channel);
    uint64_t now = phx_socket_enter(socket);

    phx_machine_leave(channel, now);
    phx_socket_leave(socket);
}

bool phx_channel_is_joined(const struct phx_channel *channel)
{
    return phx_machine_is_joined(channel);
}

int phx_channel_set_payload(struct phx_channel *channel, const char *join_payload)
{
    return phx_machine_set_payload(channel, join_payload);
}

static int push(struct phx_channel *channel, const struct phx_push_order *order)
{
    struct phx_socket *socket = socket_of(channel);
    uint64_t now = phx_socket_enter(socket);
    int error = phx_machine_push(channel, order, now);

    phx_socket_leave(socket);
    return error;
}

int phx_push(struct phx_channel *channel, const char *event, struct phx_text payload,
             uint32_t timeout_ms, void *token)
{
    return push(channel, &(struct phx_push_order){event, payload, false, timeout_ms, token});
}

int phx_push_binary(struct phx_channel *channel, const char *event, struct phx_text bytes,
                    uint32_t timeout_ms, void *token)
{
    return push(channel, &(struct phx_push_order){event, bytes, true, timeout_ms, token});
}
