/* Firmware files are judged as fwup judges them. The verdicts stand in
 * tests/vectors/fw/verdicts.tsv. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fw/fw_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VECTORS "../vectors/fw/"

static void load_key(struct fw_keys *keys, const char *name)
{
    char path[256], text[128];
    snprintf(path, sizeof(path), VECTORS "%s", name);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    size_t n = fread(text, 1, sizeof(text), in);
    fclose(in);
    assert_int_equal(fw_keys_add(keys, text, n), 0);
}

static enum fw_verdict judge(const char *file, const struct fw_keys *keys, uint64_t max,
                             const struct fw_sink *sink, struct fw_meta *meta, char *why)
{
    char path[256];
    snprintf(path, sizeof(path), VECTORS "%s", file);
    return fw_check(path, keys, max, sink, meta, why);
}

static void every_file_is_judged_as_fwup_judges_it(void **state)
{
    (void)state;
    static struct fw_meta meta;
    struct fw_keys lab = {0}, none = {0};
    char line[512], why[FW_WHY_MAX];
    int files = 0;
    load_key(&lab, "labkey.pub");
    FILE *in = fopen(VECTORS "verdicts.tsv", "r");
    assert_non_null(in);
    while (fgets(line, sizeof(line), in) != NULL) {
        char file[64], uuid[64], open[16], locked[16];
        if (line[0] == '#')
            continue;
        assert_int_equal(
            sscanf(line, "%63[^\t]\t%63[^\t]\t%15[^\t]\t%15[^\t]", file, uuid, open, locked), 4);
        bool good = judge(file, &none, 0, NULL, &meta, why) == FW_GOOD;
        if (good != (strcmp(open, "good") == 0))
            fail_msg("%s without a key: fwup says %s; here: %s", file, open, why);
        if (good)
            assert_string_equal(meta.uuid, uuid);
        good = judge(file, &lab, 0, NULL, &meta, why) == FW_GOOD;
        if (good != (strcmp(locked, "good") == 0))
            fail_msg("%s with labkey: fwup says %s; here: %s", file, locked, why);
        files++;
    }
    fclose(in);
    assert_int_equal(files, 20);
}

static void an_unsigned_and_a_foreign_file_are_told_apart(void **state)
{
    (void)state;
    static struct fw_meta meta;
    struct fw_keys lab = {0}, other = {0};
    char why[FW_WHY_MAX];
    load_key(&lab, "labkey.pub");
    load_key(&other, "otherkey.pub");
    assert_int_equal(judge("lab-1.0.0-unsigned.fw", &lab, 0, NULL, &meta, why), FW_UNSIGNED);
    assert_int_equal(judge("lab-1.0.0-signed-by-otherkey.fw", &lab, 0, NULL, &meta, why),
                     FW_FOREIGN);
    assert_int_equal(judge("lab-1.0.0-signed-by-otherkey.fw", &other, 0, NULL, &meta, why),
                     FW_GOOD);
    load_key(&lab, "otherkey.pub");
    assert_int_equal(judge("lab-1.0.0-signed-by-otherkey.fw", &lab, 0, NULL, &meta, why), FW_GOOD);
    assert_int_equal(judge("no such file", &lab, 0, NULL, &meta, why), FW_UNREADABLE);
}

static void names_and_resources_are_read(void **state)
{
    (void)state;
    static struct fw_meta meta;
    char why[FW_WHY_MAX];
    assert_int_equal(judge("multi-signed.fw", NULL, 0, NULL, &meta, why), FW_GOOD);
    assert_string_equal(meta.product, "mcu bridge \"quoted\" \xc3\xa9");
    assert_string_equal(meta.version, "2.0.0-rc.1+b5");
    assert_string_equal(meta.platform, "avr");
    assert_string_equal(meta.architecture, "avr8");
    assert_string_equal(meta.author, "");
    assert_int_equal(meta.resource_count, 3);
    assert_int_equal(fw_meta_resource(&meta, "empty.bin")->length, 0);
    assert_int_equal(fw_meta_resource(&meta, "dir/second.bin")->length, 700);
    assert_null(fw_meta_resource(&meta, "second.bin"));
}

struct taken {
    size_t bytes;
    size_t stop_after;
    uint8_t first[9];
};

static int take(void *user, const uint8_t *bytes, size_t n)
{
    struct taken *taken = user;
    if (taken->bytes == 0)
        memcpy(taken->first, bytes, sizeof(taken->first));
    taken->bytes += n;
    return taken->stop_after > 0 && taken->bytes >= taken->stop_after ? -1 : 0;
}

static void the_image_is_handed_out_while_it_is_read(void **state)
{
    (void)state;
    static struct fw_meta meta;
    char why[FW_WHY_MAX];
    struct taken taken = {0};
    struct fw_sink sink = {"firmware.hex", &taken, take};
    assert_int_equal(judge("lab-1.0.0-signed.fw", NULL, 8457, &sink, &meta, why), FW_GOOD);
    assert_int_equal(taken.bytes, 8457);
    assert_memory_equal(taken.first, ":10000000", 9);
    struct taken full = {.stop_after = 1};
    sink.user = &full;
    assert_int_equal(judge("lab-1.0.0-signed.fw", NULL, 0, &sink, &meta, why), FW_UNREADABLE);
}

static void an_image_larger_than_allowed_is_refused_before_a_byte_of_it_is_taken(void **state)
{
    (void)state;
    static struct fw_meta meta;
    char why[FW_WHY_MAX];
    struct taken taken = {0};
    struct fw_sink sink = {"firmware.hex", &taken, take};
    assert_int_equal(judge("lab-1.0.0-signed.fw", NULL, 8456, &sink, &meta, why), FW_TOO_LARGE);
    assert_int_equal(taken.bytes, 0);
    assert_non_null(strstr(why, "8457"));
    assert_non_null(strstr(why, "8456"));
}

static int parse(const char *conf, struct fw_meta *meta, char *why)
{
    return fw_meta_parse(conf, strlen(conf), meta, why);
}

static void the_environment_never_reaches_a_name(void **state)
{
    (void)state;
    static struct fw_meta meta;
    char why[FW_WHY_MAX];
    setenv("MCU_TEST_SECRET", "hunter2", 1);
    assert_int_equal(parse("meta-version=\"${MCU_TEST_SECRET}\"\n", &meta, why), 0);
    assert_string_equal(meta.version, "${MCU_TEST_SECRET}");
    assert_int_equal(parse("meta-version=${MCU_TEST_SECRET}\n", &meta, why), -1);
}

static void what_no_microcontroller_can_use_is_refused_by_name(void **state)
{
    (void)state;
    static struct fw_meta meta;
    char why[FW_WHY_MAX], line[FW_TEXT_MAX + 64];
    assert_int_equal(parse("file-resource \"a\" {\nlength={1,2,3}\n}\n", &meta, why), -1);
    assert_non_null(strstr(why, "holes"));
    assert_int_equal(parse("file-resource \"a\" {\nlength=3\n}\n", &meta, why), -1);
    assert_non_null(strstr(why, "blake2b-256"));
    assert_int_equal(parse("meta-product=\"a\\x01b\"\n", &meta, why), -1);
    assert_non_null(strstr(why, "meta-product"));
    snprintf(line, sizeof(line), "meta-product=\"%0*d\"\n", FW_TEXT_MAX, 0);
    assert_int_equal(parse(line, &meta, why), -1);
    assert_non_null(strstr(why, "too long"));
    assert_int_equal(fw_meta_parse("a=b\0c", 5, &meta, why), -1);
}

static void a_key_is_the_base64_of_32_bytes_and_nothing_else(void **state)
{
    (void)state;
    static const char good[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    struct fw_keys keys = {0};
    assert_int_equal(fw_keys_add(&keys, good, strlen(good)), 0);
    assert_int_equal(fw_keys_add(&keys, good, strlen(good) - 5), -1);
    assert_int_equal(fw_keys_add(&keys, "", 0), -1);
    assert_int_equal(fw_keys_add(&keys, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=x", 45), -1);
    while (keys.count < FW_KEYS_MAX)
        assert_int_equal(fw_keys_add(&keys, good, strlen(good)), 0);
    assert_int_equal(fw_keys_add(&keys, good, strlen(good)), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_is_judged_as_fwup_judges_it),
        cmocka_unit_test(an_unsigned_and_a_foreign_file_are_told_apart),
        cmocka_unit_test(names_and_resources_are_read),
        cmocka_unit_test(the_image_is_handed_out_while_it_is_read),
        cmocka_unit_test(an_image_larger_than_allowed_is_refused_before_a_byte_of_it_is_taken),
        cmocka_unit_test(the_environment_never_reaches_a_name),
        cmocka_unit_test(what_no_microcontroller_can_use_is_refused_by_name),
        cmocka_unit_test(a_key_is_the_base64_of_32_bytes_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
