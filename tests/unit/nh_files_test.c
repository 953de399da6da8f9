/* A firmware file becomes the image that is flashed, or is refused with a reason; and nothing is
 * thrown away that a board may need. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nerveshub/nh_check.h"
#include "nerveshub/nh_holders.h"
#include "nerveshub/nh_keep.h"
#include "nerveshub/nh_ring.h"
#include "nerveshub/nh_store.h"
#include "pack.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VECTORS "../vectors/fw/"
#define MULTI   "8b467faf-4e35-565a-4741-d25b3cf94cd6"
#define ONE     "206d2695-f7b3-5efd-05c8-5d40adeac947"
#define TWO     "2cc211b5-e7c5-5b9c-b678-c70df78babe5"

static char folder[64];
static struct nh_files_options options;

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/nh_files_XXXXXX");
    options = (struct nh_files_options){.folder = folder, .image_max = 1u << 20};
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

static const char *path_of(const char *name)
{
    static char path[200];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static bool is_there(const char *name)
{
    return access(path_of(name), F_OK) == 0;
}

static void put(const char *name)
{
    int fd = open(path_of(name), O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void put_vector(const char *vector, const char *name)
{
    char command[300];
    snprintf(command, sizeof(command), "cp " VECTORS "%s %s/%s", vector, folder, name);
    assert_int_equal(system(command), 0);
}

static struct nh_check check(const char *uuid, const char *resource)
{
    struct nh_check c = {.options = &options};
    snprintf(c.uuid, sizeof(c.uuid), "%s", uuid);
    snprintf(c.resource, sizeof(c.resource), "%s", resource);
    nh_check_run(&c);
    return c;
}

static void refused(const char *uuid, const char *resource, bool for_good, const char *why)
{
    struct nh_check c = check(uuid, resource);
    assert_false(c.good);
    assert_int_equal(c.for_good, for_good);
    if (strstr(c.why, why) == NULL)
        fail_msg("\"%s\" instead of \"%s\"", c.why, why);
}

/* A file of one image, put where it would be after its download; its uuid. */
static const char *put_packed(const uint8_t *image, size_t n, const char *resource)
{
    static struct fw_meta meta;
    static const struct fw_keys none;
    char why[FW_WHY_MAX], to[200];
    struct pack pack = {.product = "p",
                        .version = "1",
                        .platform = "avr",
                        .architecture = "avr8",
                        .resource = resource,
                        .image = image,
                        .image_bytes = n};
    assert_int_equal(pack_write(&pack, path_of("x"), why, sizeof(why)), 0);
    assert_int_equal(fw_check(path_of("x"), &none, 0, NULL, &meta, why), FW_GOOD);
    snprintf(to, sizeof(to), "%s/%s.fw", folder, meta.uuid);
    assert_int_equal(rename(path_of("x"), to), 0);
    return meta.uuid;
}

static const uint8_t IMAGE[] = "boot\4\0\0\0\10\0\0\0\3\0\0\0GNU\0ABCDEFGHrest";

static void the_image_is_taken_out_and_known_by_its_build_id(void **state)
{
    (void)state;
    struct nh_firmware found;
    char bytes[100], name[NH_UUID_TEXT + 16];
    const char *uuid = put_packed(IMAGE, sizeof(IMAGE), "anything");
    struct nh_check c = check(uuid, "");
    assert_true(c.good);
    snprintf(name, sizeof(name), "%s-0.image", uuid);
    assert_string_equal(c.image, path_of(name));
    FILE *in = fopen(c.image, "rb");
    assert_int_equal(fread(bytes, 1, sizeof(bytes), in), sizeof(IMAGE));
    fclose(in);
    assert_memory_equal(bytes, IMAGE, sizeof(IMAGE));
    assert_string_equal(c.meta.platform, "avr");
    assert_true(nh_store_find(folder, (const uint8_t *)"ABCDEFGH", 8, "", &found));
    assert_string_equal(found.uuid, uuid);
}

static void what_cannot_be_told_apart_is_asked_for(void **state)
{
    (void)state;
    put_vector("multi-signed.fw", MULTI ".fw");
    refused(MULTI, "", true, "several images: say which one");
    refused(MULTI, "nosuch.bin", true, "no resource \"nosuch.bin\"");
    refused(MULTI, "empty.bin", true, "is empty");
    refused(MULTI, "dir/second.bin", true, "no build id");
    assert_true(is_there(MULTI ".fw"));
}

static void a_file_that_is_not_what_it_is_called_is_removed(void **state)
{
    (void)state;
    put_vector("lab-1.0.0-signed.fw", TWO ".fw");
    refused(TWO, "", true, "another firmware than the server named");
    assert_false(is_there(TWO ".fw"));
    put_vector("tampered-data.fw", ONE ".fw");
    refused(ONE, "", false, "is not the data");
    assert_false(is_there(ONE ".fw"));
    refused(ONE, "", true, "not kept here");
}

static void a_signature_is_asked_for_where_keys_are_set(void **state)
{
    (void)state;
    char text[64] = {0};
    FILE *in = fopen(VECTORS "labkey.pub", "r");
    size_t n = fread(text, 1, sizeof(text), in);
    fclose(in);
    assert_int_equal(fw_keys_add(&options.keys, text, n), 0);
    put_vector("lab-1.0.0-unsigned.fw", ONE ".fw");
    refused(ONE, "", false, "nobody signed");
    put_vector("lab-1.0.0-signed-by-otherkey.fw", ONE ".fw");
    refused(ONE, "", false, "none of the public keys");
    put_vector("lab-1.0.0-signed.fw", ONE ".fw");
    refused(ONE, "", true, "no build id");
}

static void a_large_image_and_a_full_disk_leave_nothing_behind(void **state)
{
    (void)state;
    char image[NH_UUID_TEXT + 16], part[NH_UUID_TEXT + 16];
    const char *uuid = put_packed(IMAGE, sizeof(IMAGE), "a.bin");
    snprintf(image, sizeof(image), "%s-0.image", uuid);
    snprintf(part, sizeof(part), "%s.image.new", uuid);
    options.keep_free = UINT64_MAX / 2;
    refused(uuid, "", false, "cannot be stored: No space");
    options.keep_free = 0;
    options.image_max = 10;
    refused(uuid, "", true, "bytes, and 10 are allowed");
    assert_false(is_there(image) || is_there(part));
}

static enum nh_need holds_one(void *user, const char *uuid, bool image)
{
    (void)user;
    return strcmp(uuid, ONE) == 0 && !image ? NH_NEED_NOW : NH_NEED_NONE;
}

static void what_no_board_needs_is_removed_and_nothing_else(void **state)
{
    (void)state;
    const char *const kept[] = {ONE ".fw",   ONE ".part", ONE ".etag",          ONE ".json",
                                TWO ".json", TWO ".part", "board-" TWO ".json", "notes.txt",
                                TWO ".txt",  "x.fw"};
    const char *const gone[] = {TWO ".fw", TWO "-0.image", ONE "-0.image"};
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        put(kept[i]);
    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
        put(gone[i]);
    nh_keep_prune(folder, holds_one, NULL);
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        assert_true(is_there(kept[i]));
    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
        assert_false(is_there(gone[i]));
}

static enum nh_need need_of(void *user, const char *uuid, bool image)
{
    return nh_holders_need(user, uuid, image);
}

/* The file of a board that runs it, `number` days old; `coming`: beside an update under way. */
static void put_of_board(struct nh_holders *holders, int number, bool left, const char *coming)
{
    char id[NH_UUID_TEXT], name[64];
    struct nh_record record = {.stage = coming[0] != '\0' ? NH_FLASHING : NH_IDLE};
    const struct timespec times[2] = {{.tv_nsec = UTIME_NOW},
                                      {.tv_sec = 1000000000 - number * 24 * 60 * 60}};
    snprintf(id, sizeof(id), "e25292ef-6eb1-503d-a887-%012d", number);
    snprintf(record.running, sizeof(record.running), "2cc211b5-e7c5-5b9c-b678-%012d", number);
    snprintf(record.uuid, sizeof(record.uuid), "%s", coming);
    nh_holders_record(holders, id, &record);
    nh_holders_get(holders, id)->left = left;
    snprintf(name, sizeof(name), "%s.fw", record.running);
    put(name);
    assert_int_equal(utimensat(AT_FDCWD, path_of(name), times, 0), 0);
}

static bool file_of_board_is_there(int number)
{
    char name[64];
    snprintf(name, sizeof(name), "2cc211b5-e7c5-5b9c-b678-%012d.fw", number);
    return is_there(name);
}

static void
of_boards_that_left_the_newest_files_are_kept_and_all_of_an_update_under_way(void **state)
{
    (void)state;
    struct nh_holders holders = {0};
    for (int i = 0; i < NH_LATER_MAX + 3; i++)
        put_of_board(&holders, i, true, "");
    put_of_board(&holders, 100, true, ONE);
    put_of_board(&holders, 101, false, "");
    put(ONE ".fw");
    put(ONE "-0.image");
    nh_keep_prune(folder, need_of, &holders);
    for (int i = 0; i < NH_LATER_MAX + 3; i++)
        assert_int_equal(file_of_board_is_there(i), i < NH_LATER_MAX);
    assert_true(file_of_board_is_there(100) && is_there(ONE ".fw") && is_there(ONE "-0.image"));
    assert_true(file_of_board_is_there(101));
    nh_holders_free(&holders);
}

static void what_one_that_left_shares_with_one_that_is_there_stays(void **state)
{
    (void)state;
    struct nh_holders holders = {0};
    const struct nh_record record = {.running = ONE};
    nh_holders_record(&holders, "a", &record);
    nh_holders_record(&holders, "b", &record);
    assert_int_equal(nh_holders_need(&holders, ONE, false), NH_NEED_NOW);
    nh_holders_all_left(&holders);
    assert_int_equal(nh_holders_need(&holders, ONE, false), NH_NEED_LATER);
    assert_int_equal(nh_holders_need(&holders, ONE, true), NH_NEED_NONE);
    assert_int_equal(nh_holders_need(&holders, TWO, false), NH_NEED_NONE);
    nh_holders_get(&holders, "a")->left = false;
    assert_int_equal(nh_holders_need(&holders, ONE, false), NH_NEED_NOW);
    nh_holders_free(&holders);
}

static void half_a_download_is_kept_for_a_day(void **state)
{
    (void)state;
    const struct timespec old[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = 1000000000}};
    put(TWO ".part");
    nh_keep_prune(folder, holds_one, NULL);
    assert_true(is_there(TWO ".part"));
    assert_int_equal(utimensat(AT_FDCWD, path_of(TWO ".part"), old, 0), 0);
    nh_keep_prune(folder, holds_one, NULL);
    assert_false(is_there(TWO ".part"));
}

static void of_what_is_only_known_the_oldest_is_forgotten(void **state)
{
    (void)state;
    char name[64];
    for (int i = 0; i <= NH_KNOWN_MAX; i++) {
        const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = 1000000000 + i}};
        snprintf(name, sizeof(name), "2cc211b5-e7c5-5b9c-b678-%012d.json", i);
        put(name);
        assert_int_equal(utimensat(AT_FDCWD, path_of(name), times, 0), 0);
    }
    nh_keep_prune(folder, holds_one, NULL);
    nh_keep_prune(folder, holds_one, NULL);
    assert_false(is_there("2cc211b5-e7c5-5b9c-b678-000000000000.json"));
    assert_true(is_there("2cc211b5-e7c5-5b9c-b678-000000000001.json"));
}

static void what_was_half_written_at_the_end_is_removed_at_the_start(void **state)
{
    (void)state;
    put("board-" ONE ".json.new");
    put(TWO ".image.new");
    put("mine.new");
    put(ONE ".fw");
    nh_keep_clean(folder);
    assert_false(is_there("board-" ONE ".json.new") || is_there(TWO ".image.new"));
    assert_true(is_there("mine.new") && is_there(ONE ".fw"));
}

static void bytes_that_wait_come_out_as_they_went_in(void **state)
{
    (void)state;
    struct nh_ring ring = {0};
    uint32_t random = 1;
    unsigned char in = 0, out = 0;
    for (int i = 0; i < 10000; i++) {
        char bytes[16];
        size_t n, some = (random = random * 1664525 + 1013904223) >> 28;
        for (size_t j = 0; j < some; j++)
            bytes[j] = (char)(in + j);
        in = (unsigned char)(in + nh_ring_add(&ring, 37, bytes, some));
        assert_true(ring.length <= 37);
        const char *from = nh_ring_peek(&ring, &n);
        n = n < (random >> 27 & 7) ? n : random >> 27 & 7;
        for (size_t j = 0; j < n; j++)
            assert_int_equal((unsigned char)from[j], out++);
        nh_ring_drop(&ring, n);
        assert_int_equal(ring.bytes == NULL, ring.length == 0);
    }
    nh_ring_free(&ring);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(the_image_is_taken_out_and_known_by_its_build_id),
        WITH_FOLDER(what_cannot_be_told_apart_is_asked_for),
        WITH_FOLDER(a_file_that_is_not_what_it_is_called_is_removed),
        WITH_FOLDER(a_signature_is_asked_for_where_keys_are_set),
        WITH_FOLDER(a_large_image_and_a_full_disk_leave_nothing_behind),
        WITH_FOLDER(what_no_board_needs_is_removed_and_nothing_else),
        WITH_FOLDER(of_boards_that_left_the_newest_files_are_kept_and_all_of_an_update_under_way),
        cmocka_unit_test(what_one_that_left_shares_with_one_that_is_there_stays),
        WITH_FOLDER(half_a_download_is_kept_for_a_day),
        WITH_FOLDER(of_what_is_only_known_the_oldest_is_forgotten),
        WITH_FOLDER(what_was_half_written_at_the_end_is_removed_at_the_start),
        cmocka_unit_test(bytes_that_wait_come_out_as_they_went_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
