/*
 * phx_dial.c - attempts at connections. What goes over a connection is its user's business, and
 * what a failure means is phx_judge.c's.
 */
#include "phx_dial.h"

#include "phx_judge.h"
#include "phx_request.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- memory ---- */

static void wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

void phx_dial_free(struct phx_dial *dial)
{
    if (!dial)
        return;
    wipe(dial->target);
    wipe(dial->headers);
    wipe(dial->subprotocols);
    phx_request_free(dial->request);
    free(dial);
}

static bool copy(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return !from || *to;
}

static struct phx_dial *new_dial(struct phx_net *net, const struct phx_dial_options *options)
{
    const struct phx_request *request = options->request;
    struct phx_dial *dial = calloc(1, sizeof *dial);

    if (!dial)
        return NULL;
    dial->net = net;
    dial->events = options->events;
    dial->way = options->way;
    dial->method = options->method;
    dial->request = phx_request_copy(request);
    if (dial->request && copy(&dial->subprotocols, options->subprotocols) &&
        copy(&dial->target, options->target ? options->target : request->target) &&
        copy(&dial->headers, options->headers ? options->headers : request->headers))
        return dial;
    phx_dial_free(dial);
    return NULL;
}

/* ---- words ---- */

static void cannot_connect(struct phx_end *end, const char *why)
{
    struct phx_sight sight = {.stage = PHX_STAGE_CONNECT, .detail = why};

    phx_judge(&sight, end);
}

#define NAME_MAX_BYTES (PHX_HOST_MAX + 3)

static void host_name(const struct phx_url *url, char *text, size_t cap)
{
    snprintf(text, cap, url->ipv6 ? "[%.*s]" : "%.*s", (int)url->host.len, url->host.at);
}

/* Host as it stands in the request: with the port where it is not the usual one. */
static void host_header(const struct phx_url *url, char *text, size_t cap)
{
    size_t len;

    host_name(url, text, cap);
    len = strlen(text);
    if (url->port != (url->tls ? 443 : 80))
        snprintf(text + len, cap - len, ":%u", url->port);
}

#define HEADER_MAX 100

struct header {
    char text[HEADER_MAX];
};

static struct phx_text header(struct lws *wsi, enum lws_token_indexes token, struct header *room)
{
    int n = lws_hdr_copy(wsi, room->text, sizeof room->text, token);

    return (struct phx_text){room->text, n > 0 ? (size_t)n : 0};
}

/* libwebsockets has one text for a refused connection and for one that ended early. */
static bool is_empty_word(const char *detail)
{
    return strcmp(detail, "closed before established") == 0;
}

void phx_dial_judge(const struct phx_dial *dial, struct lws *wsi, const char *detail,
                    struct phx_end *end)
{
    const struct phx_request *request = dial->request;
    struct header retry_after, date, location;
    char name[NAME_MAX_BYTES];
    struct phx_sight sight = {
        .stage = dial->asked ? PHX_STAGE_REQUEST : PHX_STAGE_CONNECT,
        .tls = request->url->tls,
        .host = name,
        .ca_file = request->tls.ca,
        .verify_error = dial->verify_error,
        .http_status = (int)lws_http_client_http_response(wsi),
        .retry_after = header(wsi, WSI_TOKEN_HTTP_RETRY_AFTER, &retry_after),
        .date = header(wsi, WSI_TOKEN_HTTP_DATE, &date),
        .location = header(wsi, WSI_TOKEN_HTTP_LOCATION, &location),
        .detail = is_empty_word(detail) ? NULL : detail,
        .now_s = (int64_t)time(NULL),
    };

    host_name(request->url, name, sizeof name);
    if (request->proxy.host[0] && !dial->asked && !dial->verify_error)
        sight.detail = "the HTTP proxy does not answer, or does not let us through";
    phx_judge(&sight, end);
}

/* ---- attempts ---- */

static bool has_address(const struct phx_dial *dial)
{
    return dial->tried < dial->addresses.count;
}

static const char *next_address(struct phx_dial *dial)
{
    unsigned index = (dial->request->attempt + dial->tried++) % dial->addresses.count;

    dial->used = dial->addresses.text[index];
    return dial->used;
}

static struct lws_vhost *vhost_of(const struct phx_dial *dial, const char *address,
                                  struct phx_end *end)
{
    const struct phx_request *request = dial->request;
    char proxy[PHX_PROXY_TEXT_MAX], host[PHX_HOST_MAX + 1];
    struct phx_host_key key = {
        .tls = request->url->tls,
        .files = request->tls,
        .deflate = request->deflate && !dial->method,
    };

    if (request->url->tls && request->url->ipv6) {
        snprintf(host, sizeof host, "%.*s", (int)request->url->host.len, request->url->host.at);
        key.address = host;
    }
    if (request->proxy.host[0]) {
        phx_proxy_write(&request->proxy, address, proxy, sizeof proxy);
        key.proxy = proxy;
    }
    return phx_hosts_get(dial->net->hosts, &key, end);
}

/* Takes the next address. On false libwebsockets is done with the connection already. */
static bool begin(struct phx_dial *dial, struct phx_end *end)
{
    static const lws_retry_bo_t no_pings = {.secs_since_valid_ping = 0};
    const struct phx_url *url = dial->request->url;
    const char *address = next_address(dial);
    char host[NAME_MAX_BYTES + 8], name[NAME_MAX_BYTES];
    bool proxied = dial->request->proxy.host[0] != '\0';
    struct lws_client_connect_info info = {
        .context = NULL,
        .vhost = vhost_of(dial, address, end),
        .address = proxied ? name : address,
        .port = url->port,
        .path = dial->target,
        .host = host,
        .method = dial->method,
        .protocol = dial->subprotocols,
        .ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT | (url->tls ? LCCSCF_USE_SSL : 0) |
                          (url->ipv6 ? LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK : 0),
        .ietf_version_or_minus_one = -1,
        .userdata = dial->way,
        .local_protocol_name = phx_dial_protocols[0].name,
        .alpn = "http/1.1",
        .retry_and_idle_policy = &no_pings,
    };

    if (!info.vhost)
        return false;
    info.context = phx_hosts_context(dial->net->hosts, url->tls);
    host_header(url, host, sizeof host);
    host_name(url, name, sizeof name);
    cannot_connect(end, "the attempt could not be started");
    dial->verify_error = 0;
    dial->asked = false;
    dial->starting = true;
    dial->wsi = NULL;
    dial->wsi = lws_client_connect_via_info(&info);
    dial->starting = false;
    if (dial->wsi)
        lws_cancel_service(info.context);
    return dial->wsi != NULL;
}

static bool begin_any(struct phx_dial *dial, struct phx_end *end)
{
    while (has_address(dial))
        if (begin(dial, end))
            return true;
    return false;
}

static void on_resolved(void *user, const struct phx_addresses *addresses, const char *error)
{
    struct phx_dial *dial = user;
    const struct phx_proxy *proxy = &dial->request->proxy;
    char name[NAME_MAX_BYTES];
    struct phx_sight sight = {
        .stage = PHX_STAGE_RESOLVE, .host = proxy->host[0] ? proxy->host : name, .detail = error};
    struct phx_end end;

    dial->resolve = NULL;
    host_name(dial->request->url, name, sizeof name);
    phx_judge(&sight, &end);
    if (addresses) {
        dial->addresses = *addresses;
        dial->events->progress(dial->way->user);
        if (begin_any(dial, &end))
            return;
    }
    dial->events->failed(dial->way->user, &end, NULL);
}

static bool start(struct phx_dial *dial, const char *address, struct phx_end *end)
{
    const struct phx_request *request = dial->request;
    char host[PHX_HOST_MAX + 1];

    snprintf(host, sizeof host, "%.*s", (int)request->url->host.len, request->url->host.at);
    if (request->proxy.host[0])
        snprintf(host, sizeof host, "%s", request->proxy.host);
    if (phx_resolve_numeric(address ? address : host, &dial->addresses))
        return begin_any(dial, end);
    dial->resolve = phx_resolve_start(dial->net->loop, host, on_resolved, dial);
    return dial->resolve != NULL;
}

bool phx_dial_start(struct phx_net *net, const struct phx_dial_options *options,
                    struct phx_end *end)
{
    struct phx_dial *dial = new_dial(net, options);

    cannot_connect(end, "out of memory");
    options->way->dial = dial;
    if (dial && start(dial, options->address, end))
        return true;
    phx_dial_free(dial);
    options->way->dial = NULL;
    return false;
}

bool phx_dial_is_resolving(const struct phx_dial *dial)
{
    return dial && dial->resolve;
}

void phx_dial_cancel_resolving(struct phx_dial *dial)
{
    phx_net_hold(dial->net);
    phx_resolve_cancel(dial->resolve, phx_net_release, dial->net);
    dial->way->dial = NULL;
    phx_dial_free(dial);
}

void phx_dial_kill(struct lws *wsi)
{
    lws_set_timeout(wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_ASYNC);
    lws_cancel_service(lws_get_context(wsi));
}

/* ---- libwebsockets' callbacks ---- */

void phx_dial_on_error(struct phx_dial *dial, struct lws *wsi, const char *in, size_t len)
{
    struct phx_end end;
    char detail[120];

    if (dial->starting)
        return;
    snprintf(detail, sizeof detail, "%.*s", in ? (int)len : 0, in ? in : "");
    phx_dial_judge(dial, wsi, detail, &end);
    if (end.cause == PHX_CAUSE_CONNECT && has_address(dial)) {
        dial->events->progress(dial->way->user);
        if (begin_any(dial, &end)) {
            lws_set_wsi_user(wsi, NULL);
            return;
        }
    }
    dial->events->failed(dial->way->user, &end, wsi);
}

int phx_dial_on_headers(struct phx_dial *dial, char **at, size_t room)
{
    size_t n = dial ? strlen(dial->headers) : 0;

    if (n >= room)
        return -1;
    if (dial) {
        dial->asked = true;
        memcpy(*at, dial->headers, n);
    }
    *at += n;
    return 0;
}

/* `user` is not always ours: it is a certificate store, or the name of an extension, at times. */
static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len)
{
    struct phx_dial_way *way = lws_wsi_user(wsi);

    if (reason == LWS_CALLBACK_OPENSSL_PERFORM_SERVER_CERT_VERIFICATION) {
        if (len == 0 && way && way->dial)
            way->dial->verify_error = X509_STORE_CTX_get_error(user);
        return len == 0;
    }
    return way ? way->on_lws(wsi, reason, way->user, in, len) : 0;
}

const struct lws_protocols phx_dial_protocols[] = {
    {.name = "phx", .callback = on_lws, .rx_buffer_size = PHX_MESSAGE_BYTES},
    {.name = NULL},
};
