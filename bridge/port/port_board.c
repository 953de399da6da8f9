/*
 * What a client asks of the board that is its own. Each leaves something for the line, which
 * port.c writes in the port's next turn.
 */
#include "port_private.h"

static void write_soon(struct port *port)
{
    port->due_us = 0;
    turn_wake(&port->turn);
}

void port_safe(struct port *port, uint32_t number)
{
    mp_host_safe(&port->host, number);
    write_soon(port);
}

void port_credit(struct port *port, uint16_t bytes)
{
    mp_link_credit(&port->host.link, bytes);
    write_soon(port);
}

int port_command(struct port *port, uint8_t control, union mp_value value, uint32_t ttl_ms,
                 uint16_t *request)
{
    if (!port_is_heard(port))
        return MP_ERR_NO_SESSION;
    int error = mp_host_command(&port->host, control, value, ttl_ms, port_now_us(port), request);
    write_soon(port);
    return error;
}

int port_console(struct port *port, const uint8_t *bytes, size_t n)
{
    if (!port_is_heard(port))
        return MP_ERR_NO_SESSION;
    int error = mp_host_console(&port->host, bytes, n);
    write_soon(port);
    return error;
}

int port_console_size(struct port *port, uint16_t rows, uint16_t columns)
{
    if (!port_is_heard(port))
        return MP_ERR_NO_SESSION;
    int error = mp_host_console_size(&port->host, rows, columns);
    write_soon(port);
    return error;
}

int port_identify(struct port *port, uint16_t ms, uint16_t *request)
{
    if (!port_is_heard(port))
        return MP_ERR_NO_SESSION;
    int error = mp_host_identify(&port->host, ms, request);
    write_soon(port);
    return error;
}

int port_reset(struct port *port, enum mp_reset_mode mode, uint16_t *request)
{
    if (!port_is_heard(port))
        return MP_ERR_NO_SESSION;
    int error = mp_host_reset(&port->host, mode, request);
    write_soon(port);
    return error;
}

void port_upload(struct port *port, struct mp_bulk_host *bulk)
{
    if (port->bulk != bulk)
        port_end_upload(port);
    if (bulk == NULL || !port_is_heard(port))
        return;
    port->bulk = bulk;
    mp_bulk_host_move(bulk, &port->host);
    write_soon(port);
}

void port_end_upload(struct port *port)
{
    struct mp_bulk_host *bulk = port->bulk;
    port->bulk = NULL;
    if (bulk != NULL)
        mp_bulk_host_move(bulk, NULL);
}

uint64_t port_host_us(const struct port *port, uint64_t device_us)
{
    const struct mp_clock *clock = &port->host.clock;
    uint64_t now = port_now_us(port);
    int64_t at = (int64_t)device_us + clock->offset_us;
    if (clock->bound_us == UINT32_MAX || at < 0 || (uint64_t)at > now)
        return now;
    return (uint64_t)at;
}
