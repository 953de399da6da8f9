/*
 * What a lane under a virtual clock finds in place of ports, sockets and the loop, as far as it
 * answers the same in every world. What has state is scripted.c's.
 */
#include "lane/lane.h"
#include "lane/lane_private.h"

void port_credit(struct port *port, uint16_t bytes)
{
    (void)port;
    (void)bytes;
}

int port_command(struct port *port, uint8_t control, union mp_value value, uint32_t ttl_ms,
                 uint16_t *request)
{
    (void)port;
    (void)control;
    (void)value;
    (void)ttl_ms;
    *request = 0;
    return MP_OK;
}

uint64_t port_host_us(const struct port *port, uint64_t device_us)
{
    (void)port;
    return device_us;
}

const char *port_name(const struct port *port)
{
    (void)port;
    return "line";
}

const char *port_path(const struct port *port)
{
    (void)port;
    return "/dev/line";
}

bool phx_socket_is_doubtful(const struct phx_socket *socket)
{
    (void)socket;
    return false;
}

void phx_socket_probe(struct phx_socket *socket)
{
    (void)socket;
}

const char *phx_socket_error(const struct phx_socket *socket)
{
    (void)socket;
    return "";
}

const char *phx_error_text(enum phx_error error)
{
    (void)error;
    return "error";
}

int phx_add_header(struct phx_credentials *credentials, const char *name, const char *value)
{
    (void)credentials;
    (void)name;
    (void)value;
    return PHX_OK;
}

int phx_add_param(struct phx_credentials *credentials, const char *name, const char *value)
{
    return phx_add_header(credentials, name, value);
}

int phx_set_auth_token(struct phx_credentials *credentials, const char *token)
{
    return phx_add_header(credentials, "auth_token", token);
}

void loop_wake(struct loop *loop)
{
    (void)loop;
}

void loop_wake_at(struct loop *loop, uint64_t due_us)
{
    (void)loop;
    (void)due_us;
}

uint32_t loop_gaps(struct loop *loop)
{
    (void)loop;
    return 0;
}
