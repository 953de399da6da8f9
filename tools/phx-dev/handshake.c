/* The WebSocket handshake in Bandit's words. Whether the client is let in is mounts.c's decision.
 */
#include "handshake.h"

#include <string.h>

static void complain(struct buf *error, const struct http_request *request, const char *name,
                     const char *rule, const char *value)
{
    struct slice got = http_header(request, name);
    buf_printf(error, "'%s' header must %s '%s', got [", name, rule, value);
    if (got.data != NULL) {
        json_write_string(error, got);
    }
    buf_str(error, "]");
}

bool handshake_ok(const struct http_request *request, struct buf *error)
{
    if (request->minor == 0) {
        buf_str(error, "HTTP version HTTP/1.0 unsupported");
    } else if (!http_header_has(request, "connection", "upgrade")) {
        complain(error, request, "connection", "contain", "upgrade");
    } else if (!http_header_has(request, "upgrade", "websocket")) {
        complain(error, request, "upgrade", "contain", "websocket");
    } else if (http_header(request, "sec-websocket-key").data == NULL) {
        buf_str(error, "'sec-websocket-key' header is absent");
    } else if (!slice_eq(http_header(request, "sec-websocket-version"), "13")) {
        complain(error, request, "sec-websocket-version", "equal", "13");
    }
    return error->len == 0;
}

static void write_protocol(const struct mount *mount, const struct http_request *request,
                           struct buf *out)
{
    struct slice protocol = mount_protocol(mount, request);
    if (protocol.data != NULL) {
        buf_printf(out, "sec-websocket-protocol: %.*s\r\n", (int)protocol.len, protocol.data);
    }
}

static void write_extensions(const struct mount *mount, const struct http_request *request,
                             struct ws *ws, struct buf *out)
{
    struct buf answer = {0};
    if (mount->compress) {
        ws_negotiate_deflate(ws, http_header(request, "sec-websocket-extensions"), &answer);
    }
    if (answer.len > 0) {
        buf_printf(out, "sec-websocket-extensions: %s\r\n", answer.data);
    }
    buf_deinit(&answer);
}

void handshake_write(const struct mount *mount, const struct http_request *request, struct ws *ws,
                     struct buf *out)
{
    char accept[29];
    struct buf extra = {0};
    ws_accept_key(http_header(request, "sec-websocket-key"), accept);
    buf_printf(&extra, "upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: %s\r\n",
               accept);
    write_protocol(mount, request, &extra);
    write_extensions(mount, request, ws, &extra);
    http_write(out, &(struct http_response){.status = 101, .extra = extra.data});
    buf_deinit(&extra);
}

static void write_x_headers(const struct http_request *request, struct buf *out)
{
    const char *comma = "";
    buf_str(out, "[");
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *h = &request->headers[i];
        bool incomplete;
        if (h->name.len > 2 && memcmp(h->name.data, "x-", 2) == 0 &&
            utf8_valid_prefix(h->value.data, h->value.len, &incomplete) == h->value.len) {
            buf_printf(out, "%s[", comma);
            json_write_string(out, h->name);
            buf_str(out, ",");
            json_write_string(out, h->value);
            buf_str(out, "]");
            comma = ",";
        }
    }
    buf_str(out, "]");
}

/* An IPv4 address as an Erlang tuple; another one as it is. */
static void write_peer(const struct conn *conn, struct buf *out)
{
    char text[64];
    conn_peer(conn, text, sizeof text);
    bool tuple = strchr(text, ':') == NULL;
    struct slice rest = slice_of(text);
    buf_str(out, tuple ? "\"{" : "\"");
    while (rest.len > 0) {
        buf_slice(out, slice_next(&rest, '.'));
        buf_str(out, rest.len > 0 ? ", " : "");
    }
    buf_str(out, tuple ? "}\"" : "\"");
}

static void write_text_or_null(struct buf *out, struct slice text)
{
    bool incomplete;
    if (text.data != NULL && utf8_valid_prefix(text.data, text.len, &incomplete) == text.len) {
        json_write_string(out, text);
    } else {
        buf_str(out, "null");
    }
}

/* The query's parameters and, as an application may add it, the token that was seen. */
static void write_params(const struct http_request *request, const struct connect_result *connect,
                         struct buf *out)
{
    struct buf params = {0};
    http_query_json(request->query, &params);
    if (!connect->has_token) {
        buf_slice(out, buf_all(&params));
    } else {
        buf_str(out, "{\"auth_token_seen\":");
        json_write_string(out, buf_all(&connect->token));
        buf_str(out, params.len > 2 ? "," : "");
        buf_add(out, params.data + 1, params.len - 1);
    }
    buf_deinit(&params);
}

void handshake_write_info(const struct conn *conn, const struct http_request *request,
                          const struct connect_result *connect, struct buf *out)
{
    struct buf uri = {0};
    struct slice none = {0};
    buf_str(&uri, conn_is_tls(conn) ? "https://" : "http://");
    buf_slice(&uri, http_header(request, "host"));
    buf_slice(&uri, request->target);
    buf_str(out, "{\"auth_token\":");
    write_text_or_null(out, connect->has_token ? buf_all(&connect->token) : none);
    buf_printf(out, ",\"has_cert\":%s,\"params\":", conn_has_client_cert(conn) ? "true" : "false");
    write_params(request, connect, out);
    buf_str(out, ",\"peer\":");
    write_peer(conn, out);
    buf_str(out, ",\"uri\":");
    write_text_or_null(out, buf_all(&uri));
    buf_str(out, ",\"user_agent\":");
    write_text_or_null(out, http_header(request, "user-agent"));
    buf_str(out, ",\"x_headers\":");
    write_x_headers(request, out);
    buf_str(out, "}");
    buf_deinit(&uri);
}
