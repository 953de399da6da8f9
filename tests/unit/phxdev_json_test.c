/*
 * Is phx-dev's JSON scanner as strict as the real server's decoder, and does it keep what it is
 * given?
 */
#include "json.h"

#include "json_texts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int accepts(const char *text, size_t n)
{
    struct json_doc doc;
    char *exact = malloc(n > 0 ? n : 1); /* so that reading past the end is seen */
    memcpy(exact, text, n);
    int rc = json_parse(&doc, exact, n);
    free(exact);
    json_deinit(&doc);
    return rc == 0;
}

static void assert_written(const char *text, const char *expected)
{
    struct json_doc doc;
    struct buf out = {0};
    assert_int_equal(json_parse(&doc, text, strlen(text)), 0);
    json_write(&out, doc.root);
    assert_string_equal(out.data, expected);
    buf_deinit(&out);
    json_deinit(&doc);
}

static void valid_texts_are_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < JSON_TEXTS_GOOD; i++)
        if (!accepts(json_texts_good[i], strlen(json_texts_good[i])))
            fail_msg("refused: %s", json_texts_good[i]);
}

static void everything_else_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < JSON_TEXTS_BAD; i++)
        if (accepts(json_texts_bad[i], strlen(json_texts_bad[i])))
            fail_msg("taken: %s", json_texts_bad[i]);
}

static void every_cut_of_a_text_is_refused(void **state)
{
    static const char TEXT[] =
        "{\"k\\u017e\":[1.5e3,-0,\"\\ud83d\\udc0e\",{\"a\":null}],\"b\":true}";
    (void)state;
    assert_true(accepts(TEXT, sizeof TEXT - 1));
    for (size_t n = 0; n < sizeof TEXT - 1; n++) {
        assert_false(accepts(TEXT, n));
    }
}

static void numbers_come_back_as_they_were(void **state)
{
    (void)state;
    assert_written("[9007199254740993,123456789012345678901234567890,1e3,0.1,-0.0,5e-324]",
                   "[9007199254740993,123456789012345678901234567890,1e3,0.1,-0.0,5e-324]");
    assert_written("-0", "0");
}

static void strings_come_back_as_the_server_writes_them(void **state)
{
    (void)state;
    assert_written("\"\\u0000\\u001f\\n\\/\\u00e9\\ud83d\\udc0e\\\"\\\\\"",
                   "\"\\u0000\\u001F\\n/\xc3\xa9\xf0\x9f\x90\x8e\\\"\\\\\"");
}

static void members_are_sorted_and_the_first_of_two_is_kept(void **state)
{
    (void)state;
    assert_written("{\"dup\":1,\"b\":[ ],\"dup\":2,\"\":0,\"a\":{ },\"ab\":3}",
                   "{\"\":0,\"a\":{},\"ab\":3,\"b\":[],\"dup\":1}");
}

static void depth_does_not_matter(void **state)
{
    enum { DEPTH = 100000 };
    char *text = malloc(2 * DEPTH);
    (void)state;
    memset(text, '[', DEPTH);
    memset(text + DEPTH, ']', DEPTH);
    struct json_doc doc;
    struct buf out = {0};
    assert_int_equal(json_parse(&doc, text, 2 * DEPTH), 0);
    json_write(&out, doc.root);
    assert_int_equal(out.len, 2 * DEPTH);
    assert_memory_equal(out.data, text, 2 * DEPTH);
    json_deinit(&doc);
    buf_deinit(&out);
    assert_false(accepts(text, 2 * DEPTH - 1));
    free(text);
}

static void too_many_values_are_refused(void **state)
{
    struct buf text = {0};
    (void)state;
    buf_str(&text, "[0");
    for (size_t i = 2; i < JSON_MAX_VALUES; i++) {
        buf_str(&text, ",0");
    }
    buf_str(&text, "]");
    assert_true(accepts(text.data, text.len));
    text.data[text.len - 1] = ',';
    buf_str(&text, "0]");
    assert_false(accepts(text.data, text.len));
    buf_deinit(&text);
}

static void integers_are_read_within_their_range(void **state)
{
    struct json_doc doc;
    const char *text = "[7,-1,7.0,\"7\",99999999999999999999999,30]";
    long n = 0;
    (void)state;
    assert_int_equal(json_parse(&doc, text, strlen(text)), 0);
    assert_true(json_int(json_at(doc.root, 0), 0, 10, &n));
    assert_int_equal(n, 7);
    for (size_t i = 1; i < 7; i++) {
        assert_false(json_int(json_at(doc.root, i), 0, 10, &n));
    }
    json_deinit(&doc);
}

static void number_texts_are_recognised(void **state)
{
    (void)state;
    assert_true(json_is_number_text(slice_of("19.25")));
    assert_true(json_is_number_text(slice_of("-0")));
    static const char *const NOT[] = {"", " 1", "1 ", "1x", "x", "\"1\"", "NaN", "[1]", "01"};
    for (size_t i = 0; i < sizeof NOT / sizeof *NOT; i++) {
        assert_false(json_is_number_text(slice_of(NOT[i])));
    }
}

static void utf8_prefix_tells_broken_from_unfinished(void **state)
{
    static const char TEXT[] = "a\xc5\xbe\xf0\x9f\x90\x8e";
    bool incomplete;
    (void)state;
    for (size_t n = 0; n < sizeof TEXT; n++) {
        size_t whole = n < 1 ? 0 : n < 3 ? 1 : n < 7 ? 3 : 7;
        assert_int_equal(utf8_valid_prefix(TEXT, n, &incomplete), whole);
        assert_int_equal(incomplete, n != whole);
    }
    assert_int_equal(utf8_valid_prefix("ab\xff", 3, &incomplete), 2);
    assert_false(incomplete);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_texts_are_taken),
        cmocka_unit_test(everything_else_is_refused),
        cmocka_unit_test(every_cut_of_a_text_is_refused),
        cmocka_unit_test(numbers_come_back_as_they_were),
        cmocka_unit_test(strings_come_back_as_the_server_writes_them),
        cmocka_unit_test(members_are_sorted_and_the_first_of_two_is_kept),
        cmocka_unit_test(depth_does_not_matter),
        cmocka_unit_test(too_many_values_are_refused),
        cmocka_unit_test(integers_are_read_within_their_range),
        cmocka_unit_test(number_texts_are_recognised),
        cmocka_unit_test(utf8_prefix_tells_broken_from_unfinished),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
