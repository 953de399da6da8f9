/*
 * COBS framing with the CRC inside, one byte or many at a time. What the head means and what to do
 * about a bad frame is the link's; mp_fast.c does the same faster for those with room for tables.
 *
 * On the line each byte is veiled, and is a zero there if it equals its veil. A code of COBS takes
 * the place of the zero before its block, and the first code a byte of its own. So a frame with
 * room for that byte is encoded where it lies, and the byte counts as one more zero here: a block
 * is a zero and what follows it.
 *
 * The zero of a UART break is a delimiter here, so a break resynchronises the receiver by itself.
 */
#include "mp_frame.h"

#include "mp_crc.h"

/* What the CRC has to be before the zero of the first code, to be MP_CRC16_START after it. */
#define CRC_BEFORE_CODE (0x3078u ^ MP_FRAME_VEIL(0))

static void put_crc(uint8_t *at, uint8_t *tail)
{
    uint16_t crc = MP_CRC16_START;
    while (at != tail)
        crc = mp_crc16_update(crc, *at++);
    tail[0] = (uint8_t)~crc;
    tail[1] = (uint8_t)(~crc >> 8);
}

static void put_codes(uint8_t *code, const uint8_t *end)
{
    uint8_t *at = code;
    uint8_t place = 0;
    while (++at != end)
        if (*at == MP_FRAME_VEIL(++place)) {
            *code = (uint8_t)(at - code);
            code = at;
        }
    *code = (uint8_t)(at - code);
}

void mp_framer_begin(struct mp_framer *framer, uint8_t *frame, size_t len, bool shared)
{
    uint8_t *tail = frame + MP_FRAME_BODY + len;
    put_crc(frame + MP_FRAME_ID, tail);
    put_codes(frame, tail + MP_FRAME_TAIL);
    framer->frame = frame;
    framer->place = 0;
    framer->end = (uint8_t)(len + MP_FRAME_AROUND + 1);
    framer->to_code = 0;
    framer->open = !shared;
}

uint8_t mp_framer_byte(struct mp_framer *framer)
{
    if (framer->open) {
        framer->open = false;
        return 0;
    }
    uint8_t place = framer->place++;
    if (framer->place == framer->end)
        return 0;
    uint8_t byte = framer->frame[place], veil = MP_FRAME_VEIL(place);
    if (framer->to_code == 0) {
        framer->to_code = byte;
        framer->frame[place] = veil;
    } else {
        byte ^= veil;
    }
    framer->to_code--;
    return byte;
}

size_t mp_framer_read(struct mp_framer *framer, uint8_t *out, size_t cap)
{
    size_t n = 0;
    while (n < cap && !mp_framer_idle(framer))
        out[n++] = mp_framer_byte(framer);
    return n;
}

void mp_deframer_init(struct mp_deframer *deframer, uint8_t *mem, uint8_t max_body)
{
    deframer->mem = mem;
    deframer->cap = (uint8_t)(MP_FRAME_AROUND + max_body);
    mp_deframer_reset(deframer);
}

void mp_deframer_reset(struct mp_deframer *deframer)
{
    deframer->crc = CRC_BEFORE_CODE;
    deframer->len = 0;
    deframer->to_code = 0;
}

static enum mp_deframed finish(struct mp_deframer *deframer)
{
    uint8_t len = deframer->len;
    bool good = deframer->to_code == 0 && len >= MP_FRAME_AROUND && len <= deframer->cap &&
                deframer->crc == MP_CRC16_GOOD;
    mp_deframer_reset(deframer);
    if (len == 0)
        return MP_DEFRAMED_MORE;
    deframer->body_len = (uint8_t)(len - MP_FRAME_AROUND);
    return good ? MP_DEFRAMED_FRAME : MP_DEFRAMED_BAD;
}

enum mp_deframed mp_deframer_byte(struct mp_deframer *deframer, uint8_t byte)
{
    if (byte == 0)
        return finish(deframer);
    if (deframer->to_code == 0) {
        deframer->to_code = byte;
        byte = 0;
    }
    deframer->to_code--;
    byte ^= MP_FRAME_VEIL(deframer->len);
    deframer->crc = mp_crc16_update(deframer->crc, byte);
    if (deframer->len < deframer->cap)
        deframer->mem[deframer->len++] = byte;
    else
        deframer->len = (uint8_t)(deframer->cap + 1);
    return MP_DEFRAMED_MORE;
}

enum mp_deframed mp_deframer_take(struct mp_deframer *deframer, const uint8_t *bytes, size_t n,
                                  size_t *used)
{
    enum mp_deframed got = MP_DEFRAMED_MORE;
    size_t i = 0;
    while (i < n && got == MP_DEFRAMED_MORE)
        got = mp_deframer_byte(deframer, bytes[i++]);
    *used = i;
    return got;
}
