/*
 * Controls on their way down: checked, newest wins, never stale; and what a lost channel does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TTL_MS  1000
#define LOSS_MS 5000

static struct mp_description description;
static struct commands commands;

/* What was sent to the board and what was reported, as text. */
static char sent[2048], ended[4096];
static int send_result;
static uint16_t last_request;
static uint32_t last_ttl, last_number;

static void note(char *out, size_t cap, const char *what)
{
    size_t at = strlen(out);
    snprintf(out + at, cap - at, "%s ", what);
}

static int on_send(void *user, uint8_t control, union mp_value value, uint32_t ttl_ms,
                   uint16_t *request)
{
    (void)user;
    if (send_result != MP_OK)
        return send_result;
    char what[64];
    const struct mp_host_control *it = &description.controls[control];
    snprintf(what, sizeof what, "%s=%g", it->name,
             mp_value_to_physical(it->type, it->exponent, value));
    note(sent, sizeof sent, what);
    *request = ++last_request;
    last_ttl = ttl_ms;
    return MP_OK;
}

static void on_ended(void *user, const struct commands_report *report)
{
    (void)user;
    char what[200];
    last_number = report->number;
    snprintf(what, sizeof what, "%s%s=%g:%s", report->failsafe ? "failsafe:" : "", report->name,
             report->value, commands_outcome_text(report->outcome));
    note(ended, sizeof ended, what);
}

static bool valve_holds(void *user, const char *control)
{
    (void)user;
    return strcmp(control, "valve") == 0;
}

static char way[1024];

static void on_way(void *user, const struct commands_report *report, bool left)
{
    (void)user;
    char what[64];
    snprintf(what, sizeof what, "#%u:%s=%g:%s", report->number, report->name, report->value,
             left ? "sent" : "asked");
    note(way, sizeof way, what);
}

static void begin(void)
{
    static const struct commands_config config = {TTL_MS, LOSS_MS};
    static const struct commands_io io = {NULL, on_send, on_ended, on_way};
    static const struct mp_host_control controls[] = {
        {"motor", MP_TYPE_I16, 0, {.i = 0}, {.i = 100}, {.i = 0}, {.i = 5}},
        {"valve", MP_TYPE_F32, 0, {.f = 0}, {.f = 1}, {.f = 0}, {.f = 0}},
        {"led", MP_TYPE_BOOL, 0, {.i = 0}, {.i = 1}, {.i = 0}, {.i = 0}}};
    description = (struct mp_description){.control_count = 3, .controls = controls};
    sent[0] = ended[0] = way[0] = '\0';
    last_number = 0;
    send_result = MP_OK;
    commands_init(&commands, &config, &io);
    commands_on_mcu(&commands, &description, valve_holds, NULL, 0);
    commands_on_channel(&commands, true, 0);
}

static void set(const char *name, double value, uint64_t now_ms)
{
    commands_set(&commands, name, COMMANDS_NUMBER, value, true, now_ms);
}

static void a_value_is_sent_and_its_answer_reported(void **state)
{
    (void)state;
    begin();
    set("motor", 40, 10);
    assert_string_equal(sent, "");
    commands_flush(&commands, 10);
    assert_string_equal(sent, "motor=40 ");
    assert_int_equal(last_ttl, TTL_MS);
    commands_on_result(&commands, last_request, MP_STATUS_DONE, 22);
    assert_string_equal(ended, "motor=40:done ");
    commands_on_result(&commands, last_request, MP_STATUS_DONE, 23);
    assert_string_equal(ended, "motor=40:done ");
}

static void what_the_board_does_not_describe_is_not_sent(void **state)
{
    (void)state;
    begin();
    set("engine", 1, 0);
    set("Motor", 1, 0);
    set("", 1, 0);
    commands_flush(&commands, 0);
    assert_string_equal(sent, "");
    assert_int_equal(commands.counts[COMMANDS_UNKNOWN], 3);
}

static void a_value_out_of_range_or_not_finite_is_not_sent(void **state)
{
    (void)state;
    begin();
    const double bad[] = {-1, 101, 1e9, (double)NAN, (double)INFINITY, -(double)INFINITY, 1e308};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        set("motor", bad[i], 0);
    set("valve", 1.01, 0);
    set("led", 2, 0);
    set("led", 0.4, 0);
    commands_flush(&commands, 0);
    assert_string_equal(sent, "");
    assert_int_equal(commands.counts[COMMANDS_RANGE], 10);
}

static void a_value_of_the_wrong_type_is_not_sent(void **state)
{
    (void)state;
    begin();
    commands_set(&commands, "motor", COMMANDS_BOOL, 1, true, 0);
    commands_set(&commands, "motor", COMMANDS_OTHER, 0, true, 0);
    commands_set(&commands, "led", COMMANDS_OTHER, 0, true, 0);
    commands_flush(&commands, 0);
    assert_string_equal(sent, "");
    assert_int_equal(commands.counts[COMMANDS_TYPE], 3);
}

static void a_boolean_control_takes_booleans_and_0_and_1(void **state)
{
    (void)state;
    begin();
    commands_set(&commands, "led", COMMANDS_BOOL, 1, true, 0);
    commands_flush(&commands, 0);
    set("led", 0, 0);
    commands_flush(&commands, 0);
    assert_string_equal(sent, "led=1 led=0 ");
}

static void the_bounds_are_included(void **state)
{
    (void)state;
    begin();
    set("motor", 0, 0);
    set("valve", 1, 0);
    commands_flush(&commands, 0);
    set("motor", 100, 0);
    commands_flush(&commands, 0);
    assert_string_equal(sent, "motor=0 valve=1 motor=100 ");
}

static void a_bad_value_does_not_replace_a_good_one(void **state)
{
    (void)state;
    begin();
    set("motor", 40, 0);
    set("motor", 4000, 0);
    set("nothing", 1, 0);
    set("valve", 0.5, 0);
    commands_flush(&commands, 0);
    assert_string_equal(sent, "motor=40 valve=0.5 ");
}

static void the_newest_of_an_update_wins(void **state)
{
    (void)state;
    begin();
    for (int i = 0; i <= 50; i++)
        set("motor", i, 0);
    commands_flush(&commands, 0);
    assert_string_equal(sent, "motor=50 ");
    assert_int_equal(commands.counts[COMMANDS_REPLACED], 50);
}

static void what_cannot_be_sent_waits_until_its_deadline_and_no_longer(void **state)
{
    (void)state;
    begin();
    send_result = MP_ERR_FULL;
    set("motor", 40, 0);
    assert_true(commands_flush(&commands, 0) < TTL_MS);
    send_result = MP_OK;
    commands_flush(&commands, 600);
    assert_string_equal(sent, "motor=40 ");
    assert_int_equal(last_ttl, TTL_MS - 600);
    send_result = MP_ERR_NO_SESSION;
    set("motor", 41, 1000);
    commands_flush(&commands, 1000);
    send_result = MP_OK;
    commands_flush(&commands, 1000 + TTL_MS);
    assert_string_equal(sent, "motor=40 ");
    assert_int_equal(commands.counts[COMMANDS_EXPIRED], 1);
}

static void what_may_be_old_is_discarded(void **state)
{
    (void)state;
    begin();
    commands_set(&commands, "motor", COMMANDS_NUMBER, 40, false, 0);
    commands_flush(&commands, 0);
    assert_string_equal(sent, "");
    assert_int_equal(commands.counts[COMMANDS_STALE], 1);
}

/* A suspended machine's monotonic clock stands still, and a deadline with it. */
static void what_waited_over_a_gap_of_the_process_is_discarded(void **state)
{
    (void)state;
    begin();
    send_result = MP_ERR_FULL;
    set("motor", 40, 10);
    commands_flush(&commands, 10);
    commands_on_gap(&commands);
    assert_non_null(strstr(ended, "motor=40:discarded: it may be old"));
    send_result = MP_OK;
    commands_flush(&commands, 11);
    assert_string_equal(sent, "");
}

static void nothing_is_replayed_when_the_channel_comes_back(void **state)
{
    (void)state;
    begin();
    send_result = MP_ERR_FULL;
    set("motor", 40, 0);
    commands_flush(&commands, 0);
    commands_on_channel(&commands, false, 100);
    commands_on_channel(&commands, true, 200);
    send_result = MP_OK;
    commands_flush(&commands, 200);
    assert_string_equal(sent, "");
    assert_int_equal(commands.counts[COMMANDS_CHANNEL_LOST], 1);
}

static void nothing_is_replayed_to_a_board_that_comes_back(void **state)
{
    (void)state;
    begin();
    set("valve", 1, 0);
    commands_flush(&commands, 0);
    send_result = MP_ERR_FULL;
    set("motor", 40, 0);
    commands_on_mcu_gone(&commands, 100);
    set("motor", 41, 150);
    send_result = MP_OK;
    commands_on_mcu(&commands, &description, valve_holds, NULL, 200);
    commands_flush(&commands, 200);
    assert_string_equal(sent, "valve=1 ");
    assert_int_equal(commands.counts[COMMANDS_MCU_LOST], 2);
    assert_int_equal(commands.counts[COMMANDS_NO_MCU], 1);
    commands_on_result(&commands, last_request, MP_STATUS_DONE, 300);
    assert_int_equal(commands.counts[COMMANDS_DONE], 0);
}

static void a_refusal_of_the_board_is_reported(void **state)
{
    (void)state;
    begin();
    set("motor", 40, 0);
    commands_flush(&commands, 0);
    commands_on_result(&commands, last_request, MP_STATUS_EXPIRED, 5);
    assert_string_equal(ended, "motor=40:refused by the MCU ");
}

static void a_command_without_an_answer_is_given_up(void **state)
{
    (void)state;
    begin();
    set("motor", 40, 0);
    uint64_t at_ms = commands_flush(&commands, 0);
    assert_true(at_ms > TTL_MS && at_ms < TTL_MS + 10000);
    commands_flush(&commands, at_ms);
    assert_string_equal(ended, "motor=40:no answer from the MCU ");
}

static void a_flood_is_bounded_by_the_table_and_loses_only_the_older(void **state)
{
    (void)state;
    begin();
    for (int i = 0; i < 100; i++) {
        set("motor", i, 0);
        commands_flush(&commands, 0);
    }
    assert_int_equal(last_request % 1000 > 0, 1);
    for (size_t i = 0; i < COMMANDS_SENT_MAX; i++)
        assert_true(commands.sent[i].used);
    sent[0] = '\0';
    commands_on_result(&commands, commands.sent[0].request, MP_STATUS_DONE, 1);
    commands_flush(&commands, 1);
    assert_string_equal(sent, "motor=99 ");
}

static void controls_go_to_fail_safe_when_the_channel_is_gone_too_long(void **state)
{
    (void)state;
    begin();
    commands_on_channel(&commands, false, 1000);
    assert_int_equal(commands_flush(&commands, 1000), 1000 + LOSS_MS);
    commands_flush(&commands, 1000 + LOSS_MS - 1);
    assert_string_equal(sent, "");
    commands_flush(&commands, 1000 + LOSS_MS);
    assert_string_equal(sent, "motor=5 led=0 "); /* the valve holds */
    commands_on_result(&commands, last_request, MP_STATUS_DONE, 1000 + LOSS_MS + 5);
    assert_string_equal(ended, "failsafe:led=0:done ");
}

static void a_channel_back_in_time_changes_nothing(void **state)
{
    (void)state;
    begin();
    commands_on_channel(&commands, false, 1000);
    commands_flush(&commands, 1000);
    commands_on_channel(&commands, true, 1000 + LOSS_MS - 1);
    assert_int_equal(commands_flush(&commands, 1000 + 2 * LOSS_MS), UINT64_MAX);
    assert_string_equal(sent, "");
}

static void a_fail_safe_that_does_not_get_through_is_tried_again(void **state)
{
    (void)state;
    begin();
    send_result = MP_ERR_NO_SESSION;
    commands_on_channel(&commands, false, 0);
    uint64_t now_ms = LOSS_MS;
    for (int i = 0; i < 5; i++)
        now_ms = commands_flush(&commands, now_ms);
    send_result = MP_OK;
    commands_flush(&commands, now_ms);
    assert_string_equal(sent, "motor=5 led=0 ");
    uint16_t led = last_request;
    commands_on_result(&commands, led, MP_STATUS_FAILED, now_ms);
    assert_string_equal(ended, "failsafe:led=0:refused by the MCU ");
    for (int i = 0; i < 20 && strstr(sent, "led=0 led=0") == NULL; i++) {
        uint64_t next_ms = commands_flush(&commands, now_ms);
        now_ms = next_ms > now_ms ? next_ms : now_ms + 1;
    }
    assert_non_null(strstr(sent, "led=0 led=0"));
}

static void a_fail_safe_under_way_ends_when_the_channel_is_back(void **state)
{
    (void)state;
    begin();
    send_result = MP_ERR_NO_SESSION;
    commands_on_channel(&commands, false, 0);
    commands_flush(&commands, LOSS_MS);
    commands_on_channel(&commands, true, LOSS_MS + 10);
    send_result = MP_OK;
    set("motor", 40, LOSS_MS + 20);
    commands_flush(&commands, LOSS_MS + 10000 - TTL_MS);
    commands_flush(&commands, LOSS_MS + 100000);
    assert_null(strstr(sent, "motor=5"));
}

static void a_board_that_comes_while_the_channel_is_gone_gets_the_fail_safe(void **state)
{
    (void)state;
    begin();
    commands_on_mcu_gone(&commands, 0);
    commands_on_channel(&commands, false, 100);
    commands_on_mcu(&commands, &description, valve_holds, NULL, 100 + 3 * LOSS_MS);
    commands_flush(&commands, 100 + 3 * LOSS_MS);
    assert_string_equal(sent, "motor=5 led=0 ");
}

static void a_channel_that_never_was_is_gone_from_the_boards_arrival_on(void **state)
{
    (void)state;
    static const struct commands_config config = {TTL_MS, LOSS_MS};
    static const struct commands_io io = {NULL, on_send, on_ended, on_way};
    begin();
    commands_init(&commands, &config, &io);
    commands_on_mcu(&commands, &description, valve_holds, NULL, 1000000);
    assert_int_equal(commands_flush(&commands, 1000000), 1000000 + LOSS_MS);
    commands_flush(&commands, 1000000 + LOSS_MS);
    assert_string_equal(sent, "motor=5 led=0 ");
}

static void each_value_keeps_its_number_from_asked_to_its_end(void **state)
{
    (void)state;
    begin();
    set("nothing", 1, 0);
    assert_int_equal(last_number, 1);
    set("motor", 1, 0);
    set("motor", 2, 0);
    assert_int_equal(last_number, 2); /* replaced */
    set("valve", 1, 0);
    commands_flush(&commands, 0);
    assert_string_equal(way, "#2:motor=1:asked #3:motor=2:asked #4:valve=1:asked #3:motor=2:sent "
                             "#4:valve=1:sent ");
    commands_on_result(&commands, (uint16_t)(last_request - 1), MP_STATUS_DONE, 5);
    assert_int_equal(last_number, 3);
    commands_on_result(&commands, last_request, MP_STATUS_FAILED, 6);
    assert_int_equal(last_number, 4);
}

static void a_number_that_wraps_makes_no_fail_safe_of_a_value(void **state)
{
    (void)state;
    begin();
    commands.last_number = UINT32_MAX;
    set("motor", 40, 0);
    commands_flush(&commands, 0);
    commands_on_result(&commands, last_request, MP_STATUS_DONE, 1);
    assert_string_equal(ended, "motor=40:done ");
    assert_int_equal(last_number, 1);
    assert_int_equal(commands.failsafe_done, 0);
}

static void a_fail_safe_has_a_number_and_counters_of_its_own(void **state)
{
    (void)state;
    begin();
    commands_on_channel(&commands, false, 0);
    commands_flush(&commands, LOSS_MS);
    assert_string_equal(way, "#1:motor=5:sent #2:led=0:sent ");
    commands_on_result(&commands, last_request, MP_STATUS_DONE, LOSS_MS + 5);
    commands_on_result(&commands, (uint16_t)(last_request - 1), MP_STATUS_FAILED, LOSS_MS + 5);
    assert_int_equal(commands.failsafe_done, 1);
    assert_int_equal(commands.failsafe_failed, 1);
    assert_int_equal(commands.counts[COMMANDS_DONE], 0);
}

/* Every value asked for is counted under exactly one outcome. */
static void the_outcomes_add_up_to_what_was_asked(void **state)
{
    (void)state;
    begin();
    uint64_t asked = 0, counted = 0, now_ms = 0;
    for (uint32_t i = 0; i < 500; i++, now_ms += 50) {
        static const char *const names[] = {"motor", "valve", "led", "nothing"};
        commands_set(&commands, names[i % 4], i % 7 == 0 ? COMMANDS_OTHER : COMMANDS_NUMBER, i % 3,
                     i % 11 != 0, now_ms);
        asked++;
        send_result = i % 5 == 0 ? MP_ERR_FULL : MP_OK;
        commands_flush(&commands, now_ms);
        if (i % 2 == 0)
            commands_on_result(&commands, last_request,
                               i % 8 == 0 ? MP_STATUS_FAILED : MP_STATUS_DONE, now_ms);
        if (i % 100 == 99)
            commands_on_mcu_gone(&commands, now_ms);
        if (i % 100 == 20)
            commands_on_mcu(&commands, &description, valve_holds, NULL, now_ms);
    }
    commands_on_mcu_gone(&commands, now_ms);
    for (size_t i = 0; i < COMMANDS_OUTCOME_COUNT; i++)
        counted += commands.counts[i];
    assert_int_equal(counted, asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_sent_and_its_answer_reported),
        cmocka_unit_test(what_the_board_does_not_describe_is_not_sent),
        cmocka_unit_test(a_value_out_of_range_or_not_finite_is_not_sent),
        cmocka_unit_test(a_value_of_the_wrong_type_is_not_sent),
        cmocka_unit_test(a_boolean_control_takes_booleans_and_0_and_1),
        cmocka_unit_test(the_bounds_are_included),
        cmocka_unit_test(a_bad_value_does_not_replace_a_good_one),
        cmocka_unit_test(the_newest_of_an_update_wins),
        cmocka_unit_test(what_cannot_be_sent_waits_until_its_deadline_and_no_longer),
        cmocka_unit_test(what_may_be_old_is_discarded),
        cmocka_unit_test(what_waited_over_a_gap_of_the_process_is_discarded),
        cmocka_unit_test(nothing_is_replayed_when_the_channel_comes_back),
        cmocka_unit_test(nothing_is_replayed_to_a_board_that_comes_back),
        cmocka_unit_test(a_refusal_of_the_board_is_reported),
        cmocka_unit_test(a_command_without_an_answer_is_given_up),
        cmocka_unit_test(a_flood_is_bounded_by_the_table_and_loses_only_the_older),
        cmocka_unit_test(controls_go_to_fail_safe_when_the_channel_is_gone_too_long),
        cmocka_unit_test(a_channel_back_in_time_changes_nothing),
        cmocka_unit_test(a_fail_safe_that_does_not_get_through_is_tried_again),
        cmocka_unit_test(a_fail_safe_under_way_ends_when_the_channel_is_back),
        cmocka_unit_test(a_board_that_comes_while_the_channel_is_gone_gets_the_fail_safe),
        cmocka_unit_test(a_channel_that_never_was_is_gone_from_the_boards_arrival_on),
        cmocka_unit_test(each_value_keeps_its_number_from_asked_to_its_end),
        cmocka_unit_test(a_number_that_wraps_makes_no_fail_safe_of_a_value),
        cmocka_unit_test(a_fail_safe_has_a_number_and_counters_of_its_own),
        cmocka_unit_test(the_outcomes_add_up_to_what_was_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
