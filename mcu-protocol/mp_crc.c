/*
 * CRC-16/X-25 for frames and CRC-32 for what must never be wrong, in the least flash: a table would
 * cost more than all of the framing. Which bytes are covered is said by mp_frame and mp_msg.
 */
#include "mp_crc.h"

uint16_t mp_crc16_update(uint16_t crc, uint8_t byte)
{
    /* The reflected polynomial 0x8408 has so few terms that a byte's eight steps fold into shifts.
     */
    uint8_t x = (uint8_t)(byte ^ crc);
    x = (uint8_t)(x ^ (x << 4));
    return (uint16_t)((crc >> 8) ^ ((uint16_t)x << 8) ^ ((uint16_t)x << 3) ^ (x >> 4));
}

uint32_t mp_crc32(uint32_t crc, const uint8_t *bytes, size_t n)
{
    crc = ~crc;
    while (n-- > 0) {
        crc ^= *bytes++;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}
