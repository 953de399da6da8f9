/*
 * phx_http.h - one HTTP request and its answer, over libwebsockets.
 */
#ifndef PHX_HTTP_H
#define PHX_HTTP_H

#include "phx_dial.h"

struct phx_http;

struct phx_http_answer {
    int status;
    char *body; /* may be changed, and is followed by a NUL */
    size_t len;
    const char *address; /* that answered */
    struct phx_end end;  /* what the status means, if it is no 2xx */
};

struct phx_http_events {
    /* One step is done: see phx_conn_events. */
    void (*progress)(void *user);
    /* One of the two follows, once; after it the request is not the user's any more. */
    void (*answered)(void *user, const struct phx_http_answer *answer);
    void (*failed)(void *user, const struct phx_end *end);
};

struct phx_http_request {
    const struct phx_request *base;
    const char *method, *target;
    const char *address;   /* known to work; NULL: none */
    const char *headers;   /* whole lines, Content-Length included where there is a body */
    struct phx_send *body; /* from here on the request's; NULL: none */
    size_t max_answer;     /* bytes; a longer body is a failure: PHX_CAUSE_PROTOCOL */
};

/* Events follow, none of them from inside this call. NULL: failed already, see *end. */
struct phx_http *phx_http_start(struct phx_net *net, const struct phx_http_request *request,
                                const struct phx_http_events *events, void *user,
                                struct phx_end *end);
/* No event follows. */
void phx_http_drop(struct phx_http *http);

#endif
