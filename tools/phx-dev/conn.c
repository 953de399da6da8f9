/*
 * TCP by libuv, TLS by OpenSSL over memory BIOs; ends a connection in order. What the bytes mean is
 * session.c's business.
 */
#include "conn.h"

#include "buf.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum state {
    OPEN,
    FINISHING, /* our FIN is queued or sent; bytes are dropped */
    CLOSED,    /* uv_close was called */
};

struct conn {
    uv_tcp_t tcp;
    uv_timer_t linger;
    uv_shutdown_t shutdown;
    struct conn_handler handler;
    void *user;
    SSL *ssl; /* NULL: plain */
    enum state state;
    bool peer_finished;
    int handles; /* still to be closed */
};

struct write {
    uv_write_t request;
    char bytes[];
};

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;
    if (--c->handles > 0) {
        return;
    }
    SSL_free(c->ssl);
    c->handler.on_gone(c->user);
    free(c);
}

static void close_now(struct conn *c)
{
    if (c->state == CLOSED) {
        return;
    }
    c->state = CLOSED;
    uv_close((uv_handle_t *)&c->tcp, on_closed);
    uv_close((uv_handle_t *)&c->linger, on_closed);
}

void conn_cut(struct conn *c)
{
    close_now(c);
}

/* -- raw bytes out */

static void on_written(uv_write_t *request, int status)
{
    struct conn *c = request->handle->data;
    free(request);
    if (status < 0) {
        close_now(c);
    }
}

static void write_raw(struct conn *c, const char *bytes, size_t n)
{
    if (n == 0 || c->state == CLOSED) {
        return;
    }
    if (uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp) + n > CONN_MAX_QUEUED) {
        close_now(c);
        return;
    }
    struct write *w = must_calloc(1, sizeof *w + n);
    memcpy(w->bytes, bytes, n);
    uv_buf_t buf = uv_buf_init(w->bytes, (unsigned)n);
    if (uv_write(&w->request, (uv_stream_t *)&c->tcp, &buf, 1, on_written) != 0) {
        free(w);
        close_now(c);
    }
}

/* -- TLS */

static void flush_tls(struct conn *c)
{
    char *data = NULL;
    long n = BIO_get_mem_data(SSL_get_wbio(c->ssl), &data);
    if (n > 0) {
        write_raw(c, data, (size_t)n);
        (void)BIO_reset(SSL_get_wbio(c->ssl));
    }
}

static bool tls_failed(struct conn *c, int rc)
{
    int error = SSL_get_error(c->ssl, rc);
    return error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
}

static void on_tls_bytes(struct conn *c, const char *bytes, size_t n)
{
    char plain[16384];
    BIO_write(SSL_get_rbio(c->ssl), bytes, (int)n);
    for (;;) {
        ERR_clear_error(); /* SSL_get_error looks at what other connections left there */
        int got = SSL_read(c->ssl, plain, sizeof plain); /* does the handshake too */
        if (got <= 0) {
            flush_tls(c); /* an alert, most likely */
            if (c->state == OPEN && tls_failed(c, got)) {
                conn_finish(c);
            }
            return;
        }
        if (c->state == OPEN) {
            c->handler.on_bytes(c->user, plain, (size_t)got);
        }
    }
}

void conn_write(struct conn *c, const char *bytes, size_t n)
{
    if (c->state != OPEN) {
        return;
    }
    if (c->ssl == NULL) {
        write_raw(c, bytes, n);
    } else if (n > 0 && SSL_write(c->ssl, bytes, (int)n) > 0) {
        flush_tls(c);
    }
}

/* -- the end */

static void on_linger(uv_timer_t *timer)
{
    close_now(timer->data);
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
    struct conn *c = request->handle->data;
    if (status < 0 || c->peer_finished) {
        close_now(c);
    }
}

void conn_finish(struct conn *c)
{
    if (c->state != OPEN) {
        return;
    }
    if (c->ssl != NULL) {
        SSL_shutdown(c->ssl);
        flush_tls(c);
    }
    if (c->state == CLOSED) {
        return;
    }
    c->state = FINISHING;
    uv_timer_start(&c->linger, on_linger, CONN_LINGER_MS, 0);
    if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shutdown) != 0) {
        close_now(c);
    }
}

/* -- bytes in */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static char shared[65536]; /* on_read consumes it before the next call */
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(shared, sizeof shared);
}

static void on_eof(struct conn *c)
{
    c->peer_finished = true;
    if (c->state == OPEN) {
        conn_finish(c);
    } else {
        close_now(c);
    }
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = stream->data;
    if (n == UV_EOF) {
        on_eof(c);
    } else if (n < 0) {
        close_now(c);
    } else if (n > 0 && c->state == OPEN) {
        if (c->ssl != NULL) {
            on_tls_bytes(c, buf->base, (size_t)n);
        } else {
            c->handler.on_bytes(c->user, buf->base, (size_t)n);
        }
    }
}

/* -- accepting */

static void start_tls(struct conn *c, SSL_CTX *tls)
{
    c->ssl = SSL_new(tls);
    if (c->ssl == NULL) {
        abort();
    }
    SSL_set_bio(c->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(c->ssl);
}

struct conn *conn_accept(uv_stream_t *listener, SSL_CTX *tls, const struct conn_handler *handler,
                         void *user)
{
    struct conn *c = must_calloc(1, sizeof *c);
    c->handler = *handler;
    c->user = user;
    uv_tcp_init(listener->loop, &c->tcp);
    uv_timer_init(listener->loop, &c->linger);
    c->tcp.data = c->linger.data = c;
    c->handles = 2;
    if (tls != NULL) {
        start_tls(c, tls);
    }
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0 ||
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0) {
        close_now(c);
        return NULL;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    return c;
}

/* -- facts */

void conn_peer(const struct conn *c, char *out, size_t size)
{
    struct sockaddr_storage address;
    int length = sizeof address;
    out[0] = '\0';
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&address, &length) == 0) {
        uv_ip_name((struct sockaddr *)&address, out, size);
    }
}

bool conn_is_tls(const struct conn *c)
{
    return c->ssl != NULL;
}

bool conn_has_client_cert(const struct conn *c)
{
    X509 *cert = c->ssl != NULL ? SSL_get1_peer_certificate(c->ssl) : NULL;
    X509_free(cert);
    return cert != NULL;
}

const char *conn_cert_name(const struct conn *c, char *out, size_t size)
{
    X509 *cert = c->ssl != NULL ? SSL_get1_peer_certificate(c->ssl) : NULL;
    out[0] = '\0';
    if (cert != NULL) {
        X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, out, (int)size);
    }
    X509_free(cert);
    return out;
}

const char *conn_alpn(const struct conn *c, char *out, size_t size)
{
    const unsigned char *name = NULL;
    unsigned length = 0;
    if (c->ssl != NULL) {
        SSL_get0_alpn_selected(c->ssl, &name, &length);
    }
    snprintf(out, size, "%.*s", (int)length, name != NULL ? (const char *)name : "");
    return out;
}
