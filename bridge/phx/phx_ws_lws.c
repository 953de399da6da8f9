/*
 * phx_ws_lws.c - libwebsockets' callbacks of a connection: the handshake, messages put together and
 * written, the end. They only translate; what to do about an end is decided in phx_machine.c.
 */
#include "phx_ws_conn.h"

#include "phx_judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITES_AT_ONCE 8

_Static_assert(PHX_SEND_ROOM >= LWS_PRE, "libwebsockets writes its header before the message");

/* ---- how it ended ---- */

static void on_closed(struct phx_ws_conn *conn)
{
    struct phx_sight sight = {
        .stage = PHX_STAGE_OPEN,
        .close_code = conn->close_code,
        .close_reason = {conn->close_reason, strlen(conn->close_reason)},
    };
    struct phx_end end;

    phx_judge(&sight, &end);
    phx_ws_report(conn, &end);
}

/* Starts the closing handshake. Returning -1 from a callback would do it too, but Debian's build
 * closes twice then, and the second one cuts the first short. */
static void close_politely(struct phx_ws_conn *conn, struct lws *wsi, int code)
{
    conn->shut_code = code;
    conn->closing = true;
    lws_close_reason(wsi, (enum lws_close_status)code, NULL, 0);
    lws_set_timeout(wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_SYNC);
}

static void on_too_long(struct phx_ws_conn *conn, struct lws *wsi)
{
    struct phx_end end = {.cause = PHX_CAUSE_PROTOCOL};

    snprintf(end.text, sizeof end.text, "the server sent a message of over %zu bytes",
             conn->max_message);
    phx_ws_report(conn, &end);
    phx_ws_free_message(conn);
    close_politely(conn, wsi, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE);
}

/* ---- messages ---- */

static bool grow(struct phx_ws_conn *conn, size_t more)
{
    size_t cap = conn->message_cap ? conn->message_cap * 2 : PHX_SERVICE_BYTES;
    char *bigger;

    if (conn->message_len + more <= conn->message_cap)
        return true;
    while (cap < conn->message_len + more)
        cap *= 2;
    bigger = realloc(conn->message, cap);
    if (!bigger)
        return false;
    conn->message = bigger;
    conn->message_cap = cap;
    return true;
}

static void deliver(struct phx_ws_conn *conn, bool binary, char *text, size_t len)
{
    if (!conn->base.user)
        return;
    conn->base.events->frame(conn->base.user, binary, text, len);
}

/* Returns what libwebsockets' callback shall: -1 ends the connection. */
static int on_receive(struct phx_ws_conn *conn, struct lws *wsi, char *in, size_t len)
{
    bool last = lws_is_final_fragment(wsi) != 0;
    bool binary = lws_frame_is_binary(wsi) != 0;

    if (!conn->base.user)
        return conn->closing ? 0 : -1;
    if (len > conn->max_message - conn->message_len) {
        on_too_long(conn, wsi);
        return 0;
    }
    if (last && conn->message_len == 0) {
        deliver(conn, binary, in, len);
        return conn->base.user ? 0 : -1;
    }
    if (!grow(conn, len))
        return -1;
    if (len)
        memcpy(conn->message + conn->message_len, in, len);
    conn->message_len += len;
    if (last) {
        deliver(conn, binary, conn->message, conn->message_len);
        phx_ws_free_message(conn);
    }
    return conn->base.user ? 0 : -1;
}

void phx_ws_wait(struct phx_ws_conn *conn)
{
    if (!conn->waits)
        lws_callback_on_writable(conn->wsi);
    conn->waits = true;
}

static int write_one(struct phx_ws_conn *conn, struct phx_send *send)
{
    int len = (int)send->len;
    int written = lws_write(conn->wsi, send->bytes + PHX_SEND_ROOM, send->len,
                            send->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT);

    free(send);
    return written < len ? -1 : 0;
}

/* Each write only when the one before has left libwebsockets, and not for ever: the others on the
 * loop wait. The socket is not asked beforehand whether it takes more: of what it does not take
 * libwebsockets keeps the rest. */
int phx_ws_write(struct phx_ws_conn *conn)
{
    for (int i = 0; i < WRITES_AT_ONCE && !lws_partial_buffered(conn->wsi); i++) {
        struct phx_send *send = conn->base.user ? conn->base.events->next(conn->base.user) : NULL;

        if (!send)
            return 0;
        if (write_one(conn, send) < 0)
            return -1;
    }
    phx_ws_wait(conn);
    return 0;
}

static int on_writeable(struct phx_ws_conn *conn, struct lws *wsi)
{
    conn->waits = false;
    if (phx_ws_write(conn) < 0)
        return -1;
    if (conn->closing || conn->waits)
        return 0;
    if (!conn->base.user)
        return -1;
    if (conn->shut_code)
        close_politely(conn, wsi, conn->shut_code);
    return 0;
}

static void on_peer_close(struct phx_ws_conn *conn, const unsigned char *in, size_t len)
{
    if (len < 2)
        return;
    conn->close_code = in[0] << 8 | in[1];
    snprintf(conn->close_reason, sizeof conn->close_reason, "%.*s", (int)len - 2,
             (const char *)in + 2);
}

static void on_established(struct phx_ws_conn *conn, struct lws *wsi)
{
    conn->wsi = wsi;
    phx_ws_wait(conn); /* libwebsockets is not done with the handshake */
    phx_dial_free(conn->way.dial);
    conn->way.dial = NULL;
    if (conn->base.user)
        conn->base.events->opened(conn->base.user);
}

static void on_failed(struct phx_ws_conn *conn, struct lws *wsi, const char *in, size_t len)
{
    if (conn->base.user && conn->way.dial)
        phx_dial_on_error(conn->way.dial, wsi, in, len);
}

/* Of an address that was refused while it was begun, the dialler knows. */
static void on_destroyed(struct phx_ws_conn *conn)
{
    if (conn->way.dial && conn->way.dial->starting)
        return;
    on_closed(conn);
    phx_ws_free_conn(conn);
}

int phx_ws_on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len)
{
    struct phx_ws_conn *conn = user;

    if (reason == LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER)
        return phx_dial_on_headers(conn->way.dial, in, len);
    if (reason == LWS_CALLBACK_CLIENT_CONNECTION_ERROR)
        on_failed(conn, wsi, in, len);
    else if (reason == LWS_CALLBACK_CLIENT_ESTABLISHED)
        on_established(conn, wsi);
    else if (reason == LWS_CALLBACK_CLIENT_RECEIVE)
        return on_receive(conn, wsi, in, len);
    else if (reason == LWS_CALLBACK_CLIENT_WRITEABLE)
        return on_writeable(conn, wsi);
    else if (reason == LWS_CALLBACK_WS_PEER_INITIATED_CLOSE)
        on_peer_close(conn, in, len);
    else if (reason == LWS_CALLBACK_CLIENT_CLOSED)
        on_closed(conn);
    else if (reason == LWS_CALLBACK_WSI_DESTROY)
        on_destroyed(conn);
    return 0;
}
