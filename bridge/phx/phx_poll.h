/*
 * phx_poll.h - the transport over HTTP long polling.
 *
 * A GET is always under way, and one POST at a time, each with all that was queued meanwhile. The
 * path is the WebSocket's with longpoll in place of its last part.
 */
#ifndef PHX_POLL_H
#define PHX_POLL_H

#include "phx_transport.h"

struct phx_net;

/* NULL: out of memory. */
struct phx_transport *phx_poll_open(struct phx_net *net);

#endif
