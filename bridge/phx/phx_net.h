/*
 * phx_net.h - what the transports of a context share: its loop and libwebsockets on it.
 */
#ifndef PHX_NET_H
#define PHX_NET_H

#include "phx_hosts.h"
#include "phx_resolve.h"

struct phx_net {
    uv_loop_t *loop;
    struct phx_hosts *hosts;
    unsigned holds; /* what is still on the loop without belonging to anybody */
    bool hosts_gone;
    void (*closed)(void *user);
    void *closed_user;
};

/* NULL: out of memory. libwebsockets itself starts with the first connection, and TLS with the
 * first that needs it. `log` gets its lines. */
struct phx_net *phx_net_open(uv_loop_t *loop, unsigned max_sockets,
                             void (*log)(void *user, int level, const char *text), void *user);
/* Ends every connection of libwebsockets and frees all; `closed` is called from the loop when
 * nothing is left there. Not from inside a callback of libwebsockets. */
void phx_net_close(struct phx_net *net, void (*closed)(void *user), void *user);
/* Closing waits until as many releases as holds were seen. */
void phx_net_hold(struct phx_net *net);
void phx_net_release(void *user); /* a struct phx_net */

#endif
