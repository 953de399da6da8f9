#ifndef PHXDEV_HTTP_H
#define PHXDEV_HTTP_H

#include "buf.h"

#include <stdbool.h>
#include <stdint.h>

/* HTTP/1.1 requests and responses, no I/O. */

enum { HTTP_MAX_HEADERS = 64, HTTP_MAX_HEAD = 16384 };

struct http_header {
    struct slice name; /* lower-case */
    struct slice value;
};

struct http_request {
    struct slice method;
    struct slice target; /* as sent */
    struct slice path;   /* the target up to '?' */
    struct slice query;  /* behind '?', may be empty */
    int minor;           /* of HTTP/1.x */
    struct http_header headers[HTTP_MAX_HEADERS];
    size_t header_count;
};

enum http_parse { HTTP_MORE, HTTP_BAD, HTTP_DONE };

/* Parses a request's head. bytes is changed (header names become lower-case) and request points
 * into it. HTTP_DONE: *used is the head's length. HTTP_MORE: come back with more. HTTP_BAD: not
 * HTTP, or larger than HTTP_MAX_HEAD. */
enum http_parse http_parse(struct http_request *request, char *bytes, size_t n, size_t *used);

/* The first header of this (lower-case) name, data NULL when there is none. */
struct slice http_header(const struct http_request *request, const char *name);
size_t http_header_count(const struct http_request *request, const char *name);
/* Is token one of the comma-separated values of this header? Case does not matter. */
bool http_header_has(const struct http_request *request, const char *name, const char *token);

/* Decodes %XX and '+' of a query part; what is not hexadecimal stays as it is. */
void http_decode(struct buf *out, struct slice text);
/* The last value of a query parameter, decoded. False: there is none. */
bool http_query(struct slice query, const char *name, struct buf *out);
/* Appends all parameters of a query as a JSON object. False: not UTF-8 when decoded. */
bool http_query_json(struct slice query, struct buf *out);

/* Splits at '/', leaving empty parts out. Returns how many there are, at most max. */
size_t http_path_parts(struct slice path, struct slice *parts, size_t max);

struct http_response {
    int status;
    const char *type;  /* NULL: none */
    const char *cache; /* Cache-Control; NULL: what Phoenix says by default */
    const char *extra; /* further header lines, each with its CRLF; NULL: none */
    struct slice body;
    bool close;      /* say so, and mean it */
    int64_t ahead_s; /* this much is added to the clock for Date */
    bool head;       /* the body's length is said, the body not sent */
};

void http_write(struct buf *out, const struct http_response *response);

#endif
