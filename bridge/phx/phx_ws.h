/*
 * phx_ws.h - WebSocket connections on a libuv loop. The transport of the machine, and the only part
 * that knows libwebsockets.
 */
#ifndef PHX_WS_H
#define PHX_WS_H

#include "phx_machine.h"
#include "phx_resolve.h"
#include "phx_tls.h"
#include "phx_url.h"

struct phx_ws;      /* of one context */
struct phx_ws_conn; /* one attempt and the connection that may come of it */

/* `user` is that of phx_ws_connect. */
struct phx_ws_events {
    void (*progress)(void *user); /* resolved, or going on to another address */
    void (*opened)(void *user);
    void (*text)(void *user, char *text, size_t len); /* a whole message, which may be changed */
    void (*binary)(void *user);                       /* a whole message of that kind came */
    struct phx_send *(*next)(void *user);             /* what to write; NULL: nothing */
    void (*closed)(void *user,
                   const struct phx_end *end); /* the connection must not be used again */
    void (*log)(void *context_user, int level, const char *text);
};

/* NULL: out of memory. libwebsockets itself starts with the first connection, and TLS with the
 * first that needs it. */
struct phx_ws *phx_ws_open(uv_loop_t *loop, unsigned max_sockets,
                           const struct phx_ws_events *events, void *context_user);
/* Drops every connection; `closed` is called from the loop when nothing is left there. Not from
 * inside an event. */
void phx_ws_close(struct phx_ws *ws, void (*closed)(void *user), void *user);

/* All texts are copied. */
struct phx_ws_request {
    const struct phx_url *url;
    const char *target;  /* path and query */
    const char *headers; /* whole lines, each with CR LF; wiped when sent */
    struct phx_tls_files tls;
    size_t max_message; /* a longer message ends the connection with PHX_CAUSE_PROTOCOL */
    unsigned attempt;   /* counts up, so that another address of the name comes first */
};
/* One of opened and closed follows, never from inside this call. NULL: failed already, see *end. */
struct phx_ws_conn *phx_ws_connect(struct phx_ws *ws, const struct phx_ws_request *request,
                                   void *user, struct phx_end *end);
void phx_ws_want_write(struct phx_ws_conn *conn);
/* Closes with this code when all is written; closed follows. */
void phx_ws_shut(struct phx_ws_conn *conn, int code);
/* No event follows; the connection goes as fast as it can. */
void phx_ws_drop(struct phx_ws_conn *conn);

#endif
