/*
 * phx_tls.h - what a TLS connection trusts and shows, and its errors in words.
 */
#ifndef PHX_TLS_H
#define PHX_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ssl_ctx_st SSL_CTX;

/* PEM files; NULL: the system's authorities, no client certificate. */
struct phx_tls_files {
    const char *ca, *cert, *key;
};

/* Everything read and checked: with `ca` nothing else is trusted, peers are always verified. With
 * `address` (numeric; NULL: none) the peer's certificate must be for it, and no name is asked for;
 * without, that is whoever makes the connection's to see to. Freed with SSL_CTX_free. NULL: a line
 * for people in `error`. */
SSL_CTX *phx_tls_open(const struct phx_tls_files *files, const char *address, char *error,
                      size_t cap);

/* `context`, of phx_tls_open, becomes what it would be of the files as they are now; connections
 * that it has made stay as they are. Of another sort of key it cannot: both would be shown. */
enum phx_tls_renewed { PHX_TLS_RENEWED, PHX_TLS_OTHER_KEY, PHX_TLS_UNREADABLE /* `error` */ };
enum phx_tls_renewed phx_tls_renew(SSL_CTX *context, const struct phx_tls_files *files, char *error,
                                   size_t cap);

/* Changes when one of the files does. */
uint64_t phx_tls_stamp(const struct phx_tls_files *files);

/* A line that says what is wrong with the server's certificate and what to do; `verify_error` is an
 * X509_V_ERR of OpenSSL. */
void phx_tls_explain(int verify_error, const char *host, const char *ca, char *text, size_t cap);

#endif
