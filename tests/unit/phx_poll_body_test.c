/* The bodies of long polling: answers read, batches written. */
#include "phx_poll_body.h"

#include "phx_auth_token.h"
#include "phx_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void an_answer_s_messages_are_unescaped(void **state)
{
    char body[] = "{\"messages\":[\"[\\\"1\\\",null]\", \"{\\\"a\\\":\\\"\\\\u00e9\\\"}\"],"
                  "\"status\":200,\"token\":\"t.-_\"}";
    struct phx_poll_messages messages;
    struct phx_poll_answer answer;
    char *text;
    size_t len;

    (void)state;
    assert_true(phx_poll_answer_read(phx_text_of(body), &answer));
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.token, "t.-_");
    assert_true(phx_poll_messages_begin(&messages, &answer));
    assert_int_equal(phx_poll_messages_next(&messages, &text, &len), PHX_JSON_ITEM);
    assert_int_equal(len, 10);
    assert_memory_equal(text, "[\"1\",null]", len);
    assert_int_equal(phx_poll_messages_next(&messages, &text, &len), PHX_JSON_ITEM);
    assert_memory_equal(text, "{\"a\":\"\\u00e9\"}", len);
    assert_int_equal(phx_poll_messages_next(&messages, &text, &len), PHX_JSON_END);
}

static void what_is_no_answer_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "<html>",
        "[]",
        "{}",
        "{\"status\":\"200\"}",
        "{\"status\":2000}",
        "{\"status\":-1}",
        "{\"status\":200,\"token\":5}",
        "{\"status\":200,\"token\":\"a b\"}",
        "{\"status\":200,\"token\":\"a\\r\\nb\"}",
        "{\"status\":200} x",
    };
    struct phx_poll_answer answer;
    char longest[PHX_POLL_TOKEN_MAX + 60];

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (phx_poll_answer_read(phx_text_of(wrong[i]), &answer))
            fail_msg("%s was taken", wrong[i]);
    memset(longest, 'a', sizeof longest);
    memcpy(longest, "{\"status\":410,\"token\":\"", 23);
    memcpy(longest + 23 + PHX_POLL_TOKEN_MAX, "\"}", 3);
    assert_true(phx_poll_answer_read(phx_text_of(longest), &answer));
    memcpy(longest + 23 + PHX_POLL_TOKEN_MAX, "a\"}", 4);
    assert_false(phx_poll_answer_read(phx_text_of(longest), &answer));
}

static void add(struct phx_poll_batch *batch, const char *text, bool binary, enum phx_vsn vsn)
{
    struct phx_send *send = phx_send_new(strlen(text));

    assert_non_null(send);
    memcpy(phx_send_text(send), text, strlen(text));
    send->binary = binary;
    phx_poll_batch_add(batch, send, vsn);
}

static void expect_body(struct phx_poll_batch *batch, const char *text, bool ndjson)
{
    bool is_ndjson;
    struct phx_send *body = phx_poll_batch_body(batch, &is_ndjson);

    assert_non_null(body);
    assert_int_equal(body->len, strlen(text));
    assert_memory_equal(phx_send_text(body), text, body->len);
    assert_int_equal(is_ndjson, ndjson);
    assert_int_equal(batch->count, 0);
    free(body);
}

static void one_message_is_json_and_several_are_lines(void **state)
{
    struct phx_poll_batch batch = {.count = 0};

    (void)state;
    add(&batch, "[1,\r\n2]", false, PHX_V2);
    expect_body(&batch, "[1,  2]", false);
    add(&batch, "[1,\n2]", false, PHX_V2);
    add(&batch, "abc\1", true, PHX_V2);
    add(&batch, "[3]", false, PHX_V2);
    expect_body(&batch, "[1, 2]\nYWJjAQ==\n[3]", true);
    add(&batch, "abc", true, PHX_V2);
    expect_body(&batch, "YWJj", true);
}

static void a_batch_is_full_at_100_lines_or_many_bytes_and_v1_has_one(void **state)
{
    struct phx_poll_batch batch = {.count = 0};
    char *big = malloc(PHX_POLL_BYTES + 1);

    (void)state;
    assert_non_null(big);
    memset(big, ' ', PHX_POLL_BYTES);
    big[PHX_POLL_BYTES] = '\0';
    for (int i = 0; i < PHX_POLL_LINES; i++) {
        assert_false(batch.full);
        add(&batch, "[]", false, PHX_V2);
    }
    assert_true(batch.full);
    phx_queue_clear(&batch.messages);
    batch = (struct phx_poll_batch){.count = 0};
    add(&batch, big, false, PHX_V2);
    assert_true(batch.full);
    phx_queue_clear(&batch.messages);
    batch = (struct phx_poll_batch){.count = 0};
    add(&batch, "{}", false, PHX_V1);
    assert_true(batch.full);
    phx_queue_clear(&batch.messages);
    free(big);
}

static void the_path_is_the_websocket_s_with_another_last_part(void **state)
{
    static const char *const rows[][2] = {
        {"/socket/websocket", "/socket/longpoll"},
        {"/socket/websocket/", "/socket/longpoll"},
        {"/socket/longpoll", "/socket/longpoll"},
        {"/a/websocket/b/websocket?websocket=/websocket",
         "/a/websocket/b/longpoll?websocket=/websocket"},
        {"/websocket?vsn=2.0.0", "/longpoll?vsn=2.0.0"},
        {"/socket", NULL},
        {"/mywebsocket", NULL},
        {"/socket?/websocket", NULL},
        {"/", NULL},
    };
    char out[64];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(phx_url_poll_target(rows[i][0], out, sizeof out), rows[i][1] != NULL);
        if (rows[i][1])
            assert_string_equal(out, rows[i][1]);
    }
    assert_false(phx_url_poll_target("/socket/websocket", out, 16));
    assert_true(phx_url_poll_target("/socket/websocket", out, 17));
}

static void a_token_is_standard_base64_without_padding(void **state)
{
    static const char *const rows[][2] = {
        {"s", "cw"},        {"se", "c2U"}, {"sec", "c2Vj"}, {"secret~?>", "c2VjcmV0fj8+"},
        {"?>>?", "Pz4+Pw"},
    };
    char out[PHX_AUTH_PROTOCOLS_MAX];
    char longest[PHX_AUTH_TOKEN_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        phx_auth_protocols(rows[i][0], out);
        assert_memory_equal(out, "phoenix, base64url.bearer.phx.", 30);
        assert_string_equal(out + 30, rows[i][1]);
    }
    memset(longest, '~', PHX_AUTH_TOKEN_MAX);
    longest[PHX_AUTH_TOKEN_MAX] = '\0';
    phx_auth_protocols(longest, out);
    assert_int_equal(strlen(out), 30 + (PHX_AUTH_TOKEN_MAX * 4 + 2) / 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_s_messages_are_unescaped),
        cmocka_unit_test(what_is_no_answer_is_refused),
        cmocka_unit_test(one_message_is_json_and_several_are_lines),
        cmocka_unit_test(the_path_is_the_websocket_s_with_another_last_part),
        cmocka_unit_test(a_token_is_standard_base64_without_padding),
        cmocka_unit_test(a_batch_is_full_at_100_lines_or_many_bytes_and_v1_has_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
