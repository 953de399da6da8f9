/* phx-dev's HTTP heads, queries and paths. */
#include "http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char HEAD[] = "GET /a//b/?x=1&y=a+b%2Bc&bad=%zz&x=2 HTTP/1.1\r\nHost: h\r\n"
                           "X-API-Key:  k1 \r\nConnection: keep-alive, Upgrade\r\nEmpty:\r\n\r\n";

static enum http_parse parse(const char *text, size_t n, struct http_request *request, char **copy)
{
    size_t used = 0;
    *copy = copy_bytes(text, n);
    return http_parse(request, *copy, n, &used);
}

static void head_is_taken_apart(void **state)
{
    struct http_request r;
    char *copy;
    (void)state;
    assert_int_equal(parse(HEAD, sizeof HEAD - 1, &r, &copy), HTTP_DONE);
    assert_true(slice_eq(r.method, "GET"));
    assert_true(slice_eq(r.path, "/a//b/"));
    assert_true(slice_eq(http_header(&r, "x-api-key"), "k1"));
    assert_true(slice_eq(http_header(&r, "empty"), ""));
    assert_non_null(http_header(&r, "empty").data);
    assert_null(http_header(&r, "none").data);
    assert_true(http_header_has(&r, "connection", "upgrade"));
    assert_false(http_header_has(&r, "connection", "up"));
    free(copy);
}

static void every_cut_asks_for_more(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof HEAD - 1; n++) {
        struct http_request r;
        char *copy;
        assert_int_equal(parse(HEAD, n, &r, &copy), HTTP_MORE);
        free(copy);
    }
}

static void what_is_not_http_is_refused(void **state)
{
    static const char *const TEXTS[] = {"hello there\r\n\r\n",
                                        "GET / HTTP/2.0\r\n\r\n",
                                        "GET  HTTP/1.1\r\n\r\n",
                                        "GET x HTTP/1.1\r\n\r\n",
                                        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
                                        "GET / HTTP/1.1\r\n: v\r\n\r\n",
                                        "GET / HTTP/1.1\r\na b: v\r\n\r\n",
                                        "\x16\x03\x01"};
    (void)state;
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        struct http_request r;
        char *copy;
        assert_int_equal(parse(TEXTS[i], strlen(TEXTS[i]), &r, &copy), HTTP_BAD);
        free(copy);
    }
}

static void heads_are_bounded(void **state)
{
    struct http_request r;
    struct buf text = {0};
    char *copy;
    (void)state;
    buf_str(&text, "GET / HTTP/1.1\r\na: ");
    while (text.len <= HTTP_MAX_HEAD) {
        buf_str(&text, "xxxxxxxxxxxxxxxx");
    }
    assert_int_equal(parse(text.data, text.len, &r, &copy), HTTP_BAD);
    free(copy);
    buf_deinit(&text);
}

static void queries_are_decoded_and_the_last_one_counts(void **state)
{
    struct slice query = slice_of("x=1&y=a+b%2Bc%C3%A9&bad=%zz&x=2&flag");
    struct buf text = {0};
    (void)state;
    assert_true(http_query(query, "x", &text));
    assert_string_equal(text.data, "2");
    assert_false(http_query(query, "z", &text));
    buf_deinit(&text);
    assert_true(http_query_json(query, &text));
    assert_string_equal(text.data,
                        "{\"y\":\"a b+c\xc3\xa9\",\"bad\":\"%zz\",\"x\":\"2\",\"flag\":\"\"}");
    buf_deinit(&text);
    assert_false(http_query_json(slice_of("x=%ff"), &text));
    buf_deinit(&text);
}

static void paths_are_split_without_empty_parts(void **state)
{
    struct slice parts[3];
    (void)state;
    assert_int_equal(http_path_parts(slice_of("/socket//websocket/"), parts, 3), 2);
    assert_true(slice_eq(parts[0], "socket"));
    assert_true(slice_eq(parts[1], "websocket"));
    assert_int_equal(http_path_parts(slice_of("/"), parts, 3), 0);
    assert_int_equal(http_path_parts(slice_of("/a/b/c/d"), parts, 3), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_is_taken_apart),
        cmocka_unit_test(every_cut_asks_for_more),
        cmocka_unit_test(what_is_not_http_is_refused),
        cmocka_unit_test(heads_are_bounded),
        cmocka_unit_test(queries_are_decoded_and_the_last_one_counts),
        cmocka_unit_test(paths_are_split_without_empty_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
