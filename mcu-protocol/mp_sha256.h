/*
 * mp_sha256.h - SHA-256 (FIPS 180-4), by which both sides know an image.
 */
#ifndef MP_SHA256_H
#define MP_SHA256_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MP_SHA256_BYTES 32
#define MP_SHA256_BLOCK 64

struct mp_sha256 {
    uint32_t state[8];
    uint32_t length; /* bytes so far: less than 512 MiB */
    uint8_t block[MP_SHA256_BLOCK];
};

void mp_sha256_begin(struct mp_sha256 *sha);
void mp_sha256_add(struct mp_sha256 *sha, const uint8_t *bytes, size_t n);
/* Nothing may be added after it. */
void mp_sha256_end(struct mp_sha256 *sha, uint8_t out[MP_SHA256_BYTES]);

#ifdef __cplusplus
}
#endif

#endif
