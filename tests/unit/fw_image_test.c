/* Images are read as the flash will hold them, and their build id is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fw/fw_image.h"
#include "fw/fw_meta.h"

#include <string.h>

static int read_text(const char *text, struct fw_image *image, char *why)
{
    return fw_image_read((const uint8_t *)text, strlen(text), image, why);
}

static void a_hex_file_with_a_gap_is_filled_as_erased_flash_is(void **state)
{
    (void)state;
    struct fw_image image;
    char why[FW_WHY_MAX];
    assert_int_equal(
        read_text(":020000040001F9\r\n:0401000001020304F1\r\n:0201060005 06EC\r\n", &image, why),
        -1);
    assert_int_equal(
        read_text(":020000040001F9\r\n:0401000001020304F1\r\n:020106000506EC\r\n:00000001FF\r\n",
                  &image, why),
        0);
    assert_int_equal(image.base, 0x10100);
    assert_int_equal(image.length, 8);
    assert_memory_equal(image.bytes, "\x01\x02\x03\x04\xff\xff\x05\x06", 8);
    fw_image_free(&image);
}

static void a_damaged_or_cut_hex_file_is_refused(void **state)
{
    (void)state;
    struct fw_image image;
    char why[FW_WHY_MAX];
    assert_int_equal(read_text(":0401000001020304F2\n:00000001FF\n", &image, why), -1);
    assert_int_equal(read_text(":0401000001020304F1\n", &image, why), -1);
    assert_int_equal(read_text(":00000001FF\n:0401000001020304F1\n", &image, why), -1);
    assert_int_equal(read_text(":0100000600F9\n:00000001FF\n", &image, why), -1);
    assert_int_equal(
        read_text(":0100000001FE\n:02000004FFFFFC\n:0100000001FE\n:00000001FF\n", &image, why), -1);
    assert_non_null(strstr(why, "16 MiB"));
}

static void the_vectors_of_fwup_are_8_kibibytes_less_of_image(void **state)
{
    (void)state;
    struct fw_image image;
    char why[FW_WHY_MAX];
    assert_int_equal(fw_image_load("../vectors/fw/v1.hex", &image, why), 0);
    assert_int_equal(image.base, 0);
    assert_memory_equal(image.bytes, "\x44\x20\x82\x3C", 4);
    fw_image_free(&image);
    assert_int_equal(fw_image_load("no such image", &image, why), -1);
    assert_non_null(strstr(why, "No such file"));
}

static void the_build_id_is_found_wherever_it_stands(void **state)
{
    (void)state;
    uint8_t raw[100] = {0}, id[FW_IMAGE_ID_MAX];
    static const uint8_t note[16] = {4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0};
    struct fw_image image = {raw, sizeof(raw), 0};
    assert_int_equal(fw_image_id(&image, id), 0);
    memcpy(raw + 64, note, 16);
    memcpy(raw + 80, "abcdefghijklmnopqrst", 20);
    assert_int_equal(fw_image_id(&image, id), 20);
    assert_memory_equal(id, "abcdefghijklmnopqrst", 20);
    memcpy(raw + 3, note, 16); /* another one: which of them the board will say is not known */
    assert_int_equal(fw_image_id(&image, id), 0);
    memcpy(raw + 19, "abcdefghijklmnopqrst", 20);
    assert_int_equal(fw_image_id(&image, id), 20);
    image.length = 90;
    raw[19] = 'b';
    assert_int_equal(fw_image_id(&image, id), 20);
    image.length = 30;
    assert_int_equal(fw_image_id(&image, id), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hex_file_with_a_gap_is_filled_as_erased_flash_is),
        cmocka_unit_test(a_damaged_or_cut_hex_file_is_refused),
        cmocka_unit_test(the_vectors_of_fwup_are_8_kibibytes_less_of_image),
        cmocka_unit_test(the_build_id_is_found_wherever_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
