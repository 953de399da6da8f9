/*
 * mp_fast.h - mp_frame for those with room for tables: the same frames, the same state, several
 * times as fast. Hosts only. Each call may be followed by one of mp_frame and the other way round.
 */
#ifndef MP_FAST_H
#define MP_FAST_H

#include "mp_link.h"

/* As mp_framer_begin, mp_framer_read and mp_deframer_take. */
void mp_fast_begin(struct mp_framer *framer, uint8_t *frame, size_t len, bool shared);
size_t mp_fast_read(struct mp_framer *framer, uint8_t *out, size_t cap);
enum mp_deframed mp_fast_take(struct mp_deframer *deframer, const uint8_t *bytes, size_t n,
                              size_t *used);

/* More bytes for a CRC as mp_crc16_update takes them. */
uint16_t mp_fast_crc16(uint16_t crc, const uint8_t *bytes, size_t n);

/* As mp_link_bytes and mp_link_output. */
void mp_fast_bytes(struct mp_link *link, const uint8_t *bytes, size_t n, uint32_t now_us);
size_t mp_fast_output(struct mp_link *link, uint8_t *out, size_t cap, uint32_t now_us);

#endif
