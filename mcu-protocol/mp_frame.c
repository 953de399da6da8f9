/*
 * COBS framing with the CRC inside, one byte or many at a time. What the head means and what to do
 * about a bad frame is the link's.
 *
 * The zero of a UART break is a delimiter here, so a break resynchronises the receiver by itself.
 */
#include "mp_frame.h"

#include "mp_crc.h"

static uint8_t content_at(const struct mp_framer *framer, uint8_t i)
{
    uint8_t tail = (uint8_t)(framer->total - MP_FRAME_TAIL);
    if (i < MP_FRAME_HEAD)
        return framer->head[i];
    return i < tail ? framer->body[i - MP_FRAME_HEAD] : framer->tail[i - tail];
}

void mp_framer_begin(struct mp_framer *framer, uint8_t id, uint8_t tag, uint8_t number,
                     const uint8_t *body, size_t len, bool shared)
{
    uint16_t crc = MP_CRC16_START;
    framer->body = body;
    framer->head[0] = id;
    framer->head[1] = tag;
    framer->head[2] = number;
    framer->total = (uint8_t)(MP_FRAME_HEAD + len + MP_FRAME_TAIL);
    framer->at = 0;
    framer->step = shared ? MP_FRAMER_CODE : MP_FRAMER_OPEN;
    for (uint8_t i = 0; i < framer->total - MP_FRAME_TAIL; i++)
        crc = mp_crc16_update(crc, content_at(framer, i));
    framer->tail[0] = (uint8_t)~crc;
    framer->tail[1] = (uint8_t)(~crc >> 8);
}

/* The code of the block that begins here: where its zero is, or the end. */
static uint8_t next_code(struct mp_framer *framer)
{
    uint8_t stop = framer->at;
    while (stop < framer->total && content_at(framer, stop) != 0)
        stop++;
    framer->stop = stop;
    return (uint8_t)(stop - framer->at + 1);
}

/* At the end of a block the zero there is passed over: the next code says it. */
static void step_on(struct mp_framer *framer)
{
    framer->step = MP_FRAMER_DATA;
    if (framer->at < framer->stop)
        return;
    framer->step = framer->at++ == framer->total ? MP_FRAMER_CLOSE : MP_FRAMER_CODE;
}

static uint8_t next_byte(struct mp_framer *framer)
{
    uint8_t byte = 0;
    switch ((enum mp_framer_step)framer->step) {
    case MP_FRAMER_OPEN:
        framer->step = MP_FRAMER_CODE;
        break;
    case MP_FRAMER_CODE:
        byte = next_code(framer);
        step_on(framer);
        break;
    case MP_FRAMER_DATA:
        byte = content_at(framer, framer->at++);
        step_on(framer);
        break;
    case MP_FRAMER_CLOSE:
    case MP_FRAMER_IDLE:
        framer->step = MP_FRAMER_IDLE;
        break;
    }
    return byte;
}

size_t mp_framer_read(struct mp_framer *framer, uint8_t *out, size_t cap)
{
    size_t n = 0;
    while (n < cap && !mp_framer_idle(framer))
        out[n++] = next_byte(framer);
    return n;
}

void mp_deframer_init(struct mp_deframer *deframer, uint8_t *mem, uint8_t max_body)
{
    deframer->mem = mem;
    deframer->cap = (uint8_t)(MP_FRAME_HEAD + max_body + MP_FRAME_TAIL);
    mp_deframer_reset(deframer);
}

void mp_deframer_reset(struct mp_deframer *deframer)
{
    deframer->crc = MP_CRC16_START;
    deframer->len = 0;
    deframer->left = 0;
    deframer->begun = false;
    deframer->bad = false;
}

static void take(struct mp_deframer *deframer, uint8_t byte)
{
    if (deframer->len == deframer->cap) {
        deframer->bad = true;
        return;
    }
    deframer->mem[deframer->len++] = byte;
    deframer->crc = mp_crc16_update(deframer->crc, byte);
}

static enum mp_deframed finish(struct mp_deframer *deframer)
{
    uint8_t len = deframer->len;
    bool good = !deframer->bad && deframer->left == 0 && len >= MP_FRAME_HEAD + MP_FRAME_TAIL &&
                deframer->crc == MP_CRC16_GOOD;
    bool begun = deframer->begun;
    mp_deframer_reset(deframer);
    deframer->len = len; /* for the caller to read; the next byte starts anew */
    if (good)
        return MP_DEFRAMED_FRAME;
    return begun ? MP_DEFRAMED_BAD : MP_DEFRAMED_MORE;
}

enum mp_deframed mp_deframer_byte(struct mp_deframer *deframer, uint8_t byte)
{
    if (byte == 0)
        return finish(deframer);
    if (deframer->left > 0) {
        deframer->left--;
        take(deframer, byte);
        return MP_DEFRAMED_MORE;
    }
    if (deframer->begun)
        take(deframer, 0);
    else
        deframer->len = 0;
    deframer->begun = true;
    deframer->left = (uint8_t)(byte - 1);
    return MP_DEFRAMED_MORE;
}
