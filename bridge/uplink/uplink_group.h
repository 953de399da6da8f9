/*
 * uplink_group.h - readings of one MCU as one row of the spool: compact bytes that carry what is
 * needed to write them into an upload later, by another process and after another description.
 *
 *     version 1, u32 epoch, u64 at_us, then entries, then u32 CRC-32 of all before it; numbers
 *     little endian, varints in groups of seven bits, lowest first
 *     entry: varint tag = sensor << 3 | flags
 *            [sensor is the next new one: u8 type, u8 exponent, u8 length and name, u8 length and
 *             kind]
 *            [GROUP_MESSAGE: varint zigzag (number - previous number), the first from 0]
 *            [GROUP_GAP: varint (index - expected index)]
 *            varint zigzag (at_us - previous at_us), then the value: 4 bytes of F32, else varint
 *            zigzag
 *
 * No I/O. Nothing here is trusted when it is read: a damaged group is told, never guessed at.
 */
#ifndef UPLINK_GROUP_H
#define UPLINK_GROUP_H

#include "profile/profile.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UPLINK_GROUP_SENSORS_MAX 64
/* Most bytes of one entry whose sensor is known to the group already. */
#define UPLINK_GROUP_ENTRY_MAX   26
#define UPLINK_GROUP_TEXT_MAX    255 /* bytes of a sensor's name, and of its kind */

/* A group being written. */
struct uplink_group {
    struct uplink_group *next; /* for whoever queues them */
    uint8_t *bytes;            /* its own; whole after uplink_group_seal */
    size_t len, cap;
    size_t load;        /* bytes of entries without the sensors' descriptions */
    uint32_t epoch;     /* of the device */
    uint32_t count;     /* readings */
    uint32_t first;     /* message of its first reliable reading; only if has_first */
    uint32_t following; /* the message after its last one; to be set before it is stored */
    uint64_t first_at_us;
    uint64_t since_ms; /* when its first reading came */
    bool has_first;
    bool closed; /* nothing more goes in; for whoever writes it */
    bool sealed, handed;
    uint8_t device_len;
    uint8_t device[16];
    /* The rest is the writer's. */
    uint64_t at_us;
    uint32_t number;
    uint16_t expected;
    bool in_message;
    uint8_t sensors;
    uint8_t ordinal[UPLINK_GROUP_SENSORS_MAX]; /* of a slot, plus one; 0: not described yet */
};

/* NULL: out of memory. */
struct uplink_group *uplink_group_new(uint32_t epoch, uint64_t now_ms);
void uplink_group_free(struct uplink_group *group);
/* Room for so many bytes of entries: adding them cannot fail. Returns false: out of memory. */
bool uplink_group_reserve(struct uplink_group *group, size_t bytes);
/* Adds a reading of `slot` (below UPLINK_GROUP_SENSORS_MAX), which must be `sensor` throughout the
 * group; reading->sensor and reading->epoch are not looked at. Returns false: out of memory, the
 * group is as before. */
bool uplink_group_add(struct uplink_group *group, uint8_t slot, const struct profile_sensor *sensor,
                      const struct profile_reading *reading);
/* Nothing may be added after it. Returns false: out of memory. */
bool uplink_group_seal(struct uplink_group *group);

/* One reading of stored bytes. */
struct uplink_group_entry {
    struct profile_reading reading; /* its `sensor` is the place in the group's own order */
    bool fresh;                     /* the first of its sensor: `sensor` is filled */
    struct profile_sensor sensor;   /* valid until the next call */
};

struct uplink_group_reader {
    const uint8_t *at, *end;
    uint32_t epoch, number;
    uint64_t at_us;
    uint16_t expected;
    bool in_message;
    size_t sensors;
    const uint8_t *described[UPLINK_GROUP_SENSORS_MAX];
    char name[UPLINK_GROUP_TEXT_MAX + 1], kind[UPLINK_GROUP_TEXT_MAX + 1];
};

/* Returns false: these bytes are no group, or are damaged. They must hold while it is read. */
bool uplink_group_begin(struct uplink_group_reader *reader, const uint8_t *bytes, size_t n);
/* 1: *entry holds the next; 0: end; -1: what follows makes no sense. */
int uplink_group_next(struct uplink_group_reader *reader, struct uplink_group_entry *entry);

#endif
