/*
 * phx_hosts.c - starts, keeps and ends libwebsockets. Connections are made in phx_dial.c.
 */
#include "phx_hosts.h"

#include <libwebsockets.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define LWS_TIMEOUT_S     120 /* libwebsockets' own time-outs; ours come first */
#define SPARE_DESCRIPTORS 16
#define LOG_DEBUG_LEVEL   7 /* of syslog(3) */

enum flavour { PLAIN, TLS, FLAVOURS };

/* One setting of TLS; connections share it. */
struct host {
    struct host *next;
    struct lws_vhost *vhost;
    SSL_CTX *tls;
    uint64_t stamp;
    bool deflate;
    char *ca, *cert, *key, *address, *proxy;
};

struct phx_hosts {
    struct phx_hosts_options options;
    struct lws_context *contexts[FLAVOURS]; /* libwebsockets writes NULL when one is gone */
    struct host *hosts;
    uv_timer_t closing;
    unsigned rounds;
    void (*closed)(void *user);
    void *closed_user;
};

static struct phx_hosts *log_to;

static void on_lws_log(int level, const char *line)
{
    char text[200];

    (void)level;
    if (!log_to || !log_to->options.log)
        return;
    snprintf(text, sizeof text, "libwebsockets: %.*s", (int)strcspn(line, "\r\n"), line);
    log_to->options.log(log_to->options.user, LOG_DEBUG_LEVEL, text);
}

struct phx_hosts *phx_hosts_open(const struct phx_hosts_options *options)
{
    struct phx_hosts *hosts = calloc(1, sizeof *hosts);

    if (hosts)
        hosts->options = *options;
    return hosts;
}

static struct lws_context *context_of(struct phx_hosts *hosts, enum flavour flavour)
{
    void *loops[] = {hosts->options.loop};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .gid = -1,
        .uid = -1,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
        .foreign_loops = loops,
        .pcontext = &hosts->contexts[flavour],
        /* Twice: the old connections may still be closing when all come back at once. */
        .fd_limit_per_thread = 2 * hosts->options.max_sockets + SPARE_DESCRIPTORS,
        .pt_serv_buf_size = PHX_SERVICE_BYTES,
        .max_http_header_data2 = PHX_SERVICE_BYTES,
        .timeout_secs = LWS_TIMEOUT_S,
        .connect_timeout_secs = LWS_TIMEOUT_S,
    };

    if (hosts->contexts[flavour])
        return hosts->contexts[flavour];
    if (flavour == TLS)
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    log_to = hosts;
    lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
    hosts->contexts[flavour] = lws_create_context(&info);
    return hosts->contexts[flavour];
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_host(const struct host *host, const struct phx_host_key *key)
{
    if (!key->tls != !host->tls || key->deflate != host->deflate || !same(host->proxy, key->proxy))
        return false;
    return !key->tls || (same(host->address, key->address) && same(host->ca, key->files.ca) &&
                         same(host->cert, key->files.cert) && same(host->key, key->files.key));
}

/* A vhost goes with its context and no sooner: a new one for each certificate that was renewed
 * would be a leak. */
static enum phx_tls_renewed renew(struct host *host, const struct phx_host_key *key,
                                  struct phx_end *end)
{
    uint64_t stamp = key->tls ? phx_tls_stamp(&key->files) : 0;
    enum phx_tls_renewed renewed = PHX_TLS_RENEWED;

    if (host->stamp == stamp)
        return PHX_TLS_RENEWED;
    end->cause = PHX_CAUSE_TLS;
    renewed = phx_tls_renew(host->tls, &key->files, end->text, sizeof end->text);
    if (renewed == PHX_TLS_RENEWED)
        host->stamp = stamp;
    return renewed;
}

static const struct lws_extension deflate[] = {
    {"permessage-deflate", lws_extension_callback_pm_deflate,
     "permessage-deflate; client_no_context_takeover; client_max_window_bits"},
    {NULL, NULL, NULL},
};

/* An empty proxy address keeps http_proxy of the environment out; libwebsockets would complain. */
static struct lws_vhost *new_vhost(const struct phx_hosts *hosts, struct lws_context *context,
                                   SSL_CTX *tls, const struct phx_host_key *key)
{
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = hosts->options.protocols,
        .extensions = key->deflate ? deflate : NULL,
        .options = tls ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0,
        .provided_client_ssl_ctx = tls,
        .http_proxy_address = key->proxy ? key->proxy : "",
        .vhost_name = "phx",
        .timeout_secs_ah_idle = LWS_TIMEOUT_S,
    };
    struct lws_vhost *vhost;

    lws_set_log_level(0, NULL);
    vhost = lws_create_vhost(context, &info);
    lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
    return vhost;
}

static void free_host(struct host *host)
{
    SSL_CTX_free(host->tls);
    free(host->ca);
    free(host->cert);
    free(host->key);
    free(host->address);
    if (host->proxy)
        explicit_bzero(host->proxy, strlen(host->proxy));
    free(host->proxy);
    free(host);
}

static bool copy(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return !from || *to;
}

static struct host *new_host(struct phx_hosts *hosts, const struct phx_host_key *key,
                             struct phx_end *end)
{
    struct lws_context *context = context_of(hosts, key->tls ? TLS : PLAIN);
    struct host *host = context ? calloc(1, sizeof *host) : NULL;

    if (!host)
        return NULL;
    host->deflate = key->deflate;
    host->stamp = key->tls ? phx_tls_stamp(&key->files) : 0;
    if (key->tls)
        host->tls = phx_tls_open(&key->files, key->address, end->text, sizeof end->text);
    if (copy(&host->ca, key->files.ca) && copy(&host->cert, key->files.cert) &&
        copy(&host->key, key->files.key) && copy(&host->address, key->address) &&
        copy(&host->proxy, key->proxy) && (!key->tls || host->tls))
        host->vhost = new_vhost(hosts, context, host->tls, key);
    if (host->vhost)
        return host;
    free_host(host);
    return NULL;
}

struct lws_vhost *phx_hosts_get(struct phx_hosts *hosts, const struct phx_host_key *key,
                                struct phx_end *end)
{
    struct host *host = hosts->hosts;
    enum phx_tls_renewed renewed = PHX_TLS_OTHER_KEY;

    while (host && !is_host(host, key))
        host = host->next;
    if (host)
        renewed = renew(host, key, end);
    if (renewed != PHX_TLS_OTHER_KEY)
        return renewed == PHX_TLS_RENEWED ? host->vhost : NULL;
    end->cause = key->tls ? PHX_CAUSE_TLS : PHX_CAUSE_CONNECT;
    snprintf(end->text, sizeof end->text,
             "libwebsockets did not start: is its libuv plug-in installed?");
    host = new_host(hosts, key, end);
    if (!host)
        return NULL;
    host->next = hosts->hosts;
    hosts->hosts = host;
    return host->vhost;
}

struct lws_context *phx_hosts_context(const struct phx_hosts *hosts, bool tls)
{
    return hosts->contexts[tls ? TLS : PLAIN];
}

/* ---- closing down ---- */

static void on_timer_closed(uv_handle_t *handle)
{
    struct phx_hosts *hosts = handle->data;
    void (*closed)(void *user) = hosts->closed;
    void *user = hosts->closed_user;

    while (hosts->hosts) {
        struct host *host = hosts->hosts;
        hosts->hosts = host->next;
        free_host(host);
    }
    if (log_to == hosts)
        log_to = NULL;
    free(hosts);
    closed(user);
}

/* On a loop that is not its own, libwebsockets closes its handles over two rounds of the loop and
 * frees itself when destroyed a second time. */
static void close_round(uv_timer_t *timer)
{
    struct phx_hosts *hosts = timer->data;

    hosts->rounds++;
    for (int i = 0; i < FLAVOURS; i++)
        if (hosts->contexts[i] && (hosts->rounds == 1 || hosts->rounds == 4))
            lws_context_destroy(hosts->contexts[i]);
    if (hosts->rounds == 4)
        uv_close((uv_handle_t *)timer, on_timer_closed);
}

void phx_hosts_close(struct phx_hosts *hosts, void (*closed)(void *user), void *user)
{
    hosts->closed = closed;
    hosts->closed_user = user;
    uv_timer_init(hosts->options.loop, &hosts->closing);
    hosts->closing.data = hosts;
    uv_timer_start(&hosts->closing, close_round, 0, 1);
}
