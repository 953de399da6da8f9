/*
 * phx_hosts.h - libwebsockets' contexts and vhosts on the caller's loop, made when first needed: a
 * program that never uses wss:// never pays for TLS.
 */
#ifndef PHX_HOSTS_H
#define PHX_HOSTS_H

#include "phx_machine.h"
#include "phx_tls.h"

typedef struct uv_loop_s uv_loop_t;
struct lws_context;
struct lws_protocols;
struct lws_vhost;
struct phx_hosts;

#define PHX_MESSAGE_BYTES 1024 /* of a WebSocket's own: what is longer comes in pieces */
#define PHX_SERVICE_BYTES 8192 /* a request's headers must fit, and a read is no longer */

struct phx_hosts_options {
    uv_loop_t *loop;
    unsigned max_sockets;
    const struct lws_protocols *protocols; /* of every vhost; stays the caller's */
    /* Lines of libwebsockets, which logs for the whole process: they go to the one opened last. */
    void (*log)(void *user, int level, const char *text);
    void *user;
};

/* NULL: out of memory. */
struct phx_hosts *phx_hosts_open(const struct phx_hosts_options *options);
/* What connections must have in common to share a vhost of libwebsockets. */
struct phx_host_key {
    bool tls, deflate;
    struct phx_tls_files files;
    const char *address; /* which the certificate must be for; NULL: libwebsockets checks a name */
    const char *proxy;   /* [USER:PASSWORD@]ADDRESS:PORT; NULL: none */
};
/* The vhost of this key with its files as they are now: one replaced since is read again, and the
 * connections that were made with the old one stay. NULL: *end says why. */
struct lws_vhost *phx_hosts_get(struct phx_hosts *hosts, const struct phx_host_key *key,
                                struct phx_end *end);
/* The context of such a vhost, once there is one. */
struct lws_context *phx_hosts_context(const struct phx_hosts *hosts, bool tls);
/* Ends every connection and frees all; `closed` is called from the loop when nothing is left there.
 * Not from inside a callback of libwebsockets. */
void phx_hosts_close(struct phx_hosts *hosts, void (*closed)(void *user), void *user);

#endif
