/*
 * Values and readings on the wire. Which slot has which type comes from the description, which the
 * caller holds.
 */
#include "mp_value.h"

#include "mp_msg.h"

#include <string.h>

size_t mp_type_size(uint8_t type)
{
    switch (type) {
#define X_SIZE(id, NAME, name, size) \
    case id:                         \
        return size;
        MP_TYPES(X_SIZE)
#undef X_SIZE
    default:
        return 0;
    }
}

uint32_t mp_value_to_bits(uint8_t type, union mp_value value)
{
    uint32_t bits;
    if (type != MP_TYPE_F32)
        return (uint32_t)value.i;
    memcpy(&bits, &value.f, sizeof bits);
    return bits;
}

union mp_value mp_value_from_bits(uint8_t type, uint32_t bits)
{
    union mp_value value;
    if (type == MP_TYPE_F32)
        memcpy(&value.f, &bits, sizeof bits);
    else
        memcpy(&value.i, &bits, sizeof bits);
    return value;
}

static bool finite_bits(uint32_t bits)
{
    return (bits & 0x7f800000u) != 0x7f800000u;
}

bool mp_value_of_type(uint8_t type, union mp_value value)
{
    switch (type) {
    case MP_TYPE_BOOL:
        return value.i == 0 || value.i == 1;
    case MP_TYPE_I16:
        return value.i >= INT16_MIN && value.i <= INT16_MAX;
    case MP_TYPE_I32:
        return true;
    case MP_TYPE_F32:
        return finite_bits(mp_value_to_bits(type, value));
    default:
        return false;
    }
}

bool mp_value_in_range(uint8_t type, union mp_value value, union mp_value min, union mp_value max)
{
    if (!mp_value_of_type(type, value))
        return false;
    if (type == MP_TYPE_F32)
        return value.f >= min.f && value.f <= max.f;
    return value.i >= min.i && value.i <= max.i;
}

size_t mp_value_put(uint8_t type, union mp_value value, uint8_t *out)
{
    uint32_t bits = mp_value_to_bits(type, value);
    size_t size = mp_type_size(type);
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(bits >> (8 * i));
    return size;
}

union mp_value mp_value_get(uint8_t type, const uint8_t *in)
{
    uint32_t bits;
    switch (type) {
    case MP_TYPE_I16:
        bits = (uint32_t)(int32_t)(int16_t)mp_get_u16(in);
        break;
    case MP_TYPE_I32:
    case MP_TYPE_F32:
        bits = mp_get_u32(in);
        break;
    default:
        bits = in[0];
        break;
    }
    return mp_value_from_bits(type, bits);
}

size_t mp_varint_put(uint32_t value, uint8_t *out)
{
    size_t n = 0;
    for (; value > 0x7f; value >>= 7)
        out[n++] = (uint8_t)(value | 0x80);
    out[n++] = (uint8_t)value;
    return n;
}

/* Returns the bytes read, 0 if they are no varint of 32 bits in its shortest form. */
static size_t varint_get(const uint8_t *in, size_t n, uint32_t *value)
{
    *value = 0;
    for (size_t i = 0; i < n && i < MP_VARINT_MAX; i++) {
        uint8_t byte = in[i];
        if (i == MP_VARINT_MAX - 1 && byte > 0x0f)
            return 0;
        *value |= (uint32_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80)
            return byte == 0 && i > 0 ? 0 : i + 1;
    }
    return 0;
}

void mp_readings_begin(struct mp_readings_iter *iter, uint32_t base, const uint8_t *entries,
                       size_t n, const uint8_t *types, size_t slots)
{
    iter->at = entries;
    iter->end = entries + n;
    iter->types = types;
    iter->slots = slots;
    iter->ticks = base;
    iter->begun = false;
}

int mp_readings_next(struct mp_readings_iter *iter, struct mp_reading *reading)
{
    const uint8_t *at = iter->at;
    uint32_t delta = 0;
    if (at == iter->end)
        return 0;
    reading->slot = *at++;
    if (reading->slot >= iter->slots)
        return -1;
    reading->type = iter->types[reading->slot];
    if (iter->begun) {
        size_t n = varint_get(at, (size_t)(iter->end - at), &delta);
        if (n == 0)
            return -1;
        at += n;
    }
    size_t size = mp_type_size(reading->type);
    if (size == 0 || (size_t)(iter->end - at) < size)
        return -1;
    reading->value = mp_value_get(reading->type, at);
    if (!mp_value_of_type(reading->type, reading->value))
        return -1;
    iter->begun = true;
    iter->ticks += delta;
    iter->at = at + size;
    reading->ticks = iter->ticks;
    return 1;
}
