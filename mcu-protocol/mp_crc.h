/*
 * mp_crc.h - the two checksums, without tables.
 */
#ifndef MP_CRC_H
#define MP_CRC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* CRC-16/X-25 before its final complement: start with MP_CRC16_START, take every byte, send the
 * complement low byte first. A receiver that takes the two sent bytes as well ends at
 * MP_CRC16_GOOD. */
#define MP_CRC16_START 0xffffu
#define MP_CRC16_GOOD  0xf0b8u
uint16_t mp_crc16_update(uint16_t crc, uint8_t byte);

/* CRC-32 (ISO-HDLC, the one of zip) over more bytes. Start with 0; each return is a finished CRC
 * and also what to go on with. */
uint32_t mp_crc32(uint32_t crc, const uint8_t *bytes, size_t n);

#ifdef __cplusplus
}
#endif

#endif
