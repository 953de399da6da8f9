/*
 * What flashers print: how far they are, and their last words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flash/flash_progress.h"
#include "flash/flash_tail.h"

#include <string.h>

static unsigned percent_of(const char *text)
{
    struct flash_progress progress = {0};

    flash_progress_bytes(&progress, text, strlen(text));
    return progress.percent;
}

static void a_number_before_a_percent_sign_counts(void **state)
{
    (void)state;
    assert_int_equal(percent_of("42%"), 42);
    assert_int_equal(percent_of("Writing at 0x00010000... (42 %)"), 42);
    assert_int_equal(percent_of("Wrote address 0x08000100 (12.99%) "), 12);
    assert_int_equal(percent_of("Download\t[=====     ]  42%  1234 bytes"), 42);
    assert_int_equal(percent_of("1%\r2%\r100%\n"), 100);
}

static void what_is_no_percentage_does_not_count(void **state)
{
    (void)state;
    assert_int_equal(percent_of("101% 4294967338% 42 7 % -5% v42% 1.2.3% 42  % % 0x42%"), 7);
    assert_int_equal(percent_of("42\n%"), 0);
    assert_int_equal(percent_of("it took 42 s"), 0);
}

static void it_never_goes_back(void **state)
{
    (void)state;
    assert_int_equal(percent_of("60%\r50%\r"), 60);
}

static void reading_verifying_and_erasing_is_not_writing(void **state)
{
    (void)state;
    assert_int_equal(percent_of("Reading | #### | 100% 0.00s\n"), 0);
    assert_int_equal(percent_of("  Verifying 80%\nErase   [===] 90%\nread 1%"), 0);
    assert_int_equal(percent_of("Reading | ####\nWriting | ##"), 4);
    assert_int_equal(percent_of("Ready 5%"), 0); /* whatever it means: not writing */
}

static void avrdude_s_bar_is_two_percent_a_step(void **state)
{
    (void)state;
    struct flash_progress progress = {0};

    assert_false(flash_progress_bytes(&progress, "Writing | ", 10));
    for (unsigned i = 1; i <= 50; i++) {
        assert_true(flash_progress_bytes(&progress, "#", 1));
        assert_int_equal(progress.percent, 2 * i);
    }
    assert_false(flash_progress_bytes(&progress, "# | 100% 1.23s\n", 15));
    assert_int_equal(percent_of("| ####"), 0);
    assert_int_equal(percent_of("Writing | ## ## | ##"), 4);
    assert_int_equal(percent_of("\rWriting | #######     | 15% 0.5s"), 15);
}

static const char *tail_of(const char *bytes, size_t n)
{
    static char text[FLASH_TAIL_TEXT_MAX];
    struct flash_tail tail = {0};

    flash_tail_bytes(&tail, bytes, n);
    size_t length = flash_tail_text(&tail, text);
    assert_int_equal(length, strlen(text));
    return text;
}

static void the_last_four_lines_are_kept(void **state)
{
    (void)state;
    static const char text[] = "one\ntwo\r\n\n----\n  three \nfour\n5";
    assert_string_equal(tail_of("", 0), "");
    assert_string_equal(tail_of("--\n\n", 4), "");
    assert_string_equal(tail_of(text, sizeof text - 1), "two / three / four / 5");
    assert_string_equal(tail_of(text, 3), "one");
}

static void the_last_words_are_clean_text(void **state)
{
    (void)state;
    static const char text[] = "\x1b[31ma\tb\0c\xff \xc2\x85\xc3\xa9\x7f";
    assert_string_equal(tail_of(text, sizeof text - 1), "[31ma bc\xef\xbf\xbd \xc3\xa9");
}

static void a_line_without_end_is_cut(void **state)
{
    (void)state;
    char bytes[5000];
    memset(bytes, 'x', sizeof bytes);
    assert_int_equal(strlen(tail_of(bytes, sizeof bytes)), FLASH_TAIL_LINE_MAX);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(strlen(tail_of(bytes, sizeof bytes)), 3 * FLASH_TAIL_LINE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_before_a_percent_sign_counts),
        cmocka_unit_test(what_is_no_percentage_does_not_count),
        cmocka_unit_test(it_never_goes_back),
        cmocka_unit_test(reading_verifying_and_erasing_is_not_writing),
        cmocka_unit_test(avrdude_s_bar_is_two_percent_a_step),
        cmocka_unit_test(the_last_four_lines_are_kept),
        cmocka_unit_test(the_last_words_are_clean_text),
        cmocka_unit_test(a_line_without_end_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
