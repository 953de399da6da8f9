/*
 * The update machine. Downloading, judging and flashing are done by whoever fills struct
 * nh_update_io; here is only what follows from how they end.
 */
#include "nh_update.h"

#include <stdio.h>
#include <string.h>

#define PROGRESS_EVERY_MS  1000
#define KEEP_ALIVE_MS      (20u * 60 * 1000) /* a server forgets an update 30 min after a change */
#define ROW_SURE_MS        (25u * 60 * 1000) /* so long it certainly remembers */
#define DOUBT_MS           60000             /* a connection that is dead is noticed sooner */
#define FLASH_TRIES        3
#define FLASH_AGAIN_MS     5000
#define FLASH_LATER_MS     60000
#define FLASH_WAIT_MS      (60u * 60 * 1000) /* for a board that is not there to be flashed */
#define AWAIT_MS           120000            /* for a board to come back */
#define AWAIT_TRIAL_MS     240000 /* where a boot loader may have to give up a trial first */
#define OLD_IMAGE_GRACE_MS 10000  /* it may say hello once more before it resets */
#define HELLO_FIRST_MS                                                        \
    10000 /* after a start the board may say that there is nothing left to do \
           */
#define REJOIN_EVERY_MS 60000
#define FAILED_FIRST_MS 60000
#define FAILED_MOST_MS  (60u * 60 * 1000)
#define FAILED_GOOD_MS  (24u * 60 * 60 * 1000)

/* -- What is said. */

static void say(struct nh_update *u, bool bad, const char *text)
{
    if (u->io.say != NULL)
        u->io.say(u->io.user, bad, text);
}

static bool may_speak(const struct nh_update *u)
{
    return u->joined && u->in_flight;
}

/* Something that the server stores leaves. In a connection that breaks it may not have been heard;
 * what went out DOUBT_MS earlier was. */
static void changed(struct nh_update *u)
{
    u->changed_ms = u->now_ms;
    if (u->doubtful_ms != 0 && u->now_ms - u->doubtful_ms < DOUBT_MS)
        return;
    if (u->doubtful_ms != 0)
        u->heard_ms = u->doubtful_ms;
    u->doubtful_ms = u->now_ms;
}

static void doubt(struct nh_update *u)
{
    if (u->doubtful_ms == 0)
        return;
    if (u->now_ms - u->doubtful_ms >= DOUBT_MS)
        u->heard_ms = u->doubtful_ms;
    u->changed_ms = u->heard_ms;
    u->doubtful_ms = 0;
}

static void say_status(struct nh_update *u, enum nh_status status, const char *reason)
{
    if (!may_speak(u))
        return;
    changed(u);
    u->io.status(u->io.user, u->offer.server, status, reason);
}

static enum nh_status stage_word(const struct nh_update *u)
{
    return u->record.stage == NH_FETCHING || u->record.stage == NH_CHECKING ? NH_DOWNLOADING
                                                                            : NH_UPDATING;
}

static void send_progress(struct nh_update *u, unsigned percent)
{
    u->said_percent = percent;
    u->said_stage = stage_word(u);
    u->said_ms = u->now_ms;
    changed(u);
    u->io.progress(u->io.user, percent, u->said_stage);
}

/* At most one a second, and only integers that are news. */
static void say_progress(struct nh_update *u)
{
    bool news = u->percent != u->said_percent || stage_word(u) != u->said_stage;
    if (may_speak(u) && news && u->now_ms - u->said_ms >= PROGRESS_EVERY_MS)
        send_progress(u, u->percent);
}

/* The same value again is not stored, and what is not stored does not keep the update alive. */
static void keep_alive(struct nh_update *u)
{
    if (!may_speak(u) || u->record.stage == NH_IDLE || u->now_ms - u->changed_ms < KEEP_ALIVE_MS)
        return;
    send_progress(u, u->said_percent == u->percent && u->percent > 0 ? u->percent - 1
                     : u->said_percent == u->percent                 ? 1
                                                                     : u->percent);
}

static void rejoin(struct nh_update *u)
{
    u->in_flight = false;
    u->rejoined_ms = u->now_ms;
    u->io.rejoin(u->io.user);
}

/* -- Ends. */

static bool keep(struct nh_update *u, enum nh_stage stage)
{
    struct nh_record next = u->record;
    next.stage = stage;
    if (!u->io.keep(u->io.user, &next))
        return false;
    u->record = next;
    return true;
}

static struct nh_record idle_after(const struct nh_record *record)
{
    struct nh_record none = *record;
    none.stage = NH_IDLE;
    none.tries = 0;
    none.uuid[0] = none.before[0] = '\0';
    return none;
}

static void become_idle(struct nh_update *u)
{
    struct nh_record none = idle_after(&u->record);
    if (!u->io.keep(u->io.user, &none))
        say(u, true,
            "the end of the update cannot be written down; it is looked at again after a restart");
    u->record = none;
    u->flashing = u->attempt = u->touched = false;
    u->waiting_ms = 0;
    u->waits = 0;
}

static void remember_failure(struct nh_update *u, const char *why, bool for_good)
{
    bool again = strcmp(u->failed_uuid, u->record.uuid) == 0;
    u->failed_count = again ? u->failed_count + 1 : 1;
    memcpy(u->failed_uuid, u->record.uuid, sizeof(u->failed_uuid));
    snprintf(u->failed_why, sizeof(u->failed_why), "%s", why);
    uint64_t wait = FAILED_FIRST_MS;
    for (unsigned i = 1; i < u->failed_count && wait < FAILED_MOST_MS; i++)
        wait *= 2;
    u->failed_until_ms = u->now_ms + (for_good ? FAILED_GOOD_MS : wait);
}

static void say_failed(struct nh_update *u, const char *why, bool for_good)
{
    char line[NH_WHY_MAX + 64];
    snprintf(line, sizeof(line), "update to %s failed: %s", u->record.uuid, why);
    say(u, true, line);
    say_status(u, NH_FAILED, why);
    u->failed++;
    u->in_flight = false;
    remember_failure(u, why, for_good);
}

static void fail(struct nh_update *u, const char *why, bool for_good)
{
    if (u->record.stage == NH_FETCHING)
        u->io.stop_fetching(u->io.user);
    say_failed(u, why, for_good);
    become_idle(u);
}

/* The board may hold half an image: bring back the firmware that ran, where its file is still here.
 * That the disk is full is no reason not to. */
static void restore(struct nh_update *u, const char *why)
{
    say_failed(u, why, false);
    if (u->io.keeps_old || u->record.before[0] == '\0') {
        become_idle(u);
        return;
    }
    memcpy(u->record.uuid, u->record.before, sizeof(u->record.uuid));
    u->record.tries = 0;
    u->flashing = u->attempt = false;
    u->waiting_ms = 0;
    u->step_ms = u->now_ms;
    if (!keep(u, NH_RESTORING))
        u->record.stage = NH_RESTORING;
}

static void succeed(struct nh_update *u)
{
    char line[2 * NH_TEXT_MAX + 64];
    snprintf(line, sizeof(line), "runs %s %s now, read back from the board", u->running.product,
             u->running.version);
    say(u, false, line);
    say_status(u, NH_COMPLETED, NULL);
    u->updated++;
    memcpy(u->record.running, u->running.uuid, sizeof(u->record.running));
    become_idle(u);
    u->auto_reverted = false;
    u->failed_count = 0;
    u->failed_uuid[0] = u->failed_why[0] = '\0';
    rejoin(u);
}

/* -- The start of an update. */

static bool same(const char *what, const char *board, const char *offered, char *why)
{
    if (strcmp(board, offered) == 0)
        return true;
    snprintf(why, NH_WHY_MAX, "the firmware is for %s \"%.60s\", the board is \"%.60s\"", what,
             offered, board);
    return false;
}

bool nh_firmware_fits(const struct nh_firmware *board, const struct nh_firmware *offered, char *why)
{
    return same("platform", board->platform, offered->platform, why) &&
           same("architecture", board->architecture, offered->architecture, why) &&
           same("product", board->product, offered->product, why);
}

static bool failed_lately(const struct nh_update *u, const char *uuid)
{
    return strcmp(u->failed_uuid, uuid) == 0 && u->now_ms < u->failed_until_ms;
}

static void begin(struct nh_update *u)
{
    char why[NH_WHY_MAX];
    u->record.stage = NH_IDLE;
    u->record.tries = 0;
    u->touched = false;
    memcpy(u->record.uuid, u->offer.firmware.uuid, sizeof(u->record.uuid));
    memcpy(u->record.before, u->running.uuid, sizeof(u->record.before));
    u->percent = u->said_percent = 0;
    u->said_stage = NH_DOWNLOADING;
    u->in_flight = true;
    u->heard_ms = u->now_ms; /* the offer itself is of now */
    u->doubtful_ms = 0;
    say_status(u, NH_RECEIVED, NULL);
    if (!nh_firmware_fits(&u->running, &u->offer.firmware, why)) {
        fail(u, why, true);
    } else if (!keep(u, NH_FETCHING)) {
        fail(u, "the bridge cannot write its state: is its disk full?", false);
    } else {
        say_status(u, NH_STARTED, NULL);
        say_status(u, NH_DOWNLOADING, NULL);
        u->io.fetch(u->io.user, &u->offer);
    }
}

/* The server asks again for what failed a moment ago (release 2.4.0 does, at every join). */
static void refuse_again(struct nh_update *u)
{
    u->in_flight = true;
    say_status(u, NH_FAILED, u->failed_why);
    u->in_flight = false;
}

/* The server has asked for what runs already, or while there was no answer to it: it learns from a
 * join how things are, and would take what it asked for as under way for half an hour without one.
 */
static void correct_the_server(struct nh_update *u)
{
    bool lately = u->rejoined_ms != 0 && u->now_ms - u->rejoined_ms < REJOIN_EVERY_MS;
    if (u->record.stage == NH_IDLE && u->passed_by && u->joined && !lately)
        rejoin(u);
}

static void begin_or_refuse(struct nh_update *u, const struct nh_offer *offer)
{
    u->offer = *offer;
    u->passed_by = strcmp(offer->firmware.uuid, u->running.uuid) == 0;
    if (u->passed_by)
        correct_the_server(u);
    else if (failed_lately(u, offer->firmware.uuid))
        refuse_again(u);
    else
        begin(u);
}

void nh_update_offer(struct nh_update *u, const struct nh_offer *offer, uint64_t now_ms)
{
    bool known = strcmp(offer->firmware.uuid, u->record.uuid) == 0;
    u->now_ms = now_ms;
    if (u->running.uuid[0] == '\0')
        return;
    switch (u->record.stage) {
    case NH_IDLE:
        begin_or_refuse(u, offer);
        return;
    case NH_FETCHING:
        u->io.stop_fetching(u->io.user);
        u->record.stage = NH_IDLE;
        begin_or_refuse(u, offer);
        if (u->record.stage == NH_IDLE)
            become_idle(u);
        return;
    case NH_CHECKING:
    case NH_FLASHING:
    case NH_AWAITING:
        if (known) {
            u->offer.server = offer->server;
            u->in_flight = true;
            say_status(u, u->record.stage == NH_CHECKING ? NH_DOWNLOADING : NH_UPDATING, NULL);
        }
        u->passed_by = !known; /* offered again when this one has ended */
        return;
    case NH_RESTORING:
        u->passed_by = true;
        return;
    }
}

/* -- The steps. */

void nh_update_percent(struct nh_update *u, unsigned percent, uint64_t now_ms)
{
    u->now_ms = now_ms;
    if (u->record.stage != NH_FETCHING && u->record.stage != NH_FLASHING)
        return;
    u->percent = percent <= 100 ? percent : 100;
    say_progress(u);
}

void nh_update_fetched(struct nh_update *u, const char *why, bool for_good, uint64_t now_ms)
{
    u->now_ms = now_ms;
    if (u->record.stage != NH_FETCHING)
        return;
    if (why != NULL) {
        fail(u, why, for_good);
        return;
    }
    u->record.stage = NH_CHECKING;
    u->io.check(u->io.user, u->record.uuid);
}

void nh_update_checked(struct nh_update *u, const char *why, bool for_good,
                       const struct nh_firmware *meta, uint64_t now_ms)
{
    char differs[NH_WHY_MAX];
    u->now_ms = now_ms;
    if (u->record.stage != NH_CHECKING)
        return;
    for_good = for_good || why == NULL;
    if (why == NULL && strcmp(meta->uuid, u->record.uuid) != 0)
        why = "the file holds another firmware than the server named";
    if (why == NULL && !nh_firmware_fits(&u->running, meta, differs))
        why = differs;
    if (why != NULL) {
        fail(u, why, for_good);
    } else if (!keep(u, NH_FLASHING)) {
        fail(u, "the bridge cannot write its state: is its disk full?", false);
    } else {
        u->percent = 0;
        u->step_ms = now_ms;
        say_status(u, NH_UPDATING, NULL);
        nh_update_poll(u, now_ms);
    }
}

static uint64_t await_ms(const struct nh_update *u)
{
    return u->io.keeps_old ? AWAIT_TRIAL_MS : AWAIT_MS;
}

/* It was not begun, and never can be. */
static void flash_refused(struct nh_update *u, const char *why, bool for_good)
{
    char text[NH_WHY_MAX];
    if (u->record.stage == NH_RESTORING) {
        snprintf(text, sizeof(text),
                 "the previous firmware cannot be brought back, flash the board by hand: %.150s",
                 why);
        say(u, true, text);
        become_idle(u);
    } else if (u->touched) {
        restore(u, why);
    } else {
        fail(u, why, for_good);
    }
}

/* The try is on disk before the board is touched: after a crash it counts as made. */
static void flash(struct nh_update *u)
{
    if (!u->attempt) {
        u->record.tries++;
        u->attempt = true;
        if (!keep(u, u->record.stage) && u->record.stage == NH_FLASHING) {
            flash_refused(u, "the bridge cannot write its state: is its disk full?", false);
            return;
        }
    }
    u->flashing = true;
    u->io.flash(u->io.user, u->record.uuid);
}

static void flash_failed(struct nh_update *u, const char *why)
{
    char text[NH_WHY_MAX];
    say(u, true, why);
    if (u->record.tries < FLASH_TRIES) {
        u->step_ms = u->now_ms + FLASH_AGAIN_MS;
        return;
    }
    if (u->record.stage == NH_RESTORING) {
        say(u, true, "the previous firmware could not be brought back: flash the board by hand");
        become_idle(u);
        return;
    }
    snprintf(text, sizeof(text), "flashing failed %d times: %.180s", FLASH_TRIES, why);
    restore(u, text);
}

/* A board that may hold half an image is waited for without end: only this saves it. */
static void flash_not_begun(struct nh_update *u, const char *why, bool absent)
{
    uint64_t wait = FLASH_AGAIN_MS;
    for (unsigned i = 0; !absent && i < u->waits && wait < FLASH_LATER_MS; i++)
        wait *= 2;

    char text[NH_WHY_MAX];
    if (u->waiting_ms == 0) {
        u->waiting_ms = u->now_ms;
        snprintf(text, sizeof(text), "waiting to flash the board: %.200s", why);
        say(u, false, text);
    }
    u->absent = absent;
    u->waits += absent ? 0 : 1;
    u->step_ms = u->now_ms + (wait < FLASH_LATER_MS ? wait : FLASH_LATER_MS);
    if (u->record.stage == NH_RESTORING || u->now_ms - u->waiting_ms < FLASH_WAIT_MS)
        return;
    snprintf(text, sizeof(text), "the board could not be flashed for an hour: %.180s", why);
    if (u->touched)
        restore(u, text);
    else
        fail(u, text, false);
}

static void flash_succeeded(struct nh_update *u)
{
    if (u->record.stage == NH_RESTORING) {
        say(u, true, "the previous firmware was brought back");
        become_idle(u);
        return;
    }
    if (!keep(u, NH_AWAITING))
        u->record.stage = NH_AWAITING;
    u->heard = false;
    u->awaited_ms = u->now_ms;
    u->step_ms = u->now_ms + await_ms(u);
    u->percent = 100;
    if (may_speak(u)) {
        send_progress(u, 100);
        u->io.rebooting(u->io.user);
    }
}

void nh_update_flashed(struct nh_update *u, enum nh_flashed how, const char *why, uint64_t now_ms)
{
    u->now_ms = now_ms;
    if (!u->flashing)
        return;
    u->flashing = false;
    if (how != NH_FLASH_NOT_BEGUN && how != NH_FLASH_ABSENT) {
        u->waiting_ms = 0;
        u->waits = 0;
    }
    switch (how) {
    case NH_FLASHED:
        flash_succeeded(u);
        break;
    case NH_FLASH_FAILED:
        u->attempt = false;
        u->touched = true;
        flash_failed(u, why);
        break;
    case NH_FLASH_ABSENT:
    case NH_FLASH_NOT_BEGUN:
        flash_not_begun(u, why, how == NH_FLASH_ABSENT);
        break;
    case NH_FLASH_REFUSED:
        flash_refused(u, why, true);
        break;
    }
}

/* -- The truth. */

const char *nh_update_prefers(const struct nh_update *u)
{
    return u->record.stage != NH_IDLE ? u->record.uuid : u->record.running;
}

static void came_back_old(struct nh_update *u)
{
    u->auto_reverted = strcmp(u->running.uuid, u->record.before) == 0;
    say_failed(
        u,
        u->auto_reverted
            ? "the board came back with its previous firmware: the new one did not start or was "
              "not confirmed"
            : "the board came back with a firmware that is neither the new nor the previous one",
        true);
    become_idle(u);
    rejoin(u);
}

static bool is_waited_for(const struct nh_update *u)
{
    return u->waiting_ms != 0 && u->absent;
}

/* What it holds is whole, and it runs: there is nothing to save. */
static void came_back_late(struct nh_update *u)
{
    say(u, false, "the board came back after all: its previous firmware is not brought back");
    become_idle(u);
    rejoin(u);
}

/* Half an image may run and say its name, unless a boot loader checks the whole of it. */
static bool is_doubtful(const struct nh_update *u)
{
    bool being_written = u->record.stage == NH_FLASHING || u->record.stage == NH_RESTORING;
    return being_written && u->touched && !u->io.keeps_old;
}

void nh_update_board(struct nh_update *u, const struct nh_firmware *running, uint64_t now_ms)
{
    bool another = strcmp(u->running.uuid, running->uuid) != 0;
    bool first = u->running.uuid[0] == '\0';
    u->now_ms = now_ms;
    if (!is_doubtful(u))
        u->running = *running;
    u->heard = true;
    bool target = strcmp(running->uuid, u->record.uuid) == 0;
    switch (u->record.stage) {
    case NH_FLASHING:
        if (target && !u->flashing && u->io.keeps_old)
            succeed(u); /* it was written before a crash of this program */
        else if (!u->flashing && (first || is_waited_for(u)))
            u->step_ms = now_ms;
        return;
    case NH_AWAITING:
        if (target)
            succeed(u);
        return; /* the old one: nh_update_poll waits a moment before it believes that */
    case NH_RESTORING:
        if (!u->flashing && !is_doubtful(u))
            came_back_late(u);
        else if (!u->flashing && is_waited_for(u))
            u->step_ms = now_ms;
        return;
    case NH_IDLE:
    case NH_FETCHING:
    case NH_CHECKING:
        if (another && !first)
            rejoin(u); /* flashed by somebody else */
        return;
    }
}

static void await(struct nh_update *u)
{
    if (u->heard && u->now_ms - u->awaited_ms >= OLD_IMAGE_GRACE_MS)
        came_back_old(u);
    else if (u->now_ms >= u->step_ms)
        restore(u, "the board did not come back after it was flashed");
}

void nh_update_poll(struct nh_update *u, uint64_t now_ms)
{
    u->now_ms = now_ms;
    switch (u->record.stage) {
    case NH_FLASHING:
    case NH_RESTORING:
        if (!u->flashing && now_ms >= u->step_ms)
            flash(u);
        break;
    case NH_AWAITING:
        await(u);
        break;
    case NH_IDLE:
        correct_the_server(u);
        break;
    case NH_FETCHING:
    case NH_CHECKING:
        break;
    }
    if (u->record.stage == NH_FETCHING || u->record.stage == NH_FLASHING)
        say_progress(u);
    keep_alive(u);
}

/* -- The channel. */

const char *nh_update_joining(struct nh_update *u, uint64_t now_ms)
{
    u->now_ms = now_ms;
    bool busy = u->record.stage != NH_IDLE && u->record.stage != NH_RESTORING;
    u->kept_row = busy && u->in_flight && now_ms - u->changed_ms < ROW_SURE_MS;
    return u->kept_row ? u->record.uuid : NULL;
}

void nh_update_joined(struct nh_update *u, uint64_t now_ms)
{
    u->now_ms = now_ms;
    u->joined = true;
    u->in_flight = u->in_flight && u->kept_row;
    u->passed_by = u->passed_by && u->kept_row;
    u->auto_reverted = false;
}

void nh_update_left(struct nh_update *u)
{
    doubt(u);
    u->joined = false;
}

/* What was being fetched is offered again; what was being flashed goes on. */
void nh_update_init(struct nh_update *u, const struct nh_update_io *io,
                    const struct nh_record *record, uint64_t now_ms)
{
    *u = (struct nh_update){.io = *io, .now_ms = now_ms, .step_ms = now_ms, .awaited_ms = now_ms};
    if (record == NULL)
        return;
    if (record->stage == NH_FETCHING || record->stage == NH_CHECKING) {
        u->record = idle_after(record);
        return;
    }
    u->record = *record;
    u->touched = record->tries > 0 || record->stage == NH_RESTORING;
    u->step_ms = now_ms + (record->stage == NH_AWAITING ? await_ms(u) : HELLO_FIRST_MS);
}
