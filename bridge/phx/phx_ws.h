/*
 * phx_ws.h - the transport over WebSocket: connections of libwebsockets on a libuv loop.
 */
#ifndef PHX_WS_H
#define PHX_WS_H

#include "phx_transport.h"

typedef struct uv_loop_s uv_loop_t;

/* NULL: out of memory. libwebsockets itself starts with the first connection, and TLS with the
 * first that needs it. `log` gets its lines. */
struct phx_transport *phx_ws_open(uv_loop_t *loop, unsigned max_sockets,
                                  void (*log)(void *user, int level, const char *text), void *user);

#endif
