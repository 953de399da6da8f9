/*
 * The decoder takes any bytes; what it calls a frame must encode to one that decodes the same. And
 * any bytes as a body must come back.
 */
#include "mp_fast.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds)
        abort();
}

static void there_and_back(const uint8_t *head, const uint8_t *body, size_t len)
{
    uint8_t wire[MP_BODY_MAX + MP_FRAME_OVERHEAD], mem[MP_FRAME_MAX], frame[MP_FRAME_MAX];
    struct mp_framer framer = {0};
    struct mp_deframer deframer;
    enum mp_deframed got = MP_DEFRAMED_MORE;
    memcpy(frame + MP_FRAME_ID, head, 3);
    if (len > 0)
        memcpy(frame + MP_FRAME_BODY, body, len);
    mp_framer_begin(&framer, frame, len, false);
    size_t n = mp_framer_read(&framer, wire, sizeof wire);
    must(mp_framer_idle(&framer) && n == len + MP_FRAME_OVERHEAD);
    mp_deframer_init(&deframer, mem, MP_BODY_MAX);
    for (size_t i = 0; i < n; i++)
        got = mp_deframer_byte(&deframer, wire[i]);
    must(got == MP_DEFRAMED_FRAME && deframer.body_len == len);
    must(memcmp(mem + MP_FRAME_ID, head, 3) == 0 &&
         (len == 0 || memcmp(mem + MP_FRAME_BODY, body, len) == 0));
}

/* The next frame that comes of data[*at ...], or MORE at its end; bad ones are passed over. */
static enum mp_deframed next(struct mp_fast *fast, struct mp_deframer *deframer,
                             const uint8_t *data, size_t size, size_t *at)
{
    while (*at < size) {
        size_t used;
        enum mp_deframed got = fast == NULL
                                   ? mp_deframer_take(deframer, data + *at, size - *at, &used)
                                   : mp_fast_take(fast, deframer, data + *at, size - *at, &used);
        *at += used;
        if (got == MP_DEFRAMED_FRAME)
            return got;
    }
    return MP_DEFRAMED_MORE;
}

/* Each frame that streaming finds, in order; others between them come of split pairs. */
static void fast_finds_all_that_streaming_finds(const uint8_t *data, size_t size)
{
    uint8_t mem[2][MP_FRAME_AROUND + MP_BODY_MIN];
    struct mp_deframer one, other;
    struct mp_fast fast;
    size_t at = 0, there = 0;
    mp_deframer_init(&one, mem[0], MP_BODY_MIN);
    mp_deframer_init(&other, mem[1], MP_BODY_MIN);
    while (next(NULL, &one, data, size, &at) == MP_DEFRAMED_FRAME)
        do
            must(next(&fast, &other, data, size, &there) == MP_DEFRAMED_FRAME);
        while (one.body_len != other.body_len ||
               memcmp(mem[0], mem[1], MP_FRAME_AROUND + one.body_len) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t mem[MP_FRAME_AROUND + MP_BODY_MIN];
    struct mp_deframer deframer;
    mp_deframer_init(&deframer, mem, MP_BODY_MIN);
    for (size_t i = 0; i < size; i++)
        if (mp_deframer_byte(&deframer, data[i]) == MP_DEFRAMED_FRAME)
            there_and_back(mem + MP_FRAME_ID, mem + MP_FRAME_BODY, deframer.body_len);
    fast_finds_all_that_streaming_finds(data, size);
    if (size >= 3 && size <= 3 + MP_BODY_MAX)
        there_and_back(data, data + 3, size - 3);
    return 0;
}
