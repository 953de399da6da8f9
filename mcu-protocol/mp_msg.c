/*
 * Encoders and decoders of all messages, made from the table. They know shapes only: what a field
 * may hold is checked by who acts on it.
 */
#include "mp_msg.h"

#include "mp_crc.h"

#include <string.h>

uint32_t mp_seal(uint32_t nonce, uint8_t id, const uint8_t *bytes, size_t n)
{
    uint8_t head[5];
    mp_put_u32(head, nonce);
    head[4] = id;
    return mp_crc32(mp_crc32(0, head, sizeof head), bytes, n);
}

/* A writer that ran out of room has at == NULL, and stays so. */
struct writer {
    uint8_t *at, *end;
};

static uint8_t *claim(struct writer *w, size_t n)
{
    uint8_t *at = w->at;
    if (at == NULL || (size_t)(w->end - at) < n) {
        w->at = NULL;
        return NULL;
    }
    w->at += n;
    return at;
}

static void put_int(struct writer *w, uint32_t value, uint8_t size)
{
    uint8_t *at = claim(w, size);
    if (at == NULL)
        return;
    for (; size > 0; size--, value >>= 8)
        *at++ = (uint8_t)value;
}

static void put_rest(struct writer *w, const uint8_t *bytes, size_t n)
{
    uint8_t *at = claim(w, n);
    if (at != NULL && n > 0)
        memmove(at, bytes, n); /* they may lie there already */
}

static void put_str(struct writer *w, const uint8_t *bytes, size_t n)
{
    if (n > UINT8_MAX)
        w->at = NULL;
    put_int(w, (uint32_t)n, 1);
    put_rest(w, bytes, n);
}

/* A reader that ran out of bytes has at == NULL, and stays so. */
struct reader {
    const uint8_t *at, *end;
};

static const uint8_t *consume(struct reader *r, size_t n)
{
    const uint8_t *at = r->at;
    if (at == NULL || (size_t)(r->end - at) < n) {
        r->at = NULL;
        return NULL;
    }
    r->at += n;
    return at;
}

static uint32_t get_int(struct reader *r, uint8_t size)
{
    const uint8_t *at = consume(r, size);
    uint32_t value = 0;
    if (at == NULL)
        return 0;
    while (size > 0)
        value = value << 8 | at[--size];
    return value;
}

static const uint8_t *get_str(struct reader *r, size_t *n)
{
    *n = (size_t)get_int(r, 1);
    return consume(r, *n);
}

static const uint8_t *get_rest(struct reader *r, size_t *n)
{
    *n = r->at == NULL ? 0 : (size_t)(r->end - r->at);
    return consume(r, *n);
}

#define PUT_U8(name)  put_int(&w, m->name, 1);
#define PUT_U16(name) put_int(&w, m->name, 2);
#define PUT_U32(name) put_int(&w, m->name, 4);
#define PUT_U64(name)                  \
    put_int(&w, (uint32_t)m->name, 4); \
    put_int(&w, (uint32_t)(m->name >> 32), 4);
#define PUT_STR(name)  put_str(&w, m->name, m->name##_len);
#define PUT_REST(name) put_rest(&w, m->name, m->name##_len);
#define GET_U8(name)   m->name = (uint8_t)get_int(&r, 1);
#define GET_U16(name)  m->name = (uint16_t)get_int(&r, 2);
#define GET_U32(name)  m->name = (uint32_t)get_int(&r, 4);
#define GET_U64(name)         \
    m->name = get_int(&r, 4); \
    m->name |= (uint64_t)get_int(&r, 4) << 32;
#define GET_STR(name)  m->name = get_str(&r, &m->name##_len);
#define GET_REST(name) m->name = get_rest(&r, &m->name##_len);

#define X_PUT(TYPE, name, text) PUT_##TYPE(name)
#define X_GET(TYPE, name, text) GET_##TYPE(name)
#define X_CODEC(id, NAME, name, FIELDS, from)                                 \
    int mp_encode_##name(uint8_t *out, size_t cap, const struct mp_##name *m) \
    {                                                                         \
        struct writer w = {out, out + cap};                                   \
        FIELDS(X_PUT)                                                         \
        return w.at == NULL ? -1 : (int)(w.at - out);                         \
    }                                                                         \
    int mp_decode_##name(const uint8_t *body, size_t n, struct mp_##name *m)  \
    {                                                                         \
        struct reader r = {body, body + n};                                   \
        FIELDS(X_GET)                                                         \
        return r.at == r.end ? 0 : -1;                                        \
    }
MP_MESSAGES(X_CODEC)
