/* An update ends with the truth: read back, or failed with a reason, at whatever point it is cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nh_update.h"

#include <stdio.h>
#include <string.h>

#define OLD   "206d2695-f7b3-5efd-05c8-5d40adeac947"
#define NEW   "2cc211b5-e7c5-5b9c-b678-c70df78babe5"
#define OTHER "cf2f836e-4436-53cc-d5a2-81700850aeb2"

/* What the machine asked for, as words, since the last look. */
struct rig {
    struct nh_update update;
    struct nh_record kept;
    char did[2048];
    uint64_t now_ms;
    bool disk_full, keeps_old;
};

static void did(struct rig *rig, const char *format, ...)
{
    size_t n = strlen(rig->did);
    va_list rest;
    va_start(rest, format);
    vsnprintf(rig->did + n, sizeof(rig->did) - n, format, rest);
    va_end(rest);
}

static bool on_keep(void *user, const struct nh_record *record)
{
    struct rig *rig = user;
    if (rig->disk_full)
        return false;
    rig->kept = *record;
    return true;
}

static void on_status(void *user, enum nh_server server, enum nh_status status, const char *reason)
{
    (void)server;
    did(user, "%s%s%s ", nh_status_text(status), reason ? ":" : "", reason ? reason : "");
}

static void on_progress(void *user, unsigned percent, enum nh_status stage)
{
    did(user, "%u%c ", percent, nh_status_text(stage)[0]);
}

static void on_rebooting(void *user)
{
    did(user, "rebooting ");
}

static void on_rejoin(void *user)
{
    did(user, "rejoin ");
}

static void on_fetch(void *user, const struct nh_offer *offer)
{
    did(user, "FETCH(%.8s) ", offer->firmware.uuid);
}

static void on_stop(void *user)
{
    did(user, "STOP ");
}

static void on_check(void *user, const char *uuid)
{
    did(user, "CHECK(%.8s) ", uuid);
}

static void on_flash(void *user, const char *uuid)
{
    did(user, "FLASH(%.8s) ", uuid);
}

static const struct nh_update_io io = {
    .keep = on_keep,
    .status = on_status,
    .progress = on_progress,
    .rebooting = on_rebooting,
    .rejoin = on_rejoin,
    .fetch = on_fetch,
    .stop_fetching = on_stop,
    .check = on_check,
    .flash = on_flash,
};

static void expect(struct rig *rig, const char *words)
{
    assert_string_equal(rig->did, words);
    rig->did[0] = '\0';
}

static struct nh_firmware firmware(const char *uuid)
{
    struct nh_firmware f = {
        .product = "p", .version = "1", .platform = "avr", .architecture = "avr8"};
    snprintf(f.uuid, sizeof(f.uuid), "%s", uuid);
    return f;
}

static void start(struct rig *rig)
{
    struct nh_update_io mine = io;
    mine.user = rig;
    mine.keeps_old = rig->keeps_old;
    nh_update_init(&rig->update, &mine, &rig->kept, rig->now_ms);
}

static void board(struct rig *rig, const char *uuid)
{
    struct nh_firmware f = firmware(uuid);
    nh_update_board(&rig->update, &f, rig->now_ms);
}

static const char *join(struct rig *rig)
{
    const char *uuid = nh_update_joining(&rig->update, rig->now_ms);
    nh_update_joined(&rig->update, rig->now_ms);
    return uuid;
}

static void offer(struct rig *rig, const char *uuid)
{
    static struct nh_offer o;
    o = (struct nh_offer){.server = NH_MAIN, .url = "http://h/f", .firmware = firmware(uuid)};
    nh_update_offer(&rig->update, &o, rig->now_ms);
}

static void checked(struct rig *rig, const char *uuid)
{
    struct nh_firmware f = firmware(uuid);
    nh_update_checked(&rig->update, NULL, false, &f, rig->now_ms);
}

static void pass(struct rig *rig, uint64_t ms)
{
    for (uint64_t end = rig->now_ms + ms; rig->now_ms < end;) {
        rig->now_ms += 500;
        nh_update_poll(&rig->update, rig->now_ms);
    }
}

static void rig_to_joined(struct rig *rig)
{
    *rig = (struct rig){.now_ms = 1000000};
    start(rig);
    board(rig, OLD);
    assert_null(join(rig));
    expect(rig, "");
}

static void rig_to_flashing(struct rig *rig)
{
    rig_to_joined(rig);
    offer(rig, NEW);
    nh_update_fetched(&rig->update, NULL, false, rig->now_ms);
    checked(rig, NEW);
    expect(rig, "received started downloading FETCH(2cc211b5) CHECK(2cc211b5) updating "
                "FLASH(2cc211b5) 0u ");
}

static void rig_to_awaiting(struct rig *rig)
{
    rig_to_flashing(rig);
    nh_update_flashed(&rig->update, NH_FLASHED, NULL, rig->now_ms);
    expect(rig, "100u rebooting ");
}

static void an_update_ends_when_the_board_says_that_it_runs_it(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_awaiting(&rig);
    board(&rig, NEW);
    expect(&rig, "completed rejoin ");
    assert_int_equal(rig.kept.stage, NH_IDLE);
    assert_null(join(&rig));
    pass(&rig, 5000);
    expect(&rig, "");
}

static void nothing_is_said_about_an_update_that_the_server_does_not_know(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_joined(&rig);
    nh_update_percent(&rig.update, 50, rig.now_ms);
    nh_update_fetched(&rig.update, "x", true, rig.now_ms);
    nh_update_flashed(&rig.update, NH_FLASH_FAILED, "x", rig.now_ms);
    pass(&rig, 3600 * 1000);
    expect(&rig, "");
}

static void progress_is_throttled_and_kept_alive(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_flashing(&rig);
    for (unsigned i = 0; i <= 40; i++)
        nh_update_percent(&rig.update, i, rig.now_ms += 100);
    expect(&rig, "9u 19u 29u 39u ");
    pass(&rig, 19 * 60 * 1000);
    expect(&rig, "40u ");
    pass(&rig, 2 * 60 * 1000);
    expect(&rig, "39u 40u ");
}

static void a_file_for_another_board_is_refused_before_anything_is_fetched(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_joined(&rig);
    static struct nh_offer o;
    o = (struct nh_offer){.server = NH_MAIN, .url = "http://h/f", .firmware = firmware(NEW)};
    snprintf(o.firmware.platform, sizeof(o.firmware.platform), "m3");
    nh_update_offer(&rig.update, &o, rig.now_ms);
    expect(&rig, "received failed:the firmware is for platform \"m3\", the board is \"avr\" ");
}

static void
a_file_that_says_another_thing_than_the_offer_is_refused_before_anything_is_erased(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_joined(&rig);
    offer(&rig, NEW);
    nh_update_fetched(&rig.update, NULL, false, rig.now_ms);
    rig.did[0] = '\0';
    checked(&rig, OTHER);
    expect(&rig, "failed:the file holds another firmware than the server named ");
    offer(&rig, NEW);
    expect(&rig, "failed:the file holds another firmware than the server named ");
}

static void a_board_that_goes_back_by_itself_is_a_failure_and_said_at_the_next_join(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_awaiting(&rig);
    pass(&rig, 30000);
    expect(&rig, "");
    board(&rig, OLD);
    nh_update_poll(&rig.update, rig.now_ms);
    assert_true(rig.update.auto_reverted);
    expect(
        &rig,
        "failed:the board came back with its previous firmware: the new one did not start or was "
        "not confirmed rejoin ");
    join(&rig);
    assert_false(rig.update.auto_reverted);
}

static void a_last_hello_of_the_old_image_before_the_reset_is_no_failure(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_awaiting(&rig);
    board(&rig, OLD);
    pass(&rig, 2000);
    expect(&rig, "");
    board(&rig, NEW);
    expect(&rig, "completed rejoin ");
}

static void a_board_that_does_not_come_back_gets_its_previous_firmware(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_awaiting(&rig);
    pass(&rig, 121000);
    expect(&rig, "failed:the board did not come back after it was flashed FLASH(206d2695) ");
    nh_update_flashed(&rig.update, NH_FLASHED, NULL, rig.now_ms);
    assert_int_equal(rig.kept.stage, NH_IDLE);
    board(&rig, OLD);
    expect(&rig, "");
}

static void a_boot_loader_with_two_slots_needs_nothing_restored(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_flashing(&rig);
    rig.update.io.keeps_old = true;
    for (int i = 0; i < 3; i++) {
        nh_update_flashed(&rig.update, NH_FLASH_FAILED, "the line was cut", rig.now_ms);
        pass(&rig, 6000);
    }
    expect(&rig,
           "FLASH(2cc211b5) FLASH(2cc211b5) failed:flashing failed 3 times: the line was cut ");
    assert_int_equal(rig.kept.stage, NH_IDLE);
}

static void flashing_is_tried_three_times_and_then_the_old_firmware_three_times(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_flashing(&rig);
    for (int i = 0; i < 8; i++) {
        nh_update_flashed(&rig.update, NH_FLASH_FAILED, "no sync", rig.now_ms);
        pass(&rig, 6000);
    }
    expect(
        &rig,
        "FLASH(2cc211b5) FLASH(2cc211b5) failed:flashing failed 3 times: no sync FLASH(206d2695) "
        "FLASH(206d2695) FLASH(206d2695) ");
    assert_int_equal(rig.kept.stage, NH_IDLE);
}

static void a_failed_firmware_is_not_fetched_again_at_once(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_joined(&rig);
    offer(&rig, NEW);
    nh_update_fetched(&rig.update, "the connection was cut", false, rig.now_ms);
    expect(&rig,
           "received started downloading FETCH(2cc211b5) STOP failed:the connection was cut ");
    offer(&rig, NEW);
    expect(&rig, "failed:the connection was cut ");
    pass(&rig, 61000);
    offer(&rig, NEW);
    expect(&rig, "received started downloading FETCH(2cc211b5) ");
    offer(&rig, OTHER);
    expect(&rig, "STOP received started downloading FETCH(cf2f836e) ");
}

static void a_short_disconnection_keeps_the_update_and_a_long_one_is_offered_anew(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_joined(&rig);
    offer(&rig, NEW);
    rig.did[0] = '\0';
    nh_update_left(&rig.update);
    nh_update_percent(&rig.update, 20, rig.now_ms);
    expect(&rig, "");
    assert_string_equal(join(&rig), NEW);
    nh_update_percent(&rig.update, 21, rig.now_ms += 1000);
    expect(&rig, "21d ");
    nh_update_left(&rig.update);
    rig.now_ms += 26 * 60 * 1000;
    assert_null(join(&rig));
    nh_update_percent(&rig.update, 30, rig.now_ms);
    expect(&rig, "");
    offer(&rig, NEW);
    expect(&rig, "STOP received started downloading FETCH(2cc211b5) ");
}

/* 24 min of silence, a word into a connection that is dead already, and its end: the server, which
 * heard nothing for 25 min then, may have forgotten the update. */
static void what_a_dead_connection_swallowed_was_not_heard(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_joined(&rig);
    offer(&rig, NEW);
    nh_update_percent(&rig.update, 20, rig.now_ms += 120000);
    nh_update_percent(&rig.update, 21, rig.now_ms += 24 * 60 * 1000 + 40000);
    rig.now_ms += 30000;
    nh_update_poll(&rig.update, rig.now_ms);
    nh_update_left(&rig.update);
    assert_null(join(&rig));
    offer(&rig, NEW);
    nh_update_percent(&rig.update, 22, rig.now_ms += 24 * 60 * 1000);
    rig.now_ms += 90000; /* it was alive for so long afterwards */
    nh_update_poll(&rig.update, rig.now_ms);
    nh_update_left(&rig.update);
    assert_string_equal(join(&rig), NEW);
}

static void an_offer_of_what_runs_is_answered_by_a_join(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_joined(&rig);
    offer(&rig, OLD);
    expect(&rig, "rejoin ");
    offer(&rig, OLD);
    expect(&rig, "");
}

static void a_board_flashed_by_somebody_else_joins_as_what_it_is(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_joined(&rig);
    board(&rig, OLD);
    expect(&rig, "");
    board(&rig, OTHER);
    expect(&rig, "rejoin ");
}

static void a_full_disk_ends_the_update_before_the_board_is_touched(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_joined(&rig);
    offer(&rig, NEW);
    nh_update_fetched(&rig.update, NULL, false, rig.now_ms);
    rig.did[0] = '\0';
    rig.disk_full = true;
    checked(&rig, NEW);
    expect(&rig, "failed:the bridge cannot write its state: is its disk full? ");
}

static void a_full_disk_is_no_reason_to_leave_a_board_without_firmware(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_awaiting(&rig);
    rig.disk_full = true;
    pass(&rig, 121000);
    expect(&rig, "failed:the board did not come back after it was flashed FLASH(206d2695) ");
    nh_update_flashed(&rig.update, NH_FLASHED, NULL, rig.now_ms);
    assert_int_equal(rig.update.record.stage, NH_IDLE);
}

static void an_offer_that_nobody_answered_is_taken_back_by_a_join(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_awaiting(&rig);
    pass(&rig, 121000);
    rig.did[0] = '\0';
    offer(&rig, OTHER);
    pass(&rig, 5000);
    expect(&rig, "");
    nh_update_flashed(&rig.update, NH_FLASHED, NULL, rig.now_ms);
    pass(&rig, 1000);
    expect(&rig, "rejoin ");
    join(&rig);
    pass(&rig, 120000);
    expect(&rig, "");
}

static void an_offer_of_what_runs_ends_the_fetching_of_another(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_joined(&rig);
    offer(&rig, NEW);
    rig.did[0] = '\0';
    offer(&rig, OLD);
    expect(&rig, "STOP rejoin ");
    assert_int_equal(rig.update.record.stage, NH_IDLE);
}

/* The program dies after each step of a whole update and starts again with what was kept. */
static void a_crash_at_any_step_ends_in_the_new_firmware_and_never_in_a_false_word(void **state)
{
    (void)state;
    for (int cut = 0; cut < 5; cut++) {
        struct rig rig;
        rig_to_joined(&rig);
        offer(&rig, NEW);
        if (cut > 0)
            nh_update_fetched(&rig.update, NULL, false, rig.now_ms);
        if (cut > 1)
            checked(&rig, NEW);
        if (cut > 2)
            nh_update_flashed(&rig.update, NH_FLASHED, NULL, rig.now_ms);
        rig.did[0] = '\0';
        start(&rig);
        board(&rig, cut == 4 ? NEW : OLD);
        if (cut == 4) { /* it had come back while nobody listened */
            assert_int_equal(rig.kept.stage, NH_IDLE);
            expect(&rig, "rejoin ");
            continue;
        }
        assert_null(join(&rig));
        if (cut < 2) {
            offer(&rig, NEW);
            expect(&rig, "received started downloading FETCH(2cc211b5) ");
            continue;
        }
        pass(&rig, 1000);
        expect(&rig, cut == 2 ? "FLASH(2cc211b5) " : "");
        if (cut == 2)
            nh_update_flashed(&rig.update, NH_FLASHED, NULL, rig.now_ms);
        expect(&rig, "");
        board(&rig, NEW);
        expect(&rig, "rejoin ");
    }
}

static void a_boot_loader_that_checks_the_whole_image_is_believed_after_a_restart(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_flashing(&rig);
    rig.keeps_old = true;
    start(&rig);
    pass(&rig, 3000);
    expect(&rig, "");
    board(&rig, NEW);
    expect(&rig, "rejoin ");
    assert_int_equal(rig.kept.stage, NH_IDLE);
}

/* The build id stands in the first pages of many images. */
static void half_an_image_that_says_its_name_is_written_again(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_flashing(&rig);
    start(&rig);
    board(&rig, NEW);
    assert_string_equal(rig.update.running.uuid, "");
    nh_update_poll(&rig.update, rig.now_ms);
    expect(&rig, "FLASH(2cc211b5) ");
    board(&rig, NEW);
    expect(&rig, "");
    nh_update_flashed(&rig.update, NH_FLASHED, NULL, rig.now_ms);
    board(&rig, NEW);
    expect(&rig, "rejoin ");
}

static void a_board_that_was_written_and_is_silent_is_written_again_after_a_restart(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_flashing(&rig);
    start(&rig);
    pass(&rig, 11000);
    expect(&rig, "FLASH(2cc211b5) ");
    assert_int_equal(rig.kept.tries, 2);
}

static void a_board_that_is_not_there_is_waited_for_and_no_try_is_used_up(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_flashing(&rig);
    for (int i = 0; i < 10; i++) {
        nh_update_flashed(&rig.update, NH_FLASH_ABSENT, "pulled", rig.now_ms);
        pass(&rig, 6000);
        expect(&rig, "FLASH(2cc211b5) ");
    }
    assert_int_equal(rig.kept.tries, 1);
    nh_update_flashed(&rig.update, NH_FLASH_ABSENT, "pulled", rig.now_ms);
    board(&rig, OLD);
    nh_update_poll(&rig.update, rig.now_ms);
    expect(&rig, "FLASH(2cc211b5) ");
}

static void after_an_hour_an_untouched_board_is_left_as_it_is(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_flashing(&rig);
    for (int i = 0; i < 700 && rig.kept.stage == NH_FLASHING; i++) {
        rig.did[0] = '\0';
        nh_update_flashed(&rig.update, NH_FLASH_ABSENT, "pulled", rig.now_ms);
        pass(&rig, 5500);
    }
    assert_int_equal(rig.kept.stage, NH_IDLE);
    expect(&rig, "failed:the board could not be flashed for an hour: pulled ");
}

static void a_board_pulled_while_it_was_written_is_saved_whenever_it_comes_back(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_flashing(&rig);
    nh_update_flashed(&rig.update, NH_FLASH_FAILED, "pulled", rig.now_ms);
    for (int day = 0; day < 2; day++)
        for (int i = 0; i < 14400; i++) {
            pass(&rig, 5500);
            rig.did[0] = '\0';
            nh_update_flashed(&rig.update, NH_FLASH_ABSENT, "pulled", rig.now_ms);
        }
    assert_int_equal(rig.kept.stage, NH_RESTORING);
    pass(&rig, 5500);
    expect(&rig, "FLASH(206d2695) ");
    nh_update_flashed(&rig.update, NH_FLASHED, NULL, rig.now_ms);
    assert_int_equal(rig.kept.stage, NH_IDLE);
}

static void a_board_that_comes_back_late_is_left_with_what_it_runs(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_awaiting(&rig);
    pass(&rig, 121000);
    nh_update_flashed(&rig.update, NH_FLASH_ABSENT, "pulled", rig.now_ms);
    rig.did[0] = '\0';
    board(&rig, NEW);
    expect(&rig, "rejoin ");
    assert_int_equal(rig.kept.stage, NH_IDLE);
}

static void
a_flasher_that_is_not_there_is_asked_for_ever_later_and_never_flaps_the_board(void **state)
{
    (void)state;
    struct rig rig;
    unsigned asked = 0;
    rig_to_flashing(&rig);
    nh_update_flashed(&rig.update, NH_FLASH_NOT_BEGUN, "no avrdude", rig.now_ms);
    for (int i = 0; i < 1200; i++) { /* ten minutes; the board says hello all the time */
        rig.did[0] = '\0';
        board(&rig, OLD);
        pass(&rig, 500);
        asked += rig.update.flashing;
        nh_update_flashed(&rig.update, NH_FLASH_NOT_BEGUN, "no avrdude", rig.now_ms);
    }
    assert_in_range(asked, 10, 14);
    assert_int_equal(rig.kept.tries, 1);
}

static void an_image_that_the_board_refuses_leaves_it_as_it_is(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_flashing(&rig);
    nh_update_flashed(&rig.update, NH_FLASH_REFUSED, "too large", rig.now_ms);
    expect(&rig, "failed:too large ");
    assert_int_equal(rig.kept.stage, NH_IDLE);
}

static void a_full_disk_does_not_stop_the_rescue_of_a_board(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_awaiting(&rig);
    rig.disk_full = true;
    pass(&rig, 121000);
    expect(&rig, "failed:the board did not come back after it was flashed FLASH(206d2695) ");
}

static void
another_offer_while_one_is_fetched_that_cannot_be_taken_leaves_nothing_begun(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_joined(&rig);
    offer(&rig, NEW);
    rig.did[0] = '\0';
    offer(&rig, OLD);
    expect(&rig, "STOP rejoin ");
    assert_int_equal(rig.kept.stage, NH_IDLE);
    assert_null(join(&rig));
}

static void a_third_firmware_is_not_taken_for_the_previous_one(void **state)
{
    (void)state;
    struct rig rig;
    rig_to_awaiting(&rig);
    board(&rig, OTHER);
    pass(&rig, 11000);
    expect(&rig, "failed:the board came back with a firmware that is neither the new nor the "
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
        cmocka_unit_test(a_board_that_does_not_come_back_gets_its_previous_firmware),
        cmocka_unit_test(a_boot_loader_with_two_slots_needs_nothing_restored),
        cmocka_unit_test(flashing_is_tried_three_times_and_then_the_old_firmware_three_times),
        cmocka_unit_test(a_failed_firmware_is_not_fetched_again_at_once),
        cmocka_unit_test(a_short_disconnection_keeps_the_update_and_a_long_one_is_offered_anew),
        cmocka_unit_test(what_a_dead_connection_swallowed_was_not_heard),
        cmocka_unit_test(an_offer_of_what_runs_is_answered_by_a_join),
        cmocka_unit_test(a_board_flashed_by_somebody_else_joins_as_what_it_is),
        cmocka_unit_test(a_full_disk_ends_the_update_before_the_board_is_touched),
        cmocka_unit_test(a_full_disk_is_no_reason_to_leave_a_board_without_firmware),
        cmocka_unit_test(an_offer_that_nobody_answered_is_taken_back_by_a_join),
        cmocka_unit_test(an_offer_of_what_runs_ends_the_fetching_of_another),
        cmocka_unit_test(a_crash_at_any_step_ends_in_the_new_firmware_and_never_in_a_false_word),
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
        cmocka_unit_test(a_full_disk_does_not_stop_the_rescue_of_a_board),
        cmocka_unit_test(
            another_offer_while_one_is_fetched_that_cannot_be_taken_leaves_nothing_begun),
        cmocka_unit_test(a_third_firmware_is_not_taken_for_the_previous_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
