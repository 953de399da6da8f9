/*
 * mp_fast.h - mp_frame for those with room for tables and a second frame: the same frames, several
 * times as fast, and a damaged delimiter between two of them costs neither. Hosts only.
 */
#ifndef MP_FAST_H
#define MP_FAST_H

#include "mp_link.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As mp_framer_begin and mp_framer_read, of which each may follow the other. */
void mp_fast_begin(struct mp_framer *framer, uint8_t *frame, size_t len, bool shared);
size_t mp_fast_read(struct mp_framer *framer, uint8_t *out, size_t cap);

/* What came since the last delimiter. No need to begin: it is empty when its deframer is reset. */
struct mp_fast {
    uint8_t raw[2 * MP_FRAME_MAX];
    uint16_t len;
    bool overrun; /* more came than raw holds: a bad frame */
};

/* As mp_deframer_take, for a deframer that takes its bytes in no other way. `used` may be 0 when a
 * frame is returned. */
enum mp_deframed mp_fast_take(struct mp_fast *fast, struct mp_deframer *deframer,
                              const uint8_t *bytes, size_t n, size_t *used);

/* As mp_link_bytes and mp_link_output, but each frame leaves with both of its delimiters: a device
 * cannot tell apart two whose only one was damaged. */
void mp_fast_bytes(struct mp_fast *fast, struct mp_link *link, const uint8_t *bytes, size_t n,
                   uint32_t now_us);
size_t mp_fast_output(struct mp_link *link, uint8_t *out, size_t cap, uint32_t now_us);

#ifdef __cplusplus
}
#endif

#endif
