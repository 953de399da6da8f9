/*
 * When nothing is written: a boot loader listens, and would take a hello for its own host's. How
 * long hellos rest by themselves where nobody answers is mp_link's.
 */
#include "port_private.h"

#define LOOK_US 1000000 /* a session's timers go on meanwhile */

void port_quiet(struct port *port, uint32_t ms)
{
    if (port->serial == NULL) {
        port->quiet_ms = ms;
        return;
    }
    port->quiet_us = port_now_us(port) + (uint64_t)ms * 1000;
    port->quiet_until_heard = false;
    port->due_us = 0;
    turn_wake(&port->turn);
}

void port_quiet_opened(struct port *port)
{
    if (port->quiet_ms == 0)
        return;
    serial_forget_input(port->serial); /* from before the reset */
    port_quiet(port, port->quiet_ms);
    port->quiet_until_heard = true;
    port->quiet_ms = 0;
}

bool port_is_quiet(struct port *port, uint64_t now, uint64_t *wait_us)
{
    bool heard = port->quiet_until_heard && port->host.stats.frames_in != 0;
    if (now >= port->quiet_us || heard) {
        port->quiet_us = 0;
        return false;
    }
    *wait_us = port->quiet_us - now;
    if (*wait_us > LOOK_US)
        *wait_us = LOOK_US;
    return true;
}
