#ifndef PHXDEV_WS_H
#define PHXDEV_WS_H

#include "buf.h"

#include <stdbool.h>
#include <stdint.h>

/* The server's side of RFC 6455, bytes in and messages out, as strict as Bandit: what is not
 * allowed ends the connection with the code Bandit sends. */

enum ws_opcode {
    WS_CONTINUATION = 0,
    WS_TEXT = 1,
    WS_BINARY = 2,
    WS_CLOSE = 8,
    WS_PING = 9,
    WS_PONG = 10,
};

enum { WS_NO_CODE = 0 }; /* a close frame without a body */

struct ws_handler {
    void *ctx;
    /* A whole message; text is valid UTF-8. */
    void (*on_message)(void *ctx, bool binary, const char *data, size_t n);
    void (*on_ping)(void *ctx, const char *data, size_t n);
    /* The peer's close frame; code WS_NO_CODE when it has none. Nothing is parsed after it. */
    void (*on_close)(void *ctx, int code);
    /* The peer broke the protocol: close with code. Nothing is parsed after it. */
    void (*on_fail)(void *ctx, int code);
};

struct ws_deflate;

struct ws {
    struct ws_handler handler;
    size_t
        max_frame; /* a larger frame fails with 1009; a fragmented message may have four of them */
    struct buf in;
    struct buf message;
    int opcode; /* of the fragmented message under way; 0 = none */
    bool compressed;
    bool ended;
    struct ws_deflate *deflate; /* NULL: not negotiated */
};

void ws_init(struct ws *ws, const struct ws_handler *handler, size_t max_frame);
void ws_deinit(struct ws *ws);
/* The handler is called for every message that these bytes complete. */
void ws_on_bytes(struct ws *ws, const char *bytes, size_t n);
/* The parser stops: whatever comes is ignored. */
void ws_end(struct ws *ws);

/* Appends one frame, unmasked, final; a text or binary frame is compressed when that was
 * negotiated. */
void ws_write_frame(struct ws *ws, struct buf *out, enum ws_opcode opcode, const char *data,
                    size_t n);
/* The code a close frame with this code is answered with, as Bandit or as Cowboy does. */
int ws_close_answer(int code, bool cowboy);

/* The value of Sec-WebSocket-Accept for this key (29 bytes with NUL). */
void ws_accept_key(struct slice key, char out[29]);

/* Chooses from a Sec-WebSocket-Extensions offer: appends the answer's value and turns compression
 * on, or leaves both alone when no offer is acceptable. */
void ws_negotiate_deflate(struct ws *ws, struct slice offer, struct buf *answer);

#endif
