/*
 * mp_frame.h - frames on the line: 0x00, COBS of [id | 0x80 if reliable][tag][number][body][CRC-16
 * low, high], 0x00.
 *
 * Both directions stream: the encoder reads the body where it lies, the decoder checks while bytes
 * arrive. A frame holds at most MP_FRAME_MAX bytes before COBS, so that one code byte always does.
 */
#ifndef MP_FRAME_H
#define MP_FRAME_H

#include "mp_schema.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MP_FRAME_HEAD     3
#define MP_FRAME_TAIL     2
#define MP_FRAME_MAX      (MP_FRAME_HEAD + MP_BODY_MAX + MP_FRAME_TAIL)
#define MP_FRAME_OVERHEAD 8 /* bytes on the line beside the body; 7 if a delimiter is shared */
#define MP_FRAME_RELIABLE 0x80u

enum mp_framer_step {
    MP_FRAMER_IDLE,
    MP_FRAMER_OPEN,
    MP_FRAMER_CODE,
    MP_FRAMER_DATA,
    MP_FRAMER_CLOSE
};

struct mp_framer {
    const uint8_t *body; /* may be moved by the caller between two reads */
    uint8_t head[MP_FRAME_HEAD];
    uint8_t tail[MP_FRAME_TAIL];
    uint8_t total; /* bytes before COBS */
    uint8_t at;    /* next of them to leave */
    uint8_t stop;  /* the next zero among them, or total */
    uint8_t step;  /* enum mp_framer_step */
};

/* Begins a frame; `framer` may be all zero or idle. `len` is at most MP_BODY_MAX; the body is not
 * copied and must stay until the frame has left. `shared`: the last byte on the line was a
 * delimiter and nothing came since, so it opens this frame too. */
void mp_framer_begin(struct mp_framer *framer, uint8_t id, uint8_t tag, uint8_t number,
                     const uint8_t *body, size_t len, bool shared);

/* Writes up to `cap` bytes of the frame; returns how many. The frame has left when it is idle. */
size_t mp_framer_read(struct mp_framer *framer, uint8_t *out, size_t cap);

static inline bool mp_framer_idle(const struct mp_framer *framer)
{
    return framer->step == MP_FRAMER_IDLE;
}

enum mp_deframed {
    MP_DEFRAMED_MORE, /* nothing complete yet */
    MP_DEFRAMED_FRAME,
    MP_DEFRAMED_BAD, /* something ended that is no frame: damaged, cut short, too long, or noise */
};

struct mp_deframer {
    uint8_t *mem; /* the frame before COBS, the two bytes of the CRC included */
    uint16_t crc;
    uint8_t cap;  /* bytes of mem that may be used */
    uint8_t len;  /* bytes in it */
    uint8_t left; /* bytes of the block to come before its successor's code */
    bool begun;   /* a byte came since the delimiter */
    bool bad;
};

/* `mem` belongs to the caller and holds MP_FRAME_HEAD + max_body + MP_FRAME_TAIL bytes. */
void mp_deframer_init(struct mp_deframer *deframer, uint8_t *mem, uint8_t max_body);

/* Takes one byte of the line. After MP_DEFRAMED_FRAME mem[0 .. len-1] is the frame until the next
 * byte; it holds at least head and tail, and its CRC is right. */
enum mp_deframed mp_deframer_byte(struct mp_deframer *deframer, uint8_t byte);

/* Forgets what came so far. */
void mp_deframer_reset(struct mp_deframer *deframer);

#endif
