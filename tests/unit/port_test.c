/* What a board's client asks of its port, and when the port keeps quiet. */
#include "port/port_private.h"
#include "port_rig.h"

#include <string.h>

/* -- The board's client asks. */

static void what_is_typed_reaches_the_board_and_its_answer_comes_back(void **state)
{
    (void)state;
    WAIT_FOR(rig_is_ours());
    assert_int_equal(port_console(rig.port, (const uint8_t *)"help\n", 5), MP_OK);
    WAIT_FOR(strcmp(rig.console, "help\n") == 0);
}

static void the_size_of_its_window_reaches_the_board(void **state)
{
    (void)state;
    assert_int_equal(port_console_size(rig.port, 24, 80), MP_ERR_NO_SESSION);
    WAIT_FOR(rig_is_ours());
    assert_int_equal(port_console_size(rig.port, 24, 80), MP_OK);
    WAIT_FOR(rig.rows == 24 && rig.columns == 80);
}

static void what_the_line_has_no_room_for_is_not_taken(void **state)
{
    static const uint8_t line[50] = "a long line";
    int error = MP_OK;
    (void)state;
    WAIT_FOR(rig_is_ours());
    for (int i = 0; i < 1000 && error == MP_OK; i++)
        error = port_console(rig.port, line, sizeof line);
    assert_int_equal(error, MP_ERR_FULL);
    WAIT_FOR(port_console(rig.port, line, sizeof line) == MP_OK);
}

static void identify_and_reset_are_answered_by_a_result(void **state)
{
    uint16_t request;
    (void)state;
    WAIT_FOR(rig_is_ours());
    assert_int_equal(port_identify(rig.port, 250, &request), MP_OK);
    WAIT_FOR(rig.results == 1);
    assert_int_equal(rig.status, MP_STATUS_DONE);
    assert_int_equal(rig.identified, 250);
    assert_int_equal(port_reset(rig.port, MP_RESET_TO_APPLICATION, &request), MP_OK);
    WAIT_FOR(rig.results == 2 && rig.resets == 1);
}

static void without_a_claimed_board_nothing_can_be_asked(void **state)
{
    uint16_t request;
    (void)state;
    rig.claims = false;
    assert_int_equal(port_identify(rig.port, 1, &request), MP_ERR_NO_SESSION);
    WAIT_FOR(rig.ready == 1);
    assert_int_equal(port_console(rig.port, (const uint8_t *)"x", 1), MP_ERR_NO_SESSION);
    assert_int_equal(port_reset(rig.port, MP_RESET_TO_APPLICATION, &request), MP_ERR_NO_SESSION);
    mp_bulk_host_start(&rig.bulk, NULL, 1, (const uint8_t[MP_SHA256_BYTES]){0},
                       &(struct mp_bulk_host_io){0});
    port_upload(rig.port, &rig.bulk);
    assert_null(rig.bulk.host);
}

static void credit_is_given_in_the_next_turn(void **state)
{
    (void)state;
    WAIT_FOR(rig_is_ours());
    WAIT_FOR(rig.turns.heap[0].due_us != 0);
    port_credit(rig.port, CREDIT / 2);
    assert_int_equal(rig.turns.heap[0].due_us, 0);
}

static void an_upload_has_no_host_once_its_session_has_ended(void **state)
{
    (void)state;
    WAIT_FOR(rig_is_ours());
    mp_bulk_host_start(&rig.bulk, NULL, 1000, (const uint8_t[MP_SHA256_BYTES]){0},
                       &(struct mp_bulk_host_io){0});
    port_upload(rig.port, &rig.bulk);
    assert_non_null(rig.bulk.host);
    assert_int_equal(rig.bulk.phase, MP_BULK_HOST_BEGINNING);
    port_hold(rig.port, 1);
    assert_null(rig.bulk.host);
    assert_int_equal(rig.bulk.phase, MP_BULK_HOST_WAITING);
    WAIT_FOR(rig_is_ours());
    port_upload(rig.port, &rig.bulk);
    rig_pull();
    WAIT_FOR(rig.lost == 1);
    assert_null(rig.bulk.host);
}

/* -- Quiet. */

static void nothing_is_written_while_it_is_quiet_and_the_session_outlives_it(void **state)
{
    (void)state;
    WAIT_FOR(rig_is_ours());
    rig_turn_for(50);
    uint64_t until_us = loop_now_us(&rig.loop) + QUIET_MS * 1000;
    port_quiet(rig.port, QUIET_MS);
    rig_turn_board(); /* what was on its way */
    size_t before = rig.bytes_down;
    assert_int_equal(port_console(rig.port, (const uint8_t *)"x", 1), MP_OK);
    WAIT_FOR(rig.bytes_down != before);
    assert_true(loop_now_us(&rig.loop) >= until_us);
    WAIT_FOR(strcmp(rig.console, "x") == 0);
    assert_int_equal(rig.lost, 0);
}

static void a_board_that_has_restarted_is_answered_at_once(void **state)
{
    (void)state;
    WAIT_FOR(rig_is_ours());
    port_quiet(rig.port, 2 * PATIENCE_MS);
    rig_start_board();
    WAIT_FOR(rig.lost == 1);
    WAIT_FOR(rig_is_ours());
}

/* After days on a fast line. */
static void a_counter_of_the_link_that_wraps_does_not_begin_anew(void **state)
{
    struct watch_port before, after;
    (void)state;
    WAIT_FOR(rig_is_ours());
    rig.port->host.stats.bytes_in = UINT32_MAX - 1;
    port_watch(rig.port, &before);
    port_tick(rig.port, 0);
    WAIT_FOR(rig.port->host.stats.bytes_in < 1000);
    port_watch(rig.port, &after);
    assert_true(after.bytes_in > before.bytes_in);
    uint64_t total = after.bytes_in;
    rig_start_board(); /* with a link of its own */
    WAIT_FOR(rig.ready == 2);
    port_watch(rig.port, &after);
    assert_in_range(after.bytes_in, total, total + 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(what_is_typed_reaches_the_board_and_its_answer_comes_back),
        RIG_TEST(the_size_of_its_window_reaches_the_board),
        RIG_TEST(what_the_line_has_no_room_for_is_not_taken),
        RIG_TEST(identify_and_reset_are_answered_by_a_result),
        RIG_TEST(without_a_claimed_board_nothing_can_be_asked),
        RIG_TEST(credit_is_given_in_the_next_turn),
        RIG_TEST(an_upload_has_no_host_once_its_session_has_ended),
        RIG_TEST(nothing_is_written_while_it_is_quiet_and_the_session_outlives_it),
        RIG_TEST(a_board_that_has_restarted_is_answered_at_once),
        RIG_TEST(a_counter_of_the_link_that_wraps_does_not_begin_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
