/*
 * nh_auth.h - how a device proves to NervesHub who it is with a shared secret, and at what time.
 *
 * The five headers of NH1-HMAC (nerves_hub_web, DeviceSocket; recorded from main of August 2026 and
 * release 2.4.0). A server takes a signature of the last 90 seconds and, since plug_crypto 2.2,
 * none of the future, not even a second's: so after a 401 the Date of that very answer is what to
 * sign with, backwards as well as forwards. Only signing goes by it; no clock is set.
 *
 * No I/O and no clock: the time comes in.
 */
#ifndef NH_AUTH_H
#define NH_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NH_IDENTIFIER_MAX 255 /* bytes; the server answers 503 to a longer one */
#define NH_KEY_MAX        128
#define NH_TOKEN_MAX      480
#define NH_TIME_MAX       24

/* The header names; their values are NH_ALG, the key, `time` and `token` of struct nh_headers. */
#define NH_HEADER_ALG       "x-nh-alg"
#define NH_HEADER_KEY       "x-nh-key"
#define NH_HEADER_TIME      "x-nh-time"
#define NH_HEADER_SIGNATURE "x-nh-signature"
#define NH_ALG              "NH1-HMAC-sha256-1000-32"

struct nh_headers {
    char time[NH_TIME_MAX];
    char token[NH_TOKEN_MAX];
};

/* Signs `identifier` with `secret` at `unix_s`. `alg` is NH_ALG: how the digest is spelled is part
 * of what is signed. Returns 0, or -1: a text is empty or too long, or libcrypto failed. */
int nh_sign(const char *alg, const char *key, const char *secret, const char *identifier,
            int64_t unix_s, struct nh_headers *headers);

/* What the server's clock is ahead of ours, in seconds. Starts as {0}. */
struct nh_clock {
    int64_t ahead_s;
};

/* The time to sign with. */
int64_t nh_clock_now(const struct nh_clock *clock, int64_t unix_s);

/* After a 401 with this Date (seconds since 1970; 0: none came). Returns whether the clocks differ
 * so much that the refusal may have come from it; false: the key, the secret or the identifier is
 * wrong. */
bool nh_clock_refused(struct nh_clock *clock, int64_t unix_s, int64_t server_s);

#endif
