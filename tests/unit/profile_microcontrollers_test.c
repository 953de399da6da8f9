/*
 * The microcontroller server's contract, byte for byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "profile/profile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct profile *const profile = &profile_microcontrollers;

static struct profile_text text(const char *literal)
{
    return (struct profile_text){literal, strlen(literal)};
}

/* -- The key. */

static void a_key_is_checked_before_it_is_sent(void **state)
{
    (void)state;
    assert_null(profile->check_credential(profile, "API_TOKEN_MC_VZGkp2vvJJjHj3qZ"));
    assert_null(profile->check_credential(profile, "API_TOKEN_MC_VZGkp2vvJJjHj3qZ0123456789"));
    assert_non_null(profile->check_credential(profile, "API_TOKEN_MC_VZGkp2vvJJjHj3q"));
    assert_non_null(profile->check_credential(profile, "API_TOKEN_MC_VZGkp2vvJJjHj3q-"));
    assert_non_null(profile->check_credential(profile, "API_TOKEN_MC_VZGkp2vvJJjHj3q\xc3\xa9"));
    assert_non_null(profile->check_credential(profile, "api_token_mc_VZGkp2vvJJjHj3qZ"));
    assert_non_null(profile->check_credential(profile, ""));
}

/* -- Metadata. */

static const char *topic_of(const char *event, const char *payload)
{
    static char topic[PROFILE_TOPIC_MAX];
    const char *why;
    if (!profile->topic(profile, text("microcontroller:3"), text(event), text(payload), topic,
                        &why))
        return why == NULL ? "ignored" : "refused";
    return topic;
}

static void the_topic_comes_from_the_metadata(void **state)
{
    (void)state;
    assert_string_equal(
        topic_of("metadata", "{\"user_id\":1,\"location_id\":2,\"controller_id\":3}"),
        "microcontroller:v1:3");
    assert_string_equal(topic_of("metadata", "{\"controller_id\":9007199254740991}"),
                        "microcontroller:v1:9007199254740991");
}

static void metadata_without_a_usable_id_is_refused(void **state)
{
    (void)state;
    const char *const bad[] = {
        "{}",
        "{\"controller_id\":0}",
        "{\"controller_id\":-1}",
        "{\"controller_id\":1.5}",
        "{\"controller_id\":\"3\"}",
        "{\"controller_id\":null}",
        "{\"controller_id\":1e300}",
        "{\"controller_id\":{}}",
        "[3]",
        "null",
        "\"x\"",
        "",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_string_equal(topic_of("metadata", bad[i]), "refused");
}

static void another_event_is_not_metadata(void **state)
{
    (void)state;
    assert_string_equal(topic_of("metadata2", "{\"controller_id\":3}"), "ignored");
    assert_string_equal(topic_of("", "{\"controller_id\":3}"), "ignored");
}

/* -- Kinds. */

static void only_what_the_server_knows_is_a_kind(void **state)
{
    (void)state;
    assert_true(profile->knows_kind(profile, "temperature"));
    assert_true(profile->knows_kind(profile, "pressure"));
    assert_true(profile->knows_kind(profile, "illuminance"));
    assert_true(profile->knows_kind(profile, "humidity"));
    assert_false(profile->knows_kind(profile, "voltage"));
    assert_false(profile->knows_kind(profile, "Temperature"));
    assert_false(profile->knows_kind(profile, ""));
}

/* -- Uploads. */

static const struct profile_sensor sensors[] = {
    {"bme280", "temperature", MP_TYPE_I16, -2, 0},
    {"bh1750", "illuminance", MP_TYPE_F32, 0, 1},
    {"bme280", "humidity", MP_TYPE_I16, -1, 0},
    {"a\"\\\n\xc3\xa9", "pressure", MP_TYPE_I32, -2, 3},
};

static struct profile_upload upload_of(const struct profile_reading *readings, size_t n)
{
    return (struct profile_upload){.sensors = sensors,
                                   .sensor_count = sizeof sensors / sizeof sensors[0],
                                   .readings = readings,
                                   .reading_count = n};
}

static const char *written(const struct profile_upload *upload)
{
    static char out[4096];
    size_t bound = profile->upload_bound(profile, upload);
    assert_true(bound < sizeof out);
    char *exact = malloc(bound);
    size_t n = profile->write_upload(profile, upload, exact, bound);
    memcpy(out, exact, n);
    out[n] = '\0';
    free(exact);
    return out;
}

static void an_upload_is_grouped_by_sensor_and_holds_nothing_else(void **state)
{
    (void)state;
    const struct profile_reading readings[] = {
        {.value.i = 2150, .sensor = 0},   {.value.f = 320.25f, .sensor = 1},
        {.value.i = 405, .sensor = 2},    {.value.i = 2160, .sensor = 0},
        {.value.i = 101325, .sensor = 3},
    };
    struct profile_upload upload = upload_of(readings, 5);
    assert_string_equal(
        written(&upload),
        "{\"bme280\":[{\"type\":\"temperature\",\"value\":21.5},"
        "{\"type\":\"humidity\",\"value\":40.5},"
        "{\"type\":\"temperature\",\"value\":21.6}],"
        "\"bh1750\":[{\"type\":\"illuminance\",\"value\":320.25}],"
        "\"a\\\"\\\\\\u000A\xc3\xa9\":[{\"type\":\"pressure\",\"value\":1013.25}]}");
}

static void values_may_be_strings(void **state)
{
    (void)state;
    const struct profile_reading reading = {.value.i = -2150, .sensor = 0};
    struct profile_upload upload = upload_of(&reading, 1);
    upload.values_as_strings = true;
    assert_string_equal(written(&upload),
                        "{\"bme280\":[{\"type\":\"temperature\",\"value\":\"-21.5\"}]}");
}

static void identity_stands_inside_each_reading(void **state)
{
    (void)state;
    const struct profile_reading readings[] = {
        {.at_us = 1500, .epoch = 0xabc, .number = 7, .index = 2, .value.i = 1, .sensor = 0},
        {.at_us = 2500, .epoch = 0xabc, .number = 8, .index = PROFILE_ONCE, .value.i = 2},
    };
    struct profile_upload upload = upload_of(readings, 2);
    upload.identity = true;
    upload.unix_minus_mono_us = 1700000000000000;
    assert_string_equal(written(&upload),
                        "{\"bme280\":[{\"type\":\"temperature\",\"value\":0.01,"
                        "\"at\":1700000000001,\"seq\":\"00000abc-7-2\"},"
                        "{\"type\":\"temperature\",\"value\":0.02,\"at\":1700000000002}]}");
}

static void nothing_not_finite_is_ever_written(void **state)
{
    (void)state;
    char out[4096];
    const struct profile_reading readings[] = {
        {.value.i = 2150, .sensor = 0},
        {.value.f = NAN, .sensor = 1},
    };
    struct profile_upload upload = upload_of(readings, 2);
    assert_int_equal(profile->write_upload(profile, &upload, out, sizeof out), 0);
}

static void an_upload_that_does_not_fit_is_not_cut(void **state)
{
    (void)state;
    const struct profile_reading readings[] = {{.value.i = 2150, .sensor = 0},
                                               {.value.f = 1, .sensor = 1}};
    struct profile_upload upload = upload_of(readings, 2);
    size_t whole = strlen(written(&upload));
    for (size_t cap = 0; cap < whole; cap++) {
        char *out = malloc(cap + 1);
        assert_int_equal(profile->write_upload(profile, &upload, out, cap), 0);
        free(out);
    }
    char out[256];
    assert_int_equal(profile->write_upload(profile, &upload, out, whole), whole);
}

static void the_bound_holds_for_the_longest_values(void **state)
{
    (void)state;
    static const struct profile_sensor longest = {"\x01\x02\x03", "illuminance", MP_TYPE_I32, -12,
                                                  0};
    struct profile_reading readings[50];
    for (size_t i = 0; i < 50; i++)
        readings[i] = (struct profile_reading){.at_us = UINT64_MAX / 4,
                                               .epoch = UINT32_MAX,
                                               .number = UINT32_MAX,
                                               .index = UINT16_MAX - 1,
                                               .value.i = INT32_MIN};
    struct profile_upload upload = {.sensors = &longest,
                                    .sensor_count = 1,
                                    .readings = readings,
                                    .reading_count = 50,
                                    .values_as_strings = true,
                                    .identity = true};
    size_t bound = profile->upload_bound(profile, &upload);
    char *out = malloc(bound);
    assert_true(profile->write_upload(profile, &upload, out, bound) > 0);
    free(out);
}

/* -- Controls. */

static char heard[1024];

static void on_element(void *user, const struct profile_control *control)
{
    (void)user;
    size_t at = strlen(heard);
    const char kinds[] = {[PROFILE_NUMBER] = 'n', [PROFILE_BOOL] = 'b', [PROFILE_OTHER] = 'x'};
    snprintf(heard + at, sizeof heard - at, "%s=%c%g ", control->name, kinds[control->kind],
             control->number);
}

static void on_bad(void *user, const char *why)
{
    (void)user;
    (void)why;
    size_t at = strlen(heard);
    snprintf(heard + at, sizeof heard - at, "bad ");
}

static const char *control(const char *payload)
{
    const struct profile_control_io io = {NULL, on_element, on_bad};
    heard[0] = '\0';
    profile->read_control(profile, text(payload), &io);
    return heard;
}

static void a_control_update_is_read_in_order(void **state)
{
    (void)state;
    assert_string_equal(control("{\"control\":[{\"led\":1},{\"motor\":0.5}]}"),
                        "led=n1 motor=n0.5 ");
    assert_string_equal(control("{\"control\":[{\"led\":true},{\"led\":false}]}"),
                        "led=b1 led=b0 ");
    assert_string_equal(control("{\"control\":[{\"a\":1,\"b\":-2e3}],\"more\":1}"),
                        "a=n1 b=n-2000 ");
    assert_string_equal(control("{\"control\":[]}"), "");
}

static void a_bad_element_does_not_spoil_the_others(void **state)
{
    (void)state;
    assert_string_equal(control("{\"control\":[1,{\"a\":\"1\"},{},[],null,{\"b\":2}]}"),
                        "bad a=x0 bad bad bad b=n2 ");
    assert_string_equal(control("{\"control\":[{\"a\":null},{\"b\":{}},{\"c\":[1]}]}"),
                        "a=x0 b=x0 c=x0 ");
}

static void an_update_without_a_list_is_bad(void **state)
{
    (void)state;
    const char *const bad[] = {"{}", "[]", "1", "{\"control\":{\"led\":1}}", "{\"Control\":[]}",
                               ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_string_equal(control(bad[i]), "bad ");
}

static void an_update_too_long_to_be_one_is_not_parsed(void **state)
{
    (void)state;
    size_t n = 70000;
    char *payload = malloc(n + 1);
    memset(payload, ' ', n);
    memcpy(payload, "{\"control\":[{\"led\":1}]}", 23);
    payload[n] = '\0';
    assert_string_equal(control(payload), "bad ");
    free(payload);
}

static void a_number_too_large_for_a_double_is_handed_on_as_infinite(void **state)
{
    (void)state;
    assert_string_equal(control("{\"control\":[{\"led\":1e400}]}"), "led=ninf ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_checked_before_it_is_sent),
        cmocka_unit_test(the_topic_comes_from_the_metadata),
        cmocka_unit_test(metadata_without_a_usable_id_is_refused),
        cmocka_unit_test(another_event_is_not_metadata),
        cmocka_unit_test(only_what_the_server_knows_is_a_kind),
        cmocka_unit_test(an_upload_is_grouped_by_sensor_and_holds_nothing_else),
        cmocka_unit_test(values_may_be_strings),
        cmocka_unit_test(identity_stands_inside_each_reading),
        cmocka_unit_test(nothing_not_finite_is_ever_written),
        cmocka_unit_test(an_upload_that_does_not_fit_is_not_cut),
        cmocka_unit_test(the_bound_holds_for_the_longest_values),
        cmocka_unit_test(a_control_update_is_read_in_order),
        cmocka_unit_test(a_bad_element_does_not_spoil_the_others),
        cmocka_unit_test(an_update_without_a_list_is_bad),
        cmocka_unit_test(an_update_too_long_to_be_one_is_not_parsed),
        cmocka_unit_test(a_number_too_large_for_a_double_is_handed_on_as_infinite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
