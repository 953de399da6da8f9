/* An update ends with the truth: read back, or failed with a reason, at whatever point it is cut.
 * How its board is written is nh_update_flash_test's. */
#include "nh_update_rig.h"

#include <stdio.h>

static void an_update_ends_when_the_board_says_that_it_runs_it(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_awaiting(&rig);
    rig_board(&rig, NEW);
    rig_expect(&rig, "completed rejoin ");
    assert_int_equal(rig.kept.stage, NH_IDLE);
    assert_null(rig_join(&rig));
    rig_pass(&rig, 5000);
    rig_expect(&rig, "");
}

static void nothing_is_said_about_an_update_that_the_server_does_not_know(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_joined(&rig);
    nh_update_percent(&rig.update, 50, rig.now_ms);
    nh_update_fetched(&rig.update, "x", true, rig.now_ms);
    rig_flashed(&rig, NH_FLASH_FAILED, "x");
    rig_pass(&rig, 3600 * 1000);
    rig_expect(&rig, "");
}

static void progress_is_throttled_and_kept_alive(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_flashing(&rig);
    for (unsigned i = 0; i <= 40; i++)
        nh_update_percent(&rig.update, i, rig.now_ms += 100);
    rig_expect(&rig, "9u 19u 29u 39u ");
    rig_pass(&rig, 19 * 60 * 1000);
    rig_expect(&rig, "40u ");
    rig_pass(&rig, 2 * 60 * 1000);
    rig_expect(&rig, "39u 40u ");
}

static void a_file_for_another_board_is_refused_before_anything_is_fetched(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_joined(&rig);
    static struct nh_offer o;
    o = (struct nh_offer){.server = NH_MAIN, .url = "http://h/f", .firmware = rig_firmware(NEW)};
    snprintf(o.firmware.platform, sizeof(o.firmware.platform), "m3");
    nh_update_offer(&rig.update, &o, rig.now_ms);
    rig_expect(&rig, "received failed:the firmware is for platform \"m3\", the board is \"avr\" ");
}

static void
a_file_that_says_another_thing_than_the_offer_is_refused_before_anything_is_erased(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_fetching(&rig);
    rig_fetched(&rig);
    rig_forget(&rig);
    rig_checked(&rig, OTHER);
    rig_expect(&rig, "failed:the file holds another firmware than the server named ");
    rig_offer(&rig, NEW);
    rig_expect(&rig, "failed:the file holds another firmware than the server named ");
}

static void a_board_that_goes_back_by_itself_is_a_failure_and_said_at_the_next_join(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_awaiting(&rig);
    rig_pass(&rig, 30000);
    rig_expect(&rig, "");
    rig_board(&rig, OLD);
    nh_update_poll(&rig.update, rig.now_ms);
    assert_true(rig.update.auto_reverted);
    rig_expect(
        &rig,
        "failed:the board came back with its previous firmware: the new one did not start or was "
        "not confirmed rejoin ");
    rig_join(&rig);
    assert_false(rig.update.auto_reverted);
}

static void a_last_hello_of_the_old_image_before_the_reset_is_no_failure(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_awaiting(&rig);
    rig_board(&rig, OLD);
    rig_pass(&rig, 2000);
    rig_expect(&rig, "");
    rig_board(&rig, NEW);
    rig_expect(&rig, "completed rejoin ");
}

static void a_failed_firmware_is_not_fetched_again_at_once(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_fetching(&rig);
    nh_update_fetched(&rig.update, "the connection was cut", false, rig.now_ms);
    rig_expect(&rig, "STOP failed:the connection was cut ");
    rig_offer(&rig, NEW);
    rig_expect(&rig, "failed:the connection was cut ");
    rig_pass(&rig, 61000);
    rig_offer(&rig, NEW);
    rig_expect(&rig, "received started downloading FETCH(2cc211b5) ");
    rig_offer(&rig, OTHER);
    rig_expect(&rig, "STOP received started downloading FETCH(cf2f836e) ");
}

static void what_fails_again_and_again_is_fetched_after_longer_and_longer(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_fetching(&rig);
    for (unsigned minutes = 1; minutes <= 16; minutes *= 2) {
        nh_update_fetched(&rig.update, "cut", false, rig.now_ms);
        rig_expect(&rig, "STOP failed:cut ");
        rig_pass(&rig, minutes * 60000 - 1000);
        rig_forget(&rig);
        rig_offer(&rig, NEW);
        rig_expect(&rig, "failed:cut ");
        rig_pass(&rig, 1000);
        rig_forget(&rig);
        rig_offer(&rig, NEW);
        rig_expect(&rig, "received started downloading FETCH(2cc211b5) ");
    }
}

static void a_short_disconnection_keeps_the_update_and_a_long_one_is_offered_anew(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_fetching(&rig);
    nh_update_left(&rig.update);
    nh_update_percent(&rig.update, 20, rig.now_ms);
    rig_expect(&rig, "");
    assert_string_equal(rig_join(&rig), NEW);
    nh_update_percent(&rig.update, 21, rig.now_ms += 1000);
    rig_expect(&rig, "21d ");
    nh_update_left(&rig.update);
    rig.now_ms += 26 * 60 * 1000;
    assert_null(rig_join(&rig));
    nh_update_percent(&rig.update, 30, rig.now_ms);
    rig_expect(&rig, "");
    rig_offer(&rig, NEW);
    rig_expect(&rig, "STOP received started downloading FETCH(2cc211b5) ");
}

/* 24 min of silence, a word into a connection that is dead already, and its end: the server, which
 * heard nothing for 25 min then, may have forgotten the update. */
static void what_a_dead_connection_swallowed_was_not_heard(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_fetching(&rig);
    nh_update_percent(&rig.update, 20, rig.now_ms += 120000);
    nh_update_percent(&rig.update, 21, rig.now_ms += 24 * 60 * 1000 + 40000);
    rig.now_ms += 30000;
    nh_update_poll(&rig.update, rig.now_ms);
    nh_update_left(&rig.update);
    assert_null(rig_join(&rig));
    rig_offer(&rig, NEW);
    nh_update_percent(&rig.update, 22, rig.now_ms += 24 * 60 * 1000);
    rig.now_ms += 90000; /* it was alive for so long afterwards */
    nh_update_poll(&rig.update, rig.now_ms);
    nh_update_left(&rig.update);
    assert_string_equal(rig_join(&rig), NEW);
}

static void an_offer_of_what_runs_is_answered_by_a_join(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_joined(&rig);
    rig_offer(&rig, OLD);
    rig_expect(&rig, "rejoin ");
    rig_offer(&rig, OLD);
    rig_expect(&rig, "");
}

static void a_board_flashed_by_somebody_else_joins_as_what_it_is(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_joined(&rig);
    rig_board(&rig, OLD);
    rig_expect(&rig, "");
    rig_board(&rig, OTHER);
    rig_expect(&rig, "rejoin ");
}

static void a_full_disk_ends_the_update_before_the_board_is_touched(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_fetching(&rig);
    rig_fetched(&rig);
    rig_forget(&rig);
    rig.disk_full = true;
    rig_checked(&rig, NEW);
    rig_expect(&rig, "failed:the bridge cannot write its state: is its disk full? ");
}

static void an_offer_that_nobody_answered_is_taken_back_by_a_join(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_awaiting(&rig);
    rig_pass(&rig, 121000);
    rig_forget(&rig);
    rig_offer(&rig, OTHER);
    rig_pass(&rig, 5000);
    rig_expect(&rig, "");
    rig_flashed(&rig, NH_FLASHED, NULL);
    rig_pass(&rig, 1000);
    rig_expect(&rig, "rejoin ");
    rig_join(&rig);
    rig_pass(&rig, 120000);
    rig_expect(&rig, "");
}

static void an_offer_of_what_runs_ends_the_fetching_of_another(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_fetching(&rig);
    rig_offer(&rig, OLD);
    rig_expect(&rig, "STOP rejoin ");
    assert_int_equal(rig.update.record.stage, NH_IDLE);
    assert_int_equal(rig.kept.stage, NH_IDLE);
    assert_null(rig_join(&rig));
}

/* The program dies after each step of a whole update and starts again with what was kept. */
static void a_crash_at_any_step_ends_in_the_new_firmware_and_never_in_a_false_word(void **state)
{
    (void)state;
    for (int cut = 0; cut < 5; cut++) {
        struct rig rig;
        rig_to_fetching(&rig);
        if (cut > 0)
            rig_fetched(&rig);
        if (cut > 1)
            rig_checked(&rig, NEW);
        if (cut > 2)
            rig_flashed(&rig, NH_FLASHED, NULL);
        rig_forget(&rig);
        rig_start(&rig);
        rig_board(&rig, cut == 4 ? NEW : OLD);
        if (cut == 4) { /* it had come back while nobody listened */
            assert_int_equal(rig.kept.stage, NH_IDLE);
            rig_expect(&rig, "rejoin ");
            continue;
        }
        assert_null(rig_join(&rig));
        if (cut < 2) {
            rig_offer(&rig, NEW);
            rig_expect(&rig, "received started downloading FETCH(2cc211b5) ");
            continue;
        }
        rig_pass(&rig, 1000);
        rig_expect(&rig, cut == 2 ? "FLASH(2cc211b5) " : "");
        if (cut == 2)
            rig_flashed(&rig, NH_FLASHED, NULL);
        rig_expect(&rig, "");
        rig_board(&rig, NEW);
        rig_expect(&rig, "rejoin ");
    }
}

static void a_third_firmware_is_not_taken_for_the_previous_one(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_awaiting(&rig);
    rig_board(&rig, OTHER);
    rig_pass(&rig, 11000);
    rig_expect(&rig, "failed:the board came back with a firmware that is neither the new nor the "
                     "previous one rejoin ");
    assert_false(rig.update.auto_reverted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_update_ends_when_the_board_says_that_it_runs_it),
        cmocka_unit_test(nothing_is_said_about_an_update_that_the_server_does_not_know),
        cmocka_unit_test(progress_is_throttled_and_kept_alive),
        cmocka_unit_test(a_file_for_another_board_is_refused_before_anything_is_fetched),
        cmocka_unit_test(
            a_file_that_says_another_thing_than_the_offer_is_refused_before_anything_is_erased),
        cmocka_unit_test(a_board_that_goes_back_by_itself_is_a_failure_and_said_at_the_next_join),
        cmocka_unit_test(a_last_hello_of_the_old_image_before_the_reset_is_no_failure),
        cmocka_unit_test(a_failed_firmware_is_not_fetched_again_at_once),
        cmocka_unit_test(what_fails_again_and_again_is_fetched_after_longer_and_longer),
        cmocka_unit_test(a_short_disconnection_keeps_the_update_and_a_long_one_is_offered_anew),
        cmocka_unit_test(what_a_dead_connection_swallowed_was_not_heard),
        cmocka_unit_test(an_offer_of_what_runs_is_answered_by_a_join),
        cmocka_unit_test(a_board_flashed_by_somebody_else_joins_as_what_it_is),
        cmocka_unit_test(a_full_disk_ends_the_update_before_the_board_is_touched),
        cmocka_unit_test(an_offer_that_nobody_answered_is_taken_back_by_a_join),
        cmocka_unit_test(an_offer_of_what_runs_ends_the_fetching_of_another),
        cmocka_unit_test(a_crash_at_any_step_ends_in_the_new_firmware_and_never_in_a_false_word),
        cmocka_unit_test(a_third_firmware_is_not_taken_for_the_previous_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
