/* Tokens of long polling, as long as a real server's, since a client has to find room for one in
 * its request. What a token is good for is longpoll.c's business. */
#include "longpoll_token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

/* No secret: a token protects nothing here, its id is not to be guessed though. */
static const char SIGNING_KEY[] = "phx-dev long polling";
static const char HEAD[] = "SFMyNTY.";

enum {
    HEAD_LENGTH = sizeof HEAD - 1,
    BODY_BYTES = 96, /* id, time, and what a real one has more */
    BODY_TEXT = 128,
    MAC_BYTES = 32,
    MAC_TEXT = 43,
};

/* base64url without padding. */
static void write_base64(struct buf *out, const unsigned char *bytes, int n, size_t length)
{
    unsigned char text[160];
    EVP_EncodeBlock(text, bytes, n);
    for (size_t i = 0; i < length; i++) {
        char c = (char)text[i];
        c = c == '+' ? '-' : c == '/' ? '_' : c;
        buf_add(out, &c, 1);
    }
}

static void sign(const char *body, unsigned char mac[MAC_BYTES])
{
    unsigned length = MAC_BYTES;
    HMAC(EVP_sha256(), SIGNING_KEY, sizeof SIGNING_KEY - 1, (const unsigned char *)body, BODY_TEXT,
         mac, &length);
}

static void write_signature(const char *body, struct buf *out)
{
    unsigned char mac[MAC_BYTES];
    sign(body, mac);
    write_base64(out, mac, MAC_BYTES, MAC_TEXT);
}

void longpoll_token_write(const unsigned char id[LONGPOLL_ID_BYTES], int64_t now_ms,
                          struct buf *out)
{
    unsigned char body[BODY_BYTES + 1];
    memset(body, 'p', sizeof body);
    memcpy(body, id, LONGPOLL_ID_BYTES);
    snprintf((char *)body + LONGPOLL_ID_BYTES, sizeof body - LONGPOLL_ID_BYTES, "%020lld",
             (long long)now_ms);
    buf_str(out, HEAD);
    size_t start = out->len;
    write_base64(out, body, BODY_BYTES, BODY_TEXT);
    buf_str(out, ".");
    struct buf text = {0};
    buf_add(&text, out->data + start, BODY_TEXT);
    write_signature(text.data, out);
    buf_deinit(&text);
}

static int64_t time_of(const unsigned char *digits)
{
    int64_t value = 0;
    for (int i = 0; i < 20; i++) {
        value = value * 10 + (digits[i] - '0');
    }
    return value;
}

static void decode_body(const char *text, unsigned char body[BODY_BYTES])
{
    char plain[BODY_TEXT];
    for (size_t i = 0; i < BODY_TEXT; i++) {
        plain[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
    }
    EVP_DecodeBlock(body, (const unsigned char *)plain, BODY_TEXT);
}

enum longpoll_token longpoll_token_read(struct slice token, int64_t now_ms, int64_t age_ms,
                                        unsigned char id[LONGPOLL_ID_BYTES])
{
    unsigned char body[BODY_BYTES];
    struct buf signature = {0};
    if (token.len != HEAD_LENGTH + BODY_TEXT + 1 + MAC_TEXT ||
        memcmp(token.data, HEAD, HEAD_LENGTH) != 0) {
        return TOKEN_FORGED;
    }
    const char *text = token.data + HEAD_LENGTH;
    write_signature(text, &signature);
    bool good = CRYPTO_memcmp(signature.data, text + BODY_TEXT + 1, MAC_TEXT) == 0;
    buf_deinit(&signature);
    if (!good) {
        return TOKEN_FORGED;
    }
    decode_body(text, body);
    memcpy(id, body, LONGPOLL_ID_BYTES);
    return now_ms - time_of(body + LONGPOLL_ID_BYTES) > age_ms ? TOKEN_EXPIRED : TOKEN_GOOD;
}
