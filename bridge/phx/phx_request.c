/*
 * phx_request.c - requests copied whole, addresses included.
 */
#include "phx_request.h"

#include <stdlib.h>
#include <string.h>

struct owned {
    struct phx_request request; /* first, so that it is the whole */
    struct phx_url url;
    char *host, *url_target, *target, *headers, *token, *ca, *cert, *key;
};

static bool copy(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return !from || *to;
}

static bool copy_span(char **to, struct phx_text *text)
{
    *to = strndup(text->at, text->len);
    text->at = *to;
    return *to != NULL;
}

struct phx_request *phx_request_copy(const struct phx_request *request)
{
    struct owned *to = calloc(1, sizeof *to);
    struct phx_request *made;

    if (!to)
        return NULL;
    made = &to->request;
    *made = *request;
    to->url = *request->url;
    made->url = &to->url;
    if (copy_span(&to->host, &to->url.host) && copy_span(&to->url_target, &to->url.target) &&
        copy(&to->target, request->target) && copy(&to->headers, request->headers) &&
        copy(&to->token, request->auth_token) && copy(&to->ca, request->tls.ca) &&
        copy(&to->cert, request->tls.cert) && copy(&to->key, request->tls.key)) {
        made->target = to->target;
        made->headers = to->headers;
        made->auth_token = to->token;
        made->tls = (struct phx_tls_files){to->ca, to->cert, to->key};
        return made;
    }
    phx_request_free(made);
    return NULL;
}

static void wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

void phx_request_free(struct phx_request *request)
{
    struct owned *owned = (struct owned *)request;

    if (!owned)
        return;
    free(owned->host);
    wipe(owned->url_target);
    wipe(owned->target);
    wipe(owned->headers);
    wipe(owned->token);
    free(owned->ca);
    free(owned->cert);
    free(owned->key);
    explicit_bzero(&owned->request.proxy, sizeof owned->request.proxy);
    free(owned);
}
