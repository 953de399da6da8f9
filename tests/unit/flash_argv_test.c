/*
 * A flasher's words: which are taken, and what they become.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flash/flash_argv.h"

#include <string.h>

static const struct flash_argv_values values = {"/dev/ttyACM0", "/f/new image.bin", 115200};
static char why[200];

static void placeholders_inside_words_become_text_of_the_same_word(void **state)
{
    (void)state;
    const char *const words[] = {"avrdude",          "-P{port}",     "-b", "{baud}",
                                 "flash:w:{file}:r", "{file}{file}", NULL};
    assert_int_equal(flash_argv_check(words, why, sizeof why), 0);
    char **argv = flash_argv_fill(words, &values);
    assert_non_null(argv);
    assert_string_equal(argv[0], "avrdude");
    assert_string_equal(argv[1], "-P/dev/ttyACM0");
    assert_string_equal(argv[3], "115200");
    assert_string_equal(argv[4], "flash:w:/f/new image.bin:r");
    assert_string_equal(argv[5], "/f/new image.bin/f/new image.bin");
    assert_null(argv[6]);
    flash_argv_free(argv);
}

static void no_value_is_split_or_looked_into(void **state)
{
    (void)state;
    const struct flash_argv_values odd = {"/dev/{file}", "/f/a; rm -rf $HOME `x` 'y' \"{port}\" *",
                                          300};
    const char *const words[] = {"p", "{port}", "{file}", "", "$(true)", NULL};
    char **argv = flash_argv_fill(words, &odd);
    assert_non_null(argv);
    assert_string_equal(argv[1], odd.port);
    assert_string_equal(argv[2], odd.file);
    assert_string_equal(argv[3], "");
    assert_string_equal(argv[4], "$(true)");
    assert_null(argv[5]);
    flash_argv_free(argv);
}

static void braces_of_the_program_s_own_stay(void **state)
{
    (void)state;
    const char *const words[] = {"openocd", "-c", "program {{file}} verify {} {A} {port {file}x}",
                                 NULL};
    assert_int_equal(flash_argv_check(words, why, sizeof why), 0);
    char **argv = flash_argv_fill(words, &values);
    assert_non_null(argv);
    assert_string_equal(argv[2],
                        "program {/f/new image.bin} verify {} {A} {port /f/new image.binx}");
    flash_argv_free(argv);
}

static void refused(const char *const *words, const char *says)
{
    memset(why, 0, sizeof why);
    assert_int_equal(flash_argv_check(words, why, sizeof why), -1);
    if (strstr(why, says) == NULL)
        fail_msg("said: %s", why);
}

static void words_that_are_no_flasher_are_refused_with_what_to_change(void **state)
{
    (void)state;
    const char *const none[] = {NULL}, *const empty[] = {"", "{file}", NULL},
                      *const filled[] = {"{file}", NULL}, *const no_file[] = {"a", "{port}", NULL},
                      *const misspelt[] = {"a", "{file}", "-P{prot}", NULL};
    const char *many[FLASH_ARGV_WORDS_MAX + 2] = {"a", "{file}"};
    for (size_t i = 2; i <= FLASH_ARGV_WORDS_MAX; i++)
        many[i] = "-v";

    refused(none, "needs a program");
    refused(empty, "the flasher's program itself");
    refused(filled, "the flasher's program itself");
    refused(no_file, "needs {file}");
    refused(misspelt, "{prot}");
    refused(many, "at most 64");
    many[FLASH_ARGV_WORDS_MAX] = NULL;
    assert_int_equal(flash_argv_check(many, why, sizeof why), 0);
}

static void a_copy_keeps_the_placeholders(void **state)
{
    (void)state;
    const char *const words[] = {"a", "{file}", NULL};
    char **copy = flash_argv_copy(words);
    assert_non_null(copy);
    assert_string_equal(copy[1], "{file}");
    assert_null(copy[2]);
    flash_argv_free(copy);
    flash_argv_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(placeholders_inside_words_become_text_of_the_same_word),
        cmocka_unit_test(no_value_is_split_or_looked_into),
        cmocka_unit_test(braces_of_the_program_s_own_stay),
        cmocka_unit_test(words_that_are_no_flasher_are_refused_with_what_to_change),
        cmocka_unit_test(a_copy_keeps_the_placeholders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
