/*
 * mp_value.h - one value on the wire, by its type.
 */
#ifndef MP_VALUE_H
#define MP_VALUE_H

#include "mp_schema.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Which member counts is said by an enum mp_type beside it: BOOL and I16 use `i` too. */
union mp_value {
    int32_t i;
    float f;
};

size_t mp_type_size(uint8_t type); /* bytes on the wire; 0: no such type */

/* The value as 32 bits, as COMMAND and CONTROL_STATE carry it, and back. */
uint32_t mp_value_to_bits(uint8_t type, union mp_value value);
union mp_value mp_value_from_bits(uint8_t type, uint32_t bits);

/* Whether it is a value of the type: BOOL 0 or 1, I16 in its range, F32 finite. */
bool mp_value_of_type(uint8_t type, union mp_value value);

/* The same, and within the two bounds, both included. */
bool mp_value_in_range(uint8_t type, union mp_value value, union mp_value min, union mp_value max);

/* Writes mp_type_size bytes; returns how many. */
size_t mp_value_put(uint8_t type, union mp_value value, uint8_t *out);
/* Reads mp_type_size bytes. */
union mp_value mp_value_get(uint8_t type, const uint8_t *in);

/* A number in groups of seven bits, lowest first, the top bit set on all but the last. Writes at
 * most MP_VARINT_MAX bytes; returns how many. */
#define MP_VARINT_MAX 5
size_t mp_varint_put(uint32_t value, uint8_t *out);

/* One entry of a READINGS message. */
struct mp_reading {
    uint8_t slot;
    uint8_t type;
    uint32_t ticks; /* device clock, in ticks; wraps */
    union mp_value value;
};

/* Walks the entries of a READINGS message. `types[slot]` is the type of each of the `slots`
 * described slots. */
struct mp_readings_iter {
    const uint8_t *at, *end;
    const uint8_t *types;
    size_t slots;
    uint32_t ticks;
    bool begun;
};
void mp_readings_begin(struct mp_readings_iter *iter, uint32_t base, const uint8_t *entries,
                       size_t n, const uint8_t *types, size_t slots);
/* 1: *reading holds the next; 0: end; -1: malformed from here on (unknown slot, cut short, bad
 * varint, a value that its type cannot have, NaN among them). */
int mp_readings_next(struct mp_readings_iter *iter, struct mp_reading *reading);

#ifdef __cplusplus
}
#endif

#endif
