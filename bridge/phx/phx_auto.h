/*
 * phx_auto.h - the transport that takes a WebSocket where one works, and long polling otherwise.
 *
 * An attempt begins with a WebSocket. When it is refused in a way that something in between may
 * have caused, or is not open within fallback->after_ms, long polling is tried in the same attempt;
 * so it is after a WebSocket over which nothing ever came back. What worked is remembered:
 * attempts begin with long polling for fallback->memory_ms. Then, if long polling is still in use,
 * a WebSocket is tried beside it; when one opens, the polled connection ends, and the next attempt
 * is a WebSocket's. Each time that it does not, the memory lasts twice as long, up to six hours.
 */
#ifndef PHX_AUTO_H
#define PHX_AUTO_H

#include "phx_transport.h"

struct phx_net;

#define PHX_FALLBACK_MEMORY_MAX_MS (6u * 3600 * 1000)

/* Over the two others, which stay the caller's. NULL: out of memory. */
struct phx_transport *phx_auto_open(struct phx_net *net, struct phx_transport *ws,
                                    struct phx_transport *poll);

#endif
