/*
 * The NH1-HMAC signature: a token in the form of Plug.Crypto over an Erlang term. Sending it is
 * libphx's, keeping secrets is the configuration's.
 */
#include "nh_auth.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#define ITERATIONS  1000
#define KEY_BYTES   32
#define MAX_AGE_S   90
#define MAX_AGE_ERL 86400     /* seconds, as the reference client writes into the token */
#define PROTECTED   "SFMyNTY" /* base64url of HS256 */

/* 83 68 03: a tuple of three; 6d: a binary; 6e 06 00: an integer of six bytes; 62: one of four. */
static size_t erlang_term(const char *identifier, int64_t unix_s, uint8_t *out)
{
    size_t length = strlen(identifier), n = 0;
    uint64_t ms = (uint64_t)unix_s * 1000;
    const uint8_t head[] = {0x83, 0x68, 0x03, 0x6d, 0, 0, (uint8_t)(length >> 8), (uint8_t)length};
    memcpy(out, head, sizeof(head));
    n = sizeof(head);
    memcpy(out + n, identifier, length);
    n += length;
    out[n++] = 0x6e;
    out[n++] = 6;
    out[n++] = 0;
    for (int i = 0; i < 6; i++)
        out[n++] = (uint8_t)(ms >> (8 * i));
    out[n++] = 0x62;
    for (int shift = 24; shift >= 0; shift -= 8)
        out[n++] = (uint8_t)((uint32_t)MAX_AGE_ERL >> shift);
    return n;
}

/* Base64 for URLs, without padding. Returns its length. */
static size_t base64url(const uint8_t *bytes, size_t n, char *out)
{
    size_t length = (size_t)EVP_EncodeBlock((unsigned char *)out, bytes, (int)n);
    while (length > 0 && out[length - 1] == '=')
        length--;
    for (size_t i = 0; i < length; i++)
        out[i] = (char)(out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i]);
    out[length] = '\0';
    return length;
}

static int derive(const char *alg, const char *key, const char *secret, const char *time,
                  uint8_t *derived)
{
    char salt[NH_KEY_MAX + 160];
    int length = snprintf(salt, sizeof(salt),
                          "NH1:device-socket:shared-secret:connect\n\nx-nh-alg=%s\nx-nh-key=%s\n"
                          "x-nh-time=%s\n",
                          alg, key, time);
    if (length < 0 || (size_t)length >= sizeof(salt))
        return -1;
    int done = PKCS5_PBKDF2_HMAC(secret, (int)strlen(secret), (const unsigned char *)salt, length,
                                 ITERATIONS, EVP_sha256(), KEY_BYTES, derived);
    return done == 1 ? 0 : -1;
}

int nh_sign(const char *alg, const char *key, const char *secret, const char *identifier,
            int64_t unix_s, struct nh_headers *headers)
{
    uint8_t derived[KEY_BYTES], mac[EVP_MAX_MD_SIZE], term[NH_IDENTIFIER_MAX + 32];
    unsigned mac_bytes = 0;
    size_t length = strlen(identifier);
    if (length == 0 || length > NH_IDENTIFIER_MAX || strlen(key) > NH_KEY_MAX || key[0] == '\0' ||
        secret[0] == '\0' || unix_s < 0)
        return -1;
    snprintf(headers->time, sizeof(headers->time), "%lld", (long long)unix_s);
    if (derive(alg, key, secret, headers->time, derived) != 0)
        return -1;
    char *text = headers->token;
    size_t n = (size_t)snprintf(text, NH_TOKEN_MAX, "%s.", PROTECTED);
    n += base64url(term, erlang_term(identifier, unix_s, term), text + n);
    bool done = HMAC(EVP_sha256(), derived, KEY_BYTES, (const unsigned char *)text, n, mac,
                     &mac_bytes) != NULL;
    OPENSSL_cleanse(derived, sizeof(derived));
    if (!done)
        return -1;
    text[n++] = '.';
    base64url(mac, mac_bytes, text + n);
    return 0;
}

int64_t nh_clock_now(const struct nh_clock *clock, int64_t unix_s)
{
    return unix_s + clock->ahead_s;
}

bool nh_clock_refused(struct nh_clock *clock, int64_t unix_s, int64_t server_s)
{
    if (server_s <= 0)
        return false;
    int64_t signed_s = nh_clock_now(clock, unix_s);
    clock->ahead_s = server_s - unix_s;
    return signed_s > server_s || signed_s < server_s - MAX_AGE_S;
}
