/*
 * phx_dial.h - from a request to libwebsockets at work on it: names resolved, a proxy between or
 * not, one address after the other. For WebSockets and plain HTTP requests alike.
 */
#ifndef PHX_DIAL_H
#define PHX_DIAL_H

#include "phx_net.h"
#include "phx_transport.h"

#include <libwebsockets.h>

struct phx_dial_events {
    /* One step is done: see phx_conn_events. */
    void (*progress)(void *user);
    /* All addresses failed. With `wsi`, libwebsockets still has a last word on it, to this user. */
    void (*failed)(void *user, const struct phx_end *end, struct lws *wsi);
};

/* What libwebsockets keeps for a connection's user. */
struct phx_dial_way {
    struct phx_dial *dial; /* set from the start; the user's to free and set to NULL */
    void *user;
    /* libwebsockets' callback of this connection, the certificate's check aside. */
    int (*on_lws)(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len);
};

struct phx_dial_options {
    const struct phx_request *request;
    const char *target, *headers; /* in place of the request's; NULL: the request's */
    const char *address;          /* known to work, in place of a look-up; NULL: none */
    const char *method;           /* NULL: a WebSocket's upgrade */
    const char *subprotocols;     /* offered to the server; NULL: none */
    const struct phx_dial_events *events;
    struct phx_dial_way *way; /* whose user is that of the events */
};

struct phx_dial {
    struct phx_net *net;
    const struct phx_dial_events *events;
    struct phx_dial_way *way;
    struct lws *wsi; /* of the address being tried */
    struct phx_resolve *resolve;
    struct phx_request *request;
    struct phx_addresses addresses; /* the proxy's, if there is one */
    const char *method;
    char *target, *headers, *subprotocols;
    unsigned tried;
    const char *used; /* the address being tried, among them */
    int verify_error; /* X509_V_ERR of OpenSSL */
    bool starting;
    bool asked; /* the connection stood and the request went out */
};

/* True: way->dial is set, and events follow, none of them from inside this call. False: failed
 * already, see *end. */
bool phx_dial_start(struct phx_net *net, const struct phx_dial_options *options,
                    struct phx_end *end);
/* What was to be kept secret is wiped. Not while phx_dial_is_resolving. */
void phx_dial_free(struct phx_dial *dial);
bool phx_dial_is_resolving(const struct phx_dial *dial);
/* Gives the look-up up and frees the dial: no event follows, and way->dial is NULL. */
void phx_dial_cancel_resolving(struct phx_dial *dial);
/* Is rid of a connection as soon as it can. */
void phx_dial_kill(struct lws *wsi);

/* -- for the callbacks of libwebsockets */

/* CONNECTION_ERROR: tries the next address, or tells failed. */
void phx_dial_on_error(struct phx_dial *dial, struct lws *wsi, const char *in, size_t len);
/* APPEND_HANDSHAKE_HEADER. Returns what the callback shall. */
int phx_dial_on_headers(struct phx_dial *dial, char **at, size_t room);
/* Of every vhost: libwebsockets tells some things to the first protocol only, so there is one. */
extern const struct lws_protocols phx_dial_protocols[];
/* What `wsi` was answered, as far as it got. */
void phx_dial_judge(const struct phx_dial *dial, struct lws *wsi, const char *detail,
                    struct phx_end *end);

#endif
