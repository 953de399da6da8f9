#ifndef PHXDEV_CONN_H
#define PHXDEV_CONN_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

/* One accepted TCP connection, plain or TLS, on a libuv loop. */
struct conn;

struct conn_handler {
    void (*on_bytes)(void *user, const char *bytes, size_t n); /* decrypted */
    /* The connection is gone, whoever ended it. Called exactly once, and nothing after it; the conn
     * frees itself. */
    void (*on_gone)(void *user);
};

enum {
    /* What a peer that does not read may make us hold. Full: the connection is cut. */
    CONN_MAX_QUEUED = 64 * 1024 * 1024,
    CONN_LINGER_MS = 2000,
};

/* Accepts from listener. tls NULL: plain. Returns NULL when there was nothing to accept; on_gone is
 * called then too. */
struct conn *conn_accept(uv_stream_t *listener, SSL_CTX *tls, const struct conn_handler *handler,
                         void *user);
/* Queues a copy of n bytes. Ignored once the connection is ending. */
void conn_write(struct conn *c, const char *bytes, size_t n);
/* Sends what is queued, then FIN; what still comes is read and dropped for CONN_LINGER_MS, so that
 * a late byte of the peer does not turn our last words into a reset. */
void conn_finish(struct conn *c);
/* Closes at once, whatever is queued. */
void conn_cut(struct conn *c);

/* The peer's address, without the port. */
void conn_peer(const struct conn *c, char *out, size_t size);
bool conn_is_tls(const struct conn *c);
bool conn_has_client_cert(const struct conn *c);
/* The common name of the client's certificate, "" without one. */
const char *conn_cert_name(const struct conn *c, char *out, size_t size);
/* The TLS application protocol agreed on ("h2", "http/1.1"), "" for none. */
const char *conn_alpn(const struct conn *c, char *out, size_t size);

#endif
