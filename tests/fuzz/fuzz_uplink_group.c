/*
 * Bytes from the spool's disk: whatever they are, reading ends, and what is accepted can be shown.
 * The CRC is put right first, or nothing would get past it.
 */
#include "mp_crc.h"
#include "uplink/uplink_group.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct uplink_group_reader reader;
    struct uplink_group_entry entry;
    size_t known = 0;
    if (size < 4)
        return uplink_group_begin(&reader, data, size) ? abort(), 0 : 0;
    uint8_t *bytes = malloc(size);
    memcpy(bytes, data, size);
    uint32_t crc = mp_crc32(0, bytes, size - 4);
    for (size_t i = 0; i < 4; i++)
        bytes[size - 4 + i] = (uint8_t)(crc >> (8 * i));
    if (uplink_group_begin(&reader, bytes, size))
        while (uplink_group_next(&reader, &entry) > 0) {
            known += entry.fresh ? 1 : 0;
            if (entry.reading.sensor >= known || known > UPLINK_GROUP_SENSORS_MAX)
                abort();
            if (entry.fresh && strlen(entry.sensor.name) + strlen(entry.sensor.kind) > 510)
                abort();
        }
    free(bytes);
    return 0;
}
