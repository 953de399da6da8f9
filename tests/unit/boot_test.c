/*
 * The boot loader on a board of memory whose power goes at every single write, once and twice.
 */
#include "boot_board.h"
#include "port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { OLD = 0x10, NEW = 0x20, NEW_PAGES = 3, ALL = BOOT_SLOT_PAGES };

static int start(void **state)
{
    (void)state;
    board_init(OLD);
    board_fill(BOOT_NEXT, NEW, NEW_PAGES);
    return 0;
}

static void commit(void *user)
{
    (void)user;
    assert_true(boot_commit(NEW_PAGES));
}

static void confirm(void *user)
{
    (void)user;
    boot_confirm();
}

static bool runs(uint8_t mark, uint16_t pages)
{
    return board_holds(BOOT_RUN, mark, pages);
}

static void a_board_that_was_never_updated_starts_what_it_has(void **state)
{
    (void)state;
    assert_int_equal(board_start(false), BOOT_START_SETTLED);
    assert_int_equal(board_start(true), BOOT_START_SETTLED);
    assert_true(runs(OLD, ALL));
    assert_int_equal(board.writes, 0);
}

static void a_board_without_an_image_starts_nothing(void **state)
{
    (void)state;
    memset(board.slot, 0xff, sizeof board.slot);
    assert_int_equal(board_start(false), BOOT_START_NONE);
    assert_int_equal(board.writes, 0);
}

static void flash_that_takes_no_image_any_more_starts_nothing_and_not_for_ever(void **state)
{
    (void)state;
    board_fill(BOOT_BACK, NEW, ALL);
    memset(board.slot[BOOT_RUN], 0xff, sizeof board.slot[BOOT_RUN]);
    board.worn_slot = BOOT_RUN;
    board.worn_page = 0;
    assert_int_equal(board_start(false), BOOT_START_NONE);
}

static void without_its_image_a_board_starts_what_ran_before(void **state)
{
    (void)state;
    board_fill(BOOT_BACK, NEW, ALL);
    memset(board.slot[BOOT_RUN], 0xff, sizeof board.slot[BOOT_RUN]);
    assert_int_equal(board_start(false), BOOT_START_SETTLED);
    assert_true(runs(NEW, ALL));
}

static void power_lost_while_it_is_brought_back_costs_nothing(void **state)
{
    for (uint32_t cut = 1; cut < 40; cut++) {
        start(state);
        board_fill(BOOT_BACK, NEW, ALL);
        memset(board.slot[BOOT_RUN], 0xff, sizeof board.slot[BOOT_RUN]);
        board.cut_at = cut;
        board_start(false);
        assert_int_equal(board_start(false), BOOT_START_SETTLED);
        assert_true(runs(NEW, ALL));
    }
}

static void a_committed_image_runs_on_trial_and_stays_when_it_confirms(void **state)
{
    (void)state;
    commit(NULL);
    assert_int_equal(port_image_state(), PORT_IMAGE_COMMITTED);
    assert_true(runs(OLD, ALL));
    assert_int_equal(board_start(false), BOOT_START_TRIAL);
    assert_true(runs(NEW, NEW_PAGES));
    assert_true(board_holds(BOOT_BACK, OLD, ALL));
    assert_int_equal(port_image_state(), PORT_IMAGE_ON_TRIAL);
    boot_confirm();
    assert_int_equal(port_image_state(), PORT_IMAGE_SETTLED);
    assert_int_equal(board_start(true), BOOT_START_SETTLED);
    assert_true(runs(NEW, NEW_PAGES));
}

static void an_image_that_hangs_is_taken_back_at_once(void **state)
{
    (void)state;
    commit(NULL);
    assert_int_equal(board_start(false), BOOT_START_TRIAL);
    assert_int_equal(board_start(true), BOOT_START_SETTLED);
    assert_true(runs(OLD, ALL));
    assert_int_equal(port_image_state(), PORT_IMAGE_TAKEN_BACK);
    assert_int_equal(board_start(false), BOOT_START_SETTLED);
    assert_true(runs(OLD, ALL));
}

/* The reset that follows a commit may itself be the watchdog's. */
static void a_watchdog_before_the_first_try_is_not_its_fault(void **state)
{
    (void)state;
    commit(NULL);
    assert_int_equal(board_start(true), BOOT_START_TRIAL);
    assert_true(runs(NEW, NEW_PAGES));
}

static void an_image_that_never_confirms_gets_three_starts(void **state)
{
    (void)state;
    commit(NULL);
    for (int i = 0; i < BOOT_TRIES; i++) {
        assert_int_equal(board_start(false), BOOT_START_TRIAL);
        assert_true(runs(NEW, NEW_PAGES));
    }
    assert_int_equal(board_start(false), BOOT_START_SETTLED);
    assert_true(runs(OLD, ALL));
    assert_int_equal(port_image_state(), PORT_IMAGE_TAKEN_BACK);
}

static void an_image_on_trial_that_is_none_any_more_is_taken_back(void **state)
{
    (void)state;
    commit(NULL);
    assert_int_equal(board_start(false), BOOT_START_TRIAL);
    memset(board.slot[BOOT_RUN], 0xff, sizeof board.slot[BOOT_RUN]);
    assert_int_equal(board_start(false), BOOT_START_SETTLED);
    assert_true(runs(OLD, ALL));
}

static void an_image_that_spoilt_after_the_old_one_was_saved_is_not_installed(void **state)
{
    const struct boot_state saved = {.phase = BOOT_INSTALLING, .new_pages = NEW_PAGES};
    (void)state;
    board_fill(BOOT_BACK, OLD, ALL);
    memset(board.slot[BOOT_NEXT], 0xff, sizeof board.slot[BOOT_NEXT]);
    boot_state_save(&saved);
    assert_int_equal(board_start(false), BOOT_START_SETTLED);
    assert_true(runs(OLD, ALL));
    assert_int_equal(port_image_state(), PORT_IMAGE_TAKEN_BACK);
}

static void taken_back_once_it_may_be_tried_again(void **state)
{
    (void)state;
    commit(NULL);
    board_start(false);
    board_start(true);
    commit(NULL);
    assert_int_equal(board_start(false), BOOT_START_TRIAL);
    boot_confirm();
    assert_int_equal(port_image_state(), PORT_IMAGE_SETTLED);
    assert_true(runs(NEW, NEW_PAGES));
}

static void to_commit_what_runs_already_changes_nothing(void **state)
{
    (void)state;
    board_fill(BOOT_NEXT, OLD, ALL);
    assert_true(boot_commit(ALL));
    assert_int_equal(port_image_state(), PORT_IMAGE_SETTLED);
    assert_int_equal(board.writes, 0);
}

static void an_image_on_trial_commits_nothing(void **state)
{
    (void)state;
    commit(NULL);
    board_start(false);
    board_fill(BOOT_NEXT, 0x30, NEW_PAGES);
    assert_false(boot_commit(NEW_PAGES));
    board_start(true);
    assert_true(runs(OLD, ALL));
}

static void what_is_no_image_is_not_installed(void **state)
{
    (void)state;
    board.slot[BOOT_NEXT][0][0] = 0;
    commit(NULL);
    assert_int_equal(board_start(false), BOOT_START_SETTLED);
    assert_true(runs(OLD, ALL));
    assert_int_equal(port_image_state(), PORT_IMAGE_TAKEN_BACK);
}

static void flash_that_is_worn_out_costs_the_update_and_not_the_board(void **state)
{
    (void)state;
    for (int slot = BOOT_RUN; slot <= BOOT_BACK; slot += BOOT_BACK - BOOT_RUN) {
        start(state);
        board.worn_slot = slot;
        board.worn_page = 1;
        commit(NULL);
        assert_int_equal(board_start(false), BOOT_START_SETTLED);
        assert_true(runs(OLD, ALL));
    }
}

/* From a commit on, with the power cut as `board` says, until something starts and confirms. */
static void update_through_cuts(uint32_t second)
{
    int started = BOARD_CUT;

    if (board_powered(commit, NULL))
        started = board_start(false);
    if (started == BOARD_CUT && second > 0)
        board.cut_at = board.writes + second;
    for (int i = 0; i < 2 && started == BOARD_CUT; i++)
        started = board_start(false);
    assert_int_not_equal(started, BOARD_CUT);
    assert_int_not_equal(started, BOOT_START_NONE);
    if (started == BOOT_START_SETTLED)
        assert_true(runs(OLD, ALL));
    else
        assert_true(runs(NEW, NEW_PAGES));
    board_powered(confirm, NULL);
}

static uint32_t writes_of_an_update(void)
{
    void *none = NULL;

    start(&none);
    update_through_cuts(0);
    return board.writes;
}

static void power_lost_once_and_twice_in_an_update_leaves_the_old_or_the_new_image(void **state)
{
    const uint8_t torn[] = {0x00, 0xff, 0x5a, BOARD_IMAGE};
    uint32_t all = writes_of_an_update(), updated = 0;

    assert_true(all > 3 * NEW_PAGES);
    for (uint32_t cut = 1; cut <= all; cut++)
        for (uint32_t second = 0; second <= all; second++)
            for (size_t i = 0; i < sizeof torn; i++) {
                start(state);
                board.torn = torn[i];
                board.cut_at = cut;
                update_through_cuts(second);
                board.cut_at = 0;
                board_start(false);
                assert_true(runs(NEW, NEW_PAGES) || runs(OLD, ALL));
                updated += runs(NEW, NEW_PAGES);
            }
    assert_true(updated > all); /* most of them go on to the new image */
}

static void power_lost_while_an_image_is_taken_back_costs_nothing(void **state)
{
    for (uint32_t cut = 1; cut < 30; cut++) {
        start(state);
        commit(NULL);
        assert_int_equal(board_start(false), BOOT_START_TRIAL);
        board.torn = 0x5a;
        board.cut_at = board.writes + cut;
        if (board_start(true) == BOARD_CUT)
            assert_int_not_equal(board_start(false), BOARD_CUT);
        /* Cut before it was noted that it hangs, it gets its other tries. */
        for (int i = 0; i <= BOOT_TRIES; i++)
            board_start(false);
        assert_true(runs(OLD, ALL));
    }
}

static void a_state_is_read_as_it_was_saved_many_times_over(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < 1000; i++) {
        struct boot_state saved = {
            .phase = (uint8_t)(i % BOOT_PHASE_COUNT), .tries = (uint8_t)i, .new_pages = i};
        struct boot_state loaded;
        boot_state_save(&saved);
        loaded = boot_state_load();
        assert_int_equal(loaded.phase, saved.phase);
        assert_int_equal(loaded.tries, saved.tries);
        assert_int_equal(loaded.new_pages, saved.new_pages);
    }
}

static void bytes_that_are_no_record_are_a_settled_board(void **state)
{
    (void)state;
    for (int value = 0; value < 256; value++) {
        memset(board.kept, value, sizeof board.kept);
        assert_int_equal(boot_state_load().phase, BOOT_SETTLED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_board_that_was_never_updated_starts_what_it_has, start),
        cmocka_unit_test_setup(a_board_without_an_image_starts_nothing, start),
        cmocka_unit_test_setup(flash_that_takes_no_image_any_more_starts_nothing_and_not_for_ever,
                               start),
        cmocka_unit_test_setup(without_its_image_a_board_starts_what_ran_before, start),
        cmocka_unit_test(power_lost_while_it_is_brought_back_costs_nothing),
        cmocka_unit_test_setup(a_committed_image_runs_on_trial_and_stays_when_it_confirms, start),
        cmocka_unit_test_setup(an_image_that_hangs_is_taken_back_at_once, start),
        cmocka_unit_test_setup(a_watchdog_before_the_first_try_is_not_its_fault, start),
        cmocka_unit_test_setup(an_image_that_never_confirms_gets_three_starts, start),
        cmocka_unit_test_setup(an_image_on_trial_that_is_none_any_more_is_taken_back, start),
        cmocka_unit_test_setup(an_image_that_spoilt_after_the_old_one_was_saved_is_not_installed,
                               start),
        cmocka_unit_test_setup(taken_back_once_it_may_be_tried_again, start),
        cmocka_unit_test_setup(to_commit_what_runs_already_changes_nothing, start),
        cmocka_unit_test_setup(an_image_on_trial_commits_nothing, start),
        cmocka_unit_test_setup(what_is_no_image_is_not_installed, start),
        cmocka_unit_test_setup(flash_that_is_worn_out_costs_the_update_and_not_the_board, start),
        cmocka_unit_test(power_lost_once_and_twice_in_an_update_leaves_the_old_or_the_new_image),
        cmocka_unit_test(power_lost_while_an_image_is_taken_back_costs_nothing),
        cmocka_unit_test_setup(a_state_is_read_as_it_was_saved_many_times_over, start),
        cmocka_unit_test_setup(bytes_that_are_no_record_are_a_settled_board, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
