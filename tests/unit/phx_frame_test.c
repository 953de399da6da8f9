/*
 * phx_frame_test.c - the two serializers, byte for byte, and the small parts around them:
 * addresses, waits, answers.
 */
#include "phx_backoff.h"
#include "phx_credentials.h"
#include "phx_frame.h"
#include "phx_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *encoded(enum phx_vsn vsn, const struct phx_frame_out *frame)
{
    static char text[200];
    size_t len = phx_frame_encode(vsn, frame, text, sizeof text - 1);

    assert_true(len < sizeof text);
    assert_int_equal(phx_frame_encode(vsn, frame, NULL, 0), len);
    text[len] = '\0';
    return text;
}

static void encodes_refs_as_strings_and_none_as_null(void **state)
{
    struct phx_frame_out frame = {.join_ref = 1,
                                  .ref = 18446744073709551615u,
                                  .topic = phx_text_of("a\"b"),
                                  .event = phx_text_of("e"),
                                  .payload = phx_text_of("{\"x\":1}")};

    (void)state;
    assert_string_equal(encoded(PHX_V2, &frame),
                        "[\"1\",\"18446744073709551615\",\"a\\\"b\",\"e\",{\"x\":1}]");
    frame.join_ref = 0;
    frame.ref = 20;
    assert_string_equal(
        encoded(PHX_V1, &frame),
        "{\"topic\":\"a\\\"b\",\"event\":\"e\",\"payload\":{\"x\":1},\"ref\":\"20\","
        "\"join_ref\":null}");
}

static bool decodes(const char *bytes, size_t len, struct phx_frame *frame)
{
    static char copy[400];

    assert_true(len <= sizeof copy);
    memcpy(copy, bytes, len);
    return phx_frame_decode(copy, len, frame);
}

static void decodes_either_shape(void **state)
{
    static const char *const texts[] = {
        "[\"1\",\"2\",\"room:1\",\"e\",{\"a\":1}]",
        "{\"topic\":\"room:1\",\"event\":\"e\",\"payload\":{\"a\":1},\"ref\":\"2\",\"join_ref\":"
        "\"1\"}",
        " [ \"1\" , \"2\" , \"ro\\u006fm:1\" , \"e\" , {\"a\":1} , \"more\" ] ",
        "{\"x\":[],\"join_ref\":\"1\",\"payload\":{\"a\":1},\"event\":\"\\u0065\",\"topic\":\"room:"
        "1\","
        "\"ref\":\"2\",\"ref\":\"9\"}",
    };
    struct phx_frame frame;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_true(decodes(texts[i], strlen(texts[i]), &frame));
        assert_int_equal(frame.join_ref, 1);
        assert_int_equal(frame.ref, 2);
        assert_true(frame.has_join_ref);
        assert_true(phx_text_equal(frame.topic, phx_text_of("room:1")));
        assert_true(phx_text_equal(frame.event, phx_text_of("e")));
        assert_true(phx_text_equal(frame.payload, phx_text_of("{\"a\":1}")));
        for (size_t len = 0; len + 1 < strlen(texts[i]); len++)
            assert_false(decodes(texts[i], len, &frame));
    }
}

static void a_ref_is_ours_only_as_we_wrote_it(void **state)
{
    static const char *const foreign[] = {"2",
                                          "2.0",
                                          "null",
                                          "true",
                                          "\"02\"",
                                          "\"\"",
                                          "\"2.0\"",
                                          "\" 2\"",
                                          "[2]",
                                          "{\"a\":2}",
                                          "\"-2\"",
                                          "\"\\u0032\"",
                                          "\"99999999999999999999\""};
    struct phx_frame frame;
    char text[100];

    (void)state;
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        snprintf(text, sizeof text, "[%s,%s,\"t\",\"e\",0]", foreign[i], foreign[i]);
        assert_true(decodes(text, strlen(text), &frame));
        assert_int_equal(frame.ref, 0);
        assert_int_equal(frame.join_ref, 0);
        assert_int_equal(frame.has_join_ref, strcmp(foreign[i], "null") != 0);
    }
}

static void refuses_other_shapes(void **state)
{
    static const char *const bad[] = {"",
                                      "7",
                                      "\"a\"",
                                      "[]",
                                      "{}",
                                      "[\"1\",\"2\",\"t\",\"e\"]",
                                      "[1,2,3,\"e\",{}]",
                                      "[1,2,\"t\",null,{}]",
                                      "{\"topic\":\"t\"}",
                                      "{\"topic\":1,\"event\":\"e\"}",
                                      "[1,2,\"t\",\"e\",{}] x",
                                      "[1,2,\"t\",\"e\",{}"};
    struct phx_frame frame;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(decodes(bad[i], strlen(bad[i]), &frame));
}

static void splits_replies(void **state)
{
    struct phx_text status, response;

    (void)state;
    assert_true(phx_frame_reply(phx_text_of("{\"response\":{\"a\":[1]},\"status\":\"ok\"}"),
                                &status, &response));
    assert_true(phx_text_equal(status, phx_text_of("ok")));
    assert_true(phx_text_equal(response, phx_text_of("{\"a\":[1]}")));
    assert_true(phx_frame_reply(phx_text_of("{\"status\":\"ok\"}"), &status, &response));
    assert_true(phx_text_equal(response, phx_text_of("{}")));
    assert_false(phx_frame_reply(phx_text_of("{\"status\":1}"), &status, &response));
    assert_false(phx_frame_reply(phx_text_of("[]"), &status, &response));
    assert_true(phx_frame_is_unmatched(phx_text_of("{\"reason\":\"unmatched topic\"}")));
    assert_false(phx_frame_is_unmatched(phx_text_of("{\"reason\":\"denied\"}")));
    assert_false(phx_frame_is_unmatched(phx_text_of("\"unmatched topic\"")));
}

/* ---- addresses ---- */

static int parse(const char *text, struct phx_url *url)
{
    char error[160];

    return phx_url_parse(text, url, error, sizeof error);
}

static void takes_addresses_apart(void **state)
{
    struct phx_url url;

    (void)state;
    assert_int_equal(parse("ws://localhost:4000/microcontrollers/websocket", &url), PHX_OK);
    assert_false(url.tls);
    assert_int_equal(url.port, 4000);
    assert_true(phx_text_equal(url.host, phx_text_of("localhost")));
    assert_true(phx_text_equal(url.target, phx_text_of("/microcontrollers/websocket")));
    assert_int_equal(parse("WSS://example.org/s/websocket?a=b", &url), PHX_OK);
    assert_true(url.tls);
    assert_int_equal(url.port, 443);
    assert_int_equal(parse("ws://[::1]:80/s", &url), PHX_OK);
    assert_true(url.ipv6);
    assert_true(phx_text_equal(url.host, phx_text_of("::1")));
}

static void refuses_bad_addresses(void **state)
{
    static const char *const bad[] = {"",
                                      "localhost",
                                      "http://h/x",
                                      "ws:/h/x",
                                      "ws://",
                                      "ws:///x",
                                      "ws://h",
                                      "ws://h?x",
                                      "ws://h:/x",
                                      "ws://h:0/x",
                                      "ws://h:65536/x",
                                      "ws://h:99999999999/x",
                                      "ws://h:4x/x",
                                      "ws://u@h/x",
                                      "ws://u:p@h/x",
                                      "ws://h/x#f",
                                      "ws://h/x y",
                                      "ws://h/\n",
                                      "ws://h\xc3\xa9/x",
                                      "ws://[::1/x",
                                      "ws://[::g]/x",
                                      "ws://[]/x",
                                      "ws://h_%41/x",
                                      "ws://::1/x"};
    struct phx_url url;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (parse(bad[i], &url) != PHX_ERR_BAD_OPTION)
            fail_msg("accepted: %s", bad[i]);
}

static void adds_parameters_encoded(void **state)
{
    char target[40] = "/x", full[8] = "/x?a=1";

    (void)state;
    assert_int_equal(phx_url_add_param(target, sizeof target, "k", "a b&c=\xc3\xa9"), PHX_OK);
    assert_string_equal(target, "/x?k=a%20b%26c%3D%C3%A9");
    assert_int_equal(phx_url_add_param(target, sizeof target, "vsn", "2.0.0"), PHX_OK);
    assert_string_equal(target, "/x?k=a%20b%26c%3D%C3%A9&vsn=2.0.0");
    assert_int_equal(phx_url_add_param(full, sizeof full, "b", "2"), PHX_ERR_BAD_OPTION);
    assert_string_equal(full, "/x?a=1");
}

static void headers_cannot_smuggle_others(void **state)
{
    static struct phx_credentials credentials;
    char longest[PHX_HEADER_MAX + 2];

    (void)state;
    phx_credentials_init(&credentials, phx_text_of("/x"));
    assert_int_equal(phx_add_header(&credentials, "X-A", "b\r\nX-C: d"), PHX_ERR_BAD_OPTION);
    assert_int_equal(phx_add_header(&credentials, "X-A", "b\n"), PHX_ERR_BAD_OPTION);
    assert_int_equal(phx_add_header(&credentials, "X A", "b"), PHX_ERR_BAD_OPTION);
    assert_int_equal(phx_add_header(&credentials, "", "b"), PHX_ERR_BAD_OPTION);
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(phx_add_header(&credentials, "X-A", longest), PHX_ERR_BAD_OPTION);
    assert_int_equal(phx_add_header(&credentials, "X-A", longest + 1), PHX_OK);
    assert_int_equal(phx_add_header(&credentials, "X-B", longest + 1), PHX_ERR_BAD_OPTION);
    assert_int_equal(credentials.headers_len, strlen("X-A: \r\n") + PHX_HEADER_MAX);
}

/* ---- waits and answers ---- */

static void waits_stay_within_their_bounds(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct phx_backoff backoff;
        uint64_t random = seed, base = 1000;
        phx_backoff_init(&backoff, 1000, 60000);
        for (int i = 0; i < 20; i++) {
            uint32_t wait = phx_backoff_next(&backoff, 0, &random);
            assert_in_range(wait, base == 1000 ? 1000 : base * 2 / 3,
                            base * 4 / 3 > 60000 ? 60000 : base * 4 / 3);
            base = base * 2 > 60000 ? 60000 : base * 2;
        }
        phx_backoff_reset(&backoff);
        assert_in_range(phx_backoff_next(&backoff, 0, &random), 1000, 1333);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_refs_as_strings_and_none_as_null),
        cmocka_unit_test(decodes_either_shape),
        cmocka_unit_test(a_ref_is_ours_only_as_we_wrote_it),
        cmocka_unit_test(refuses_other_shapes),
        cmocka_unit_test(splits_replies),
        cmocka_unit_test(takes_addresses_apart),
        cmocka_unit_test(refuses_bad_addresses),
        cmocka_unit_test(adds_parameters_encoded),
        cmocka_unit_test(headers_cannot_smuggle_others),
        cmocka_unit_test(waits_stay_within_their_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
