/*
 * Framing on the host: one frame of 64 and of 200 bytes encoded and decoded, against a plain
 * byte-wise COBS with a table CRC-16 that does the same work in the same run.
 */
#include "bench.h"
#include "mp_fast.h"

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

static void encode_ours(void *state)
{
    struct job *job = state;
    uint8_t frame[MP_FRAME_MAX] = {0, 0x20 | MP_FRAME_RELIABLE, 1, 2};
    struct mp_framer framer = {0};
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
    uint8_t plain[MP_FRAME_MAX] = {0x20 | MP_FRAME_RELIABLE, 1, 2};
    memcpy(plain + 3, job->body, job->len);
    size_t n = 3 + job->len;
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

/* One byte in sixteen is zero, as in small integers. */
static void fill(struct job *job, size_t len)
{
    uint32_t random = 1;
    job->len = len;
    for (size_t i = 0; i < len; i++) {
        random = random * 1664525u + 1013904223u;
        job->body[i] = random >> 28 == 0 ? 0 : (uint8_t)(random >> 16 | 1);
    }
}

int main(void)
{
    enum { CALLS = 20000, ROUNDS = 9 };
    static struct job job;
    make_table();
    for (size_t len = 64; len <= 200; len += 136) {
        char name[64];
        fill(&job, len);
        encode_ours(&job);
        uint8_t ours[LINE_MAX];
        size_t ours_len = job.line_len;
        memcpy(ours, job.line, ours_len);
        encode_base(&job);
        if (job.line_len != ours_len || memcmp(job.line, ours, ours_len) != 0) {
            fputs("bench_link: the two encoders disagree\n", stderr);
            return 1;
        }
        double ns = bench_ns(encode_ours, &job, CALLS, ROUNDS);
        snprintf(name, sizeof name, "link.encode.%zu", len);
        bench_faster(name, ns, bench_ns(encode_base, &job, CALLS, ROUNDS) / ns, 3);
        ns = bench_ns(decode_ours, &job, CALLS, ROUNDS);
        snprintf(name, sizeof name, "link.decode.%zu", len);
        bench_faster(name, ns, bench_ns(decode_base, &job, CALLS, ROUNDS) / ns, 3);
    }
    return 0;
}
