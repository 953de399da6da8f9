/*
 * The description: written through any window, read strictly, and the same on both sides.
 */
#include "mp_crc.h"
#include "mp_describe.h"
#include "mp_host_describe.h"
#include "mp_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void any_window_of_it_is_a_piece_of_the_whole(void **state)
{
    uint8_t whole[512], piece[512];
    uint32_t hash;
    (void)state;
    size_t total = mp_describe(&world_described, 0, whole, sizeof whole, &hash);
    assert_in_range(total, 50, sizeof whole);
    assert_int_equal(hash, mp_crc32(0, whole, total));
    for (size_t offset = 0; offset <= total; offset++)
        for (size_t n = 0; n < 40; n += 13) {
            memset(piece, 0xa5, sizeof piece);
            assert_int_equal(mp_describe(&world_described, offset, piece, n, NULL), total);
            size_t there = total - offset < n ? total - offset : n;
            assert_memory_equal(piece, whole + offset, there);
            assert_int_equal(piece[there], 0xa5);
        }
}

static void the_host_reads_what_the_device_wrote(void **state)
{
    static struct mp_description_tables tables;
    struct mp_description d;
    uint8_t raw[512];
    (void)state;
    size_t total = mp_describe(&world_described, 0, raw, sizeof raw, NULL);
    assert_null(mp_description_parse(raw, total, &tables, &d));
    assert_string_equal(d.product, "stub");
    assert_string_equal(d.version, "1.0.0");
    assert_string_equal(d.architecture, "arm");
    assert_string_equal(d.platform, "generic");
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(d.sensors[i].name, world_sensors[i].name);
        assert_int_equal(d.sensors[i].type, world_sensors[i].type);
        assert_int_equal(d.sensors[i].exponent, world_sensors[i].exponent);
    }
    assert_string_equal(d.sensors[1].kind, "pressure");
    assert_string_equal(d.sensors[1].unit, "hPa");
    assert_string_equal(d.sensors[2].unit, "l/min");
    for (size_t i = 0; i < WORLD_CONTROLS; i++) {
        assert_string_equal(d.controls[i].name, world_controls[i].name);
        assert_int_equal(d.controls[i].min.i, world_controls[i].min.i);
        assert_int_equal(d.controls[i].failsafe.i, world_controls[i].failsafe.i);
    }
}

static void its_tables_move_to_just_as_much_room_as_they_take(void **state)
{
    static struct mp_description_tables tables;
    struct mp_description d;
    uint8_t raw[512];
    (void)state;
    size_t total = mp_describe(&world_described, 0, raw, sizeof raw, NULL);
    assert_null(mp_description_parse(raw, total, &tables, &d));
    size_t bytes = mp_description_tables_bytes(&d);
    void *room = malloc(bytes);
    assert_in_range(bytes, 1, sizeof tables - 1);
    mp_description_move(&d, room);
    memset(&tables, 0, sizeof tables);
    assert_string_equal(d.sensors[1].kind, "pressure");
    assert_int_equal(d.sensor_types[1], world_sensors[1].type);
    assert_string_equal(d.controls[0].name, world_controls[0].name);
    assert_int_equal(d.controls[0].max.i, world_controls[0].max.i);
    free(room);
}

static void cut_anywhere_or_longer_it_is_refused(void **state)
{
    static struct mp_description_tables tables;
    struct mp_description d;
    uint8_t whole[512], raw[512];
    (void)state;
    size_t total = mp_describe(&world_described, 0, whole, sizeof whole, NULL);
    for (size_t n = 0; n < total; n++) {
        memcpy(raw, whole, n);
        assert_non_null(mp_description_parse(raw, n, &tables, &d));
    }
    memcpy(raw, whole, total);
    raw[total] = 0;
    assert_string_equal(mp_description_parse(raw, total + 1, &tables, &d),
                        "description: bytes behind its end");
}

/* A description of one sensor or one control, with `name`. */
static const char *read_one(bool control, const char *name, size_t len, const uint8_t *rest,
                            size_t n)
{
    static struct mp_description_tables tables;
    struct mp_description d;
    uint8_t raw[512] = {MP_DESCRIBE_FORMAT, 0, 0, 0, 0};
    size_t at = 5;
    raw[at++] = !control;
    if (control)
        raw[at++] = 1;
    raw[at++] = (uint8_t)len;
    memcpy(raw + at, name, len);
    at += len;
    memcpy(raw + at, rest, n);
    at += n;
    if (!control)
        raw[at++] = 0;
    return mp_description_parse(raw, at, &tables, &d);
}

static void names_are_whole_printable_utf8(void **state)
{
    static const uint8_t plain[] = {MP_KIND_TEMPERATURE, MP_TYPE_I16, 0};
    static const struct {
        const char *name;
        size_t len;
        bool good;
    } cases[] = {
        {"t", 1, true},
        {"\xc3\xa4", 2, true},
        {"\xf0\x9f\x8c\xa1", 4, true},
        {"", 0, false},
        {"a\nb", 3, false},
        {"a\x7f", 2, false},
        {"a\0b", 3, false},
        {"\xc2\x80", 2, false},
        {"\xc3", 1, false},
        {"\xc0\xaf", 2, false},
        {"\xe0\x80\x80", 3, false},
        {"\xed\xa0\x80", 3, false},
        {"\x80", 1, false},
        {"\xff", 1, false},
        {"\xf4\x90\x80\x80", 4, false},
        {"\xf8\x88\x80\x80", 4, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *wrong = read_one(false, cases[i].name, cases[i].len, plain, sizeof plain);
        if (cases[i].good != (wrong == NULL))
            fail_msg("case %zu: %s", i, wrong == NULL ? "taken" : wrong);
    }
}

static void numbers_are_checked(void **state)
{
    static const struct {
        const char *what;
        bool control;
        uint8_t rest[20];
        size_t n;
        const char *wrong;
    } cases[] = {
        {"kind", false, {99, 1, 0}, 3, "description: unknown kind of reading"},
        {"type", false, {1, 9, 0}, 3, "description: unknown value type"},
        {"exponent", false, {1, 1, 13}, 3, "description: exponent out of range"},
        {"exponent", false, {1, 1, 0xf3}, 3, "description: exponent out of range"},
        {"exponent of a float",
         false,
         {1, 3, 1},
         3,
         "description: an exponent on a type that has none"},
        {"bool of 2", true, {0, 0, 0, 2, 0, 0}, 6, "description: a bound is no value of its type"},
        {"failsafe out of range",
         true,
         {1, 0, 0, 0, 9, 0, 1, 0, 10, 0},
         10,
         "description: a control's values are not within its bounds"},
        {"min over max",
         true,
         {1, 0, 9, 0, 0, 0, 1, 0, 1, 0},
         10,
         "description: a control's values are not within its bounds"},
        {"NaN", true, {3, 0, 0, 0, 0xc0, 0x7f}, 18, "description: a bound is no value of its type"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *wrong = read_one(cases[i].control, "x", 1, cases[i].rest, cases[i].n);
        if (wrong == NULL || strcmp(wrong, cases[i].wrong) != 0)
            fail_msg("%s: %s", cases[i].what, wrong == NULL ? "taken" : wrong);
    }
}

static void two_controls_of_one_name_are_refused(void **state)
{
    static struct mp_description_tables tables;
    struct mp_description d;
    uint8_t raw[] = {
        MP_DESCRIBE_FORMAT, 0, 0, 0, 0, 0, 2, 1, 'a', 0, 0, 0, 1, 0, 0, 1, 'a', 0, 0, 0, 1, 0, 0};
    (void)state;
    assert_string_equal(mp_description_parse(raw, sizeof raw, &tables, &d),
                        "description: two controls of one name");
}

/* The bytes of a description that is fetched take the place of the one before at once, so what was
 * known of that is gone, even when the new one turns out to be none. */
static void a_description_that_makes_no_sense_leaves_none_behind(void **state)
{
    static const struct mp_sensor odd[] = {
        {.name = "\x01", .kind = MP_KIND_TEMPERATURE, .type = MP_TYPE_I16}};
    struct world *world = malloc(sizeof *world);
    (void)state;
    world_init(world, 1, 115200, 1000);
    assert_true(sim_until(&world->sim, world_ready, world, 1000000));
    struct mp_device_config sound = world->device_config;
    world->device_config.sensors = odd;
    world->device_config.sensor_count = 1;
    world_restart_device(world);
    sim_run(&world->sim, 1000000);
    assert_int_equal(world->host.state, MP_HOST_DESCRIBING);
    assert_true(world->nonsenses > 0);
    world->device_config = sound;
    world_restart_device(world);
    sim_run(&world->sim, 1000000);
    assert_int_equal(world->host.state, MP_HOST_READY);
    assert_int_equal(world->host.description.sensor_count, 4);
    assert_string_equal(world->host.description.sensors[0].name, "bme280");
    world_free(world);
    free(world);
}

/* -- What a person reads of a mismatch. */

static void told(struct mp_mismatch mismatch, const char *wanted)
{
    char text[160];
    assert_ptr_equal(mp_mismatch_text(&mismatch, text, sizeof text), text);
    assert_string_equal(text, wanted);
}

static void a_mismatch_names_both_sides_and_what_to_do(void **state)
{
    char text[20];
    (void)state;
    told((struct mp_mismatch){MP_MISMATCH_PROTOCOL, 1, 2},
         "the device speaks version 1 of the protocol, this program version 2: update the device's "
         "firmware");
    told((struct mp_mismatch){MP_MISMATCH_PROTOCOL, 255, 1},
         "the device speaks version 255 of the protocol, this program version 1: update this "
         "program");
    told((struct mp_mismatch){MP_MISMATCH_FORMAT, 0, 1},
         "the device describes itself in format 0, this program reads format 1: update the "
         "device's firmware");
    told((struct mp_mismatch){MP_MISMATCH_SCHEMA, 0xdeadbeef, 7},
         "the device announces the description deadbeef and sends 00000007: build and flash its "
         "firmware as a whole");
    told((struct mp_mismatch){MP_MISMATCH_NONE, 0, 0}, "the device and this program agree");
    mp_mismatch_text(&(struct mp_mismatch){MP_MISMATCH_PROTOCOL, 1, 2}, text, sizeof text);
    assert_string_equal(text, "the device speaks v");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_window_of_it_is_a_piece_of_the_whole),
        cmocka_unit_test(the_host_reads_what_the_device_wrote),
        cmocka_unit_test(its_tables_move_to_just_as_much_room_as_they_take),
        cmocka_unit_test(cut_anywhere_or_longer_it_is_refused),
        cmocka_unit_test(names_are_whole_printable_utf8),
        cmocka_unit_test(numbers_are_checked),
        cmocka_unit_test(two_controls_of_one_name_are_refused),
        cmocka_unit_test(a_description_that_makes_no_sense_leaves_none_behind),
        cmocka_unit_test(a_mismatch_names_both_sides_and_what_to_do),
    };
    return cmocka_run_group_tests_name("mp_describe", tests, NULL, NULL);
}
