/*
 * Which image id a file has.
 */
#include "mp_image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NOTE = 16, ID = 20 };

static const uint8_t note[NOTE] = {4, 0, 0, 0, ID, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0};
static uint8_t out[MP_IMAGE_ID_MAX];

/* A file of `n` bytes with a note at `at`, exactly as long, so that reading beyond it shows. */
static uint8_t *file_with(size_t n, size_t at)
{
    uint8_t *file = malloc(n);

    assert_non_null(file);
    memset(file, 4, n);
    memcpy(file + at, note, NOTE);
    for (size_t i = 0; i < ID && at + NOTE + i < n; i++)
        file[at + NOTE + i] = (uint8_t)(0xa0 + i);
    memset(out, 0, sizeof out);
    return file;
}

static void the_id_is_found_wherever_it_stands(void **state)
{
    (void)state;
    for (size_t at = 0; at < 40; at++) {
        size_t n = at + NOTE + ID + (at % 3);
        uint8_t *file = file_with(n, at);
        assert_int_equal(mp_image_find_id(file, n, out), ID);
        assert_int_equal(out[0], 0xa0);
        assert_int_equal(out[ID - 1], 0xa0 + ID - 1);
        free(file);
    }
}

static void a_note_that_is_cut_short_is_none(void **state)
{
    (void)state;
    for (size_t n = NOTE; n < NOTE + ID; n++) {
        uint8_t *file = file_with(n, 0);
        assert_int_equal(mp_image_find_id(file, n, out), 0);
        free(file);
    }
    assert_int_equal(mp_image_find_id(note, 0, out), 0);
    assert_int_equal(mp_image_find_id(note, 3, out), 0);
}

static void a_long_id_is_cut_to_what_a_hello_carries_and_a_short_one_is_not(void **state)
{
    uint8_t *file = file_with(NOTE + 64, 0);
    (void)state;
    file[4] = 32;
    assert_int_equal(mp_image_find_id(file, NOTE + 64, out), MP_IMAGE_ID_MAX);
    file[4] = 8;
    assert_int_equal(mp_image_find_id(file, NOTE + 64, out), 8);
    file[4] = 0;
    assert_int_equal(mp_image_find_id(file, NOTE + 64, out), 0);
    file[4] = ID;
    file[7] = 1;
    assert_int_equal(mp_image_find_id(file, NOTE + 64, out), 0);
    free(file);
}

static void a_note_of_another_kind_is_passed_over(void **state)
{
    uint8_t *file = file_with(200, 100);
    (void)state;
    memcpy(file, note, NOTE);
    file[8] = 1; /* the ABI's */
    assert_int_equal(mp_image_find_id(file, 200, out), ID);
    assert_int_equal(out[1], 0xa1);
    free(file);
}

static void of_two_that_differ_none_is_taken(void **state)
{
    uint8_t *file = file_with(200, 20);
    (void)state;
    memcpy(file + 100, file + 20, NOTE + ID); /* the same once more, as a boot loader may have it */
    assert_int_equal(mp_image_find_id(file, 200, out), ID);
    file[100 + NOTE + ID - 1] ^= 1;
    assert_int_equal(mp_image_find_id(file, 200, out), 0);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_id_is_found_wherever_it_stands),
        cmocka_unit_test(a_note_that_is_cut_short_is_none),
        cmocka_unit_test(a_long_id_is_cut_to_what_a_hello_carries_and_a_short_one_is_not),
        cmocka_unit_test(a_note_of_another_kind_is_passed_over),
        cmocka_unit_test(of_two_that_differ_none_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
