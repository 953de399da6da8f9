/*
 * Whole frames at a time: the CRC sixteen bytes a step, zeros found and contents veiled eight bytes
 * a step, and only the codes touched one by one. What a frame is stands in mp_frame.c.
 */
#include "mp_fast.h"

#include "mp_crc.h"
#include "mp_link_parts.h"

#include <string.h>

/*
 * CRC-16, sixteen bytes a step: entry i of table s is the CRC register after byte i and s zeros,
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
    S8(70, 71, 72, 73, 74, 75, 76, 77, STATE_67),
    S8(80, 81, 82, 83, 84, 85, 86, 87, STATE_77),
    S8(90, 91, 92, 93, 94, 95, 96, 97, STATE_87),
    S8(A0, A1, A2, A3, A4, A5, A6, A7, STATE_97),
    S8(B0, B1, B2, B3, B4, B5, B6, B7, STATE_A7),
    S8(C0, C1, C2, C3, C4, C5, C6, C7, STATE_B7),
    S8(D0, D1, D2, D3, D4, D5, D6, D7, STATE_C7),
    S8(E0, E1, E2, E3, E4, E5, E6, E7, STATE_D7),
    S8(F0, F1, F2, F3, F4, F5, F6, F7, STATE_E7)
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
static const uint16_t after[16][256] = {TABLE(0), TABLE(1), TABLE(2), TABLE(3), TABLE(4), TABLE(5),
                                        TABLE(6), TABLE(7), TABLE(8), TABLE(9), TABLE(A), TABLE(B),
                                        TABLE(C), TABLE(D), TABLE(E), TABLE(F)};

/* The register after the two bytes at `b` and `more` others. */
static unsigned two(unsigned crc, const uint8_t *b, unsigned more)
{
    return after[more + 1][b[0] ^ (crc & 0xff)] ^ after[more][b[1] ^ crc >> 8];
}

static unsigned four(const uint8_t *b, unsigned more)
{
    return two(0, b, more + 2) ^ two(0, b + 2, more);
}

static uint16_t crc16(uint16_t crc, const uint8_t *b, size_t n)
{
    for (; n >= 16; n -= 16, b += 16) {
        unsigned others = two(0, b + 2, 12) ^ four(b + 4, 8) ^ four(b + 8, 4) ^ four(b + 12, 0);
        crc = (uint16_t)(others ^ two(crc, b, 14));
    }
    if (n & 8) {
        unsigned others = two(0, b + 2, 4) ^ four(b + 4, 0);
        crc = (uint16_t)(others ^ two(crc, b, 6));
        b += 8;
    }
    if (n & 4) {
        crc = (uint16_t)(two(0, b + 2, 0) ^ two(crc, b, 2));
        b += 4;
    }
    if (n & 2) {
        crc = (uint16_t)two(crc, b, 0);
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

/* Eight bytes, veiled; only ever compared and put back, so their order does not matter. */
static uint64_t veil_eight(const uint8_t *in, const uint8_t *veil)
{
    uint64_t word, mask;
    memcpy(&word, in, sizeof word);
    memcpy(&mask, veil, sizeof mask);
    return word ^ mask;
}

static void copy_eight(uint8_t *out, const uint8_t *in, const uint8_t *veil)
{
    uint64_t word = veil_eight(in, veil);
    memcpy(out, &word, sizeof word);
}

/* Copies what begins at a place of a frame, veiled if it was not, and the other way about. The last
 * eight may be done twice. */
static void veil(uint8_t *out, const uint8_t *in, size_t place, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        copy_eight(out + i, in + i, veils + place + i);
    if (i < n && n >= 8)
        copy_eight(out + n - 8, in + n - 8, veils + place + n - 8);
    else
        for (; i < n; i++)
            out[i] = in[i] ^ veils[place + i];
}

/* -- Sending. */

#define LOW_BITS 0x7f7f7f7f7f7f7f7full

static bool has_zero(uint64_t word)
{
    return ~(((word & LOW_BITS) + LOW_BITS) | word | LOW_BITS) != 0;
}

/* Puts codes to the zeros of a part of the frame; `code` is the place of the last one before it,
 * which is open. Returns the place of the one that is open then. */
static size_t put_codes(uint8_t *frame, size_t code, size_t place, size_t stop)
{
    for (; place < stop; place++)
        if (frame[place] == veils[place]) {
            frame[code] = (uint8_t)(place - code);
            code = place;
        }
    return code;
}

/* The same, for the head and the body: most eights have no zero. */
static size_t put_body_codes(uint8_t *frame, size_t stop)
{
    size_t code = MP_FRAME_CODE, place = MP_FRAME_ID;
    for (; place + 8 <= stop; place += 8)
        if (has_zero(veil_eight(frame + place, veils + place)))
            code = put_codes(frame, code, place, place + 8);
    return put_codes(frame, code, place, stop);
}

void mp_fast_begin(struct mp_framer *framer, uint8_t *frame, size_t len, bool shared)
{
    size_t tail = MP_FRAME_BODY + len;
    uint16_t crc = crc16(MP_CRC16_START, frame + MP_FRAME_ID, tail - MP_FRAME_ID);
    size_t code = put_body_codes(frame, tail), stop = tail + MP_FRAME_TAIL;
    frame[tail] = (uint8_t)~crc;
    frame[tail + 1] = (uint8_t)(~crc >> 8);
    code = put_codes(frame, code, tail, stop);
    frame[code] = (uint8_t)(stop - code);
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
    if (code != n || crc16(MP_CRC16_START, mem + 1, n - 1) != MP_CRC16_GOOD)
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
    mp_link_at(link, now_us);
    MP_COUNT(link, bytes_in, (uint32_t)n);
    while (n > 0) {
        size_t used;
        mp_rx_deframed(link, mp_fast_take(fast, &link->deframer, bytes, n, &used));
        bytes += used;
        n -= used;
    }
}

size_t mp_fast_output(struct mp_link *link, uint8_t *out, size_t cap, uint32_t now_us)
{
    size_t n = 0;
    mp_link_at(link, now_us);
    while (n < cap) {
        if (mp_framer_idle(&link->framer)) {
            uint8_t bytes = mp_link_next_frame(link);
            if (bytes == 0)
                break;
            mp_fast_begin(&link->framer, link->framer.frame, (size_t)bytes - MP_FRAME_BODY, false);
        }
        n += mp_fast_read(&link->framer, out + n, cap - n);
    }
    MP_COUNT(link, bytes_out, (uint32_t)n);
    return n;
}
