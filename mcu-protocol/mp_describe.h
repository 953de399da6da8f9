/*
 * mp_describe.h - the device's description as bytes, made from its tables whenever asked, so that
 * no copy of it lies in memory. PROTOCOL.md has the encoding; mp_host_describe.c reads it.
 */
#ifndef MP_DESCRIBE_H
#define MP_DESCRIBE_H

#include "mp_device.h"

#define MP_DESCRIBE_FORMAT 1

/* Writes the bytes [offset, offset + n) of the description, as far as there are any. Returns the
 * length of the whole description; *hash (may be NULL) becomes its CRC-32. */
size_t mp_describe(const struct mp_device_config *config, size_t offset, uint8_t *out, size_t n,
                   uint32_t *hash);

#endif
