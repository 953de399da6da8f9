/*
 * phx_ws.h - the transport over WebSocket.
 */
#ifndef PHX_WS_H
#define PHX_WS_H

#include "phx_transport.h"

struct phx_net;

/* NULL: out of memory. */
struct phx_transport *phx_ws_open(struct phx_net *net);

#endif
