/* Tokens among the subprotocols. Which sockets look for them is mounts.c's table. */
#include "auth_token.h"

#include "json.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static const char PREFIX[] = "base64url.bearer.phx.";
enum { PREFIX_LENGTH = sizeof PREFIX - 1 };

bool auth_token_is(struct slice protocol)
{
    return protocol.len >= PREFIX_LENGTH && memcmp(protocol.data, PREFIX, PREFIX_LENGTH) == 0;
}

static bool is_base64(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!letter && c != '+' && c != '/') {
            return false;
        }
    }
    return text.len % 4 != 1;
}

static bool decode(struct slice text, struct buf *out)
{
    struct buf padded = {0};
    bool incomplete;
    if (!is_base64(text)) {
        return false;
    }
    size_t missing = (4 - text.len % 4) % 4;
    buf_slice(&padded, text);
    buf_add(&padded, "==", missing);
    unsigned char *plain = must_calloc(padded.len + 1, 1);
    int n = EVP_DecodeBlock(plain, (const unsigned char *)buf_all(&padded).data, (int)padded.len);
    bool ok = n >= (int)missing;
    if (ok) {
        buf_add(out, plain, (size_t)n - missing);
    }
    free(plain);
    buf_deinit(&padded);
    return ok && utf8_valid_prefix(out->data, out->len, &incomplete) == out->len;
}

enum auth_token auth_token_of(const struct http_request *request, struct buf *out)
{
    struct slice rest = http_header(request, "sec-websocket-protocol");
    struct slice token = {0};
    size_t count = 0;
    while (rest.len > 0) {
        struct slice part = slice_trim(slice_next(&rest, ','));
        if (auth_token_is(part)) {
            token = (struct slice){part.data + PREFIX_LENGTH, part.len - PREFIX_LENGTH};
            count++;
        }
    }
    if (count != 1) {
        return AUTH_NONE;
    }
    return decode(token, out) ? AUTH_FOUND : AUTH_BAD;
}
