/* A board is written until it runs: tries, a board or a flasher that is not there, the way back. */
#include "nh_update_rig.h"

static void a_board_that_does_not_come_back_gets_its_previous_firmware(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_awaiting(&rig);
    rig_pass(&rig, 121000);
    rig_expect(&rig, "failed:the board did not come back after it was flashed FLASH(206d2695) ");
    rig_flashed(&rig, NH_FLASHED, NULL);
    assert_int_equal(rig.kept.stage, NH_IDLE);
    rig_board(&rig, OLD);
    rig_expect(&rig, "");
}

static void a_boot_loader_with_two_slots_needs_nothing_restored(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_flashing(&rig);
    rig.update.io.keeps_old = true;
    for (int i = 0; i < 3; i++) {
        rig_flashed(&rig, NH_FLASH_FAILED, "the line was cut");
        rig_pass(&rig, 6000);
    }
    rig_expect(&rig,
               "FLASH(2cc211b5) FLASH(2cc211b5) failed:flashing failed 3 times: the line was cut ");
    assert_int_equal(rig.kept.stage, NH_IDLE);
}

static void flashing_is_tried_three_times_and_then_the_old_firmware_three_times(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_flashing(&rig);
    for (int i = 0; i < 8; i++) {
        rig_flashed(&rig, NH_FLASH_FAILED, "no sync");
        rig_pass(&rig, 6000);
    }
    rig_expect(
        &rig,
        "FLASH(2cc211b5) FLASH(2cc211b5) failed:flashing failed 3 times: no sync FLASH(206d2695) "
        "FLASH(206d2695) FLASH(206d2695) ");
    assert_int_equal(rig.kept.stage, NH_IDLE);
}

static void a_full_disk_is_no_reason_to_leave_a_board_without_firmware(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_awaiting(&rig);
    rig.disk_full = true;
    rig_pass(&rig, 121000);
    rig_expect(&rig, "failed:the board did not come back after it was flashed FLASH(206d2695) ");
    rig_flashed(&rig, NH_FLASHED, NULL);
    assert_int_equal(rig.update.record.stage, NH_IDLE);
}

static void a_boot_loader_that_checks_the_whole_image_is_believed_after_a_restart(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_flashing(&rig);
    rig.keeps_old = true;
    rig_start(&rig);
    rig_pass(&rig, 3000);
    rig_expect(&rig, "");
    rig_board(&rig, NEW);
    rig_expect(&rig, "rejoin ");
    assert_int_equal(rig.kept.stage, NH_IDLE);
}

/* The build id stands in the first pages of many images. */
static void half_an_image_that_says_its_name_is_written_again(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_flashing(&rig);
    rig_start(&rig);
    rig_board(&rig, NEW);
    assert_string_equal(rig.update.running.uuid, "");
    nh_update_poll(&rig.update, rig.now_ms);
    rig_expect(&rig, "FLASH(2cc211b5) ");
    rig_board(&rig, NEW);
    rig_expect(&rig, "");
    rig_flashed(&rig, NH_FLASHED, NULL);
    rig_board(&rig, NEW);
    rig_expect(&rig, "rejoin ");
}

static void a_board_that_was_written_and_is_silent_is_written_again_after_a_restart(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_flashing(&rig);
    rig_start(&rig);
    rig_pass(&rig, 11000);
    rig_expect(&rig, "FLASH(2cc211b5) ");
    assert_int_equal(rig.kept.tries, 2);
}

static void a_board_that_is_not_there_is_waited_for_and_no_try_is_used_up(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_flashing(&rig);
    for (int i = 0; i < 10; i++) {
        rig_flashed(&rig, NH_FLASH_ABSENT, "pulled");
        rig_pass(&rig, 6000);
        rig_expect(&rig, "FLASH(2cc211b5) ");
    }
    assert_int_equal(rig.kept.tries, 1);
    rig_flashed(&rig, NH_FLASH_ABSENT, "pulled");
    rig_board(&rig, OLD);
    nh_update_poll(&rig.update, rig.now_ms);
    rig_expect(&rig, "FLASH(2cc211b5) ");
}

static void after_an_hour_an_untouched_board_is_left_as_it_is(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_flashing(&rig);
    for (int i = 0; i < 700 && rig.kept.stage == NH_FLASHING; i++) {
        rig_forget(&rig);
        rig_flashed(&rig, NH_FLASH_ABSENT, "pulled");
        rig_pass(&rig, 5500);
    }
    assert_int_equal(rig.kept.stage, NH_IDLE);
    rig_expect(&rig, "failed:the board could not be flashed for an hour: pulled ");
}

static void a_board_pulled_while_it_was_written_is_saved_whenever_it_comes_back(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_flashing(&rig);
    rig_flashed(&rig, NH_FLASH_FAILED, "pulled");
    for (int day = 0; day < 2; day++)
        for (int i = 0; i < 14400; i++) {
            rig_pass(&rig, 5500);
            rig_forget(&rig);
            rig_flashed(&rig, NH_FLASH_ABSENT, "pulled");
        }
    assert_int_equal(rig.kept.stage, NH_RESTORING);
    rig_pass(&rig, 5500);
    rig_expect(&rig, "FLASH(206d2695) ");
    rig_flashed(&rig, NH_FLASHED, NULL);
    assert_int_equal(rig.kept.stage, NH_IDLE);
}

static void a_board_that_comes_back_late_is_left_with_what_it_runs(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_awaiting(&rig);
    rig_pass(&rig, 121000);
    rig_flashed(&rig, NH_FLASH_ABSENT, "pulled");
    rig_forget(&rig);
    rig_board(&rig, NEW);
    rig_expect(&rig, "rejoin ");
    assert_int_equal(rig.kept.stage, NH_IDLE);
}

static void
a_flasher_that_is_not_there_is_asked_for_ever_later_and_never_flaps_the_board(void **state)
{
    (void)state;
    struct rig rig;
    unsigned asked = 0;
    rig_to_flashing(&rig);
    rig_flashed(&rig, NH_FLASH_NOT_BEGUN, "no avrdude");
    for (int i = 0; i < 1200; i++) { /* ten minutes; the board says hello all the time */
        rig_forget(&rig);
        rig_board(&rig, OLD);
        rig_pass(&rig, 500);
        asked += rig.update.flashing;
        rig_flashed(&rig, NH_FLASH_NOT_BEGUN, "no avrdude");
    }
    assert_in_range(asked, 10, 14);
    assert_int_equal(rig.kept.tries, 1);
}

static void an_image_that_the_board_refuses_leaves_it_as_it_is(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_flashing(&rig);
    rig_flashed(&rig, NH_FLASH_REFUSED, "too large");
    rig_expect(&rig, "failed:too large ");
    assert_int_equal(rig.kept.stage, NH_IDLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_board_that_does_not_come_back_gets_its_previous_firmware),
        cmocka_unit_test(a_boot_loader_with_two_slots_needs_nothing_restored),
        cmocka_unit_test(flashing_is_tried_three_times_and_then_the_old_firmware_three_times),
        cmocka_unit_test(a_full_disk_is_no_reason_to_leave_a_board_without_firmware),
        cmocka_unit_test(a_boot_loader_that_checks_the_whole_image_is_believed_after_a_restart),
        cmocka_unit_test(half_an_image_that_says_its_name_is_written_again),
        cmocka_unit_test(a_board_that_was_written_and_is_silent_is_written_again_after_a_restart),
        cmocka_unit_test(a_board_that_is_not_there_is_waited_for_and_no_try_is_used_up),
        cmocka_unit_test(after_an_hour_an_untouched_board_is_left_as_it_is),
        cmocka_unit_test(a_board_pulled_while_it_was_written_is_saved_whenever_it_comes_back),
        cmocka_unit_test(a_board_that_comes_back_late_is_left_with_what_it_runs),
        cmocka_unit_test(
            a_flasher_that_is_not_there_is_asked_for_ever_later_and_never_flaps_the_board),
        cmocka_unit_test(an_image_that_the_board_refuses_leaves_it_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
