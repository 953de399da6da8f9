/*
 * WebSocket frames on the server's side. Written here rather than taken from the library that the
 * bridge uses, so that client and server cannot share a misunderstanding, and so that every close
 * code is the recorded one. Compression is in ws_deflate.c.
 */
#include "ws.h"

#include "json.h"
#include "ws_deflate.h"

#include <openssl/evp.h>
#include <string.h>

enum { FIN = 0x80, RSV1 = 0x40, RSV23 = 0x30, OPCODE = 0x0F, MASKED = 0x80, LENGTH = 0x7F };
enum { MAX_CONTROL = 125, MAX_FRAMES_IN_MESSAGE = 4 };

struct frame {
    unsigned flags;
    int opcode;
    bool masked;
    uint64_t length;
    size_t header; /* bytes, the masking key included */
};

void ws_init(struct ws *ws, const struct ws_handler *handler, size_t max_frame)
{
    *ws = (struct ws){.handler = *handler, .max_frame = max_frame};
}

void ws_deinit(struct ws *ws)
{
    buf_deinit(&ws->in);
    buf_deinit(&ws->message);
    ws_deflate_free(ws->deflate);
    ws->deflate = NULL;
}

void ws_end(struct ws *ws)
{
    ws->ended = true;
}

static void fail(struct ws *ws, int code)
{
    ws_end(ws);
    ws->handler.on_fail(ws->handler.ctx, code);
}

/* Reads a frame's header. False: more bytes are needed. */
static bool read_header(const struct buf *in, struct frame *f)
{
    const unsigned char *p = (const unsigned char *)in->data;
    if (in->len < 2) {
        return false;
    }
    f->flags = p[0] & (FIN | RSV1 | RSV23);
    f->opcode = p[0] & OPCODE;
    f->masked = (p[1] & MASKED) != 0;
    f->length = p[1] & LENGTH;
    size_t extra = f->length == 126 ? 2 : f->length == 127 ? 8 : 0;
    f->header = 2 + extra + (f->masked ? 4 : 0);
    if (in->len < 2 + extra) {
        return false;
    }
    if (extra > 0) {
        f->length = 0;
    }
    for (size_t i = 0; i < extra; i++) {
        f->length = f->length << 8 | p[2 + i];
    }
    return true;
}

static bool is_control(int opcode)
{
    return opcode >= WS_CLOSE;
}

static bool opcode_known(int opcode)
{
    return opcode <= WS_BINARY || (opcode >= WS_CLOSE && opcode <= WS_PONG);
}

/* 0, or the code that this header ends the connection with. */
static int check_header(const struct ws *ws, const struct frame *f)
{
    bool compressed = (f->flags & RSV1) != 0;
    if (!f->masked || !opcode_known(f->opcode) || (f->flags & RSV23) != 0) {
        return 1002;
    }
    if (compressed &&
        (ws->deflate == NULL || f->opcode == WS_CONTINUATION || is_control(f->opcode))) {
        return 1002;
    }
    if (is_control(f->opcode)) {
        return f->length > MAX_CONTROL || (f->flags & FIN) == 0 ? 1002 : 0;
    }
    if (f->length > ws->max_frame) {
        return 1009;
    }
    return (f->opcode == WS_CONTINUATION) != (ws->opcode != 0) ? 1002 : 0;
}

static void unmask(char *data, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++) {
        data[i] = (char)(data[i] ^ key[i & 3]);
    }
}

static void finish_message(struct ws *ws)
{
    struct buf whole = ws->message;
    bool binary = ws->opcode == WS_BINARY;
    bool incomplete = false;
    ws->message = (struct buf){0};
    ws->opcode = 0;
    if (ws->compressed) {
        struct buf plain = {0};
        bool ok = ws_deflate_decompress(ws->deflate, &whole, &plain,
                                        ws->max_frame * MAX_FRAMES_IN_MESSAGE);
        buf_deinit(&whole);
        whole = plain;
        if (!ok) {
            buf_deinit(&whole);
            fail(ws, 1007);
            return;
        }
    }
    if (!binary && utf8_valid_prefix(whole.data, whole.len, &incomplete) != whole.len) {
        fail(ws, 1007);
    } else {
        ws->handler.on_message(ws->handler.ctx, binary, whole.len > 0 ? whole.data : "", whole.len);
    }
    buf_deinit(&whole);
}

static void on_data(struct ws *ws, const struct frame *f, const char *data, size_t n)
{
    if (f->opcode != WS_CONTINUATION) {
        ws->opcode = f->opcode;
        ws->compressed = (f->flags & RSV1) != 0;
    }
    if (ws->message.len + n > ws->max_frame * MAX_FRAMES_IN_MESSAGE) {
        fail(ws, 1009);
        return;
    }
    buf_add(&ws->message, data, n);
    if ((f->flags & FIN) != 0) {
        finish_message(ws);
    }
}

static void on_close_frame(struct ws *ws, const char *data, size_t n)
{
    if (n == 1) {
        fail(ws, 1002);
        return;
    }
    ws_end(ws);
    int code = n == 0 ? WS_NO_CODE : (unsigned char)data[0] << 8 | (unsigned char)data[1];
    ws->handler.on_close(ws->handler.ctx, code);
}

static void on_frame(struct ws *ws, const struct frame *f, char *data, size_t n)
{
    switch (f->opcode) {
    case WS_CLOSE:
        on_close_frame(ws, data, n);
        break;
    case WS_PING:
        ws->handler.on_ping(ws->handler.ctx, data, n);
        break;
    case WS_PONG:
        break;
    default:
        on_data(ws, f, data, n);
    }
}

void ws_on_bytes(struct ws *ws, const char *bytes, size_t n)
{
    struct frame f;
    if (ws->ended) {
        return;
    }
    buf_add(&ws->in, bytes, n);
    size_t done = 0;
    while (!ws->ended) {
        struct buf rest = {.data = ws->in.data + done, .len = ws->in.len - done};
        if (!read_header(&rest, &f)) {
            break;
        }
        int code = check_header(ws, &f);
        if (code != 0) {
            fail(ws, code);
            break;
        }
        if (rest.len < f.header + f.length) {
            break;
        }
        char *data = rest.data + f.header;
        unmask(data, (size_t)f.length, data - 4);
        on_frame(ws, &f, data, (size_t)f.length);
        done += f.header + (size_t)f.length;
    }
    buf_drop(&ws->in, done);
}

void ws_write_frame(struct ws *ws, struct buf *out, enum ws_opcode opcode, const char *data,
                    size_t n)
{
    struct buf squeezed = {0};
    unsigned flags = FIN;
    if (ws->deflate != NULL && !is_control((int)opcode) &&
        ws_deflate_compress(ws->deflate, data, n, &squeezed)) {
        flags |= RSV1;
        data = squeezed.data;
        n = squeezed.len;
    }
    unsigned char head[10] = {(unsigned char)(flags | (unsigned)opcode)};
    size_t extra = n < 126 ? 0 : n <= 0xFFFF ? 2 : 8;
    head[1] = (unsigned char)(extra == 0 ? n : extra == 2 ? 126 : 127);
    for (size_t i = 0; i < extra; i++) {
        head[2 + i] = (unsigned char)((uint64_t)n >> 8 * (extra - 1 - i));
    }
    buf_add(out, head, 2 + extra);
    buf_add(out, data, n);
    buf_deinit(&squeezed);
}

int ws_close_answer(int code, bool cowboy)
{
    bool reserved = code < 1000 || (code >= 1004 && code <= 1006) || (code >= 1012 && code <= 2999);
    if (code == WS_NO_CODE) {
        return 1000;
    }
    if (reserved) {
        return 1002;
    }
    return cowboy && code <= 4999 ? code : cowboy ? 1002 : 1000;
}

void ws_accept_key(struct slice key, char out[29])
{
    static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    struct buf text = {0};
    buf_slice(&text, key);
    buf_str(&text, GUID);
    EVP_Digest(text.data, text.len, digest, &digest_len, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)out, digest, (int)digest_len);
    buf_deinit(&text);
}

void ws_negotiate_deflate(struct ws *ws, struct slice offer, struct buf *answer)
{
    ws->deflate = ws_deflate_negotiate(offer, answer);
}
