/*
 * The decoder takes any bytes; what it calls a frame must encode to one that decodes the same. And
 * any bytes as a body must come back.
 */
#include "mp_frame.h"

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
    uint8_t wire[MP_BODY_MAX + MP_FRAME_OVERHEAD], mem[MP_FRAME_MAX];
    struct mp_framer framer = {0};
    struct mp_deframer deframer;
    enum mp_deframed got = MP_DEFRAMED_MORE;
    mp_framer_begin(&framer, head[0], head[1], head[2], body, len, false);
    size_t n = mp_framer_read(&framer, wire, sizeof wire);
    must(mp_framer_idle(&framer) && n == len + MP_FRAME_OVERHEAD);
    mp_deframer_init(&deframer, mem, MP_BODY_MAX);
    for (size_t i = 0; i < n; i++)
        got = mp_deframer_byte(&deframer, wire[i]);
    must(got == MP_DEFRAMED_FRAME && deframer.len == len + 5);
    must(memcmp(mem, head, 3) == 0 && (len == 0 || memcmp(mem + 3, body, len) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t mem[MP_FRAME_HEAD + MP_BODY_MIN + MP_FRAME_TAIL];
    struct mp_deframer deframer;
    mp_deframer_init(&deframer, mem, MP_BODY_MIN);
    for (size_t i = 0; i < size; i++)
        if (mp_deframer_byte(&deframer, data[i]) == MP_DEFRAMED_FRAME)
            there_and_back(mem, mem + 3, deframer.len - 5u);
    if (size >= 3 && size <= 3 + MP_BODY_MAX)
        there_and_back(data, data + 3, size - 3);
    return 0;
}
