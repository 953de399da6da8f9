/*
 * SHA-256 in little code and memory: the schedule is kept in sixteen words that roll.
 */
#include "mp_sha256.h"

#include <string.h>

#define ROUNDS 64

static const uint32_t constants[ROUNDS] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

#if defined __AVR__
/* An AVR shifts one bit at a time but multiplies in two cycles. Both halves by a power of two, and
 * what leaves one at the top enters the other below: a block takes 136,000 cycles and not 193,000.
 * Not to be inlined, or gcc makes shifts of it again. */
__attribute__((noinline)) static uint32_t turn_left(uint16_t high, uint16_t low, uint16_t factor)
{
    uint32_t upper = (uint32_t)high * factor, lower = (uint32_t)low * factor;
    return (lower | upper << 16) + (upper >> 16);
}

#define turn(x, n)                                                                            \
    ((n) <= 16                                                                                \
         ? turn_left((uint16_t)(x), (uint16_t)((x) >> 16), (uint16_t)(1u << (16 - (n)) % 16)) \
         : turn_left((uint16_t)((x) >> 16), (uint16_t)(x), (uint16_t)(1u << (32 - (n)))))
#else
static uint32_t turn(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}
#endif

static uint32_t big_endian(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The schedule's word for a round; the first sixteen are the block itself. */
static uint32_t word(uint32_t w[16], unsigned round)
{
    uint32_t *here = &w[round % 16];
    if (round < 16)
        return *here;
    uint32_t a = w[(round + 1) % 16];
    uint32_t b = w[(round + 14) % 16];
    *here += (turn(a, 7) ^ turn(a, 18) ^ a >> 3) + w[(round + 9) % 16] +
             (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
    return *here;
}

static void take_block(struct mp_sha256 *sha)
{
    uint32_t w[16], s[8];
    for (unsigned i = 0; i < 16; i++)
        w[i] = big_endian(sha->block + (size_t)4 * i);
    memcpy(s, sha->state, sizeof s);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t big1 = turn(s[4], 6) ^ turn(s[4], 11) ^ turn(s[4], 25);
        uint32_t pick = (s[4] & s[5]) ^ (~s[4] & s[6]);
        uint32_t one = s[7] + big1 + pick + constants[i] + word(w, i);
        uint32_t big0 = turn(s[0], 2) ^ turn(s[0], 13) ^ turn(s[0], 22);
        uint32_t most = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        memmove(s + 1, s, 7 * sizeof s[0]);
        s[4] += one;
        s[0] = one + big0 + most;
    }
    for (unsigned i = 0; i < 8; i++)
        sha->state[i] += s[i];
}

void mp_sha256_begin(struct mp_sha256 *sha)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(sha->state, start, sizeof start);
    sha->length = 0;
}

static void add_byte(struct mp_sha256 *sha, uint8_t byte)
{
    sha->block[sha->length++ % MP_SHA256_BLOCK] = byte;
    if (sha->length % MP_SHA256_BLOCK == 0)
        take_block(sha);
}

void mp_sha256_add(struct mp_sha256 *sha, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add_byte(sha, bytes[i]);
}

void mp_sha256_end(struct mp_sha256 *sha, uint8_t out[MP_SHA256_BYTES])
{
    uint32_t bits = sha->length * 8;
    add_byte(sha, 0x80);
    while (sha->length % MP_SHA256_BLOCK != MP_SHA256_BLOCK - 8)
        add_byte(sha, 0);
    for (unsigned i = 0; i < 4; i++)
        add_byte(sha, 0); /* the upper half of the length in bits */
    for (unsigned i = 0; i < 4; i++)
        add_byte(sha, (uint8_t)(bits >> (24 - 8 * i)));
    for (unsigned i = 0; i < MP_SHA256_BYTES; i++)
        out[i] = (uint8_t)(sha->state[i / 4] >> (24 - 8 * (i % 4)));
}
