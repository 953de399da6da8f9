/* What has to outlive the program does, and nothing in a file can lead elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nerveshub/nh_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW "2cc211b5-e7c5-5b9c-b678-c70df78babe5"
#define OLD "206d2695-f7b3-5efd-05c8-5d40adeac947"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/nh_store_XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

static void put_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *out = fopen(path, "w");
    fputs(text, out);
    fclose(out);
}

static struct nh_firmware firmware(const char *uuid, const char *version)
{
    struct nh_firmware f = {.product = "p \"q\"", .platform = "avr", .architecture = "avr8"};
    snprintf(f.uuid, sizeof(f.uuid), "%s", uuid);
    snprintf(f.version, sizeof(f.version), "%s", version);
    return f;
}

static void a_record_is_there_again(void **state)
{
    (void)state;
    struct nh_record in = {.stage = NH_AWAITING,
                           .uuid = NEW,
                           .before = OLD,
                           .tries = 2,
                           .device = "02ff",
                           .running = OLD},
                     out;
    assert_true(nh_store_keep(folder, "bench 1", &in));
    nh_store_load(folder, "bench 1", &out);
    assert_int_equal(out.stage, NH_AWAITING);
    assert_int_equal(out.tries, 2);
    assert_string_equal(out.uuid, NEW);
    assert_string_equal(out.before, OLD);
    assert_string_equal(out.running, OLD);
    assert_string_equal(out.device, "02ff");
    nh_store_load(folder, "bench 2", &out);
    assert_int_equal(out.stage, NH_IDLE);
}

static void a_record_that_cannot_be_read_is_no_update(void **state)
{
    (void)state;
    struct nh_record out;
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "{\"stage\":99,\"tries\":0,\"uuid\":\"x\"}",
                                      "{\"stage\":3,\"tries\":-1,\"uuid\":\"x\"}",
                                      "{\"stage\":3,\"tries\":0}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put_file("board-a2b73805-dd49-59ad-ade8-ceb615550788.json", bad[i]);
        nh_store_load(folder, "bench 1", &out);
        assert_int_equal(out.stage, NH_IDLE);
    }
}

static void a_record_that_cannot_be_written_is_said(void **state)
{
    (void)state;
    struct nh_record record = {0};
    assert_false(nh_store_keep("/proc/nowhere", "bench 1", &record));
    assert_int_equal(nh_store_open("/proc/nowhere/deep"), -1);
    assert_int_equal(nh_store_open("/dev/null"), -1);
}

static void an_image_finds_its_firmware(void **state)
{
    (void)state;
    struct nh_firmware in = firmware(NEW, "1.1.0"), out;
    assert_true(nh_store_firmware(folder, &in, (const uint8_t *)"abcdefghijklmnopqrst", 20));
    assert_true(nh_store_find(folder, (const uint8_t *)"abcdefghijklmnopqrst", 20, "", &out));
    assert_string_equal(out.uuid, NEW);
    assert_string_equal(out.product, in.product);
    assert_string_equal(out.version, "1.1.0");
    assert_string_equal(out.misc, "");
    assert_false(nh_store_find(folder, (const uint8_t *)"abcdefghijklmnopqrs", 19, "", &out));
    assert_false(nh_store_find(folder, (const uint8_t *)"", 0, "", &out));
}

static void of_two_files_with_one_image_the_preferred_is_taken(void **state)
{
    (void)state;
    struct nh_firmware one = firmware(NEW, "1.1.0"), two = firmware(OLD, "1.0.0"), out;
    assert_true(nh_store_firmware(folder, &one, (const uint8_t *)"12345678", 8));
    assert_true(nh_store_firmware(folder, &two, (const uint8_t *)"12345678", 8));
    nh_store_find(folder, (const uint8_t *)"12345678", 8, NEW, &out);
    assert_string_equal(out.uuid, NEW);
    nh_store_find(folder, (const uint8_t *)"12345678", 8, OLD, &out);
    assert_string_equal(out.uuid, OLD);
    nh_store_find(folder, (const uint8_t *)"12345678", 8, "", &out);
    assert_string_equal(out.uuid, OLD);
}

static void a_file_of_two_images_is_found_by_either(void **state)
{
    (void)state;
    struct nh_firmware in = firmware(NEW, "1.1.0"), out;
    assert_true(nh_store_firmware(folder, &in, (const uint8_t *)"12345678", 8));
    assert_true(nh_store_firmware(folder, &in, (const uint8_t *)"abcdefgh", 8));
    assert_true(nh_store_firmware(folder, &in, (const uint8_t *)"abcdefgh", 8));
    assert_true(nh_store_find(folder, (const uint8_t *)"12345678", 8, "", &out));
    assert_true(nh_store_find(folder, (const uint8_t *)"abcdefgh", 8, "", &out));
}

static void count_record(void *user, const char *id, const struct nh_record *record)
{
    char expected[NH_UUID_TEXT];
    nh_board_id(record->tries == 1 ? "bench 1" : "bench 2", expected);
    assert_string_equal(id, expected);
    ++*(int *)user;
}

static void every_board_s_record_is_found(void **state)
{
    (void)state;
    struct nh_record record = {.stage = NH_FLASHING, .uuid = NEW, .tries = 1};
    struct nh_firmware in = firmware(NEW, "1.1.0");
    int count = 0;
    assert_true(nh_store_keep(folder, "bench 1", &record));
    record.tries = 2;
    assert_true(nh_store_keep(folder, "bench 2", &record));
    assert_true(nh_store_firmware(folder, &in, (const uint8_t *)"12345678", 8));
    put_file("board-x.json", "{}");
    nh_store_records(folder, count_record, &count);
    assert_int_equal(count, 2);
}

static void a_folder_that_others_may_enter_is_not_used(void **state)
{
    (void)state;
    assert_int_equal(nh_store_open(folder), 0);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(nh_store_open(folder), -1);
}

static void an_unknown_image_has_always_the_same_uuid_of_version_5(void **state)
{
    (void)state;
    char one[NH_UUID_TEXT], two[NH_UUID_TEXT];
    nh_uuid_of_image((const uint8_t *)"build", 5, one);
    /* python3: uuid5(uuid5(NAMESPACE_URL, "urn:mcu-bridge:image"), "build") */
    assert_string_equal(one, "239dfeaa-27b3-557d-abc8-45a3c8184b26");
    nh_uuid_of_image((const uint8_t *)"build", 4, two);
    assert_string_not_equal(one, two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_record_is_there_again, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_record_that_cannot_be_read_is_no_update, make_folder,
                                        remove_folder),
        cmocka_unit_test(a_record_that_cannot_be_written_is_said),
        cmocka_unit_test_setup_teardown(an_image_finds_its_firmware, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(of_two_files_with_one_image_the_preferred_is_taken,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_file_of_two_images_is_found_by_either, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(every_board_s_record_is_found, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_folder_that_others_may_enter_is_not_used, make_folder,
                                        remove_folder),
        cmocka_unit_test(an_unknown_image_has_always_the_same_uuid_of_version_5),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
