/*
 * HTTP heads: parsed strictly enough for a server that faces tests, written as Bandit writes them.
 * Which path means what is mounts.c's and control.c's business.
 */
#include "http.h"

#include "json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static bool parse_request_line(struct http_request *r, struct slice line)
{
    r->method = slice_next(&line, ' ');
    r->target = slice_next(&line, ' ');
    if (r->method.len == 0 || r->target.len == 0 || r->target.data[0] != '/' || line.len != 8 ||
        memcmp(line.data, "HTTP/1.", 7) != 0 || (line.data[7] != '0' && line.data[7] != '1')) {
        return false;
    }
    r->minor = line.data[7] - '0';
    r->query = r->target;
    r->path = slice_next(&r->query, '?');
    return true;
}

static bool parse_header_line(struct http_request *r, struct slice line)
{
    if (r->header_count == HTTP_MAX_HEADERS || line.len == 0 ||
        memchr(line.data, ':', line.len) == NULL) {
        return false;
    }
    struct slice name = slice_next(&line, ':');
    if (name.len == 0) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        char *c = (char *)name.data + i;
        if (*c <= ' ' || *c > '~') {
            return false;
        }
        *c = (char)tolower((unsigned char)*c);
    }
    r->headers[r->header_count++] = (struct http_header){name, slice_trim(line)};
    return true;
}

static struct slice next_line(struct slice *rest)
{
    struct slice line = slice_next(rest, '\n');
    if (line.len > 0 && line.data[line.len - 1] == '\r') {
        line.len--;
    }
    return line;
}

enum http_parse http_parse(struct http_request *r, char *bytes, size_t n, size_t *used)
{
    char *end = n > 0 ? memmem(bytes, n, "\r\n\r\n", 4) : NULL;
    if (end == NULL) {
        bool method =
            n == 0 || isalpha((unsigned char)bytes[0]); /* a TLS hello has no end of head */
        return n > HTTP_MAX_HEAD || !method ? HTTP_BAD : HTTP_MORE;
    }
    *used = (size_t)(end - bytes) + 4;
    if (*used > HTTP_MAX_HEAD) {
        return HTTP_BAD;
    }
    *r = (struct http_request){0};
    struct slice rest = {bytes, *used - 2};
    if (!parse_request_line(r, next_line(&rest))) {
        return HTTP_BAD;
    }
    while (rest.len > 0) {
        if (!parse_header_line(r, next_line(&rest))) {
            return HTTP_BAD;
        }
    }
    return HTTP_DONE;
}

struct slice http_header(const struct http_request *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (slice_eq(r->headers[i].name, name)) {
            return r->headers[i].value;
        }
    }
    return (struct slice){0};
}

size_t http_header_count(const struct http_request *r, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < r->header_count; i++) {
        count += (size_t)slice_eq(r->headers[i].name, name);
    }
    return count;
}

bool http_header_has(const struct http_request *r, const char *name, const char *token)
{
    struct slice rest = http_header(r, name);
    while (rest.len > 0) {
        struct slice part = slice_trim(slice_next(&rest, ','));
        if (part.len == strlen(token) && strncasecmp(part.data, token, part.len) == 0) {
            return true;
        }
    }
    return false;
}

/* -- queries */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void http_decode(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        int high = -1, low = -1;
        if (c == '%' && i + 2 < text.len) {
            high = hex_value(text.data[i + 1]);
            low = hex_value(text.data[i + 2]);
        }
        if (c == '+') {
            c = ' ';
        } else if (high >= 0 && low >= 0) {
            c = (char)(high * 16 + low);
            i += 2;
        }
        buf_add(out, &c, 1);
    }
}

static void decode_pair(struct slice *query, struct buf *name, struct buf *value)
{
    struct slice pair = slice_next(query, '&');
    http_decode(name, slice_next(&pair, '='));
    http_decode(value, pair);
}

bool http_query(struct slice query, const char *name, struct buf *out)
{
    bool found = false;
    while (query.len > 0) {
        struct buf key = {0};
        struct buf value = {0};
        decode_pair(&query, &key, &value);
        if (slice_eq(buf_all(&key), name)) {
            found = true;
            out->len = 0;
            buf_add(out, value.data, value.len);
        }
        buf_deinit(&key);
        buf_deinit(&value);
    }
    return found;
}

static bool valid_utf8(const struct buf *text)
{
    bool incomplete;
    return utf8_valid_prefix(text->data, text->len, &incomplete) == text->len;
}

/* A parameter that comes again later is left out: the last one counts. */
static bool comes_again(struct slice rest, const struct buf *name)
{
    struct buf value = {0};
    bool again = name->len > 0 && http_query(rest, name->data, &value);
    buf_deinit(&value);
    return again;
}

bool http_query_json(struct slice query, struct buf *out)
{
    bool ok = true;
    buf_str(out, "{");
    size_t empty = out->len;
    while (query.len > 0 && ok) {
        struct buf name = {0};
        struct buf value = {0};
        decode_pair(&query, &name, &value);
        ok = valid_utf8(&name) && valid_utf8(&value);
        if (ok && !comes_again(query, &name)) {
            buf_str(out, out->len > empty ? "," : "");
            json_write_string(out, buf_all(&name));
            buf_str(out, ":");
            json_write_string(out, buf_all(&value));
        }
        buf_deinit(&name);
        buf_deinit(&value);
    }
    buf_str(out, "}");
    return ok;
}

size_t http_path_parts(struct slice path, struct slice *parts, size_t max)
{
    size_t count = 0;
    while (path.len > 0) {
        struct slice part = slice_next(&path, '/');
        if (part.len > 0 && count < max) {
            parts[count++] = part;
        } else if (part.len > 0) {
            return max;
        }
    }
    return count;
}

/* -- responses */

static const char *reason_of(int status)
{
    switch (status) {
    case 101:
        return "Switching Protocols";
    case 200:
        return "OK";
    case 206:
        return "Partial Content";
    case 301:
        return "Moved Permanently";
    case 302:
        return "Found";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 413:
        return "Content Too Large";
    case 415:
        return "Unsupported Media Type";
    case 418:
        return "I'm a teapot";
    case 429:
        return "Too Many Requests";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    default:
        return "Unknown";
    }
}

static void write_date(struct buf *out, int64_t ahead_s)
{
    char text[64];
    struct tm parts;
    time_t now = time(NULL) + (time_t)ahead_s;
    gmtime_r(&now, &parts);
    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    buf_printf(out, "date: %s\r\n", text);
}

void http_write(struct buf *out, const struct http_response *r)
{
    buf_printf(out, "HTTP/1.1 %d %s\r\n", r->status, reason_of(r->status));
    buf_str(out, r->close ? "connection: close\r\n" : "");
    write_date(out, r->ahead_s);
    if (r->status != 101) {
        buf_printf(out, "content-length: %zu\r\nvary: accept-encoding\r\n", r->body.len);
    }
    if (r->type != NULL) {
        buf_printf(out, "content-type: %s\r\n", r->type);
    }
    buf_printf(out, "cache-control: %s\r\n",
               r->cache != NULL ? r->cache : "max-age=0, private, must-revalidate");
    buf_str(out, r->extra != NULL ? r->extra : "");
    buf_str(out, "\r\n");
    if (!r->head) {
        buf_slice(out, r->body);
    }
}
