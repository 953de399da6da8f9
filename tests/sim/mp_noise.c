/*
 * One share of a noise measurement, without any state outside it, so that shares can run side by
 * side. How many there are and what the tallies must be is noise.c's.
 *
 * Clean frames far from any damage are passed over: between two delimiters the decoder remembers
 * nothing, and most of the time would go to frames that teach nothing.
 */
#include "mp_noise.h"

#include "mp_crc.h"
#include "mp_fast.h"
#include "mp_msg.h"

#include <math.h>
#include <string.h>

#define RING       64 /* frames ready to go; one that was hit is made anew */
#define BODY       32
#define NONCE      0x2545f491u
#define WIRE_MAX   (MP_FRAME_MAX + 3)
#define BURST      20
#define LOCK_BODY  200
#define LOCK_TRIES 2

struct sent {
    uint8_t wire[WIRE_MAX]; /* from after the shared delimiter up to the next one, included */
    uint8_t content[MP_FRAME_MAX];
    uint8_t wire_len, content_len;
};

struct noise {
    const struct noise_case *c;
    struct noise_tally *tally;
    uint64_t random;
    uint64_t bits_to_error, bytes_to_slip;
    struct sent ring[RING];
    size_t at;  /* frame on the line */
    bool dirty; /* the decoder is not at a boundary */
    struct mp_deframer deframer;
    struct mp_fast fast;
    uint8_t mem[MP_FRAME_MAX];
};

/* -- Chance (splitmix64). */

static uint64_t draw(struct noise *n)
{
    uint64_t z = (n->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint32_t below(struct noise *n, uint32_t bound)
{
    return (uint32_t)(((draw(n) >> 32) * bound) >> 32);
}

/* How many pass before the next error, each being one with probability p. */
static uint64_t gap(struct noise *n, double p)
{
    double u = ((double)(draw(n) >> 11) + 0.5) / 9007199254740992.0;
    return (uint64_t)(log(u) / log1p(-p));
}

/* -- What is sent. */

static size_t fill_command(struct noise *n, uint8_t *body, uint16_t request)
{
    struct mp_command m = {.request = request,
                           .control = (uint8_t)below(n, 8),
                           .value = (uint32_t)draw(n),
                           .deadline = (uint32_t)draw(n)};
    (void)mp_encode_command(body, MP_BODY_MAX, &m);
    m.crc = mp_seal(NONCE, MP_MSG_COMMAND, body, MP_COMMAND_SEALED);
    return (size_t)mp_encode_command(body, MP_BODY_MAX, &m);
}

/* The content ends in a zero on the line when the CRC's high byte is its veil. That byte depends on
 * the last byte of the body one to one. */
static uint8_t last_for_trailing_zero(const uint8_t *frame, const uint8_t *body, size_t len)
{
    uint16_t crc = MP_CRC16_START;
    unsigned x = 0;
    for (size_t i = MP_FRAME_ID; i < MP_FRAME_BODY; i++)
        crc = mp_crc16_update(crc, frame[i]);
    for (size_t i = 0; i + 1 < len; i++)
        crc = mp_crc16_update(crc, body[i]);
    unsigned high = 0xff ^ MP_FRAME_VEIL(MP_FRAME_BODY + len + 1);
    while (mp_crc16_update(crc, (uint8_t)x) >> 8 != high)
        x++;
    return (uint8_t)x;
}

static uint8_t content_byte(struct noise *n, size_t at, uint8_t first)
{
    switch (n->c->payload) {
    case NOISE_ZEROS:
        return at + 8 >= BODY || below(n, 2) == 0 ? 0 : (uint8_t)draw(n);
    case NOISE_SAME:
        return first;
    case NOISE_COUNTING:
        return (uint8_t)(first + at);
    case NOISE_INTEGERS:
        return at % 2 == 0 ? (uint8_t)draw(n) : (uint8_t)(0 - below(n, 2));
    case NOISE_TEXT:
        return below(n, 6) == 0 ? ' ' : (uint8_t)('a' + below(n, 26));
    case NOISE_VEILS:
        return below(n, 2) == 0 ? MP_FRAME_VEIL(MP_FRAME_BODY + at) : (uint8_t)draw(n);
    case NOISE_RANDOM:
    case NOISE_TRAILING:
    case NOISE_COMMAND:
        break;
    }
    return (uint8_t)draw(n);
}

static size_t fill(struct noise *n, uint8_t *frame)
{
    uint8_t *body = frame + MP_FRAME_BODY;
    uint8_t first = (uint8_t)draw(n);
    if (n->c->payload == NOISE_COMMAND)
        return fill_command(n, body, (uint16_t)draw(n));
    for (size_t at = 0; at < BODY; at++)
        body[at] = content_byte(n, at, first);
    if (n->c->payload == NOISE_TRAILING)
        body[BODY - 1] = last_for_trailing_zero(frame, body, BODY);
    return BODY;
}

static void note_content(struct sent *s)
{
    uint8_t mem[MP_FRAME_MAX];
    struct mp_deframer deframer;
    mp_deframer_init(&deframer, mem, MP_BODY_MAX);
    for (size_t i = 0; i < s->wire_len; i++)
        (void)mp_deframer_byte(&deframer, s->wire[i]);
    s->content_len = (uint8_t)(deframer.body_len + MP_FRAME_AROUND);
    memcpy(s->content, mem, s->content_len);
}

static void make(struct noise *n, struct sent *s)
{
    uint8_t id = n->c->payload == NOISE_COMMAND ? MP_MSG_COMMAND : MP_MSG_READINGS;
    uint8_t frame[MP_FRAME_MAX] = {0, (uint8_t)(id | MP_FRAME_RELIABLE), (uint8_t)draw(n),
                                   (uint8_t)draw(n)};
    struct mp_framer framer = {0};
    bool shared =
        n->c->spacing == NOISE_SHARED || (n->c->spacing == NOISE_MIXED && below(n, 2) == 0);
    size_t len = fill(n, frame);
    mp_framer_begin(&framer, frame, len, shared);
    s->wire_len = (uint8_t)mp_framer_read(&framer, s->wire, sizeof s->wire);
    note_content(s);
}

/* A frame that no fault can reach any more gives way to a new one. */
static void step_on(struct noise *n)
{
    make(n, &n->ring[(n->at + RING - 3) % RING]);
    n->at = (n->at + 1) % RING;
}

/* -- Damage. `out` is what the line makes of a frame; returns its length. */

static size_t flip_bits(struct noise *n, const struct sent *s, uint8_t *out)
{
    uint64_t bits = 8u * s->wire_len;
    memcpy(out, s->wire, s->wire_len);
    size_t last = SIZE_MAX;
    while (n->bits_to_error < bits) {
        size_t byte = (size_t)(n->bits_to_error / 8);
        out[byte] ^= (uint8_t)(1u << (n->bits_to_error % 8));
        n->tally->faults += byte != last;
        last = byte;
        n->bits_to_error += 1 + gap(n, n->c->ber);
    }
    n->bits_to_error -= bits;
    return s->wire_len;
}

static uint8_t intruder(struct noise *n)
{
    uint32_t kind = below(n, 3);
    return kind < 2 ? (uint8_t)kind : (uint8_t)draw(n);
}

static size_t drop(uint8_t *bytes, size_t len, size_t at)
{
    memmove(bytes + at, bytes + at + 1, len - at - 1);
    return len - 1;
}

static size_t insert(uint8_t *bytes, size_t len, size_t at, uint8_t byte)
{
    memmove(bytes + at + 1, bytes + at, len - at);
    bytes[at] = byte;
    return len + 1;
}

static size_t slip_bytes(struct noise *n, uint8_t *out, size_t len)
{
    size_t bytes = len;
    while (n->bytes_to_slip < bytes) {
        size_t at = (size_t)n->bytes_to_slip;
        if (len == 0 || at >= len || len >= 2 * WIRE_MAX - 1)
            break;
        len = below(n, 2) == 0 ? drop(out, len, at) : insert(out, len, at, intruder(n));
        n->tally->faults++;
        n->bytes_to_slip += 1 + gap(n, n->c->ber);
    }
    n->bytes_to_slip -= n->bytes_to_slip < bytes ? n->bytes_to_slip : bytes;
    return len;
}

static void burst(struct noise *n, uint8_t *bytes, size_t len, size_t at)
{
    for (size_t i = at; i < len && i < at + BURST; i++) {
        uint8_t was = bytes[i];
        bytes[i] = (uint8_t)draw(n);
        n->tally->faults += bytes[i] != was;
    }
}

static size_t one_fault(struct noise *n, const struct sent *s, uint8_t *out)
{
    size_t len = s->wire_len;
    size_t at = below(n, (uint32_t)len);
    memcpy(out, s->wire, len);
    n->tally->faults += n->c->damage != NOISE_ONE_BURST;
    switch (n->c->damage) {
    case NOISE_ONE_FLIP:
        out[at] ^= (uint8_t)(1u << below(n, 8));
        return len;
    case NOISE_ONE_DROP:
        return drop(out, len, at);
    case NOISE_ONE_INSERT:
        return insert(out, len, at, intruder(n));
    case NOISE_LAST_DROP:
        return drop(out, len, len - 2);
    case NOISE_LAST_INSERT:
        return insert(out, len, len - 1, 1);
    case NOISE_ONE_BURST:
        burst(n, out, len, at);
        return len;
    case NOISE_BIT_ERRORS:
    case NOISE_BYTES_TOO:
        break;
    }
    return len;
}

static size_t damage(struct noise *n, const struct sent *s, uint8_t *out)
{
    if (n->c->damage > NOISE_BYTES_TOO)
        return one_fault(n, s, out);
    size_t len = flip_bits(n, s, out);
    return n->c->damage == NOISE_BYTES_TOO ? slip_bytes(n, out, len) : len;
}

/* -- What comes out. */

/* A frame may end on its successor's delimiter, or be its predecessor's whose end came late. */
static bool was_sent(const struct noise *n)
{
    for (size_t back = 0; back < 3; back++) {
        const struct sent *s = &n->ring[(n->at + RING + 1 - back) % RING];
        if (s->content_len == n->deframer.body_len + MP_FRAME_AROUND &&
            memcmp(s->content, n->mem, s->content_len) == 0)
            return true;
    }
    return false;
}

static bool command_passes(const struct noise *n)
{
    struct mp_command m;
    const uint8_t *body = n->mem + MP_FRAME_BODY;
    size_t len = n->deframer.body_len;
    return (n->mem[MP_FRAME_ID] & 0x7f) == MP_MSG_COMMAND &&
           mp_decode_command(body, len, &m) == 0 &&
           mp_seal(NONCE, MP_MSG_COMMAND, body, MP_COMMAND_SEALED) == m.crc;
}

/* Whether the act that a command asks for is one of those asked for. */
static bool act_was_sent(const struct noise *n)
{
    for (size_t i = 0; i < RING; i++)
        if (n->ring[i].content_len == n->deframer.body_len + MP_FRAME_AROUND &&
            memcmp(n->ring[i].content + MP_FRAME_BODY, n->mem + MP_FRAME_BODY,
                   n->deframer.body_len) == 0)
            return true;
    return false;
}

static void judge(struct noise *n)
{
    if (was_sent(n)) {
        n->tally->lost--;
        return;
    }
    n->tally->undetected++;
    n->tally->commands += command_passes(n) && !act_was_sent(n);
}

static enum mp_deframed take(struct noise *n, const uint8_t *bytes, size_t len, size_t *used)
{
    if (n->c->receiver == NOISE_HOST)
        return mp_fast_take(&n->fast, &n->deframer, bytes, len, used);
    return mp_deframer_take(&n->deframer, bytes, len, used);
}

static void receive(struct noise *n, const uint8_t *bytes, size_t len)
{
    n->dirty = len > 0 ? bytes[len - 1] != 0 : n->dirty;
    while (len > 0) {
        size_t used;
        if (take(n, bytes, len, &used) == MP_DEFRAMED_FRAME)
            judge(n);
        bytes += used;
        len -= used;
    }
}

static void send(struct noise *n, const uint8_t *bytes, size_t len)
{
    n->tally->frames++;
    n->tally->lost++; /* until it comes */
    receive(n, bytes, len);
}

static void send_clean(struct noise *n)
{
    const struct sent *s = &n->ring[n->at];
    send(n, s->wire, s->wire_len);
    step_on(n);
}

static bool clean_ahead(const struct noise *n)
{
    size_t len = n->ring[n->at].wire_len;
    bool slips = n->c->damage == NOISE_BYTES_TOO && n->bytes_to_slip < len;
    return n->c->damage <= NOISE_BYTES_TOO && n->bits_to_error >= 8 * len && !slips;
}

static void pass_clean(struct noise *n)
{
    size_t len = n->ring[n->at].wire_len;
    n->bits_to_error -= 8 * len;
    if (n->c->damage == NOISE_BYTES_TOO)
        n->bytes_to_slip -= len;
    if (n->dirty)
        send_clean(n);
    else
        n->at = (n->at + 1) % RING;
}

static void hit(struct noise *n)
{
    uint8_t out[2 * WIRE_MAX];
    size_t len = damage(n, &n->ring[n->at], out);
    n->tally->hit++;
    send(n, out, len);
    step_on(n);
    if (n->c->damage > NOISE_BYTES_TOO)
        send_clean(n);
}

void noise_run(const struct noise_case *c, uint64_t seed, uint64_t hits, struct noise_tally *tally)
{
    struct noise n = {.c = c, .tally = tally, .random = seed};
    memset(tally, 0, sizeof *tally);
    mp_deframer_init(&n.deframer, n.mem, MP_BODY_MAX);
    for (size_t i = 0; i < RING; i++)
        make(&n, &n.ring[i]);
    if (c->damage <= NOISE_BYTES_TOO) {
        n.bits_to_error = gap(&n, c->ber);
        n.bytes_to_slip = gap(&n, c->ber);
    }
    while (tally->hit < hits)
        if (clean_ahead(&n))
            pass_clean(&n);
        else
            hit(&n);
    if (n.dirty)
        send_clean(&n);
}

/* -- Lock-in. */

static bool locks_in(const uint8_t *stream, size_t period, size_t start)
{
    uint8_t mem[MP_FRAME_MAX];
    struct mp_deframer deframer;
    mp_deframer_init(&deframer, mem, MP_BODY_MAX);
    for (size_t i = start; i < start + (LOCK_TRIES + 1) * period; i++)
        if (mp_deframer_byte(&deframer, stream[i % period]) == MP_DEFRAMED_FRAME)
            return false;
    return true;
}

uint64_t noise_lock_in(uint8_t filling, bool on_line, uint64_t seed, uint64_t starts)
{
    struct noise n = {.random = seed};
    struct mp_framer framer = {0};
    uint8_t frame[LOCK_BODY + MP_FRAME_AROUND] = {0, MP_MSG_READINGS | MP_FRAME_RELIABLE, 1,
                                                  filling};
    uint8_t wire[WIRE_MAX];
    uint64_t locked = 0;
    for (size_t at = MP_FRAME_BODY; at < MP_FRAME_BODY + LOCK_BODY; at++)
        frame[at] = (uint8_t)(filling ^ (on_line ? MP_FRAME_VEIL(at) : 0));
    mp_framer_begin(&framer, frame, LOCK_BODY, true);
    size_t period = mp_framer_read(&framer, wire, sizeof wire);
    for (uint64_t i = 0; i < starts; i++)
        locked += locks_in(wire, period, below(&n, (uint32_t)period));
    return locked;
}
