/*
 * Controls on their way down: checked, newest wins, never stale.
 */
#include "commands_rig.h"

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

/* The channel is lost at 0, and both controls that do not hold are at their fail-safe value. */
static void a_value_that_the_link_refuses_ends_as_out_of_range(void **state)
{
    (void)state;
    begin();
    send_result = MP_ERR_BAD_VALUE;
    set("motor", 40, 0);
    commands_flush(&commands, 0);
    assert_int_equal(commands.counts[COMMANDS_RANGE], 1);
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
        cmocka_unit_test(a_value_that_the_link_refuses_ends_as_out_of_range),
        cmocka_unit_test(each_value_keeps_its_number_from_asked_to_its_end),
        cmocka_unit_test(a_number_that_wraps_makes_no_fail_safe_of_a_value),
        cmocka_unit_test(the_outcomes_add_up_to_what_was_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
