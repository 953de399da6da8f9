/*
 * Whole frames at a time: the CRC eight bytes a step, zeros found eight bytes a step, contents
 * copied in one piece and only the codes touched. What a frame is stands in mp_frame.c.
 */
#include "mp_fast.h"

#include "mp_crc.h"
#include "mp_link_parts.h"

#include <string.h>

/*
 * CRC-16, eight bytes a step: entry i of table s is the CRC register after byte i and s zeros,
 * begun at 0. That is linear, so each entry is the sum of those of its bits; and those are the
 * states that a register runs through when it is shifted from 1 on.
 */
#define SHIFT(c)    (((c) >> 1) ^ ((c)&1 ? 0x8408 : 0))
#define S(n, after) STATE_##n = SHIFT(after)
#define S8(a, b, c, d, e, f, g, h, before)                                            \
    S(a, before), S(b, STATE_##a), S(c, STATE_##b), S(d, STATE_##c), S(e, STATE_##d), \
        S(f, STATE_##e), S(g, STATE_##f), S(h, STATE_##g)
enum {
    S8(00, 01, 02, 03, 04, 05, 06, 07, 1),
    S8(10, 11, 12, 13, 14, 15, 16, 17, STATE_07),
    S8(20, 21, 22, 23, 24, 25, 26, 27, STATE_17),
    S8(30, 31, 32, 33, 34, 35, 36, 37, STATE_27),
    S8(40, 41, 42, 43, 44, 45, 46, 47, STATE_37),
    S8(50, 51, 52, 53, 54, 55, 56, 57, STATE_47),
    S8(60, 61, 62, 63, 64, 65, 66, 67, STATE_57),
    S8(70, 71, 72, 73, 74, 75, 76, 77, STATE_67)
};

#define BIT(i, bit, state) ((i) >> (bit)&1 ? (state) : 0)
#define ENTRY(s, i)                                                                          \
    (uint16_t)(BIT(i, 7, STATE_##s##0) ^ BIT(i, 6, STATE_##s##1) ^ BIT(i, 5, STATE_##s##2) ^ \
               BIT(i, 4, STATE_##s##3) ^ BIT(i, 3, STATE_##s##4) ^ BIT(i, 2, STATE_##s##5) ^ \
               BIT(i, 1, STATE_##s##6) ^ BIT(i, 0, STATE_##s##7))
#define ENTRIES4(s, i) ENTRY(s, i), ENTRY(s, (i) + 1), ENTRY(s, (i) + 2), ENTRY(s, (i) + 3)
#define ENTRIES16(s, i) \
    ENTRIES4(s, i), ENTRIES4(s, (i) + 4), ENTRIES4(s, (i) + 8), ENTRIES4(s, (i) + 12)
#define ENTRIES64(s, i) \
    ENTRIES16(s, i), ENTRIES16(s, (i) + 16), ENTRIES16(s, (i) + 32), ENTRIES16(s, (i) + 48)
#define TABLE(s)                                                                \
    {                                                                           \
        ENTRIES64(s, 0), ENTRIES64(s, 64), ENTRIES64(s, 128), ENTRIES64(s, 192) \
    }
static const uint16_t after[8][256] = {TABLE(0), TABLE(1), TABLE(2), TABLE(3),
                                       TABLE(4), TABLE(5), TABLE(6), TABLE(7)};

uint16_t mp_fast_crc16(uint16_t crc, const uint8_t *b, size_t n)
{
    for (; n >= 8; n -= 8, b += 8) {
        unsigned others = after[5][b[2]] ^ after[4][b[3]] ^ after[3][b[4]] ^ after[2][b[5]] ^
                          after[1][b[6]] ^ after[0][b[7]];
        crc = (uint16_t)(others ^ after[7][b[0] ^ (crc & 0xff)] ^ after[6][b[1] ^ crc >> 8]);
    }
    if (n & 4) {
        unsigned others = after[1][b[2]] ^ after[0][b[3]];
        crc = (uint16_t)(others ^ after[3][b[0] ^ (crc & 0xff)] ^ after[2][b[1] ^ crc >> 8]);
        b += 4;
    }
    if (n & 2) {
        crc = after[1][b[0] ^ (crc & 0xff)] ^ after[0][b[1] ^ crc >> 8];
        b += 2;
    }
    if (n & 1)
        crc = (uint16_t)(crc >> 8 ^ after[0][(crc ^ b[0]) & 0xff]);
    return crc;
}

/* -- Veils. */

#define VEILS4(place)                                                             \
    MP_FRAME_VEIL(place), MP_FRAME_VEIL((place) + 1), MP_FRAME_VEIL((place) + 2), \
        MP_FRAME_VEIL((place) + 3)
#define VEILS16(place) VEILS4(place), VEILS4((place) + 4), VEILS4((place) + 8), VEILS4((place) + 12)
#define VEILS64(place) \
    VEILS16(place), VEILS16((place) + 16), VEILS16((place) + 32), VEILS16((place) + 48)
static const uint8_t veils[256] = {VEILS64(0), VEILS64(64), VEILS64(128), VEILS64(192)};

/* The first byte is the lowest. */
static uint64_t eight(const uint8_t *b)
{
    return (uint64_t)b[0] | (uint64_t)b[1] << 8 | (uint64_t)b[2] << 16 | (uint64_t)b[3] << 24 |
           (uint64_t)b[4] << 32 | (uint64_t)b[5] << 40 | (uint64_t)b[6] << 48 |
           (uint64_t)b[7] << 56;
}

static void veil_eight(uint8_t *out, const uint8_t *in, const uint8_t *veil)
{
    uint64_t word, mask;
    memcpy(&word, in, sizeof word);
    memcpy(&mask, veil, sizeof mask);
    word ^= mask;
    memcpy(out, &word, sizeof word);
}

/* Copies what begins at a place of a frame, veiled if it was not, and the other way about. The last
 * eight may be done twice. */
static void veil(uint8_t *out, const uint8_t *in, size_t place, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        veil_eight(out + i, in + i, veils + place + i);
    if (i < n && n >= 8)
        veil_eight(out + n - 8, in + n - 8, veils + place + n - 8);
    else
        for (; i < n; i++)
            out[i] = in[i] ^ veils[place + i];
}

/* -- Sending. */

#define LOW_BITS 0x7f7f7f7f7f7f7f7full

/* The top bit of each byte that is zero. */
static uint64_t zeros_of(uint64_t word)
{
    return ~(((word & LOW_BITS) + LOW_BITS) | word | LOW_BITS);
}

/* A code is wanted at `place`, the last one stands at `code`; returns where the last one stands
 * now.
 */
static size_t put_code(uint8_t *frame, size_t code, size_t place)
{
    frame[code] = (uint8_t)(place - code);
    return place;
}

/* For the first `len` bytes of the frame; returns where the last one stands, which is open. */
static size_t put_codes(uint8_t *frame, size_t len)
{
    size_t code = 0, place = MP_FRAME_ID;
    for (; place + 8 <= len; place += 8)
        for (uint64_t zeros = zeros_of(eight(frame + place) ^ eight(veils + place)); zeros != 0;
             zeros &= zeros - 1)
            code = put_code(frame, code, place + (unsigned)__builtin_ctzll(zeros) / 8);
    for (; place < len; place++)
        if (frame[place] == veils[place])
            code = put_code(frame, code, place);
    return code;
}

void mp_fast_begin(struct mp_framer *framer, uint8_t *frame, size_t len, bool shared)
{
    size_t tail = MP_FRAME_BODY + len;
    uint16_t crc = mp_fast_crc16(MP_CRC16_START, frame + MP_FRAME_ID, tail - MP_FRAME_ID);
    size_t code = put_codes(frame, tail);
    frame[tail] = (uint8_t)~crc;
    frame[tail + 1] = (uint8_t)(~crc >> 8);
    for (size_t place = tail; place < tail + MP_FRAME_TAIL; place++)
        if (frame[place] == veils[place])
            code = put_code(frame, code, place);
    put_code(frame, code, tail + MP_FRAME_TAIL);
    framer->frame = frame;
    framer->place = 0;
    framer->end = (uint8_t)(len + MP_FRAME_AROUND + 1);
    framer->to_code = 0;
    framer->open = !shared;
}

/* The part of the frame up to place `stop`, codes included. */
static void read_part(struct mp_framer *framer, uint8_t *out, size_t stop)
{
    uint8_t *frame = framer->frame;
    size_t begin = framer->place, code = begin + framer->to_code;
    veil(out, frame + begin, begin, stop - begin);
    while (code < stop) {
        uint8_t to_code = frame[code];
        out[code - begin] = to_code;
        frame[code] = veils[code];
        code += to_code;
    }
    framer->to_code = (uint8_t)(code - stop);
    framer->place = (uint8_t)stop;
}

size_t mp_fast_read(struct mp_framer *framer, uint8_t *out, size_t cap)
{
    size_t n = 0;
    if (framer->open && cap > 0)
        out[n++] = mp_framer_byte(framer);
    if (mp_framer_idle(framer))
        return n;
    size_t begin = framer->place, stop = framer->end - 1u;
    if (stop - begin > cap - n)
        stop = begin + cap - n;
    read_part(framer, out + n, stop);
    n += stop - begin;
    return n + mp_framer_read(framer, out + n, cap - n);
}

/* -- Receiving. */

/* A whole frame without its delimiters. */
static bool decode(struct mp_deframer *deframer, const uint8_t *bytes, size_t n)
{
    if (n < MP_FRAME_AROUND || n > deframer->cap)
        return false;
    uint8_t *mem = deframer->mem;
    veil(mem, bytes, 0, n);
    size_t code = 0;
    for (; code < n; code += bytes[code])
        mem[code] = veils[code];
    if (code != n || mp_fast_crc16(MP_CRC16_START, mem + 1, n - 1) != MP_CRC16_GOOD)
        return false;
    deframer->body_len = (uint8_t)(n - MP_FRAME_AROUND);
    return true;
}

/* Two frames whose delimiter was damaged or lost are one bad frame of which a part, up to where a
 * code should be, is a frame, and the rest another. Decodes the first and returns where the second
 * begins; 0: it is no such pair. One CRC alone holds by chance at one code of 65536; both do not.
 */
static size_t split(struct mp_deframer *deframer, const uint8_t *bytes, size_t n)
{
    for (size_t end = bytes[0]; end < n; end += bytes[end])
        for (size_t second = end; second <= end + 1; second++)
            if (decode(deframer, bytes, end) && decode(deframer, bytes + second, n - second) &&
                decode(deframer, bytes, end))
                return second;
    return 0;
}

static void keep(struct mp_fast *fast, const uint8_t *bytes, size_t n)
{
    size_t room = sizeof fast->raw - fast->len;
    fast->overrun = fast->overrun || n > room;
    memcpy(fast->raw + fast->len, bytes, n < room ? n : room);
    fast->len = (uint16_t)(fast->len + (n < room ? n : room));
}

/* A delimiter has ended what is kept. A second frame stays, for the same delimiter to end it. */
static enum mp_deframed finish(struct mp_fast *fast, struct mp_deframer *deframer, size_t *used)
{
    size_t len = fast->overrun ? 0 : fast->len;
    deframer->len = 0;
    if (decode(deframer, fast->raw, len))
        return MP_DEFRAMED_FRAME;
    size_t second = len == 0 ? 0 : split(deframer, fast->raw, len);
    if (second == 0)
        return MP_DEFRAMED_BAD;
    fast->len = (uint16_t)(len - second);
    memmove(fast->raw, fast->raw + second, fast->len);
    deframer->len = 1;
    *used -= 1;
    return MP_DEFRAMED_FRAME;
}

enum mp_deframed mp_fast_take(struct mp_fast *fast, struct mp_deframer *deframer,
                              const uint8_t *bytes, size_t n, size_t *used)
{
    const uint8_t *at = bytes;
    if (deframer->len == 0) {
        fast->len = 0;
        fast->overrun = false;
        while (at < bytes + n && *at == 0)
            at++;
    }
    size_t left = n - (size_t)(at - bytes);
    const uint8_t *end = left == 0 ? NULL : memchr(at, 0, left);
    size_t piece = end == NULL ? left : (size_t)(end - at);
    *used = end == NULL ? n : (size_t)(end - bytes) + 1;
    if (end != NULL && fast->len == 0 && decode(deframer, at, piece))
        return MP_DEFRAMED_FRAME;
    keep(fast, at, piece);
    deframer->len = fast->len > 0;
    return end == NULL ? MP_DEFRAMED_MORE : finish(fast, deframer, used);
}

void mp_fast_bytes(struct mp_fast *fast, struct mp_link *link, const uint8_t *bytes, size_t n,
                   uint32_t now_us)
{
    link->now_us = now_us;
    link->stats.bytes_in += (uint32_t)n;
    while (n > 0) {
        size_t used;
        mp_rx_deframed(link, mp_fast_take(fast, &link->rx.deframer, bytes, n, &used));
        bytes += used;
        n -= used;
    }
}

size_t mp_fast_output(struct mp_link *link, uint8_t *out, size_t cap, uint32_t now_us)
{
    struct mp_link_tx *tx = &link->tx;
    size_t n = 0, len = 0;
    uint8_t *frame = NULL;
    link->now_us = now_us;
    while (n < cap) {
        if (mp_framer_idle(&tx->framer)) {
            if ((frame = mp_tx_next_frame(link, &len)) == NULL)
                break;
            mp_fast_begin(&tx->framer, frame, len, false);
        }
        n += mp_fast_read(&tx->framer, out + n, cap - n);
        if (mp_framer_idle(&tx->framer))
            mp_tx_frame_left(link);
    }
    link->stats.bytes_out += (uint32_t)n;
    return n;
}
