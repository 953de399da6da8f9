/* phx-dev's WebSocket frames: whatever the cut points, and whatever a broken peer sends. */
#include "ws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_FRAME = 1000 };

static struct buf heard; /* what the handler was told, as text */

static void on_message(void *ctx, bool binary, const char *data, size_t n)
{
    (void)ctx;
    buf_printf(&heard, "%s(%.*s)", binary ? "binary" : "text", (int)n, data);
}

static void on_ping(void *ctx, const char *data, size_t n)
{
    (void)ctx;
    buf_printf(&heard, "ping(%.*s)", (int)n, data);
}

static void on_close(void *ctx, int code)
{
    (void)ctx;
    buf_printf(&heard, "close(%d)", code);
}

static void on_fail(void *ctx, int code)
{
    (void)ctx;
    buf_printf(&heard, "fail(%d)", code);
}

static const struct ws_handler HANDLER = {NULL, on_message, on_ping, on_close, on_fail};

/* Feeds n bytes in pieces of step. */
static void assert_heard(const char *bytes, size_t n, size_t step, const char *expected)
{
    struct ws ws;
    ws_init(&ws, &HANDLER, MAX_FRAME);
    for (size_t at = 0; at < n; at += step) {
        ws_on_bytes(&ws, bytes + at, n - at < step ? n - at : step);
    }
    buf_add(&heard, "", 0);
    assert_string_equal(heard.data, expected);
    buf_deinit(&heard);
    ws_deinit(&ws);
}

static void put_frame(struct buf *out, unsigned first, const char *data, size_t n)
{
    static const char KEY[4] = {1, 2, 3, 4};
    unsigned char head[4] = {(unsigned char)first, 0x80, 0, 0};
    size_t size = 2;
    if (n < 126) {
        head[1] = (unsigned char)(0x80 | n);
    } else {
        head[1] = 0x80 | 126;
        head[2] = (unsigned char)(n >> 8);
        head[3] = (unsigned char)n;
        size = 4;
    }
    buf_add(out, head, size);
    buf_add(out, KEY, 4);
    for (size_t i = 0; i < n; i++) {
        char c = (char)(data[i] ^ KEY[i & 3]);
        buf_add(out, &c, 1);
    }
}

static void assert_frame(unsigned first, const char *data, size_t n, const char *expected)
{
    struct buf bytes = {0};
    put_frame(&bytes, first, data, n);
    assert_heard(bytes.data, bytes.len, bytes.len, expected);
    buf_deinit(&bytes);
}

static void messages_survive_every_cut(void **state)
{
    struct buf bytes = {0};
    char large[200];
    (void)state;
    memset(large, 'x', sizeof large);
    put_frame(&bytes, 0x01, "a\xc5", 2); /* a character in two fragments */
    put_frame(&bytes, 0x89, "p", 1);
    put_frame(&bytes, 0x80, "\xbe", 1);
    put_frame(&bytes, 0x82, large, 3);
    put_frame(&bytes, 0x81, large, sizeof large);
    put_frame(&bytes, 0x8A, "unsolicited", 11);
    put_frame(&bytes, 0x88,
              "\x03\xe8"
              "bye",
              5);
    put_frame(&bytes, 0x81, "ignored", 7);
    struct buf expected = {0};
    buf_str(&expected, "ping(p)text(a\xc5\xbe)binary(xxx)text(");
    buf_add(&expected, large, sizeof large);
    buf_str(&expected, ")close(1000)");
    for (size_t step = 1; step <= bytes.len; step++) {
        assert_heard(bytes.data, bytes.len, step, expected.data);
    }
    buf_deinit(&bytes);
    buf_deinit(&expected);
}

static void broken_frames_fail_with_their_code(void **state)
{
    char large[MAX_FRAME + 1];
    (void)state;
    memset(large, 'x', sizeof large);
    assert_heard("\x81\x01x", 3, 3, "fail(1002)"); /* not masked */
    assert_frame(0x83, "x", 1, "fail(1002)");      /* unknown opcodes */
    assert_frame(0x8B, "x", 1, "fail(1002)");
    assert_frame(0xC1, "x", 1, "fail(1002)"); /* reserved bits */
    assert_frame(0xA1, "x", 1, "fail(1002)");
    assert_frame(0x80, "x", 1, "fail(1002)"); /* nothing to continue */
    assert_frame(0x09, "x", 1, "fail(1002)"); /* a fragmented ping */
    assert_frame(0x89, large, 126, "fail(1002)");
    assert_frame(0x88, "x", 1, "fail(1002)");
    assert_frame(0x81, "\xff", 1, "fail(1007)");
    assert_frame(0x81, large, MAX_FRAME + 1, "fail(1009)");
    assert_frame(0x88, "", 0, "close(0)");
}

static void fragments_are_bounded_together(void **state)
{
    struct buf bytes = {0};
    char part[MAX_FRAME];
    (void)state;
    memset(part, 'x', sizeof part);
    put_frame(&bytes, 0x01, part, sizeof part);
    for (int i = 0; i < 4; i++) {
        put_frame(&bytes, 0x00, part, sizeof part);
    }
    assert_heard(bytes.data, bytes.len, bytes.len, "fail(1009)");
    buf_deinit(&bytes);
}

static void a_new_message_inside_another_fails(void **state)
{
    struct buf bytes = {0};
    (void)state;
    put_frame(&bytes, 0x01, "a", 1);
    put_frame(&bytes, 0x81, "b", 1);
    assert_heard(bytes.data, bytes.len, bytes.len, "fail(1002)");
    buf_deinit(&bytes);
}

static void close_codes_are_answered_as_recorded(void **state)
{
    static const int BANDIT[][2] = {{WS_NO_CODE, 1000}, {1000, 1000}, {1001, 1000}, {1012, 1002},
                                    {1005, 1002},       {999, 1002},  {3000, 1000}, {5000, 1000}};
    (void)state;
    for (size_t i = 0; i < sizeof BANDIT / sizeof *BANDIT; i++) {
        assert_int_equal(ws_close_answer(BANDIT[i][0], false), BANDIT[i][1]);
    }
    assert_int_equal(ws_close_answer(1001, true), 1001);
    assert_int_equal(ws_close_answer(1012, true), 1002);
}

static void accept_key_is_the_one_of_the_rfc(void **state)
{
    char accept[29];
    (void)state;
    ws_accept_key(slice_of("dGhlIHNhbXBsZSBub25jZQ=="), accept);
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void lengths_are_written_in_their_shortest_form(void **state)
{
    static const size_t SIZES[][2] = {{0, 2}, {125, 2}, {126, 4}, {65535, 4}, {65536, 10}};
    struct ws ws;
    (void)state;
    ws_init(&ws, &HANDLER, MAX_FRAME);
    char *data = must_calloc(65536, 1);
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        struct buf out = {0};
        ws_write_frame(&ws, &out, WS_TEXT, data, SIZES[i][0]);
        assert_int_equal(out.len, SIZES[i][0] + SIZES[i][1]);
        buf_deinit(&out);
    }
    free(data);
    ws_deinit(&ws);
}

static void deflate_is_taken_only_when_it_can_be_kept(void **state)
{
    static const struct {
        const char *offer;
        const char *answer;
    } CASES[] = {
        {"permessage-deflate", "permessage-deflate"},
        {"permessage-deflate; client_max_window_bits",
         "permessage-deflate;client_max_window_bits=15"},
        {"permessage-deflate; server_max_window_bits=8", ""},
        {"permessage-deflate; nonsense, permessage-deflate", "permessage-deflate"},
        {"x-webkit-deflate-frame", ""},
        {"", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct ws ws;
        struct buf answer = {0};
        ws_init(&ws, &HANDLER, MAX_FRAME);
        ws_negotiate_deflate(&ws, slice_of(CASES[i].offer), &answer);
        assert_int_equal(ws.deflate != NULL, CASES[i].answer[0] != '\0');
        assert_string_equal(buf_all(&answer).data, CASES[i].answer);
        buf_deinit(&answer);
        ws_deinit(&ws);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_survive_every_cut),
        cmocka_unit_test(broken_frames_fail_with_their_code),
        cmocka_unit_test(fragments_are_bounded_together),
        cmocka_unit_test(a_new_message_inside_another_fails),
        cmocka_unit_test(close_codes_are_answered_as_recorded),
        cmocka_unit_test(accept_key_is_the_one_of_the_rfc),
        cmocka_unit_test(lengths_are_written_in_their_shortest_form),
        cmocka_unit_test(deflate_is_taken_only_when_it_can_be_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
