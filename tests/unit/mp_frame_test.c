/*
 * Frames: what goes in comes out, whatever is cut, damaged or repeated on the way costs the least.
 */
#include "mp_crc.h"
#include "mp_fast.h"
#include "mp_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LINE_MAX 4096

struct line {
    uint8_t bytes[LINE_MAX];
    size_t len;
};

static uint32_t seed = 20260102;

static uint8_t random_byte(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint8_t)(seed >> 24);
}

/* What reads zero on the line at a place of the body. */
static uint8_t zero_at(size_t i)
{
    return MP_FRAME_VEIL(MP_FRAME_BODY + i);
}

static void lay_out(uint8_t *frame, uint8_t number, const uint8_t *body, size_t len)
{
    frame[MP_FRAME_ID] = 0x20;
    frame[MP_FRAME_TAG] = 0x55;
    frame[MP_FRAME_NUMBER] = number;
    if (len > 0)
        memcpy(frame + MP_FRAME_BODY, body, len);
}

static void put(struct line *line, uint8_t number, const uint8_t *body, size_t len, bool shared)
{
    struct mp_framer framer = {0};
    uint8_t frame[MP_FRAME_MAX];
    lay_out(frame, number, body, len);
    mp_framer_begin(&framer, frame, len, shared);
    line->len += mp_framer_read(&framer, line->bytes + line->len, LINE_MAX - line->len);
    assert_true(mp_framer_idle(&framer));
    assert_int_equal(frame[MP_FRAME_NUMBER], number);
    if (len > 0)
        assert_memory_equal(frame + MP_FRAME_BODY, body, len); /* whole again */
}

/* Counts the frames in the bytes; numbers[] gets those of the first ones. */
static size_t count(const uint8_t *bytes, size_t n, uint8_t *numbers, size_t *bad)
{
    uint8_t mem[MP_FRAME_MAX];
    struct mp_deframer deframer;
    size_t frames = 0;
    mp_deframer_init(&deframer, mem, MP_BODY_MAX);
    *bad = 0;
    for (size_t i = 0; i < n; i++) {
        enum mp_deframed got = mp_deframer_byte(&deframer, bytes[i]);
        *bad += got == MP_DEFRAMED_BAD;
        if (got == MP_DEFRAMED_FRAME && frames < 16)
            numbers[frames++] = mem[MP_FRAME_NUMBER];
    }
    return frames;
}

static void crcs_have_their_catalogued_check_values(void **state)
{
    static const uint8_t digits[] = "123456789";
    uint16_t crc = MP_CRC16_START;
    (void)state;
    for (size_t i = 0; i < 9; i++)
        crc = mp_crc16_update(crc, digits[i]);
    assert_int_equal((uint16_t)~crc, 0x906e);
    crc = mp_crc16_update(crc, 0x6e);
    crc = mp_crc16_update(crc, 0x90);
    assert_int_equal(crc, MP_CRC16_GOOD);
    assert_int_equal(mp_crc32(0, digits, 9), 0xcbf43926);
    assert_int_equal(mp_crc32(mp_crc32(0, digits, 4), digits + 4, 5), 0xcbf43926);
}

static void every_body_length_and_content_comes_back(void **state)
{
    (void)state;
    for (int kind = 0; kind < 5; kind++)
        for (size_t len = 0; len <= MP_BODY_MAX; len++) {
            uint8_t body[MP_BODY_MAX], mem[MP_FRAME_MAX];
            struct mp_deframer deframer;
            struct line line = {.len = 0};
            enum mp_deframed got = MP_DEFRAMED_MORE;
            for (size_t i = 0; i < len; i++)
                body[i] = kind == 0   ? 0
                          : kind == 1 ? 0xff
                          : kind == 2 ? zero_at(i)
                          : kind == 3 ? (random_byte() & 1 ? zero_at(i) : 7)
                                      : random_byte();
            put(&line, 7, body, len, false);
            assert_int_equal(line.len, len + MP_FRAME_OVERHEAD);
            assert_null(memchr(line.bytes + 1, 0, line.len - 2));
            mp_deframer_init(&deframer, mem, MP_BODY_MAX);
            for (size_t i = 0; i < line.len; i++)
                got = mp_deframer_byte(&deframer, line.bytes[i]);
            assert_int_equal(got, MP_DEFRAMED_FRAME);
            assert_int_equal(deframer.body_len, len);
            assert_int_equal(mem[MP_FRAME_ID], 0x20);
            assert_int_equal(mem[MP_FRAME_TAG], 0x55);
            assert_int_equal(mem[MP_FRAME_NUMBER], 7);
            assert_memory_equal(mem + MP_FRAME_BODY, body, len);
        }
}

static void a_frame_read_in_any_pieces_is_the_same(void **state)
{
    uint8_t body[] = {0, 1, 0, 0, 2, 3, 4, 0};
    struct line whole = {.len = 0};
    (void)state;
    for (size_t i = 0; i < sizeof body; i++)
        body[i] ^= zero_at(i);
    put(&whole, 0, body, sizeof body, false);
    for (size_t step = 1; step < whole.len; step++) {
        struct mp_framer framer = {0};
        uint8_t out[64], frame[MP_FRAME_MAX];
        size_t n = 0;
        lay_out(frame, 0, body, sizeof body);
        mp_framer_begin(&framer, frame, sizeof body, false);
        while (!mp_framer_idle(&framer))
            n += mp_framer_read(&framer, out + n, step);
        assert_int_equal(n, whole.len);
        assert_memory_equal(out, whole.bytes, n);
    }
}

static void a_frame_cut_at_any_point_is_bad_and_costs_only_itself(void **state)
{
    uint8_t body[32], numbers[16];
    (void)state;
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = i % 5 == 0 ? zero_at(i) : random_byte();
    struct line one = {.len = 0};
    put(&one, 1, body, sizeof body, false);
    for (size_t cut = 1; cut < one.len - 1; cut++) {
        struct line line = {.len = cut};
        size_t bad;
        memcpy(line.bytes, one.bytes, cut);
        put(&line, 2, body, sizeof body, false);
        assert_int_equal(count(line.bytes, line.len, numbers, &bad), 1);
        assert_int_equal(numbers[0], 2);
        assert_int_equal(bad, cut > 1 ? 1 : 0);
    }
}

static void resyncs_after_garbage(void **state)
{
    static const uint8_t body[] = {1, 2, 3};
    uint8_t numbers[16];
    size_t bad;
    (void)state;
    for (int round = 0; round < 1000; round++) {
        struct line line = {.len = 0};
        size_t n = random_byte();
        for (size_t i = 0; i < n; i++)
            line.bytes[line.len++] = random_byte();
        put(&line, 9, body, sizeof body, false);
        assert_int_equal(count(line.bytes, line.len, numbers, &bad), 1);
        assert_int_equal(numbers[0], 9);
    }
}

static size_t count_fast(const uint8_t *bytes, size_t n, uint8_t *numbers, size_t *bad)
{
    uint8_t mem[MP_FRAME_MAX];
    struct mp_deframer deframer;
    struct mp_fast fast;
    size_t frames = 0;
    mp_deframer_init(&deframer, mem, MP_BODY_MAX);
    *bad = 0;
    for (size_t at = 0, used; at < n; at += used) {
        enum mp_deframed got = mp_fast_take(&fast, &deframer, bytes + at, n - at, &used);
        *bad += got == MP_DEFRAMED_BAD;
        if (got == MP_DEFRAMED_FRAME && frames < 16)
            numbers[frames++] = mem[MP_FRAME_NUMBER];
    }
    return frames;
}

/* Three frames; every single bit flipped in turn. */
static size_t worst_loss(bool shared, bool fast, size_t skip_at, double *mean)
{
    uint8_t body[32], numbers[16];
    size_t bad, worst = 0, lost = 0, cases = 0;
    struct line line = {.len = 0};
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = i % 7 == 0 ? zero_at(i) : random_byte();
    for (uint8_t i = 0; i < 3; i++)
        put(&line, i, body, sizeof body, shared && i > 0);
    for (size_t bit = 8; bit < 8 * (line.len - 1); bit++) {
        if (skip_at > 0 && bit / 8 % skip_at == 0)
            continue;
        struct line hit = line;
        hit.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        size_t here = 3 - (fast ? count_fast : count)(hit.bytes, hit.len, numbers, &bad);
        worst = here > worst ? here : worst;
        lost += here;
        cases++;
    }
    *mean = (double)lost / (double)cases;
    return worst;
}

static void a_flipped_bit_costs_one_frame(void **state)
{
    double mean;
    (void)state;
    /* Delimiters of their own: one of two may go. */
    assert_int_equal(worst_loss(false, false, 0, &mean), 1);
    assert_true(mean <= 1.0);
    /* Back to back: the shared delimiter is the one byte whose loss costs both... */
    assert_int_equal(worst_loss(true, false, 39, &mean), 1);
    assert_int_equal(worst_loss(true, false, 0, &mean), 2);
    assert_true(mean < 1.03);
    /* ... but not on a host. */
    assert_int_equal(worst_loss(true, true, 0, &mean), 1);
    assert_true(mean <= 1.0);
}

static void a_lost_delimiter_costs_nothing_on_a_host(void **state)
{
    static const uint8_t body[] = {1, 2, 0, 3};
    uint8_t numbers[16];
    size_t bad;
    (void)state;
    for (uint8_t damaged = 0; damaged < 255; damaged++) {
        struct line line = {.len = 0};
        put(&line, 0, body, sizeof body, false);
        line.len--;
        if (damaged > 0)
            line.bytes[line.len++] = damaged;
        put(&line, 1, body, sizeof body, true);
        put(&line, 2, body, sizeof body, true);
        assert_int_equal(count_fast(line.bytes, line.len, numbers, &bad), 3);
        assert_int_equal(bad, 0);
        for (uint8_t i = 0; i < 3; i++)
            assert_int_equal(numbers[i], i);
    }
}

static void more_than_two_frames_without_delimiter_are_bad_and_forgotten(void **state)
{
    static const uint8_t body[] = {1, 2, 3};
    uint8_t numbers[16] = {0};
    size_t bad;
    struct line line = {.len = 3 * MP_FRAME_MAX};
    (void)state;
    memset(line.bytes, 0x55, line.len);
    put(&line, 9, body, sizeof body, false);
    assert_int_equal(count_fast(line.bytes, line.len, numbers, &bad), 1);
    assert_int_equal(bad, 1);
    assert_int_equal(numbers[0], 9);
}

/* What the decoder says to `len` bytes of content, veiled and encoded here. */
static enum mp_deframed decoded(const uint8_t *content, size_t len)
{
    uint8_t mem[MP_FRAME_MAX];
    struct mp_deframer deframer;
    mp_deframer_init(&deframer, mem, MP_BODY_MAX);
    for (size_t at = 0; at <= len; at++) {
        size_t zero = at;
        while (zero < len && content[zero] != MP_FRAME_VEIL(zero + 1))
            zero++;
        mp_deframer_byte(&deframer, (uint8_t)(zero - at + 1));
        for (; at < zero; at++)
            mp_deframer_byte(&deframer, content[at] ^ MP_FRAME_VEIL(at + 1));
    }
    return mp_deframer_byte(&deframer, 0);
}

/* A CRC that is not complemented keeps the residue zero through a zero that is lost or added at the
 * end; this one must not. Nor through one that is a zero only on the line. */
static void a_trailing_zero_dropped_or_added_is_seen(void **state)
{
    unsigned dropped[2] = {0, 0};
    (void)state;
    for (int round = 0; round < 40000; round++) {
        uint8_t content[64];
        size_t n = 3u + random_byte() % 30u;
        uint16_t crc = MP_CRC16_START;
        for (size_t i = 0; i < n; i++)
            content[i] = i + 2 >= n ? 0 : random_byte();
        for (size_t i = 0; i < n; i++)
            crc = mp_crc16_update(crc, content[i]);
        content[n] = (uint8_t)~crc;
        content[n + 1] = (uint8_t)(~crc >> 8);
        assert_int_equal(decoded(content, n + 2), MP_DEFRAMED_FRAME);
        bool plain = content[n + 1] == 0, veiled = content[n + 1] == MP_FRAME_VEIL(n + 2);
        dropped[0] += plain;
        dropped[1] += veiled;
        if (plain || veiled)
            assert_int_equal(decoded(content, n + 1), MP_DEFRAMED_BAD);
        content[n + 2] = 0;
        assert_int_equal(decoded(content, n + 3), MP_DEFRAMED_BAD);
        content[n + 2] = MP_FRAME_VEIL(n + 3);
        assert_int_equal(decoded(content, n + 3), MP_DEFRAMED_BAD);
    }
    assert_true(dropped[0] > 0 && dropped[1] > 0);
}

static void a_crc_that_is_not_complemented_is_no_frame(void **state)
{
    uint8_t content[5] = {0x20, 0x55, 7};
    uint16_t crc = MP_CRC16_START;
    (void)state;
    for (size_t i = 0; i < 3; i++)
        crc = mp_crc16_update(crc, content[i]);
    content[3] = (uint8_t)~crc;
    content[4] = (uint8_t)(~crc >> 8);
    assert_int_equal(decoded(content, sizeof content), MP_DEFRAMED_FRAME);
    content[3] = (uint8_t)crc;
    content[4] = (uint8_t)(crc >> 8);
    assert_int_equal(decoded(content, sizeof content), MP_DEFRAMED_BAD);
}

static void a_frame_longer_than_the_memory_is_bad_and_touches_nothing_behind(void **state)
{
    uint8_t body[MP_BODY_MAX] = {1}, mem[MP_FRAME_AROUND + MP_BODY_MIN + 1];
    struct mp_deframer deframer;
    struct line line = {.len = 0};
    enum mp_deframed got = MP_DEFRAMED_MORE;
    (void)state;
    put(&line, 0, body, MP_BODY_MIN + 1, false);
    mem[sizeof mem - 1] = 0xa5;
    mp_deframer_init(&deframer, mem, MP_BODY_MIN);
    for (size_t i = 0; i < line.len; i++)
        got = mp_deframer_byte(&deframer, line.bytes[i]);
    assert_int_equal(got, MP_DEFRAMED_BAD);
    assert_int_equal(mem[sizeof mem - 1], 0xa5);
}

static void delimiters_alone_are_no_bad_frames(void **state)
{
    uint8_t zeros[100] = {0}, numbers[16];
    size_t bad;
    (void)state;
    assert_int_equal(count(zeros, sizeof zeros, numbers, &bad), 0);
    assert_int_equal(bad, 0);
}

/* A body with a zero on the line in one of `sparse` bytes. */
static void fill(uint8_t *body, size_t len, unsigned sparse)
{
    for (size_t i = 0; i < len; i++)
        body[i] = random_byte() % sparse == 0 ? zero_at(i) : random_byte();
}

static void fast_and_streaming_encoders_agree_in_any_pieces(void **state)
{
    (void)state;
    for (size_t round = 0; round < 4000; round++) {
        size_t len = round % (MP_BODY_MAX + 1), n = 0;
        uint8_t body[MP_BODY_MAX], frame[MP_FRAME_MAX], out[MP_FRAME_MAX + 2];
        struct line line = {.len = 0};
        struct mp_framer framer = {0};
        fill(body, len, 1u + random_byte() % 40u);
        lay_out(frame, 3, body, len);
        put(&line, 3, body, len, round % 2 == 0);
        mp_fast_begin(&framer, frame, len, round % 2 == 0);
        while (!mp_framer_idle(&framer)) {
            size_t piece = random_byte() % 90u;
            piece = piece < sizeof out - n ? piece : sizeof out - n;
            n += round % 3 == 0 ? mp_framer_read(&framer, out + n, piece)
                                : mp_fast_read(&framer, out + n, piece);
        }
        assert_int_equal(n, line.len);
        assert_memory_equal(out, line.bytes, n);
        assert_int_equal(frame[MP_FRAME_NUMBER], 3);
        if (len > 0)
            assert_memory_equal(frame + MP_FRAME_BODY, body, len);
    }
}

/* What a decoder says to a line, as text: a letter for each end of something. */
static size_t hear(const struct line *line, bool fast, uint8_t *said)
{
    uint8_t mem[MP_FRAME_AROUND + MP_BODY_MIN];
    struct mp_deframer deframer;
    struct mp_fast kept;
    size_t count = 0, used;
    mp_deframer_init(&deframer, mem, MP_BODY_MIN);
    for (size_t at = 0; at < line->len; at += used) {
        size_t n = line->len - at, piece = 1u + random_byte();
        n = n < piece ? n : piece;
        enum mp_deframed got = fast ? mp_fast_take(&kept, &deframer, line->bytes + at, n, &used)
                                    : mp_deframer_take(&deframer, line->bytes + at, n, &used);
        if (got == MP_DEFRAMED_BAD)
            said[count++] = 0;
        if (got == MP_DEFRAMED_FRAME) {
            said[count++] = (uint8_t)(1 + deframer.body_len);
            memcpy(said + count, mem + MP_FRAME_ID, 3u + deframer.body_len);
            count += 3u + deframer.body_len;
        }
    }
    return count;
}

static void fast_and_streaming_decoders_agree_where_delimiters_are_whole(void **state)
{
    (void)state;
    for (int round = 0; round < 1000; round++) {
        static uint8_t one[LINE_MAX], other[LINE_MAX];
        uint8_t body[MP_BODY_MIN + 1];
        struct line line = {.len = 0};
        for (uint8_t i = 0; i < 20; i++) {
            size_t len = random_byte() % sizeof body;
            fill(body, len, 1u + random_byte() % 40u);
            put(&line, i, body, len, random_byte() % 2 == 0);
        }
        for (int i = 0; i < round % 8; i++) {
            uint8_t *hit = &line.bytes[((size_t)random_byte() << 8 | random_byte()) % line.len];
            *hit = *hit == 0 ? 0 : random_byte() & 3;
        }
        size_t n = hear(&line, false, one);
        assert_int_equal(hear(&line, true, other), n);
        assert_memory_equal(one, other, n);
        assert_true(round % 8 != 0 || n > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_and_streaming_encoders_agree_in_any_pieces),
        cmocka_unit_test(fast_and_streaming_decoders_agree_where_delimiters_are_whole),
        cmocka_unit_test(crcs_have_their_catalogued_check_values),
        cmocka_unit_test(every_body_length_and_content_comes_back),
        cmocka_unit_test(a_frame_read_in_any_pieces_is_the_same),
        cmocka_unit_test(a_frame_cut_at_any_point_is_bad_and_costs_only_itself),
        cmocka_unit_test(resyncs_after_garbage),
        cmocka_unit_test(a_flipped_bit_costs_one_frame),
        cmocka_unit_test(a_lost_delimiter_costs_nothing_on_a_host),
        cmocka_unit_test(more_than_two_frames_without_delimiter_are_bad_and_forgotten),
        cmocka_unit_test(a_trailing_zero_dropped_or_added_is_seen),
        cmocka_unit_test(a_crc_that_is_not_complemented_is_no_frame),
        cmocka_unit_test(a_frame_longer_than_the_memory_is_bad_and_touches_nothing_behind),
        cmocka_unit_test(delimiters_alone_are_no_bad_frames),
    };
    return cmocka_run_group_tests_name("mp_frame", tests, NULL, NULL);
}
