/*
 * phx_ws_conn.h - what phx_ws.c (orders) and phx_ws_lws.c (libwebsockets' callbacks) share, and
 * nobody else.
 */
#ifndef PHX_WS_CONN_H
#define PHX_WS_CONN_H

#include "phx_dial.h"

struct phx_ws {
    struct phx_transport base;
    struct phx_net *net;
    struct phx_ws_conn *conns;
};

struct phx_ws_conn {
    struct phx_conn base;
    struct phx_ws_conn *next, *prev;
    struct phx_ws *ws;
    struct phx_dial_way way; /* its dial is NULL once the connection is open */
    struct lws *wsi;         /* once it is open */
    char *message;           /* the start of one that comes in pieces */
    size_t message_len, message_cap, max_message;
    int close_code; /* what the server said */
    char close_reason[48];
    int shut_code; /* what we shall say; 0: not yet */
    bool closing;
    bool deflate;
    bool waits; /* libwebsockets was asked to say when it can be written to */
};

/* phx_ws_lws.c */
int phx_ws_on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len);

/* Writes what there is as far as it is taken, and asks to be called for the rest. Returns -1 when
 * the connection is broken. */
int phx_ws_write(struct phx_ws_conn *conn);
void phx_ws_wait(struct phx_ws_conn *conn);

/* phx_ws.c */
/* Tells the end once; the connection itself goes with libwebsockets' last word on it. */
void phx_ws_report(struct phx_ws_conn *conn, const struct phx_end *end);
void phx_ws_free_message(struct phx_ws_conn *conn);
void phx_ws_free_conn(struct phx_ws_conn *conn);

#endif
