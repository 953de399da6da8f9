/*
 * Readings to bytes and back. When a group is begun and ended, and where its bytes are kept, is
 * left to uplink.c and the spool.
 */
#include "uplink_group.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define VERSION     1u
#define HEAD_BYTES  13u
#define CRC_BYTES   4u
#define VARINT_MAX  10u
#define FIRST_BYTES 256u

enum { GROUP_MESSAGE = 1, GROUP_ONCE = 2, GROUP_GAP = 4, GROUP_FLAGS = 3 /* bits */ };

/* The CRC of mp_crc32, which has no tables and took half of a reading's time here. */
static uint32_t crc_of(const uint8_t *bytes, size_t n)
{
    return (uint32_t)crc32_z(0, bytes, n);
}

/* -- Writing. */

static void put_u32(uint8_t *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

static size_t put_varint(uint8_t *out, uint64_t value)
{
    size_t n = 0;
    while (value > 0x7f) {
        out[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[n++] = (uint8_t)value;
    return n;
}

static uint64_t zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

static bool make_room(struct uplink_group *group, size_t n)
{
    if (group->cap - group->len >= n)
        return true;
    size_t cap = group->cap == 0 ? FIRST_BYTES : group->cap;
    while (cap - group->len < n)
        cap *= 2;
    uint8_t *grown = realloc(group->bytes, cap);
    if (grown == NULL)
        return false;
    group->bytes = grown;
    group->cap = cap;
    return true;
}

struct uplink_group *uplink_group_new(uint32_t epoch, uint64_t now_ms)
{
    struct uplink_group *group = calloc(1, sizeof *group);
    if (group == NULL || !make_room(group, HEAD_BYTES)) {
        free(group);
        return NULL;
    }
    group->epoch = epoch;
    group->since_ms = now_ms;
    group->bytes[0] = VERSION;
    put_u32(group->bytes + 1, epoch);
    memset(group->bytes + 5, 0, 8); /* at_us, by the first reading */
    group->len = HEAD_BYTES;
    return group;
}

void uplink_group_free(struct uplink_group *group)
{
    if (group == NULL)
        return;
    free(group->bytes);
    free(group);
}

bool uplink_group_reserve(struct uplink_group *group, size_t bytes)
{
    return make_room(group, bytes + CRC_BYTES);
}

static size_t put_text(uint8_t *out, const char *text, size_t n)
{
    out[0] = (uint8_t)n;
    memcpy(out + 1, text, n);
    return n + 1;
}

static size_t text_length(const char *text)
{
    size_t n = strlen(text);
    return n > UPLINK_GROUP_TEXT_MAX ? UPLINK_GROUP_TEXT_MAX : n;
}

static size_t put_sensor(uint8_t *out, const struct profile_sensor *sensor)
{
    size_t n = 0;
    out[n++] = sensor->type;
    out[n++] = (uint8_t)sensor->exponent;
    n += put_text(out + n, sensor->name, text_length(sensor->name));
    n += put_text(out + n, sensor->kind, text_length(sensor->kind));
    return n;
}

static size_t put_value(uint8_t *out, uint8_t type, union mp_value value)
{
    if (type != MP_TYPE_F32)
        return put_varint(out, zigzag(value.i));
    put_u32(out, mp_value_to_bits(type, value));
    return 4;
}

static void begin_at(struct uplink_group *group, uint64_t at_us)
{
    for (int i = 0; i < 8; i++)
        group->bytes[5 + i] = (uint8_t)(at_us >> (8 * i));
    group->at_us = group->first_at_us = at_us;
}

/* What of the message's number and index stands in an entry. */
static unsigned flags_of(const struct uplink_group *group, const struct profile_reading *reading)
{
    if (reading->index == PROFILE_ONCE)
        return GROUP_ONCE;
    unsigned flags = 0;
    bool same = group->in_message && reading->number == group->number;
    if (!same)
        flags |= GROUP_MESSAGE;
    if (reading->index != (same ? group->expected : 0))
        flags |= GROUP_GAP;
    return flags;
}

static void follow(struct uplink_group *group, const struct profile_reading *reading)
{
    group->count++;
    group->at_us = reading->at_us;
    if (reading->index == PROFILE_ONCE)
        return;
    if (!group->has_first)
        group->first = reading->number;
    group->has_first = group->in_message = true;
    group->number = reading->number;
    group->expected = (uint16_t)(reading->index + 1);
}

bool uplink_group_add(struct uplink_group *group, uint8_t slot, const struct profile_sensor *sensor,
                      const struct profile_reading *reading)
{
    bool fresh = group->ordinal[slot] == 0;
    size_t most = UPLINK_GROUP_ENTRY_MAX + CRC_BYTES;
    if (fresh)
        most += 4 + text_length(sensor->name) + text_length(sensor->kind);
    if (!make_room(group, most))
        return false;
    if (group->count == 0)
        begin_at(group, reading->at_us);
    unsigned flags = flags_of(group, reading);
    unsigned ordinal = fresh ? group->sensors : group->ordinal[slot] - 1u;
    uint8_t *out = group->bytes + group->len;
    size_t n = put_varint(out, ordinal << GROUP_FLAGS | flags), described = 0;
    if (fresh) {
        described = put_sensor(out + n, sensor);
        group->ordinal[slot] = ++group->sensors;
    }
    n += described;
    if ((flags & GROUP_MESSAGE) != 0)
        n += put_varint(out + n, zigzag((int32_t)(reading->number - group->number)));
    if ((flags & GROUP_GAP) != 0) {
        uint16_t expected = (flags & GROUP_MESSAGE) != 0 ? 0 : group->expected;
        n += put_varint(out + n, (uint16_t)(reading->index - expected));
    }
    n += put_varint(out + n, zigzag((int64_t)(reading->at_us - group->at_us)));
    n += put_value(out + n, sensor->type, reading->value);
    group->len += n;
    group->load += n - described;
    follow(group, reading);
    return true;
}

bool uplink_group_seal(struct uplink_group *group)
{
    if (group->sealed)
        return true;
    if (!make_room(group, CRC_BYTES))
        return false;
    put_u32(group->bytes + group->len, crc_of(group->bytes, group->len));
    group->len += CRC_BYTES;
    group->sealed = true;
    return true;
}

/* -- Reading. */

static uint32_t get_u32(const uint8_t *in)
{
    return in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

static bool get_varint(struct uplink_group_reader *reader, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 7 * VARINT_MAX && reader->at < reader->end; shift += 7) {
        uint8_t byte = *reader->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return shift < 63 || byte <= 1;
    }
    return false;
}

static bool get_zigzag(struct uplink_group_reader *reader, int64_t *value)
{
    uint64_t bits;
    if (!get_varint(reader, &bits))
        return false;
    *value = (int64_t)(bits >> 1 ^ ((bits & 1) != 0 ? UINT64_MAX : 0));
    return true;
}

bool uplink_group_begin(struct uplink_group_reader *reader, const uint8_t *bytes, size_t n)
{
    *reader = (struct uplink_group_reader){0};
    if (n < HEAD_BYTES + CRC_BYTES || bytes[0] != VERSION ||
        crc_of(bytes, n - CRC_BYTES) != get_u32(bytes + n - CRC_BYTES))
        return false;
    reader->epoch = get_u32(bytes + 1);
    reader->at_us = get_u32(bytes + 5) | (uint64_t)get_u32(bytes + 9) << 32;
    reader->at = bytes + HEAD_BYTES;
    reader->end = bytes + n - CRC_BYTES;
    return true;
}

static size_t bytes_left(const struct uplink_group_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

/* A length and so many bytes, none of which is NUL. */
static bool skip_text(struct uplink_group_reader *reader)
{
    if (bytes_left(reader) < 1 || bytes_left(reader) < 1u + *reader->at ||
        memchr(reader->at + 1, '\0', *reader->at) != NULL)
        return false;
    reader->at += 1u + *reader->at;
    return true;
}

static bool get_sensor(struct uplink_group_reader *reader)
{
    const uint8_t *begin = reader->at;
    if (reader->sensors == UPLINK_GROUP_SENSORS_MAX || bytes_left(reader) < 2 ||
        mp_type_size(begin[0]) == 0)
        return false;
    reader->at += 2;
    for (int text = 0; text < 2; text++) /* name and kind */
        if (!skip_text(reader))
            return false;
    reader->described[reader->sensors++] = begin;
    return true;
}

static void show_sensor(struct uplink_group_reader *reader, uint64_t ordinal,
                        struct profile_sensor *sensor)
{
    const uint8_t *at = reader->described[ordinal];
    sensor->type = at[0];
    sensor->exponent = (int8_t)at[1];
    at += 2;
    memcpy(reader->name, at + 1, at[0]);
    reader->name[at[0]] = '\0';
    at += 1u + at[0];
    memcpy(reader->kind, at + 1, at[0]);
    reader->kind[at[0]] = '\0';
    sensor->name = reader->name;
    sensor->kind = reader->kind;
    sensor->group = 0;
}

static bool get_value(struct uplink_group_reader *reader, uint8_t type, union mp_value *value)
{
    int64_t whole;
    if (type != MP_TYPE_F32) {
        if (!get_zigzag(reader, &whole) || whole < INT32_MIN || whole > INT32_MAX)
            return false;
        value->i = (int32_t)whole;
    } else {
        if (bytes_left(reader) < 4)
            return false;
        *value = mp_value_from_bits(type, get_u32(reader->at));
        reader->at += 4;
    }
    return mp_value_of_type(type, *value);
}

/* The message's number and the index in it. */
static bool get_place(struct uplink_group_reader *reader, unsigned flags,
                      struct profile_reading *reading)
{
    int64_t ahead;
    uint64_t gap = 0;
    reading->number = reader->number;
    reading->index = PROFILE_ONCE;
    if ((flags & GROUP_ONCE) != 0)
        return (flags & (GROUP_MESSAGE | GROUP_GAP)) == 0;
    if ((flags & GROUP_MESSAGE) != 0) {
        if (!get_zigzag(reader, &ahead))
            return false;
        reader->number += (uint32_t)ahead;
        reader->expected = 0;
        reader->in_message = true;
    }
    if (!reader->in_message || ((flags & GROUP_GAP) != 0 && !get_varint(reader, &gap)) ||
        gap + reader->expected >= PROFILE_ONCE)
        return false;
    reading->number = reader->number;
    reading->index = (uint16_t)(reader->expected + gap);
    reader->expected = (uint16_t)(reading->index + 1);
    return true;
}

int uplink_group_next(struct uplink_group_reader *reader, struct uplink_group_entry *entry)
{
    uint64_t tag;
    int64_t later;
    if (bytes_left(reader) == 0)
        return 0;
    if (!get_varint(reader, &tag))
        return -1;
    uint64_t ordinal = tag >> GROUP_FLAGS;
    entry->fresh = ordinal == reader->sensors;
    if (ordinal > reader->sensors || (entry->fresh && !get_sensor(reader)))
        return -1;
    if (entry->fresh)
        show_sensor(reader, ordinal, &entry->sensor);
    entry->reading = (struct profile_reading){.epoch = reader->epoch, .sensor = (uint16_t)ordinal};
    if (!get_place(reader, tag & ((1u << GROUP_FLAGS) - 1), &entry->reading) ||
        !get_zigzag(reader, &later) ||
        !get_value(reader, reader->described[ordinal][0], &entry->reading.value))
        return -1;
    reader->at_us += (uint64_t)later;
    entry->reading.at_us = reader->at_us;
    return 1;
}
