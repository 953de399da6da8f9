/*
 * Framing on the host: one frame of 64 and of 200 bytes encoded and decoded, against a plain
 * byte-wise COBS with a table CRC-16 in the same run, which has no veil to lift.
 */
#include "bench.h"
#include "mp_fast.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX (MP_FRAME_MAX + 8)

struct job {
    uint8_t body[MP_BODY_MAX];
    size_t len;
    uint8_t line[LINE_MAX];
    size_t line_len;
    uint8_t mem[MP_FRAME_MAX];
    struct mp_fast fast;
};

static const uint8_t head[] = {0x20 | MP_FRAME_RELIABLE, 1, 2};

static void encode_ours(void *state)
{
    struct job *job = state;
    uint8_t frame[MP_FRAME_MAX];
    struct mp_framer framer = {0};
    memcpy(frame + MP_FRAME_ID, head, sizeof head);
    memcpy(frame + MP_FRAME_BODY, job->body, job->len);
    mp_fast_begin(&framer, frame, job->len, true);
    job->line_len = mp_fast_read(&framer, job->line, sizeof job->line);
    bench_keep(job->line);
}

static void decode_ours(void *state)
{
    struct job *job = state;
    struct mp_deframer deframer;
    mp_deframer_init(&deframer, job->mem, MP_BODY_MAX);
    size_t used;
    if (mp_fast_take(&job->fast, &deframer, job->line, job->line_len, &used) != MP_DEFRAMED_FRAME)
        abort();
    bench_keep(job->mem);
}

/* -- The baseline. */
static uint16_t table[256];

static void make_table(void)
{
    for (unsigned i = 0; i < 256; i++) {
        unsigned crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0x8408u : crc >> 1;
        table[i] = (uint16_t)crc;
    }
}

static uint16_t crc_table(const uint8_t *bytes, size_t n)
{
    uint16_t crc = 0xffff;
    for (size_t i = 0; i < n; i++)
        crc = (uint16_t)(crc >> 8 ^ table[(crc ^ bytes[i]) & 0xff]);
    return (uint16_t)~crc;
}

static void encode_base(void *state)
{
    struct job *job = state;
    uint8_t plain[MP_FRAME_MAX];
    memcpy(plain, head, sizeof head);
    memcpy(plain + sizeof head, job->body, job->len);
    size_t n = sizeof head + job->len;
    uint16_t crc = crc_table(plain, n);
    plain[n++] = (uint8_t)crc;
    plain[n++] = (uint8_t)(crc >> 8);
    size_t code_at = 0, at = 1;
    uint8_t code = 1;
    for (size_t i = 0; i < n; i++) {
        if (plain[i] != 0) {
            job->line[at++] = plain[i];
            code++;
            continue;
        }
        job->line[code_at] = code;
        code_at = at++;
        code = 1;
    }
    job->line[code_at] = code;
    job->line[at++] = 0;
    job->line_len = at;
    bench_keep(job->line);
}

static void decode_base(void *state)
{
    struct job *job = state;
    size_t at = 0, n = 0;
    while (job->line[at] != 0) {
        uint8_t code = job->line[at++];
        for (uint8_t i = 1; i < code; i++)
            job->mem[n++] = job->line[at++];
        if (job->line[at] != 0)
            job->mem[n++] = 0;
    }
    uint16_t crc = crc_table(job->mem, n - 2);
    if (job->mem[n - 2] != (uint8_t)crc || job->mem[n - 1] != (uint8_t)(crc >> 8))
        abort();
    bench_keep(job->mem);
}

/* So many of 16 bytes are zeros. */
static void fill(struct job *job, size_t len, unsigned zeros)
{
    uint32_t random = 1;
    job->len = len;
    for (size_t i = 0; i < len; i++) {
        random = random * 1664525u + 1013904223u;
        job->body[i] = random >> 28 < zeros ? 0 : (uint8_t)(random >> 16 | 1);
    }
}

/* Whether what was encoded comes back. */
static bool same(const struct job *job, const uint8_t *body)
{
    return memcmp(body, job->body, job->len) == 0;
}

static void compare(const char *name, struct job *job, void (*ours)(void *), struct job *base_job,
                    void (*base)(void *))
{
    enum { CALLS = 2000, ROUNDS = 100 };
    double ns[2];
    bench_both((void (*const[])(void *)){ours, base}, (void *const[]){job, base_job}, CALLS, ROUNDS,
               ns);
    bench_faster(name, ns[0], ns[1] / ns[0], 3);
}

static bool run(struct job *job, size_t len, const char *kind, unsigned zeros)
{
    struct job base;
    char name[64];
    fill(job, len, zeros);
    base = *job;
    encode_ours(job);
    decode_ours(job);
    encode_base(&base);
    decode_base(&base);
    if (!same(job, job->mem + MP_FRAME_BODY) || !same(&base, base.mem + sizeof head) ||
        job->line_len != base.line_len) {
        fputs("bench_link: a frame did not come back\n", stderr);
        return false;
    }
    snprintf(name, sizeof name, "link.encode.%zu%s", len, kind);
    compare(name, job, encode_ours, &base, encode_base);
    snprintf(name, sizeof name, "link.decode.%zu%s", len, kind);
    compare(name, job, decode_ours, &base, decode_base);
    return true;
}

int main(void)
{
    static struct job job;
    bool good = true;
    make_table();
    for (size_t len = 64; len <= 200; len += 136) {
        /* As in small integers, and as in many zeros, which cost byte-wise encoders most. */
        good &= run(&job, len, "", 1);
        good &= run(&job, len, ".zeros", 8);
    }
    return good ? 0 : 1;
}
