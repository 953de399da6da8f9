/*
 * phx_transport.h - the seam between a socket and the network: a way to reach a server, behind a
 * table of functions: phx_ws.h over WebSocket, phx_poll.h over HTTP long polling, phx_auto.h over
 * the first of them that works.
 *
 * A connection goes opened, then frames both ways, then closed, and tells so by its events; what
 * to do about each is decided in phx_machine.c. All of it happens on the loop's thread. An event
 * may call any function of its own connection, drop included.
 */
#ifndef PHX_TRANSPORT_H
#define PHX_TRANSPORT_H

#include "phx_machine.h"
#include "phx_proxy.h"
#include "phx_tls.h"
#include "phx_url.h"

struct phx_transport; /* of one context */
struct phx_conn;      /* one attempt and the connection that may come of it */

/* `user` is that of connect. */
struct phx_conn_events {
    /* One step of the attempt is done: the name is resolved, or another address is tried. */
    void (*progress)(void *user);
    void (*opened)(void *user);
    /* A whole message, which may be changed. */
    void (*frame)(void *user, bool binary, char *bytes, size_t len);
    /* What to write next, the transport's to free(); NULL: nothing. Asked for one at a time, when
     * it can leave. */
    struct phx_send *(*next)(void *user);
    /* Once, after which the connection is not the user's any more. */
    void (*closed)(void *user, const struct phx_end *end);
};

/* What a socket remembers of WebSockets that did not work; zero-initialised is nothing. */
struct phx_fallback {
    uint32_t after_ms; /* without an open WebSocket for so long, long polling is tried */
    uint32_t
        memory_ms; /* long polling comes first for so long, and twice as long the next time... */
    uint32_t period_ms; /* ...which is this; 0: WebSockets are not known to fail */
    uint64_t until_ms;  /* of the loop's clock */
};

/* All texts are copied. */
struct phx_request {
    const struct phx_url *url;
    const char *target;  /* path and query, credentials and vsn included */
    const char *headers; /* whole lines, each with CR LF; wiped when sent */
    enum phx_vsn vsn;
    const char *auth_token; /* of Phoenix 1.8, plain; NULL: none */
    struct phx_tls_files tls;
    struct phx_proxy proxy;        /* no host: none */
    bool deflate;                  /* offer permessage-deflate */
    struct phx_fallback *fallback; /* the caller's, for as long as it has the connection */
    size_t max_message; /* a longer message ends the connection with PHX_CAUSE_PROTOCOL */
    unsigned attempt;   /* counts up, so that another address of the name comes first */
};

struct phx_transport_ops {
    const char *name;
    /* One of opened and closed follows, never from inside this call. NULL: failed already, see
     * *end. `events` stays the caller's. */
    struct phx_conn *(*connect)(struct phx_transport *transport, const struct phx_request *request,
                                const struct phx_conn_events *events, void *user,
                                struct phx_end *end);
    /* events->next has something, and may be called from inside this. */
    void (*want_write)(struct phx_conn *conn);
    /* Closes with this code when all is written; closed follows. */
    void (*shut)(struct phx_conn *conn, int code);
    /* No event follows; the connection goes as fast as it can. */
    void (*drop)(struct phx_conn *conn);
    /* Drops every connection, from inside an event or not. The transport is freed, by free, when
     * its network is closed. */
    void (*stop)(struct phx_transport *transport);
    void (*free)(struct phx_transport *transport);
};

/* The first member of what each transport keeps for itself. */
struct phx_transport {
    const struct phx_transport_ops *ops;
};
struct phx_conn {
    const struct phx_transport_ops *ops;
    const struct phx_conn_events *events;
    void *user; /* NULL: dropped, or closed has been told */
};

#endif
