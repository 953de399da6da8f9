/*
 * Lines that say the same again are counted, not repeated, and nothing else is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log_repeat.h"

#include <stdio.h>
#include <string.h>

static struct log_repeat repeat;
static char said[4096];

static void on_say(void *user, enum log_level level, const char *who, const char *text)
{
    size_t n = strlen(said);
    (void)user;
    (void)level;
    snprintf(said + n, sizeof said - n, "%s: %s\n", who, text);
}

static int begin(void **state)
{
    (void)state;
    memset(&repeat, 0, sizeof repeat);
    repeat.say = on_say;
    said[0] = '\0';
    return 0;
}

static bool is_new(const char *who, const char *text, uint64_t now_ms)
{
    return log_repeat_new(&repeat, LOG_WARNING, who, text, now_ms);
}

static void a_line_that_is_the_same_as_the_one_before_is_counted(void **state)
{
    (void)state;
    assert_true(is_new("a", "no route", 0));
    for (uint64_t i = 1; i <= 57; i++)
        assert_false(is_new("a", "no route", i * 1000));
    log_repeat_due(&repeat, false, LOG_REPEAT_MS - 1);
    assert_string_equal(said, "");
    log_repeat_due(&repeat, false, LOG_REPEAT_MS);
    assert_string_equal(said, "a: no route ... repeated 57 times in 60 s\n");
}

static void it_goes_on_being_counted_once_a_minute(void **state)
{
    (void)state;
    uint64_t now_ms = 0;
    unsigned written = 0;
    for (; now_ms < (uint64_t)60 * LOG_REPEAT_MS; now_ms += 500) {
        written += is_new("a", "no route", now_ms);
        log_repeat_due(&repeat, false, now_ms);
    }
    size_t lines = 0;
    for (const char *at = said; *at != '\0'; at++)
        lines += *at == '\n';
    assert_int_equal(written, 1);
    assert_int_equal(lines, 59);
}

static void a_line_that_stopped_is_news_when_it_comes_again(void **state)
{
    (void)state;
    assert_true(is_new("a", "no route", 0));
    log_repeat_due(&repeat, false, LOG_REPEAT_MS);
    assert_true(is_new("a", "no route", LOG_REPEAT_MS + 1));
    assert_string_equal(said, "");
}

static void other_subjects_texts_and_levels_are_other_lines(void **state)
{
    (void)state;
    char text[32];
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "upload failed (%d in a row)", i);
        assert_true(is_new("a", text, 0));
    }
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "mcu-%d", i);
        assert_true(is_new(text, "joined", 0));
    }
    assert_true(log_repeat_new(&repeat, LOG_ERROR, "a", "1", 0));
    assert_true(log_repeat_new(&repeat, LOG_WARNING, "a", "2", 0));
    assert_true(log_repeat_new(&repeat, LOG_INFO, "a", "2", 0));
}

static void what_alternates_is_written_as_news_a_few_times_and_then_counted(void **state)
{
    (void)state;
    unsigned written = 0;
    for (uint64_t i = 0; i < 100; i++) {
        written += is_new("a", "the line is gone", i * 100);
        written += is_new("a", "the line is open", i * 100 + 50);
    }
    assert_int_equal(written, 2 * LOG_REPEAT_MOST);
    log_repeat_due(&repeat, true, 10000);
    assert_non_null(strstr(said, "a: the line is gone ... repeated 90 times in 10 s\n"));
    assert_non_null(strstr(said, "a: the line is open ... repeated 90 times in 10 s\n"));
}

static void what_was_counted_is_said_when_its_place_is_needed(void **state)
{
    (void)state;
    char who[32];
    assert_true(is_new("first", "x", 0));
    assert_false(is_new("first", "x", 1));
    for (int i = 0; i < LOG_REPEAT_LINES; i++) {
        snprintf(who, sizeof who, "mcu-%d", i);
        assert_true(is_new(who, "y", 2));
    }
    assert_string_equal(said, "first: x ... repeated 1 time in 1 s\n");
}

static void a_long_line_is_told_apart_by_its_end_and_counted_by_its_beginning(void **state)
{
    (void)state;
    char text[1024];
    memset(text, 'a', sizeof text);
    text[1000] = '\0';
    assert_true(is_new("a", text, 0));
    text[999] = 'b';
    assert_true(is_new("a", text, 0));
    assert_false(is_new("a", text, 0));
    log_repeat_due(&repeat, true, 1000);
    assert_non_null(strstr(said, "aaa ... repeated 1 time in 1 s"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_line_that_is_the_same_as_the_one_before_is_counted, begin),
        cmocka_unit_test_setup(it_goes_on_being_counted_once_a_minute, begin),
        cmocka_unit_test_setup(a_line_that_stopped_is_news_when_it_comes_again, begin),
        cmocka_unit_test_setup(other_subjects_texts_and_levels_are_other_lines, begin),
        cmocka_unit_test_setup(what_alternates_is_written_as_news_a_few_times_and_then_counted,
                               begin),
        cmocka_unit_test_setup(what_was_counted_is_said_when_its_place_is_needed, begin),
        cmocka_unit_test_setup(a_long_line_is_told_apart_by_its_end_and_counted_by_its_beginning,
                               begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
