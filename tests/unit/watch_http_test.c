/*
 * The head of a request: what is served, what is refused, at every cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "watch/watch_http.h"

#include <string.h>

static struct watch_http_request request;

static enum watch_http_result parse(const char *text)
{
    memset(&request, 0, sizeof request);
    return watch_http_parse(text, strlen(text), &request);
}

static void a_get_is_served_only_when_its_head_is_whole(void **state)
{
    (void)state;
    static const char head[] = "GET /metrics HTTP/1.1\r\nHost: localhost:9469\r\n\r\n";
    for (size_t n = 0; n < strlen(head); n++)
        assert_int_equal(watch_http_parse(head, n, &request), WATCH_HTTP_MORE);
    assert_int_equal(parse(head), WATCH_HTTP_GET);
    assert_string_equal(request.path, "/metrics");
    assert_false(request.head_only);
}

static void a_query_is_no_part_of_the_path(void **state)
{
    (void)state;
    assert_int_equal(parse("GET /status?x=1 HTTP/1.0\r\n\r\n"), WATCH_HTTP_GET);
    assert_string_equal(request.path, "/status");
    assert_int_equal(parse("HEAD /? HTTP/1.1\r\n\r\n"), WATCH_HTTP_GET);
    assert_string_equal(request.path, "/");
    assert_true(request.head_only);
}

static void other_methods_change_nothing(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "POST /metrics HTTP/1.1\r\n\r\n",
        "DELETE /status HTTP/1.1\r\n\r\n",
        "get /status HTTP/1.1\r\n\r\n",
        "GETX /status HTTP/1.1\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        assert_int_equal(parse(heads[i]), WATCH_HTTP_METHOD);
}

static void what_is_no_http_is_refused(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET /x\r\n\r\n",
        "GET  /x HTTP/1.1\r\n\r\n",
        "GET /x HTTP/1.1 \r\n\r\n",
        "GET /x HTTP/2.0\r\n\r\n",
        "GET x HTTP/1.1\r\n\r\n",
        "GET http://evil/x HTTP/1.1\r\n\r\n",
        "\x16\x03\x01",
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        assert_int_equal(parse(heads[i]), WATCH_HTTP_BAD);
}

static void a_web_page_is_not_served(void **state)
{
    (void)state;
    assert_int_equal(parse("GET /metrics HTTP/1.1\r\nHost: x\r\norigin: http://evil\r\n\r\n"),
                     WATCH_HTTP_FOREIGN);
    assert_int_equal(parse("GET /metrics HTTP/1.1\r\nX-Origin: http://evil\r\n\r\n"),
                     WATCH_HTTP_GET);
}

static void a_head_without_end_is_refused_in_time(void **state)
{
    (void)state;
    static char endless[WATCH_HTTP_HEAD_MAX + 64];
    memset(endless, 'a', sizeof endless);
    assert_int_equal(watch_http_parse(endless, WATCH_HTTP_HEAD_MAX, &request), WATCH_HTTP_MORE);
    assert_int_equal(watch_http_parse(endless, WATCH_HTTP_HEAD_MAX + 1, &request), WATCH_HTTP_BAD);
}

static void a_long_path_is_cut_and_matches_nothing(void **state)
{
    (void)state;
    char head[400] = "GET /";
    memset(head + 5, 'm', 300);
    memcpy(head + 305, " HTTP/1.1\r\n\r\n", 14);
    assert_int_equal(parse(head), WATCH_HTTP_GET);
    assert_int_equal(strlen(request.path), WATCH_HTTP_PATH_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_get_is_served_only_when_its_head_is_whole),
        cmocka_unit_test(a_query_is_no_part_of_the_path),
        cmocka_unit_test(other_methods_change_nothing),
        cmocka_unit_test(what_is_no_http_is_refused),
        cmocka_unit_test(a_web_page_is_not_served),
        cmocka_unit_test(a_head_without_end_is_refused_in_time),
        cmocka_unit_test(a_long_path_is_cut_and_matches_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
