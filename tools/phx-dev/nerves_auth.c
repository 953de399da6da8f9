/*
 * The shared-secret headers, judged as the server's DeviceSocket and plug_crypto judge them.
 * Written from the recordings and from nothing of the bridge, so that the two cannot share a
 * mistake.
 */
#include "nerves.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

enum { MAX_ITERATIONS = 1000000, MAX_KEY_BYTES = 512, MAX_TOKEN = 4096, MAX_DIGEST_NAME = 16 };

static const char NO_CREDENTIALS[] =
    "no certificate pair or shared secrets connection settings were provided";
static const char UNREACHABLE[] = "the platform could not be reached to authenticate this device";

struct algorithm {
    const EVP_MD *digest;
    long iterations;
    long key_bytes;
};

static bool number_of(struct slice text, long high, long *out)
{
    struct json number = {.type = JSON_INT, .text = text};
    return text.len > 0 && json_is_number_text(text) && json_int(&number, 1, high, out);
}

/* "NH1-HMAC-sha256-1000-32", the digest in any case. */
static bool parse_algorithm(struct slice text, struct algorithm *out)
{
    char name[MAX_DIGEST_NAME] = "";
    struct slice rest = text;
    bool ours = slice_eq(slice_next(&rest, '-'), "NH1") && slice_eq(slice_next(&rest, '-'), "HMAC");
    struct slice digest = slice_next(&rest, '-');
    if (!ours || digest.len == 0 || digest.len >= sizeof name) {
        return false;
    }
    for (size_t i = 0; i < digest.len; i++) {
        name[i] = (char)tolower((unsigned char)digest.data[i]);
    }
    out->digest = EVP_get_digestbyname(name);
    return out->digest != NULL &&
           number_of(slice_next(&rest, '-'), MAX_ITERATIONS, &out->iterations) &&
           number_of(rest, MAX_KEY_BYTES, &out->key_bytes);
}

static int sextet(char c)
{
    static const char ALPHABET[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *at = c != '\0' ? strchr(ALPHABET, c) : NULL;
    return at != NULL ? (int)(at - ALPHABET) : -1;
}

/* URL-safe base64 without padding. */
static bool decode_base64url(struct slice text, struct buf *out)
{
    unsigned bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = sextet(text.data[i]);
        if (value < 0) {
            return false;
        }
        bits = (bits << 6 | (unsigned)value) & 0xFFFF;
        have += 6;
        if (have >= 8) {
            have -= 8;
            char byte = (char)(bits >> have & 0xFF);
            buf_add(out, &byte, 1);
        }
    }
    return text.len % 4 != 1;
}

/* The term {identifier, milliseconds, 86400} as Erlang writes it. */
static bool parse_term(const struct buf *term, struct slice *identifier, int64_t *ms)
{
    const unsigned char *b = (const unsigned char *)term->data;
    if (term->len < 8 || memcmp(b, "\x83\x68\x03\x6d", 4) != 0) {
        return false;
    }
    size_t length = (size_t)b[4] << 24 | (size_t)b[5] << 16 | (size_t)b[6] << 8 | b[7];
    if (length > term->len - 8) {
        return false;
    }
    const unsigned char *rest = b + 8 + length;
    size_t left = term->len - 8 - length;
    if (left < 3 || rest[0] != 0x6e || rest[1] == 0 || rest[1] > 7 || rest[2] != 0 ||
        left < 3U + rest[1]) {
        return false;
    }
    *ms = 0;
    for (size_t i = rest[1]; i > 0; i--) {
        *ms = *ms << 8 | rest[2 + i];
    }
    *identifier = (struct slice){term->data + 8, length};
    return true;
}

static bool signature_ok(const struct algorithm *a, const struct nerves_key *key, struct slice salt,
                         struct slice text, const struct buf *signature)
{
    unsigned char derived[MAX_KEY_BYTES];
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    return PKCS5_PBKDF2_HMAC(key->secret.data, (int)key->secret.len,
                             (const unsigned char *)salt.data, (int)salt.len, (int)a->iterations,
                             a->digest, (int)a->key_bytes, derived) == 1 &&
           HMAC(EVP_sha256(), derived, (int)a->key_bytes, (const unsigned char *)text.data,
                text.len, mac, &length) != NULL &&
           signature->len == length && CRYPTO_memcmp(mac, signature->data, length) == 0;
}

/* "SFMyNTY.TERM.MAC": who signed it, and when. */
static bool verify(const struct nerves_key *key, const struct algorithm *a, struct slice salt,
                   struct slice token, struct buf *identifier, int64_t *ms)
{
    struct buf term = {0};
    struct buf mac = {0};
    struct slice rest = token;
    struct slice who = {0};
    struct slice protocol = slice_next(&rest, '.');
    struct slice term_text = slice_next(&rest, '.');
    struct slice text = {token.data, token.len - rest.len - (rest.len > 0 ? 1 : 0)};
    bool ok = token.len <= MAX_TOKEN && slice_eq(protocol, "SFMyNTY") && rest.len > 0 &&
              decode_base64url(term_text, &term) && decode_base64url(rest, &mac) &&
              signature_ok(a, key, salt, text, &mac) && parse_term(&term, &who, ms);
    if (ok) {
        buf_slice(identifier, who);
    }
    buf_deinit(&term);
    buf_deinit(&mac);
    return ok;
}

static const struct nerves_key *find_key(const struct nerves *n, struct slice name)
{
    for (size_t i = 0; i < n->key_count; i++) {
        const struct nerves_key *key = &n->keys[i];
        if (key->name.len == name.len && memcmp(key->name.data, name.data, name.len) == 0 &&
            !key->refused) {
            return key;
        }
    }
    return NULL;
}

static bool time_ok(const struct nerves *n, int64_t signed_ms)
{
    int64_t now_ms = nerves_now(n);
    bool future = n->like == NERVES_MAIN && signed_ms > now_ms;
    return !future && signed_ms >= now_ms - (int64_t)NERVES_MAX_AGE_S * 1000;
}

/* The client's own mistakes that main blames on the platform, and 2.4.0 stumbles over. */
static void unreachable(const struct nerves *n, struct nerves_auth *auth)
{
    bool main_line = n->like == NERVES_MAIN;
    auth->status = main_line ? 503 : 500;
    auth->body = main_line ? UNREACHABLE : "";
    auth->extra = main_line ? "nh-connection-error-reason: the platform could not be reached to "
                              "authenticate this device\r\n"
                            : NULL;
}

static bool whole_number(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!isdigit((unsigned char)text.data[i])) {
            return false;
        }
    }
    return text.len > 0;
}

static bool has_x_headers(const struct http_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        struct slice name = request->headers[i].name;
        if (name.len > 2 && memcmp(name.data, "x-", 2) == 0) {
            return true;
        }
    }
    return false;
}

static void judge(const struct nerves *n, const struct nerves_key *key, int64_t signed_ms,
                  struct nerves_auth *auth)
{
    const struct buf *who = &auth->identifier;
    bool other =
        key->identifier.len > 0 &&
        (key->identifier.len != who->len || memcmp(key->identifier.data, who->data, who->len) != 0);
    if (!time_ok(n, signed_ms) || who->len == 0 || other) {
        return;
    }
    if (who->len > NERVES_IDENTIFIER_MAX) {
        unreachable(n, auth);
    } else {
        auth->status = 101;
    }
}

void nerves_authenticate(const struct nerves *n, const struct http_request *request,
                         struct nerves_auth *auth)
{
    struct slice alg = http_header(request, "x-nh-alg");
    struct slice name = http_header(request, "x-nh-key");
    struct slice time = http_header(request, "x-nh-time");
    struct slice token = http_header(request, "x-nh-signature");
    struct algorithm a;
    struct buf salt = {0};
    int64_t signed_ms = 0;
    *auth = (struct nerves_auth){.status = 401, .body = ""};
    if (!has_x_headers(request)) {
        auth->body = NO_CREDENTIALS;
        auth->extra = "nh-connection-error-reason: no certificate pair or shared secrets "
                      "connection settings were provided\r\n";
        return;
    }
    const struct nerves_key *key = name.data != NULL ? find_key(n, name) : NULL;
    if (key == NULL || alg.data == NULL || token.data == NULL || !parse_algorithm(alg, &a)) {
        return;
    }
    if (time.data == NULL) {
        unreachable(n, auth);
        return;
    }
    if (!whole_number(time)) {
        return;
    }
    buf_printf(&salt,
               "NH1:device-socket:shared-secret:connect\n\nx-nh-alg=%.*s\nx-nh-key=%.*s\n"
               "x-nh-time=%.*s\n",
               (int)alg.len, alg.data, (int)name.len, name.data, (int)time.len, time.data);
    if (verify(key, &a, buf_all(&salt), token, &auth->identifier, &signed_ms)) {
        judge(n, key, signed_ms, auth);
    }
    buf_deinit(&salt);
}
