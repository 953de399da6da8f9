/*
 * phx_gate.h - how many attempts at one server are under way at a time. A handshake that waits
 * behind a thousand others is not done in time, and then all of it was for nothing.
 *
 * One gate for each server, so that one that does not answer holds up nobody else's sockets.
 */
#ifndef PHX_GATE_H
#define PHX_GATE_H

#include "phx_url.h"

#include <stdbool.h>

struct phx_gate {
    struct phx_gate *next;
    unsigned under_way, at_most; /* at_most 0: no bound */
    unsigned port;
    char host[];
};

/* The gate of the server of `url` among *gates, added when there is none. NULL: out of memory. */
struct phx_gate *phx_gate_of(struct phx_gate **gates, const struct phx_url *url, unsigned at_most);
void phx_gates_free(struct phx_gate *gates);

/* An attempt begins. False: not now. Each that was let in says phx_gate_leave. */
bool phx_gate_enter(struct phx_gate *gate);
void phx_gate_leave(struct phx_gate *gate);

#endif
