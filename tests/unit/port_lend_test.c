/* A port lent to a flasher, or at which one runs: nobody opens it, until it is taken back. */
#include "port_rig.h"

#include "flash/flash_claim.h"

#include <string.h>
#include <unistd.h>

static void a_lent_line_is_closed_and_stays_closed_until_it_is_taken_back(void **state)
{
    (void)state;
    WAIT_FOR(rig_is_ours());
    assert_false(rig_is_free());
    assert_int_equal(port_lend(rig.port, &rig_borrower), 0);
    assert_string_equal(rig.lost_why, "its port is lent to a flasher");
    assert_int_equal(rig.lent, 0);
    assert_int_equal(port_lend(rig.port, &rig_borrower), -1);
    WAIT_FOR(rig.lent == 1);
    assert_string_equal(rig.lent_why, "");
    assert_string_equal(port_path(rig.port), rig.pty.path);
    assert_true(rig_is_free());
    port_look(rig.port);
    rig_turn_for(1200); /* longer than any look for a line that came */
    assert_true(rig_is_free());
    assert_true(port_is_there(rig.port));
    port_take_back(rig.port, 0);
    WAIT_FOR(rig_is_ours());
    assert_int_equal(rig.lent, 1);
    assert_int_equal(rig.freed, 0);
}

static void nothing_is_written_for_a_while_after_a_line_is_taken_back(void **state)
{
    (void)state;
    WAIT_FOR(rig_is_ours());
    port_lend(rig.port, &rig_borrower);
    WAIT_FOR(rig.lent == 1);
    rig.board_is_mute = true;
    rig_turn();
    size_t before = rig.bytes_down;
    uint64_t until_us = loop_now_us(&rig.loop) + QUIET_MS * 1000;
    port_take_back(rig.port, QUIET_MS);
    WAIT_FOR(rig_is_open());
    WAIT_FOR(rig.bytes_down != before);
    assert_true(loop_now_us(&rig.loop) >= until_us);
    rig.board_is_mute = false;
    WAIT_FOR(rig_is_ours());
}

static void who_speaks_after_an_opening_is_no_boot_loader_and_answered_at_once(void **state)
{
    (void)state;
    WAIT_FOR(rig_is_ours());
    port_lend(rig.port, &rig_borrower);
    WAIT_FOR(rig.lent == 1);
    rig_start_board();
    port_take_back(rig.port, 2 * PATIENCE_MS);
    WAIT_FOR(rig_is_ours());
}

static void a_device_that_goes_while_it_is_lent_is_missed(void **state)
{
    (void)state;
    WAIT_FOR(rig_is_ours());
    port_lend(rig.port, &rig_borrower);
    WAIT_FOR(rig.lent == 1);
    rig_pull();
    assert_false(port_is_there(rig.port));
    port_take_back(rig.port, 0);
    rig_turn_for(50);
    rig_plug();
    assert_true(port_is_there(rig.port));
    WAIT_FOR(rig_is_ours());
}

/* Terminals' numbers are given anew at once. */
static void a_lent_line_whose_link_has_gone_is_missed_though_its_number_lives(void **state)
{
    (void)state;
    WAIT_FOR(rig_is_ours());
    port_lend(rig.port, &rig_borrower);
    WAIT_FOR(rig.lent == 1);
    assert_true(port_is_there(rig.port));
    assert_int_equal(unlink(rig.link), 0);
    assert_false(port_is_there(rig.port));
}

static void a_line_that_is_not_there_cannot_be_lent(void **state)
{
    (void)state;
    WAIT_FOR(rig_is_ours());
    rig_pull();
    WAIT_FOR(rig.lost == 1);
    port_lend(rig.port, &rig_borrower);
    WAIT_FOR(rig.lent == 1);
    assert_non_null(strstr(rig.lent_why, "is not there"));
    rig_plug();
    WAIT_FOR(rig_is_ours());
}

static void a_line_is_lent_whatever_it_is_just_doing(void **state)
{
    (void)state;
    assert_false(rig_is_open()); /* before its first turn */
    for (unsigned turns = 0; turns < 12; turns++) {
        for (unsigned i = 0; i < turns; i++)
            rig_turn();
        rig.lent = 0;
        assert_int_equal(port_lend(rig.port, &rig_borrower), 0);
        WAIT_FOR(rig.lent == 1);
        assert_string_equal(rig.lent_why, "");
        assert_true(rig_is_free());
        port_take_back(rig.port, 0);
    }
    WAIT_FOR(rig_is_ours());
}

static void who_takes_it_back_at_once_is_told_nothing(void **state)
{
    (void)state;
    for (unsigned turns = 0; turns < 12; turns++) {
        for (unsigned i = 0; i < turns; i++)
            rig_turn();
        port_lend(rig.port, &rig_borrower);
        port_take_back(rig.port, 0);
    }
    WAIT_FOR(rig_is_ours());
    assert_int_equal(rig.lent, 0);
}

static void the_borrower_hears_that_the_port_is_freed(void **state)
{
    (void)state;
    WAIT_FOR(rig_is_ours());
    port_lend(rig.port, &rig_borrower);
    WAIT_FOR(rig.lent == 1);
    port_free(rig.port);
    assert_int_equal(rig.freed, 1);
    rig.port = port_new(&rig.turns, NULL, &rig.config, 500, &rig_port_events);
    WAIT_FOR(rig_is_ours());
}

static void a_port_at_which_a_flasher_runs_is_not_opened(void **state)
{
    char why[512];
    struct watch_port picture;
    (void)state;
    int fd = flash_claim(rig.link, why, sizeof why);
    assert_true(fd >= 0);
    rig_turn_for(1200);
    assert_false(rig_is_open());
    WAIT_FOR((port_watch(rig.port, &picture), strstr(picture.trouble, "a flasher is at") != NULL));
    assert_true(rig_is_free());
    close(fd);
    WAIT_FOR(rig_is_ours());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_lent_line_is_closed_and_stays_closed_until_it_is_taken_back),
        RIG_TEST(nothing_is_written_for_a_while_after_a_line_is_taken_back),
        RIG_TEST(who_speaks_after_an_opening_is_no_boot_loader_and_answered_at_once),
        RIG_TEST(a_device_that_goes_while_it_is_lent_is_missed),
        RIG_TEST(a_lent_line_whose_link_has_gone_is_missed_though_its_number_lives),
        RIG_TEST(a_line_that_is_not_there_cannot_be_lent),
        RIG_TEST(a_line_is_lent_whatever_it_is_just_doing),
        RIG_TEST(who_takes_it_back_at_once_is_told_nothing),
        RIG_TEST(the_borrower_hears_that_the_port_is_freed),
        RIG_TEST(a_port_at_which_a_flasher_runs_is_not_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
