/*
 * phx_json_test.c - what is JSON, what is not, and texts in and out of it.
 */
#include "json_texts.h"
#include "phx_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* At the very end of a block of memory, so that a sanitizer sees the first byte read too far. */
static bool valid_bytes(const char *bytes, size_t len)
{
    char *copy = malloc(len ? len : 1);
    bool valid;

    assert_non_null(copy);
    memcpy(copy, bytes, len);
    valid = phx_json_valid((struct phx_text){copy, len});
    free(copy);
    return valid;
}

static bool valid(const char *text)
{
    return valid_bytes(text, strlen(text));
}

static void accepts_what_rfc_8259_allows(void **state)
{
    (void)state;
    for (size_t i = 0; i < JSON_TEXTS_GOOD; i++)
        if (!valid(json_texts_good[i]))
            fail_msg("refused: %s", json_texts_good[i]);
}

static void refuses_everything_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < JSON_TEXTS_BAD; i++)
        if (valid(json_texts_bad[i]))
            fail_msg("accepted: %s", json_texts_bad[i]);
    assert_false(valid("1.7976931348623158e308")); /* a double by rounding alone */
    assert_false(valid("17976931348623158e292"));
    assert_false(valid_bytes("\"\0\"", 3));
    assert_false(valid_bytes("1\0", 2));
    assert_false(valid_bytes("\"\\\0\"", 4));
}

static void no_text_is_valid_before_it_is_whole(void **state)
{
    static const char text[] =
        "[\"1\",null,\"room:\\u00e9\xc3\xa9\",\"e\\n\",{\"a\":[1.5e3,-0,{\"b\":{}}],"
        "\"c\":[true,false,\"\\ud83d\\ude00\"]}]";

    (void)state;
    for (size_t len = 0; len < sizeof text - 1; len++)
        assert_false(valid_bytes(text, len));
    assert_true(valid_bytes(text, sizeof text - 1));
}

static void nests_so_deep_and_no_deeper(void **state)
{
    char text[2 * PHX_JSON_DEPTH + 3];

    (void)state;
    memset(text, '[', PHX_JSON_DEPTH + 1);
    memset(text + PHX_JSON_DEPTH + 1, ']', PHX_JSON_DEPTH + 1);
    assert_true(valid_bytes(text + 1, (size_t)2 * PHX_JSON_DEPTH));
    assert_false(valid_bytes(text, (size_t)2 * PHX_JSON_DEPTH + 2));
}

static void walks_over_members_in_order(void **state)
{
    struct phx_json_walk walk;
    struct phx_text key, value;

    (void)state;
    assert_true(phx_json_walk(&walk, phx_text_of(" { \"a\" : [1, {}] , \"b\":\"}\" } ")));
    assert_int_equal(phx_json_next(&walk, &key, &value), PHX_JSON_ITEM);
    assert_true(phx_text_equal(key, phx_text_of("\"a\"")));
    assert_true(phx_text_equal(value, phx_text_of("[1, {}]")));
    assert_int_equal(phx_json_next(&walk, &key, &value), PHX_JSON_ITEM);
    assert_true(phx_text_equal(key, phx_text_of("\"b\"")));
    assert_true(phx_json_is(value, "}"));
    assert_int_equal(phx_json_next(&walk, &key, &value), PHX_JSON_END);
    assert_false(phx_json_walk(&walk, phx_text_of("\"[]\"")));
    assert_false(phx_json_walk(&walk, phx_text_of("")));
}

static bool walks(const char *text)
{
    struct phx_json_walk walk;
    struct phx_text key, value;
    enum phx_json_step step;

    if (!phx_json_walk(&walk, phx_text_of(text)))
        return false;
    while ((step = phx_json_next(&walk, &key, &value)) == PHX_JSON_ITEM)
        assert_true(phx_json_valid(value));
    return step == PHX_JSON_END;
}

static void walking_finds_the_same_errors_as_checking(void **state)
{
    static const char *const texts[] = {
        "[]",         "{}",    "[1]",  "[1,]",   "[,]",        "[1 2]",   "[1}",
        "{\"a\":1}",  "{1:1}", "[1]x", "[1] ",   "{\"a\":1]",  "{\"a\"}", "[1,,2]",
        "{\"a\":1,}", "[",     "[1",   "[[[1]]", "[\"\xff\"]", "[nan]",   "{,\"a\":1}"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (walks(texts[i]) != valid(texts[i]))
            fail_msg("differ over: %s", texts[i]);
}

static void unescapes_in_place(void **state)
{
    char text[] = "\"a\\u00e9\\n\\ud83d\\ude00\\\\\\/\\u0000z\"";
    static const char plain[] = "a\xc3\xa9\n\xf0\x9f\x98\x80\\/\0z";
    size_t n;

    (void)state;
    n = phx_json_unescape((struct phx_text){text, sizeof text - 1}, text + 1);
    assert_int_equal(n, sizeof plain - 1);
    assert_memory_equal(text + 1, plain, n);
}

static void writes_strings_that_read_back(void **state)
{
    static const char plain[] = "a\"\\/\x01\x1f\x7f\n\xc3\xa9\0b";
    char text[64], back[64];
    struct phx_json_out out = {text, sizeof text, 0};
    size_t n;

    (void)state;
    phx_json_put_string(&out, (struct phx_text){plain, sizeof plain - 1});
    assert_true(valid_bytes(text, out.len));
    n = phx_json_unescape((struct phx_text){text, out.len}, back);
    assert_int_equal(n, sizeof plain - 1);
    assert_memory_equal(back, plain, n);
}

static void counts_what_does_not_fit_and_writes_no_further(void **state)
{
    char text[5] = "....";
    struct phx_json_out out = {text, 3, 0};

    (void)state;
    phx_json_put_string(&out, phx_text_of("ab\"cd"));
    assert_int_equal(out.len, 8);
    assert_memory_equal(text, "\"ab.", 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_rfc_8259_allows),
        cmocka_unit_test(refuses_everything_else),
        cmocka_unit_test(no_text_is_valid_before_it_is_whole),
        cmocka_unit_test(nests_so_deep_and_no_deeper),
        cmocka_unit_test(walks_over_members_in_order),
        cmocka_unit_test(walking_finds_the_same_errors_as_checking),
        cmocka_unit_test(unescapes_in_place),
        cmocka_unit_test(writes_strings_that_read_back),
        cmocka_unit_test(counts_what_does_not_fit_and_writes_no_further),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
