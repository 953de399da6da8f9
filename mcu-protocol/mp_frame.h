/*
 * mp_frame.h - frames on the line: 0x00, COBS of [id | 0x80 if reliable][tag][number][body][CRC-16
 * low, high], 0x00.
 *
 * Both directions stream, and no byte costs more than a few dozen instructions: the encoder writes
 * its codes into the frame where it lies, the decoder checks while bytes arrive. A frame holds at
 * most MP_FRAME_MAX bytes of memory, so that one code byte always does.
 */
#ifndef MP_FRAME_H
#define MP_FRAME_H

#include "mp_schema.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A frame in memory: room for its first code, head, body, and behind the body two bytes of CRC. */
enum mp_frame_field { MP_FRAME_CODE, MP_FRAME_ID, MP_FRAME_TAG, MP_FRAME_NUMBER, MP_FRAME_BODY };

#define MP_FRAME_TAIL     2
#define MP_FRAME_AROUND   (MP_FRAME_BODY + MP_FRAME_TAIL) /* bytes of memory beside the body */
#define MP_FRAME_MAX      (MP_BODY_MAX + MP_FRAME_AROUND)
#define MP_FRAME_OVERHEAD 8 /* bytes on the line beside the body; 7 if a delimiter is shared */
#define MP_FRAME_RELIABLE 0x80u

/* On the line each byte but the codes is XORed with the veil of its place in the frame's memory: so
 * no payload that anyone would send makes many codes. Why, and what it costs: PROTOCOL.md. */
#define MP_FRAME_VEIL(place) ((uint8_t)((place) ^ 0x5au))

struct mp_framer {
    uint8_t *frame;
    uint8_t place;   /* of the next byte to leave */
    uint8_t end;     /* of the closing delimiter, and one more; the place when idle */
    uint8_t to_code; /* bytes before the next code */
    bool open;       /* the opening delimiter has to leave first */
};

/* Begins a frame; `framer` may be all zero or idle. `frame` has its head and a body of `len` bytes,
 * at most MP_BODY_MAX; the rest is filled in here. Bytes that equal their veil are codes until they
 * have left, and themselves again then, so it is whole again when the framer is idle. `shared`: the
 * last byte on the line was a delimiter and nothing came since, so it opens this frame too. Takes
 * time for each byte of the frame: not for an interrupt. */
void mp_framer_begin(struct mp_framer *framer, uint8_t *frame, size_t len, bool shared);

/* The next byte for the line; the framer is not idle. */
uint8_t mp_framer_byte(struct mp_framer *framer);

/* Writes up to `cap` bytes of the frame; returns how many. The frame has left when it is idle. */
size_t mp_framer_read(struct mp_framer *framer, uint8_t *out, size_t cap);

static inline bool mp_framer_idle(const struct mp_framer *framer)
{
    return framer->place == framer->end;
}

enum mp_deframed {
    MP_DEFRAMED_MORE, /* nothing complete yet */
    MP_DEFRAMED_FRAME,
    MP_DEFRAMED_BAD, /* something ended that is no frame: damaged, cut short, too long, or noise */
};

struct mp_deframer {
    uint8_t *mem; /* the frame as it lies in memory; its MP_FRAME_CODE is 0 */
    uint16_t crc;
    uint8_t cap;      /* bytes of mem */
    uint8_t len;      /* bytes that came of the frame on its way, one more than cap if too many */
    uint8_t to_code;  /* bytes before the next code */
    uint8_t body_len; /* of the latest frame */
};

/* `mem` belongs to the caller and holds MP_FRAME_AROUND + max_body bytes. */
void mp_deframer_init(struct mp_deframer *deframer, uint8_t *mem, uint8_t max_body);

/* Takes one byte of the line. After MP_DEFRAMED_FRAME the frame is in mem until the next byte, its
 * body is of body_len bytes, and its CRC is right. */
enum mp_deframed mp_deframer_byte(struct mp_deframer *deframer, uint8_t byte);

/* Takes bytes up to the first that completes something, and all if none does; `used` says how many.
 * Returns what mp_deframer_byte said to the last of them. */
enum mp_deframed mp_deframer_take(struct mp_deframer *deframer, const uint8_t *bytes, size_t n,
                                  size_t *used);

/* Forgets what came so far. */
void mp_deframer_reset(struct mp_deframer *deframer);

#ifdef __cplusplus
}
#endif

#endif
