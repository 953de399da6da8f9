/* A profile of rules fills in what a board is, and nothing that a board could choose freely. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "profile/profile_rules.h"

#include <stdio.h>

#include <stdlib.h>
#include <string.h>

static struct profile_ruled ruled;

static struct profile_rules rules(void)
{
    return (struct profile_rules){.topic = "device:{mac}",
                                  .credential = PROFILE_PARAM,
                                  .credential_name = "token",
                                  .upload_event = "new_msg",
                                  .upload_shape = PROFILE_OBJECT};
}

static const char *make(struct profile_rules rules)
{
    return profile_rules_make("custom", &rules, &ruled);
}

/* The topic of an identity, or NULL; *why is set then. */
static const char *topic_of(const char *template, const char *device, size_t length,
                            const char **why)
{
    static char topic[PROFILE_TOPIC_MAX];
    struct profile_rules with = rules();
    struct profile_board board = {"bench-1", (const uint8_t *)device, length};
    with.topic = template;
    assert_null(make(with));
    return ruled.profile.topic_of(&ruled.profile, &board, topic, why) ? topic : NULL;
}

static void a_mac_is_six_bytes_or_twelve_digits_and_nothing_else(void **state)
{
    (void)state;
    const char *why;
    assert_string_equal(topic_of("device:{mac}", "\xa4\xcf\x12\x00\x01\xff", 6, &why),
                        "device:a4cf120001ff");
    assert_string_equal(topic_of("device:{MAC}", "\xa4\xcf\x12\x00\x01\xff", 6, &why),
                        "device:A4CF120001FF");
    assert_string_equal(topic_of("device:{mac}", "A4CF120001FF", 12, &why), "device:a4cf120001ff");
    assert_null(topic_of("device:{mac}", "A4CF120001FX", 12, &why));
    assert_null(topic_of("device:{mac}", "stub-1", 5, &why));
    assert_non_null(strstr(why, "no MAC"));
    assert_null(topic_of("device:{mac}", "", 0, &why));
}

static void an_identity_cannot_write_itself_into_another_topic(void **state)
{
    (void)state;
    const char *why;
    assert_string_equal(topic_of("room:{device}", "stub-1", 6, &why), "room:stub-1");
    assert_null(topic_of("room:{device}", "a:b", 3, &why));
    assert_null(topic_of("room:{device}", "*", 1, &why));
    assert_null(topic_of("room:{device}", "a\0b", 3, &why));
    assert_null(topic_of("room:{device}", "{hex}", 5, &why));
    assert_null(topic_of("room:{device}", "\xff", 1, &why));
    assert_null(topic_of("room:{device}", "", 0, &why));
    assert_non_null(strstr(why, "{hex}"));
    assert_string_equal(topic_of("room:{hex}", "a:\xff", 3, &why), "room:613aff");
    assert_null(topic_of("room:{hex}", "", 0, &why));
}

static void a_name_of_the_configuration_needs_no_board(void **state)
{
    (void)state;
    const char *why;
    assert_string_equal(topic_of("room:{name}:x", "", 0, &why), "room:bench-1:x");
    assert_string_equal(topic_of("room:lobby", "", 0, &why), "room:lobby");
}

static void a_join_payload_keeps_the_braces_of_json(void **state)
{
    (void)state;
    struct profile_rules with = rules();
    with.join_payload = "{\"a\":{\"id\":\"{hex}\"},\"n\":{}}";
    assert_null(make(with));
    struct profile_board board = {"bench-1", (const uint8_t *)"\x01\x02", 2};
    char *payload = ruled.profile.join_payload(&ruled.profile, &board);
    assert_string_equal(payload, "{\"a\":{\"id\":\"0102\"},\"n\":{}}");
    free(payload);
}

static void rules_that_no_server_could_take_are_refused_by_name(void **state)
{
    (void)state;
    struct profile_rules with = rules();
    with.topic = NULL;
    assert_non_null(strstr(make(with), "topic"));
    with.topic = "room:{nonsense}";
    assert_non_null(strstr(make(with), "topic"));
    with.topic = "phoenix";
    assert_non_null(strstr(make(with), "topic"));
    with = rules();
    with.upload_event = "phx_leave";
    assert_non_null(strstr(make(with), "readings_event"));
    with = rules();
    with.control_event = "phx_reply";
    assert_non_null(strstr(make(with), "controls_event"));
    with = rules();
    with.join_payload = "{\"a\":";
    assert_non_null(strstr(make(with), "join"));
    with = rules();
    with.credential_name = NULL;
    assert_non_null(strstr(make(with), "credential_name"));
}

static void kinds_are_those_named_or_all(void **state)
{
    (void)state;
    struct profile_rules with = rules();
    assert_null(make(with));
    assert_true(ruled.profile.knows_kind(&ruled.profile, "voltage"));
    with.kinds = "temperature  co2";
    assert_null(make(with));
    assert_true(ruled.profile.knows_kind(&ruled.profile, "co2"));
    assert_true(ruled.profile.knows_kind(&ruled.profile, "temperature"));
    assert_false(ruled.profile.knows_kind(&ruled.profile, "co"));
    assert_false(ruled.profile.knows_kind(&ruled.profile, "voltage"));
}

/* -- Shapes. */

static const struct profile_sensor sensors[] = {{"bme280", "temperature", MP_TYPE_I16, -1, 0},
                                                {"bme280", "pressure", MP_TYPE_I16, 0, 0},
                                                {"count", "n\"o", MP_TYPE_I16, 0, 2}};

static void writes(enum profile_shape shape, size_t n, const char *expected)
{
    const struct profile_reading readings[] = {
        {.at_us = 5000, .epoch = 7, .number = 1, .index = 0, .sensor = 0, .value = {.i = 215}},
        {.at_us = 6000, .epoch = 7, .number = 1, .index = 1, .sensor = 1, .value = {.i = 1013}},
        {.at_us = 7000, .epoch = 7, .number = 2, .index = 0, .sensor = 2, .value = {.i = 1}},
        {.at_us = 8000, .epoch = 7, .number = 3, .index = 0, .sensor = 0, .value = {.i = 216}},
    };
    struct profile_upload upload = {.sensors = sensors,
                                    .sensor_count = 3,
                                    .readings = readings,
                                    .reading_count = n,
                                    .identity = shape == PROFILE_LIST};
    char out[1024];
    size_t bound = profile_write_bound(shape, &upload);
    assert_true(bound <= sizeof out);
    size_t length = profile_write(shape, &upload, out, bound);
    out[length] = '\0';
    assert_string_equal(out, expected);
    assert_int_equal(profile_write(shape, &upload, out, length - 1), 0);
}

static void readings_are_written_in_each_shape(void **state)
{
    (void)state;
    writes(PROFILE_OBJECT, 3, "{\"bme280.temperature\":21.5,\"bme280.pressure\":1013,\"count\":1}");
    writes(PROFILE_LIST, 1,
           "{\"readings\":[{\"sensor\":\"bme280\",\"type\":\"temperature\",\"value\":21.5,\"at\":5,"
           "\"seq\":\"00000007-1-0\"}]}");
    writes(PROFILE_GROUPS, 4,
           "{\"bme280\":[{\"type\":\"temperature\",\"value\":21.5},{\"type\":\"pressure\","
           "\"value\":1013},"
           "{\"type\":\"temperature\",\"value\":21.6}],\"count\":[{\"type\":\"n\\\"o\",\"value\":1}"
           "]}");
}

static void an_object_ends_before_a_sensor_comes_again(void **state)
{
    (void)state;
    const struct profile_reading readings[] = {
        {.sensor = 0}, {.sensor = 1}, {.sensor = 0}, {.sensor = 2}};
    struct profile_upload upload = {
        .sensors = sensors, .sensor_count = 3, .readings = readings, .reading_count = 4};
    assert_int_equal(profile_write_fits(PROFILE_OBJECT, &upload), 2);
    assert_int_equal(profile_write_fits(PROFILE_LIST, &upload), 4);
    upload.reading_count = 1;
    assert_int_equal(profile_write_fits(PROFILE_OBJECT, &upload), 1);
}

/* -- Controls. */

static char heard[256];

static void on_element(void *user, const struct profile_control *control)
{
    (void)user;
    size_t n = strlen(heard);
    snprintf(heard + n, sizeof heard - n, "%s=%g ", control->name, control->number);
}

static void on_bad(void *user, const char *why)
{
    (void)user;
    (void)why;
    strncat(heard, "bad ", sizeof heard - strlen(heard) - 1);
}

static void reads(enum profile_control_shape shape, const char *payload, const char *expected)
{
    const struct profile_control_io io = {NULL, on_element, on_bad};
    heard[0] = '\0';
    profile_control_read(shape, (struct profile_text){payload, strlen(payload)}, &io);
    assert_string_equal(heard, expected);
}

static void controls_are_read_in_each_shape(void **state)
{
    (void)state;
    reads(PROFILE_CONTROL_OBJECT, "{\"motor\":40,\"fan\":true}", "motor=40 fan=1 ");
    reads(PROFILE_CONTROL_OBJECT, "[1]", "bad ");
    reads(PROFILE_CONTROL_OBJECT, "{}", "bad ");
    reads(PROFILE_CONTROL_LIST, "{\"control\":[{\"motor\":40},{\"fan\":true}]}", "motor=40 fan=1 ");
    reads(PROFILE_CONTROL_LIST, "{\"motor\":40}", "bad ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mac_is_six_bytes_or_twelve_digits_and_nothing_else),
        cmocka_unit_test(an_identity_cannot_write_itself_into_another_topic),
        cmocka_unit_test(a_name_of_the_configuration_needs_no_board),
        cmocka_unit_test(a_join_payload_keeps_the_braces_of_json),
        cmocka_unit_test(rules_that_no_server_could_take_are_refused_by_name),
        cmocka_unit_test(kinds_are_those_named_or_all),
        cmocka_unit_test(readings_are_written_in_each_shape),
        cmocka_unit_test(an_object_ends_before_a_sensor_comes_again),
        cmocka_unit_test(controls_are_read_in_each_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
