/*
 * Judges the head of a request. Connections, time-outs and the answers are watch_server.c's.
 * Written here because it is all that three pages on the loop that is there already need of HTTP.
 */
#define _GNU_SOURCE
#include "watch_http.h"

#include <string.h>
#include <strings.h>

#define HEAD_END "\r\n\r\n"

/* The bytes up to the blank line, or NULL. */
static const char *head_end(const char *bytes, size_t n)
{
    return memmem(bytes, n, HEAD_END, strlen(HEAD_END));
}

/* Only bytes that a head may hold, so that the rest may think in lines. */
static int is_printable(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if ((c < 0x20 && c != '\r' && c != '\n' && c != '\t') || c == 0x7f)
            return 0;
    }
    return 1;
}

/* The part of `line` up to the next space, and where the rest begins. */
static size_t word(const char *line, const char *end, const char **next)
{
    const char *space = memchr(line, ' ', (size_t)(end - line));
    size_t n = (size_t)((space != NULL ? space : end) - line);
    *next = space != NULL ? space + 1 : end;
    return n;
}

static int has_header(const char *line, const char *end, const char *name)
{
    size_t n = strlen(name);
    while (line < end) {
        const char *next = memmem(line, (size_t)(end - line), "\r\n", 2);
        const char *stop = next != NULL ? next : end;
        if ((size_t)(stop - line) > n && strncasecmp(line, name, n) == 0 && line[n] == ':')
            return 1;
        line = next != NULL ? next + 2 : end;
    }
    return 0;
}

/* Returns 0 for a path that is none. */
static int take_path(const char *target, size_t n, struct watch_http_request *request)
{
    const char *query = memchr(target, '?', n);
    if (n == 0 || target[0] != '/')
        return 0;
    if (query != NULL)
        n = (size_t)(query - target);
    if (n >= sizeof request->path)
        n = sizeof request->path - 1;
    memcpy(request->path, target, n);
    request->path[n] = '\0';
    return 1;
}

enum watch_http_result watch_http_parse(const char *bytes, size_t n,
                                        struct watch_http_request *request)
{
    const char *end = head_end(bytes, n), *line_end, *target, *version, *rest;
    size_t head = end != NULL ? (size_t)(end - bytes) : n;
    if (head > WATCH_HTTP_HEAD_MAX || !is_printable(bytes, head))
        return WATCH_HTTP_BAD;
    if (end == NULL)
        return WATCH_HTTP_MORE;
    line_end = memmem(bytes, head + 2, "\r\n", 2);
    size_t method_len = word(bytes, line_end, &target);
    size_t target_len = word(target, line_end, &version);
    size_t version_len = word(version, line_end, &rest);
    if (version_len != strlen("HTTP/1.1") || memcmp(version, "HTTP/1.", 7) != 0 ||
        version + version_len != line_end || !take_path(target, target_len, request))
        return WATCH_HTTP_BAD;
    if (has_header(line_end + 2, end, "Origin"))
        return WATCH_HTTP_FOREIGN;
    request->head_only = method_len == 4 && memcmp(bytes, "HEAD", 4) == 0;
    if (!request->head_only && !(method_len == 3 && memcmp(bytes, "GET", 3) == 0))
        return WATCH_HTTP_METHOD;
    return WATCH_HTTP_GET;
}
