/*
 * phx_ws_conn.h - what phx_ws.c (attempts and orders) and phx_ws_lws.c (libwebsockets' callbacks)
 * share, and nobody else.
 */
#ifndef PHX_WS_CONN_H
#define PHX_WS_CONN_H

#include "phx_hosts.h"
#include "phx_resolve.h"
#include "phx_transport.h"

#include <libwebsockets.h>

struct phx_ws {
    struct phx_transport base;
    uv_loop_t *loop;
    struct phx_hosts *hosts;
    struct phx_ws_conn *conns;
    unsigned lookups; /* given up, still on the loop */
    bool hosts_gone;
    void (*closed)(void *user);
    void *closed_user;
};

struct phx_ws_conn {
    struct phx_conn base;
    struct phx_ws_conn *next, *prev;
    struct phx_ws *ws;
    struct lws *wsi;
    struct phx_resolve *resolve;
    struct attempt *attempt; /* NULL once the connection is open */
    char *message;           /* the start of one that comes in pieces */
    size_t message_len, message_cap, max_message;
    int close_code; /* what the server said */
    char close_reason[48];
    int shut_code; /* what we shall say; 0: not yet */
    bool open, starting, closing;
};

/* What is needed until the connection is open. */
struct attempt {
    struct phx_addresses addresses;
    unsigned tried;
    unsigned first;
    int verify_error; /* X509_V_ERR of OpenSSL */
    bool tls;
    bool asked; /* the connection stood and the request went out */
    uint16_t port;
    struct lws_vhost *vhost;
    char *ca;
    char name[PHX_HOST_MAX + 3]; /* in brackets if IPv6 */
    char *headers;
    char target[PHX_TARGET_MAX + 1];
};

/* phx_ws_lws.c */
extern const struct lws_protocols phx_ws_protocols[];
#define PHX_WS_PROTOCOL "phx"

/* phx_ws.c */
bool phx_ws_has_address(const struct attempt *attempt);
/* Tries the addresses left until libwebsockets takes one. False: none, *end says why. */
bool phx_ws_begin_any(struct phx_ws_conn *conn, struct phx_end *end);
/* Tells the end once; the connection itself goes with libwebsockets' last word on it. */
void phx_ws_report(struct phx_ws_conn *conn, const struct phx_end *end);
void phx_ws_free_attempt(struct phx_ws_conn *conn);
void phx_ws_free_message(struct phx_ws_conn *conn);
void phx_ws_free_conn(struct phx_ws_conn *conn);

#endif
