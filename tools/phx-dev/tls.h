#ifndef PHXDEV_TLS_H
#define PHXDEV_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

struct tls_options {
    const char *cert_file; /* NULL: a certificate is made, for a day, with a fresh key */
    const char *key_file;
    const char *cert_name; /* names of the self-made one; NULL: localhost, 127.0.0.1 and ::1 */
    const char *cert_out;  /* where to write the self-made one as PEM; NULL: nowhere */
    const char *client_ca; /* clients must show a certificate signed by this one; NULL: need not */
    bool client_optional;  /* a client without a certificate is let in all the same */
    bool only_12;          /* TLS 1.2 and nothing newer */
    bool choose_h2;        /* take "h2" when offered, as the recorded servers do */
};

/* A server context. NULL: error holds one line that says why. */
SSL_CTX *tls_open(const struct tls_options *options, char *error, size_t error_size);

#endif
