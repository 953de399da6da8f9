/*
 * mp_msg.h - every message of mp_schema.h as a struct, with its encoder and strict decoder.
 *
 * A struct member is the field's integer; a STR or REST field `f` is a pointer `f` and a length
 * `f_len` (after decoding it points into the body).
 *
 *   int mp_encode_NAME(uint8_t *out, size_t cap, const struct mp_NAME *m)
 *       Returns the body's length, or -1 if it does not fit `cap` (or a STR is longer than 255).
 *   int mp_decode_NAME(const uint8_t *body, size_t n, struct mp_NAME *m)
 *       Returns 0, or -1 if the body is cut short or longer than the fields.
 */
#ifndef MP_MSG_H
#define MP_MSG_H

#include "mp_schema.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MP_MEMBER_U8(name)  uint8_t name;
#define MP_MEMBER_U16(name) uint16_t name;
#define MP_MEMBER_U32(name) uint32_t name;
#define MP_MEMBER_U64(name) uint64_t name;
#define MP_MEMBER_STR(name) \
    const uint8_t *name;    \
    size_t name##_len;
#define MP_MEMBER_REST(name) MP_MEMBER_STR(name)

#define MP_X_MEMBER(TYPE, name, text) MP_MEMBER_##TYPE(name)
#define MP_X_MSG(id, NAME, name, FIELDS, from)                                 \
    struct mp_##name {                                                         \
        FIELDS(MP_X_MEMBER)                                                    \
    };                                                                         \
    int mp_encode_##name(uint8_t *out, size_t cap, const struct mp_##name *m); \
    int mp_decode_##name(const uint8_t *body, size_t n, struct mp_##name *m);
MP_MESSAGES(MP_X_MSG)
#undef MP_X_MSG
#undef MP_X_MEMBER
#undef MP_MEMBER_U8
#undef MP_MEMBER_U16
#undef MP_MEMBER_U32
#undef MP_MEMBER_U64
#undef MP_MEMBER_STR
#undef MP_MEMBER_REST

/* The CRC-32 inside COMMAND and SET_ID: over the session's nonce (U32), the message id, and `n`
 * bytes, which are the fields before the CRC of a COMMAND, and the identity of a SET_ID. */
uint32_t mp_seal(uint32_t nonce, uint8_t id, const uint8_t *bytes, size_t n);

#define MP_COMMAND_SEALED 11 /* bytes of a COMMAND's body that its CRC covers */

/* Little-endian integers, for those who fill bytes by hand. */
static inline void mp_put_u16(uint8_t *out, uint16_t value)
{
    out[0] = (uint8_t)value;
    out[1] = (uint8_t)(value >> 8);
}

static inline void mp_put_u32(uint8_t *out, uint32_t value)
{
    out[0] = (uint8_t)value;
    out[1] = (uint8_t)(value >> 8);
    out[2] = (uint8_t)(value >> 16);
    out[3] = (uint8_t)(value >> 24);
}

static inline uint16_t mp_get_u16(const uint8_t *in)
{
    return (uint16_t)(in[0] | ((uint16_t)in[1] << 8));
}

static inline uint32_t mp_get_u32(const uint8_t *in)
{
    return in[0] | ((uint32_t)in[1] << 8) | ((uint32_t)in[2] << 16) | ((uint32_t)in[3] << 24);
}

#ifdef __cplusplus
}
#endif

#endif
