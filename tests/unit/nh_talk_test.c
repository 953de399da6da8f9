/* Console, log and extensions: what is said, and how much of it. */
#include "nerveshub/nh_talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void an_extension_that_was_not_offered_is_not_attached(void **state)
{
    static const struct {
        const char *json;
        unsigned bits;
    } cases[] = {
        {"[\"geo\",\"health\",\"local_shell\"]", 1u << NH_HEALTH},
        {"[\"health\",\"logging\"]", 1u << NH_HEALTH | 1u << NH_LOGGING},
        {"[]", 0},
        {"{\"extensions\":[\"logging\"]}", 1u << NH_LOGGING},
        {"{\"extensions\":\"all\"}", 1u << NH_HEALTH | 1u << NH_LOGGING},
        {"{\"extensions\":5}", 0},
        {"[5,null,{}]", 0},
        {"\"detach\"", 0},
        {"no json", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_int_equal(nh_decode_extensions(cases[i].json, strlen(cases[i].json)), cases[i].bits);
}

static void ten_log_lines_at_once_and_five_a_second_after_that(void **state)
{
    struct nh_log_limit limit = {0};
    unsigned said = 0;
    (void)state;
    for (int i = 0; i < 100; i++)
        said += nh_log_fits(&limit, 1000) ? 1 : 0;
    assert_int_equal(said, 10);
    assert_int_equal(limit.dropped, 90);
    for (uint64_t ms = 1001; ms <= 11000; ms++)
        said += nh_log_fits(&limit, ms) ? 1 : 0;
    assert_int_equal(said, 10 + 50);
}

static void a_log_line_that_is_not_utf8_is_said_all_the_same(void **state)
{
    char *text = nh_encode_log("info", "a\xff", 1795258581763000);
    (void)state;
    assert_string_equal(text, "{\"level\":\"info\",\"message\":\"a\xef\xbf\xbd\","
                              "\"meta\":{\"time\":\"1795258581763000\"}}");
    free(text);
}

static void health_is_a_value_or_nothing(void **state)
{
    char *text = nh_encode_health("{\"metrics\":{\"a\":1}}");
    (void)state;
    assert_string_equal(text, "{\"value\":{\"metrics\":{\"a\":1}}}");
    free(text);
    assert_null(nh_encode_health("nonsense"));
}

/* The data of the payload that is due at `ms`; nothing due: "". */
static char *said_at(struct nh_console *console, uint64_t ms)
{
    size_t taken = 0;
    size_t n = 0;
    if (!nh_console_due(console, ms))
        return strdup("");
    char *payload = nh_console_payload(console, &taken);
    char *data = payload != NULL ? nh_decode_console(payload, strlen(payload), &n) : strdup("");
    nh_console_sent(console, taken, ms);
    free(payload);
    return data;
}

static void expect_said(struct nh_console *console, uint64_t ms, const char *expected)
{
    char *said = said_at(console, ms);
    assert_string_equal(said, expected);
    free(said);
}

static void characters_typed_one_by_one_go_together(void **state)
{
    struct nh_console console = {0};
    (void)state;
    for (uint64_t ms = 0; ms < NH_CONSOLE_MS; ms++)
        assert_int_equal(nh_console_add(&console, "x", 1, ms), 1);
    expect_said(&console, NH_CONSOLE_MS - 1, "");
    expect_said(&console, NH_CONSOLE_MS, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    expect_said(&console, 10 * NH_CONSOLE_MS, "");
    assert_null(console.bytes);
}

static void a_character_cut_in_two_waits_for_its_rest_and_nonsense_does_not(void **state)
{
    struct nh_console console = {0};
    (void)state;
    nh_console_add(&console, "a\xe2\x9c", 3, 0);
    expect_said(&console, 100, "a");
    nh_console_add(&console, "\x93z", 2, 100);
    expect_said(&console, 200, "\xe2\x9c\x93z");
    nh_console_add(&console, "\xff\x80z", 3, 200);
    expect_said(&console, 300, "\xef\xbf\xbd\xef\xbf\xbdz");
    assert_null(console.bytes);
}

/* Not UTF-8 at all, such as Latin-1 at the end of a line. */
static void the_beginning_of_a_character_that_never_ends_is_shown_after_a_second(void **state)
{
    struct nh_console *console = calloc(1, sizeof(*console));
    (void)state;
    nh_console_add(console, "caf\xe9", 4, 0);
    expect_said(console, NH_CONSOLE_MS, "caf");
    assert_false(nh_console_due(console, NH_CONSOLE_MS + NH_CONSOLE_REST_MS - 1));
    expect_said(console, NH_CONSOLE_MS + NH_CONSOLE_REST_MS, "\xef\xbf\xbd");
    assert_false(nh_console_due(console, 100 * NH_CONSOLE_REST_MS));
    free(console);
}

static void a_full_buffer_is_due_at_once_and_takes_no_more(void **state)
{
    struct nh_console console = {0};
    char *many = calloc(1, 2 * NH_CONSOLE_BYTES);
    (void)state;
    memset(many, 'x', 2 * NH_CONSOLE_BYTES);
    assert_int_equal(nh_console_add(&console, many, 2 * NH_CONSOLE_BYTES, 5), NH_CONSOLE_BYTES);
    assert_true(nh_console_due(&console, 5));
    assert_int_equal(nh_console_add(&console, "y", 1, 5), 0);
    free(many);
    nh_console_free(&console);
    assert_int_equal(nh_console_add(&console, "y", 1, 5), 1);
    nh_console_free(&console);
}

static void a_window_has_a_size_that_makes_sense(void **state)
{
    static const char GOOD[] = "{\"height\":24,\"width\":80}";
    static const char *const BAD[] = {"{}", "{\"height\":0,\"width\":80}",
                                      "{\"height\":\"24\",\"width\":80}",
                                      "{\"height\":24,\"width\":1e9}", "x"};
    unsigned rows = 0;
    unsigned columns = 0;
    (void)state;
    assert_true(nh_decode_window(GOOD, sizeof(GOOD) - 1, &rows, &columns));
    assert_int_equal(rows, 24);
    assert_int_equal(columns, 80);
    for (size_t i = 0; i < sizeof(BAD) / sizeof(*BAD); i++)
        assert_false(nh_decode_window(BAD[i], strlen(BAD[i]), &rows, &columns));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_beginning_of_a_character_that_never_ends_is_shown_after_a_second),
        cmocka_unit_test(an_extension_that_was_not_offered_is_not_attached),
        cmocka_unit_test(ten_log_lines_at_once_and_five_a_second_after_that),
        cmocka_unit_test(a_log_line_that_is_not_utf8_is_said_all_the_same),
        cmocka_unit_test(health_is_a_value_or_nothing),
        cmocka_unit_test(characters_typed_one_by_one_go_together),
        cmocka_unit_test(a_character_cut_in_two_waits_for_its_rest_and_nonsense_does_not),
        cmocka_unit_test(a_full_buffer_is_due_at_once_and_takes_no_more),
        cmocka_unit_test(a_window_has_a_size_that_makes_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
