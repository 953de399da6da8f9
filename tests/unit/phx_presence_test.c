/*
 * Presences against tests/vectors/phx_presence.jsonl, which the official client wrote (see
 * tests/phx-dev/js/presence_vectors.mjs), and what that does not have: bounds.
 */
#include "phx_presence.h"

#include "phx_json.h"

#include <cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VECTORS "../vectors/phx_presence.jsonl"

struct watch {
    struct phx_presence *presence;
    cJSON *calls;
    bool free_inside;
};

static cJSON *parse(struct phx_text text)
{
    cJSON *json = text.len ? cJSON_ParseWithLength(text.at, text.len) : cJSON_CreateNull();

    assert_non_null(json);
    return json;
}

static void note(struct watch *watch, const char *what, struct phx_text key,
                 struct phx_text current, struct phx_text changed)
{
    cJSON *call = cJSON_CreateArray();
    char *copy = calloc(1, key.len + 1);

    assert_non_null(copy);
    memcpy(copy, key.at, key.len);
    cJSON_AddItemToArray(call, cJSON_CreateString(what));
    cJSON_AddItemToArray(call, cJSON_CreateString(copy));
    cJSON_AddItemToArray(call, parse(current));
    cJSON_AddItemToArray(call, parse(changed));
    cJSON_AddItemToArray(watch->calls, call);
    free(copy);
    if (watch->free_inside)
        phx_presence_free(watch->presence);
}

static void on_join(void *user, struct phx_text key, struct phx_text current,
                    struct phx_text joined)
{
    note(user, "join", key, current, joined);
}

static void on_leave(void *user, struct phx_text key, struct phx_text current, struct phx_text left)
{
    note(user, "leave", key, current, left);
}

static void on_sync(void *user)
{
    struct watch *watch = user;
    cJSON *call = cJSON_CreateArray();

    cJSON_AddItemToArray(call, cJSON_CreateString("sync"));
    cJSON_AddItemToArray(watch->calls, call);
}

static void start(struct watch *watch, const struct phx_presence_options *options)
{
    struct phx_presence_events events = {watch, on_join, on_leave, on_sync};

    *watch = (struct watch){.presence = phx_presence_new(options, &events),
                            .calls = cJSON_CreateArray()};
    assert_non_null(watch->presence);
}

static void stop(struct watch *watch)
{
    phx_presence_free(watch->presence);
    cJSON_Delete(watch->calls);
}

static void add(void *user, struct phx_text key, struct phx_text presence)
{
    char *copy = calloc(1, key.len + 1);

    assert_non_null(copy);
    memcpy(copy, key.at, key.len);
    cJSON_AddItemToObject(user, copy, parse(presence));
    free(copy);
}

static void assert_same(const cJSON *expected, const cJSON *actual, int line, const char *what)
{
    char *a, *b;

    if (cJSON_Compare(expected, actual, true))
        return;
    a = cJSON_PrintUnformatted(expected);
    b = cJSON_PrintUnformatted(actual);
    fail_msg("line %d, %s\nexpected: %s\n     got: %s", line, what, a, b);
}

static void step(struct watch *watch, const cJSON *json, int line)
{
    const char *op = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "op"));
    char *payload = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(json, "payload"));
    cJSON *state = cJSON_CreateObject();
    char event[40];

    cJSON_Delete(watch->calls);
    watch->calls = cJSON_CreateArray();
    snprintf(event, sizeof event, "presence_%s", op);
    if (strcmp(op, "joined") == 0)
        phx_presence_joined(watch->presence);
    else
        assert_true(
            phx_presence_message(watch->presence, phx_text_of(event), phx_text_of(payload)));
    assert_same(cJSON_GetObjectItemCaseSensitive(json, "calls"), watch->calls, line, "calls");
    phx_presence_list(watch->presence, add, state);
    assert_same(cJSON_GetObjectItemCaseSensitive(json, "state"), state, line, "state");
    assert_int_equal(phx_presence_count(watch->presence), cJSON_GetArraySize(state));
    cJSON_Delete(state);
    cJSON_free(payload);
}

static void says_what_the_official_client_says(void **state)
{
    static char line[1 << 16];
    FILE *file = fopen(VECTORS, "r");
    struct watch watch;
    int number = 0, scenario = 0;

    (void)state;
    assert_non_null(file);
    start(&watch, NULL);
    while (fgets(line, sizeof line, file)) {
        cJSON *json = cJSON_Parse(line);
        int of = cJSON_GetObjectItemCaseSensitive(json, "scenario")->valueint;
        if (of != scenario) {
            stop(&watch);
            start(&watch, NULL);
        }
        scenario = of;
        step(&watch, json, ++number);
        cJSON_Delete(json);
    }
    stop(&watch);
    fclose(file);
    assert_true(number > 100);
}

static bool tell(struct watch *watch, const char *event, const char *payload)
{
    return phx_presence_message(watch->presence, phx_text_of(event), phx_text_of(payload));
}

static void diffs_wait_for_the_state_after_each_join(void **state)
{
    struct watch watch;

    (void)state;
    start(&watch, NULL);
    tell(&watch, "presence_diff", "{\"joins\":{\"b\":{\"metas\":[{\"phx_ref\":\"2\"}]}}}");
    assert_int_equal(phx_presence_count(watch.presence), 0);
    tell(&watch, "presence_state", "{\"a\":{\"metas\":[{\"phx_ref\":\"1\"}]}}");
    assert_int_equal(phx_presence_count(watch.presence), 2);
    assert_int_equal(cJSON_GetArraySize(watch.calls), 3);
    phx_presence_joined(watch.presence);
    tell(&watch, "presence_diff", "{\"leaves\":{\"a\":{\"metas\":[{\"phx_ref\":\"1\"}]}}}");
    assert_int_equal(phx_presence_count(watch.presence), 2);
    tell(&watch, "presence_state", "{\"b\":{\"metas\":[{\"phx_ref\":\"2\"}]}}");
    assert_int_equal(phx_presence_count(watch.presence), 1);
    stop(&watch);
}

static void other_events_are_not_its_own_and_the_names_can_be_chosen(void **state)
{
    struct phx_presence_options options = {.state_event = "s", .diff_event = "d"};
    struct watch watch;

    (void)state;
    start(&watch, &options);
    assert_false(tell(&watch, "presence_state", "{}"));
    assert_true(tell(&watch, "s", "{\"a\":{\"metas\":[{\"phx_ref\":\"1\"}],\"x\":1}}"));
    assert_true(tell(&watch, "d", "{}"));
    assert_int_equal(phx_presence_get(watch.presence, phx_text_of("a")).len,
                     strlen("{\"metas\":[{\"phx_ref\":\"1\"}],\"x\":1}"));
    assert_int_equal(phx_presence_get(watch.presence, phx_text_of("b")).len, 0);
    stop(&watch);
}

static void what_does_not_fit_is_left_out_and_counted(void **state)
{
    struct phx_presence_options options = {.max_bytes = 200};
    struct watch watch;
    char payload[160];

    (void)state;
    start(&watch, &options);
    tell(&watch, "presence_state", "{}");
    for (int i = 0; i < 100; i++) {
        snprintf(payload, sizeof payload, "{\"joins\":{\"k%d\":{\"metas\":[{\"phx_ref\":\"1\"}]}}}",
                 i);
        tell(&watch, "presence_diff", payload);
    }
    assert_in_range(phx_presence_count(watch.presence), 4, 8);
    assert_int_equal(phx_presence_left_out(watch.presence),
                     100 - phx_presence_count(watch.presence));
    tell(&watch, "presence_diff", "{\"leaves\":{\"k0\":{\"metas\":[{\"phx_ref\":\"1\"}]}}}");
    tell(&watch, "presence_diff", "{\"joins\":{\"z\":{\"metas\":[{\"phx_ref\":\"1\"}]}}}");
    assert_int_not_equal(phx_presence_get(watch.presence, phx_text_of("z")).len, 0);
    phx_presence_joined(watch.presence);
    for (int i = 0; i < 100; i++)
        tell(&watch, "presence_diff", payload);
    assert_in_range(phx_presence_left_out(watch.presence), 180, 200);
    stop(&watch);
}

/* To compare each of its metas with each other would hold up the loop. */
static void a_presence_that_could_never_fit_is_not_looked_into(void **state)
{
    static char payload[1 << 20];
    struct watch watch;
    size_t n = (size_t)snprintf(payload, sizeof payload, "{\"a\":{\"metas\":[");

    (void)state;
    start(&watch, NULL);
    for (int i = 0; i < 50000; i++)
        n += (size_t)snprintf(payload + n, sizeof payload - n, "%s{\"phx_ref\":\"%d\"}",
                              i ? "," : "", i);
    snprintf(payload + n, sizeof payload - n, "]}}");
    for (int i = 0; i < 3; i++)
        tell(&watch, "presence_state", payload);
    assert_int_equal(phx_presence_count(watch.presence), 0);
    assert_int_equal(phx_presence_left_out(watch.presence), 3);
    stop(&watch);
}

static void strange_payloads_do_no_harm(void **state)
{
    static const char *const strange[] = {
        "",
        "{",
        "[]",
        "1",
        "{\"a\":1}",
        "{\"a\":{}}",
        "{\"a\":{\"metas\":{}}}",
        "{\"a\":{\"metas\":[1,null,{}]}}",
        "{\"joins\":[],\"leaves\":7}",
    };
    struct watch watch;

    (void)state;
    start(&watch, NULL);
    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
        tell(&watch, "presence_state", strange[i]);
        tell(&watch, "presence_diff", strange[i]);
    }
    stop(&watch);
}

static void it_may_be_freed_inside_its_callbacks(void **state)
{
    struct watch watch;

    (void)state;
    start(&watch, NULL);
    watch.free_inside = true;
    tell(&watch, "presence_state",
         "{\"a\":{\"metas\":[{\"phx_ref\":\"1\"}]},\"b\":{\"metas\":[{\"phx_ref\":\"2\"}]}}");
    assert_int_equal(cJSON_GetArraySize(watch.calls), 1);
    cJSON_Delete(watch.calls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_the_official_client_says),
        cmocka_unit_test(diffs_wait_for_the_state_after_each_join),
        cmocka_unit_test(other_events_are_not_its_own_and_the_names_can_be_chosen),
        cmocka_unit_test(what_does_not_fit_is_left_out_and_counted),
        cmocka_unit_test(a_presence_that_could_never_fit_is_not_looked_into),
        cmocka_unit_test(strange_payloads_do_no_harm),
        cmocka_unit_test(it_may_be_freed_inside_its_callbacks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
