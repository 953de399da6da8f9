/*
 * Messages: every one of the table there and back, and nothing but exactly it is taken.
 */
#include "mp_dump.h"
#include "mp_msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed = 20260103;

static uint64_t draw(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return seed >> 20;
}

static uint8_t pool[256];

#define FILL_U8(name)  in.name = (uint8_t)draw();
#define FILL_U16(name) in.name = (uint16_t)draw();
#define FILL_U32(name) in.name = (uint32_t)draw();
#define FILL_U64(name) in.name = draw() << 20 ^ draw();
#define FILL_STR(name)             \
    in.name = pool + draw() % 100; \
    in.name##_len = draw() % 40;
#define FILL_REST(name) \
    FILL_STR(name)      \
    rest = in.name##_len;
#define SAME_U8(name)  assert_int_equal(in.name, out.name);
#define SAME_U16(name) SAME_U8(name)
#define SAME_U32(name) SAME_U8(name)
#define SAME_U64(name) assert_true(in.name == out.name);
#define SAME_STR(name)                               \
    assert_int_equal(in.name##_len, out.name##_len); \
    assert_memory_equal(in.name, out.name, in.name##_len);
#define SAME_REST(name)          SAME_STR(name)
#define HAS_U8                   0
#define HAS_U16                  0
#define HAS_U32                  0
#define HAS_U64                  0
#define HAS_STR                  0
#define HAS_REST                 1
#define X_FILL(TYPE, name, text) FILL_##TYPE(name)
#define X_SAME(TYPE, name, text) SAME_##TYPE(name)
#define X_HAS(TYPE, name, text)  +HAS_##TYPE

#define X_TEST(id, NAME, name, FIELDS, from)                                 \
    static void name##_comes_back(void)                                      \
    {                                                                        \
        uint8_t body[512], more[512];                                        \
        struct mp_##name in, out;                                            \
        size_t rest = 0;                                                     \
        FIELDS(X_FILL)                                                       \
        int len = mp_encode_##name(body, sizeof body, &in);                  \
        assert_true(len > 0 || rest == 0);                                   \
        assert_int_equal(mp_decode_##name(body, (size_t)len, &out), 0);      \
        FIELDS(X_SAME)                                                       \
        for (int cap = 0; cap < len; cap++)                                  \
            assert_int_equal(mp_encode_##name(more, (size_t)cap, &in), -1);  \
        for (int cut = 0; cut < len - (int)rest; cut++)                      \
            assert_int_equal(mp_decode_##name(body, (size_t)cut, &out), -1); \
        memcpy(more, body, (size_t)len);                                     \
        more[len] = 0;                                                       \
        assert_int_equal(mp_decode_##name(more, (size_t)len + 1, &out),      \
                         (0 FIELDS(X_HAS)) ? 0 : -1);                        \
    }
MP_MESSAGES(X_TEST)

static void every_message_comes_back_and_only_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pool; i++)
        pool[i] = (uint8_t)draw();
    for (int round = 0; round < 50; round++) {
#define X_CALL(id, NAME, name, FIELDS, from) name##_comes_back();
        MP_MESSAGES(X_CALL)
    }
}

static void a_string_longer_than_its_length_byte_is_refused(void **state)
{
    uint8_t out[600];
    struct mp_set_id m = {.device = out, .device_len = 256};
    (void)state;
    memset(out, 0, sizeof out);
    assert_int_equal(mp_encode_set_id(out, sizeof out, &m), -1);
}

static void ids_leave_the_reliable_bit_free_and_none_is_zero(void **state)
{
    (void)state;
#define X_ID(id, NAME, name, FIELDS, from) assert_in_range(id, 1, 0x7f);
    MP_MESSAGES(X_ID)
}

static void a_command_is_sealed_over_nonce_id_and_fields(void **state)
{
    uint8_t body[32];
    struct mp_command m = {.request = 1, .control = 2, .value = 3, .deadline = 4};
    (void)state;
    assert_int_equal(mp_encode_command(body, sizeof body, &m), MP_COMMAND_SEALED + 4);
    uint32_t crc = mp_seal(9, MP_MSG_COMMAND, body, MP_COMMAND_SEALED);
    assert_int_not_equal(crc, mp_seal(8, MP_MSG_COMMAND, body, MP_COMMAND_SEALED));
    assert_int_not_equal(crc, mp_seal(9, MP_MSG_SET_ID, body, MP_COMMAND_SEALED));
    body[3] ^= 1;
    assert_int_not_equal(crc, mp_seal(9, MP_MSG_COMMAND, body, MP_COMMAND_SEALED));
}

static void a_dump_is_one_line_whatever_the_bytes(void **state)
{
    uint8_t body[MP_BODY_MAX];
    char out[1024];
    (void)state;
    for (int round = 0; round < 5000; round++) {
        struct mp_message m = {.id = (uint8_t)(draw() & 0x7f), .body = body, .len = draw() % 60};
        for (size_t i = 0; i < m.len; i++)
            body[i] = (uint8_t)draw();
        size_t cap = 1 + draw() % sizeof out;
        size_t n = mp_dump(&m, out, cap);
        assert_true(n < cap);
        assert_int_equal(out[n], '\0');
        for (size_t i = 0; i < n; i++)
            assert_in_range(out[i], 0x20, 0x7e);
    }
}

static void a_dump_names_message_and_fields(void **state)
{
    uint8_t body[16];
    char out[200];
    struct mp_log log = {.level = 1, .text = (const uint8_t *)"hot", .text_len = 3};
    struct mp_message m = {.id = MP_MSG_LOG, .reliable = true, .number = 7, .body = body};
    (void)state;
    m.len = (size_t)mp_encode_log(body, sizeof body, &log);
    mp_dump(&m, out, sizeof out);
    assert_string_equal(out, "log #7 level=1 text=\"hot\"");
    m.id = 0x7e;
    m.reliable = false;
    m.len = 2;
    mp_dump(&m, out, sizeof out);
    assert_string_equal(out, "message 0x7e ~7 0168");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_comes_back_and_only_whole),
        cmocka_unit_test(a_string_longer_than_its_length_byte_is_refused),
        cmocka_unit_test(ids_leave_the_reliable_bit_free_and_none_is_zero),
        cmocka_unit_test(a_command_is_sealed_over_nonce_id_and_fields),
        cmocka_unit_test(a_dump_is_one_line_whatever_the_bytes),
        cmocka_unit_test(a_dump_names_message_and_fields),
    };
    return cmocka_run_group_tests_name("mp_msg", tests, NULL, NULL);
}
