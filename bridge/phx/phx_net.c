/*
 * phx_net.c - the one set of libwebsockets' contexts for all transports, and the order of its end.
 */
#include "phx_net.h"

#include "phx_dial.h"

#include <stdlib.h>

struct phx_net *phx_net_open(uv_loop_t *loop, unsigned max_sockets,
                             void (*log)(void *user, int level, const char *text), void *user)
{
    struct phx_hosts_options options = {
        .loop = loop,
        .max_sockets = max_sockets,
        .protocols = phx_dial_protocols,
        .log = log,
        .user = user,
    };
    struct phx_net *net = calloc(1, sizeof *net);

    if (!net)
        return NULL;
    net->loop = loop;
    net->hosts = phx_hosts_open(&options);
    if (net->hosts)
        return net;
    free(net);
    return NULL;
}

static void finish_close(struct phx_net *net)
{
    void (*closed)(void *user) = net->closed;
    void *user = net->closed_user;

    if (!net->hosts_gone || net->holds > 0)
        return;
    free(net);
    closed(user);
}

void phx_net_hold(struct phx_net *net)
{
    net->holds++;
}

void phx_net_release(void *user)
{
    struct phx_net *net = user;

    net->holds--;
    finish_close(net);
}

static void on_hosts_closed(void *user)
{
    struct phx_net *net = user;

    net->hosts_gone = true;
    finish_close(net);
}

void phx_net_close(struct phx_net *net, void (*closed)(void *user), void *user)
{
    net->closed = closed;
    net->closed_user = user;
    phx_hosts_close(net->hosts, on_hosts_closed, net);
}
