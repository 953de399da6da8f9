/*
 * watch_http.h - the head of an HTTP/1.x request, as much of it as serving three pages needs.
 */
#ifndef WATCH_HTTP_H
#define WATCH_HTTP_H

#include <stddef.h>

#define WATCH_HTTP_HEAD_MAX 4096
#define WATCH_HTTP_PATH_MAX 64

enum watch_http_result {
    WATCH_HTTP_MORE,    /* the head has not ended yet, and nothing is wrong so far */
    WATCH_HTTP_GET,     /* GET or HEAD of a page */
    WATCH_HTTP_METHOD,  /* another method */
    WATCH_HTTP_BAD,     /* no HTTP, or more than WATCH_HTTP_HEAD_MAX bytes */
    WATCH_HTTP_FOREIGN, /* a web page asks (it has an Origin): none is served */
};

struct watch_http_request {
    char path[WATCH_HTTP_PATH_MAX]; /* without the query; a longer one is cut and matches nothing */
    int head_only;
};

/* Reads the first `n` bytes of a connection. Fills `request` for WATCH_HTTP_GET only. */
enum watch_http_result watch_http_parse(const char *bytes, size_t n,
                                        struct watch_http_request *request);

#endif
