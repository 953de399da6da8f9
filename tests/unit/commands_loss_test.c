/*
 * What a lost channel does to controls: fail-safe or hold, when, how often, and for whom.
 */
#include "commands_rig.h"

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

static void begin_failed_safe(void)
{
    begin();
    commands_on_channel(&commands, false, 0);
    commands_flush(&commands, LOSS_MS);
    commands_on_result(&commands, last_request, MP_STATUS_DONE, LOSS_MS + 5);
    commands_on_result(&commands, (uint16_t)(last_request - 1), MP_STATUS_DONE, LOSS_MS + 5);
}

static void a_fail_safe_that_worked_is_sent_once(void **state)
{
    (void)state;
    begin_failed_safe();
    assert_int_equal(commands_flush(&commands, LOSS_MS + 10), UINT64_MAX);
    assert_int_equal(commands_flush(&commands, LOSS_MS + 100000), UINT64_MAX);
    assert_string_equal(sent, "motor=5 led=0 ");
}

static void a_channel_that_is_lost_again_leads_to_fail_safe_again(void **state)
{
    (void)state;
    begin_failed_safe();
    commands_on_channel(&commands, true, 20000);
    set("motor", 40, 20000);
    commands_flush(&commands, 20000);
    commands_on_channel(&commands, false, 30000);
    commands_flush(&commands, 30000 + LOSS_MS - 1);
    assert_string_equal(sent, "motor=5 led=0 motor=40 ");
    commands_flush(&commands, 30000 + LOSS_MS);
    assert_string_equal(sent, "motor=5 led=0 motor=40 motor=5 led=0 ");
}

static void the_next_board_of_the_same_loss_gets_the_fail_safe_as_well(void **state)
{
    (void)state;
    begin_failed_safe();
    commands_on_mcu_gone(&commands, LOSS_MS + 100);
    commands_on_mcu(&commands, &description, valve_holds, NULL, LOSS_MS + 200);
    commands_flush(&commands, LOSS_MS + 200);
    assert_string_equal(sent, "motor=5 led=0 motor=5 led=0 ");
}

static void pauses_between_tries_of_a_fail_safe_grow_to_30_s_and_begin_anew(void **state)
{
    uint64_t now_ms = LOSS_MS;
    (void)state;
    begin();
    send_result = MP_ERR_NO_SESSION;
    commands_on_channel(&commands, false, 0);
    for (int i = 0; i < 12; i++) {
        uint64_t next_ms = commands_flush(&commands, now_ms);
        assert_int_equal(next_ms - now_ms, i < 6 ? 500 << i : 30000);
        now_ms = next_ms;
    }
    commands_flush(&commands, now_ms);
    commands_on_channel(&commands, true, now_ms);
    commands_on_channel(&commands, false, now_ms + 1);
    send_result = MP_OK;
    now_ms += 1 + LOSS_MS;
    commands_flush(&commands, now_ms);
    assert_string_equal(sent, "motor=5 led=0 ");
    commands_on_result(&commands, last_request, MP_STATUS_FAILED, now_ms);
    commands_flush(&commands, now_ms + 499);
    assert_string_equal(sent, "motor=5 led=0 ");
    commands_flush(&commands, now_ms + 500);
    assert_string_equal(sent, "motor=5 led=0 led=0 ");
}

static void a_fail_safe_that_fails_is_told_once_for_each_loss(void **state)
{
    uint64_t now_ms = 0;
    (void)state;
    begin();
    for (int loss = 0; loss < 2; loss++) {
        commands_on_channel(&commands, false, now_ms);
        now_ms += LOSS_MS;
        for (int i = 0; i < 3; i++, now_ms += 30000) {
            commands_flush(&commands, now_ms);
            commands_on_result(&commands, last_request, MP_STATUS_FAILED, now_ms);
        }
        commands_on_channel(&commands, true, now_ms);
    }
    int told = 0;
    for (const char *at = ended; (at = strstr(at, "failsafe:led=0:refused")) != NULL; at++)
        told++;
    assert_int_equal(told, 2);
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

static void a_fail_safe_has_a_number_and_counters_of_its_own(void **state)
{
    (void)state;
    begin();
    commands_on_channel(&commands, false, 0);
    commands_flush(&commands, LOSS_MS);
    assert_string_equal(way, "#1:motor=5:sent #2:led=0:sent ");
    commands_on_result(&commands, last_request, MP_STATUS_DONE, LOSS_MS + 5);
    assert_int_equal(commands.failsafe_done, 1);
    commands_on_result(&commands, (uint16_t)(last_request - 1), MP_STATUS_FAILED, LOSS_MS + 5);
    assert_int_equal(commands.failsafe_done, 1);
    assert_int_equal(commands.failsafe_failed, 1);
    assert_int_equal(commands.counts[COMMANDS_DONE], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(controls_go_to_fail_safe_when_the_channel_is_gone_too_long),
        cmocka_unit_test(a_channel_back_in_time_changes_nothing),
        cmocka_unit_test(a_fail_safe_that_does_not_get_through_is_tried_again),
        cmocka_unit_test(a_fail_safe_under_way_ends_when_the_channel_is_back),
        cmocka_unit_test(a_fail_safe_that_worked_is_sent_once),
        cmocka_unit_test(a_channel_that_is_lost_again_leads_to_fail_safe_again),
        cmocka_unit_test(the_next_board_of_the_same_loss_gets_the_fail_safe_as_well),
        cmocka_unit_test(pauses_between_tries_of_a_fail_safe_grow_to_30_s_and_begin_anew),
        cmocka_unit_test(a_fail_safe_that_fails_is_told_once_for_each_loss),
        cmocka_unit_test(a_board_that_comes_while_the_channel_is_gone_gets_the_fail_safe),
        cmocka_unit_test(a_channel_that_never_was_is_gone_from_the_boards_arrival_on),
        cmocka_unit_test(a_fail_safe_has_a_number_and_counters_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
