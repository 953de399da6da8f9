/*
 * A log line is one line, whatever it is made of, and says when, how bad, about whom and what.
 */
#define _DEFAULT_SOURCE
#include "base/log.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What `say` writes to standard error. */
static const char *caught(void (*say)(void))
{
    static char text[32768];
    FILE *file = tmpfile();
    int before = dup(STDERR_FILENO);
    assert_non_null(file);
    dup2(fileno(file), STDERR_FILENO);
    say();
    dup2(before, STDERR_FILENO);
    close(before);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void assert_matches(const char *text, const char *pattern)
{
    regex_t compiled;
    assert_int_equal(regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&compiled, text, 0, NULL, 0))
        fail_msg("%s\ndoes not match %s", text, pattern);
    regfree(&compiled);
}

#define TIME "20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{3}Z"

static void say_joined(void)
{
    log_info("bench-1", "joined %s:%d", "microcontroller:v1", 3);
}

static void text_lines_have_time_level_and_subject(void **state)
{
    (void)state;
    log_open(LOG_INFO, false);
    assert_matches(caught(say_joined), "^" TIME " info  bench-1: joined microcontroller:v1:3\n$");
}

static void json_lines_have_the_same_members(void **state)
{
    (void)state;
    log_open(LOG_INFO, true);
    assert_matches(caught(say_joined),
                   "^\\{\"at\":\"" TIME "\",\"level\":\"info\",\"who\":\"bench-1\","
                   "\"text\":\"joined microcontroller:v1:3\"\\}\n$");
}

static void say_everything(void)
{
    log_error("a", "1");
    log_warning("a", "2");
    log_info("a", "3");
    log_debug("a", "4");
}

static size_t lines(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void less_urgent_lines_are_dropped(void **state)
{
    (void)state;
    for (int most = LOG_ERROR; most <= LOG_DEBUG; most++) {
        log_open((enum log_level)most, false);
        assert_int_equal(lines(caught(say_everything)), (size_t)most + 1);
        assert_true(log_wants((enum log_level)most));
        assert_int_equal(log_wants(LOG_DEBUG), most == LOG_DEBUG);
    }
}

static void say_breaks(void)
{
    log_info("a\nb", "one\ntwo\x1b[2J\xff\xc2\x9b");
}

static void a_line_stays_one_line(void **state)
{
    (void)state;
    for (int json = 0; json < 2; json++) {
        log_open(LOG_INFO, json);
        const char *text = caught(say_breaks);
        assert_int_equal(lines(text), 1);
        assert_null(strchr(text, 0x1b));
        assert_null(strchr(text, '\xff'));
    }
}

static void say_at_length(void)
{
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_info("a", "%s", text);
}

static void a_long_line_is_cut_and_says_so(void **state)
{
    (void)state;
    log_open(LOG_INFO, false);
    const char *text = caught(say_at_length);
    assert_in_range(strlen(text), LOG_TEXT_MAX, LOG_TEXT_MAX + 64);
    assert_matches(text, "xxx\\.\\.\\.\n$");
}

static void say_controls_at_length(void)
{
    char text[2000];
    memset(text, 1, sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_info("a", "%s", text);
}

static void the_longest_line_fits_however_it_is_escaped(void **state)
{
    (void)state;
    for (int json = 0; json < 2; json++) {
        log_open(LOG_INFO, json);
        const char *text = caught(say_controls_at_length);
        assert_int_equal(lines(text), 1);
        assert_matches(text, json ? "\"\\}\n$" : "\n$");
    }
}

/* -- Quoting. */

static void assert_quoted(const char *bytes, size_t n, const char *expected)
{
    char out[64];
    assert_string_equal(log_quote(out, sizeof out, bytes, n), expected);
}

static void what_prints_stays_and_the_rest_is_hexadecimal(void **state)
{
    (void)state;
    assert_quoted("abc", 3, "abc");
    assert_quoted("", 0, "");
    assert_quoted("a\nb", 3, "a\\x0ab");
    assert_quoted("a\0b", 3, "a\\x00b");
    assert_quoted("\\x00", 4, "\\\\x00");
    assert_quoted("21 \xc2\xb0"
                  "C",
                  6,
                  "21 \xc2\xb0"
                  "C");
    assert_quoted("\xe2\x82\xac\xf0\x9f\x98\x80", 7, "\xe2\x82\xac\xf0\x9f\x98\x80");
}

static void what_is_no_utf8_is_hexadecimal(void **state)
{
    (void)state;
    assert_quoted("\xff", 1, "\\xff");
    assert_quoted("\xc2", 1, "\\xc2");                            /* cut short */
    assert_quoted("\xc0\x80", 2, "\\xc0\\x80");                   /* overlong */
    assert_quoted("\xed\xa0\x80", 3, "\\xed\\xa0\\x80");          /* a surrogate */
    assert_quoted("\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80"); /* beyond U+10FFFF */
    assert_quoted("\xc2\x80", 2, "\\xc2\\x80");                   /* a C1 control */
}

/* Into every size: never beyond, always ended, cut between whole pieces. */
static void fits_every_room(void **state)
{
    (void)state;
    static const char bytes[] = "ab\n\xe2\x82\xac\"\\z\x01 end";
    for (size_t cap = 8; cap < 64; cap++) {
        char out[64];
        memset(out, '#', sizeof out);
        log_quote(out, cap, bytes, sizeof bytes - 1);
        assert_true(strlen(out) < cap);
        memset(out, '#', sizeof out);
        if (cap < 16)
            continue;
        log_json_string(out, cap, bytes, sizeof bytes - 1);
        size_t n = strlen(out);
        assert_true(n < cap && out[0] == '"' && out[n - 1] == '"');
        for (size_t i = 0; i < n;) {
            size_t length = utf8_sequence((const unsigned char *)out + i, n - i);
            assert_true(length > 0);
            i += length;
        }
    }
}

static void json_strings_are_json(void **state)
{
    (void)state;
    char out[64];
    assert_string_equal(log_json_string(out, sizeof out, "a\"b\\c\n\x7f", 7),
                        "\"a\\\"b\\\\c\\u000a\\u007f\"");
    assert_string_equal(log_json_string(out, sizeof out, "\xff", 1), "\"\xEF\xBF\xBD\"");
    assert_string_equal(log_json_string(out, sizeof out, "", 0), "\"\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_lines_have_time_level_and_subject),
        cmocka_unit_test(json_lines_have_the_same_members),
        cmocka_unit_test(less_urgent_lines_are_dropped),
        cmocka_unit_test(a_line_stays_one_line),
        cmocka_unit_test(a_long_line_is_cut_and_says_so),
        cmocka_unit_test(the_longest_line_fits_however_it_is_escaped),
        cmocka_unit_test(what_prints_stays_and_the_rest_is_hexadecimal),
        cmocka_unit_test(what_is_no_utf8_is_hexadecimal),
        cmocka_unit_test(fits_every_room),
        cmocka_unit_test(json_strings_are_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
