/*
 * The update machine. Downloading, judging and flashing are done by whoever fills struct
 * nh_update_io; here is only what follows from how they end, and of the flashing not even that: it
 * is nh_update_flash.c's.
 */
#include "nh_update_private.h"

#include <stdio.h>
#include <string.h>

#define PROGRESS_EVERY_MS  1000
#define KEEP_ALIVE_MS      (20u * 60 * 1000) /* a server forgets an update 30 min after a change */
#define ROW_SURE_MS        (25u * 60 * 1000) /* so long it certainly remembers */
#define DOUBT_MS           60000             /* a connection that is dead is noticed sooner */
#define OLD_IMAGE_GRACE_MS 10000             /* it may say hello once more before it resets */
#define HELLO_FIRST_MS                                                        \
    10000 /* after a start the board may say that there is nothing left to do \
           */
#define REJOIN_EVERY_MS 60000
#define FAILED_FIRST_MS 60000
#define FAILED_MOST_MS  (60u * 60 * 1000)
#define FAILED_GOOD_MS  (24u * 60 * 60 * 1000)

/* -- What is said. */

void nh_update_say(struct nh_update *u, bool bad, const char *text)
{
    if (u->io.say != NULL)
        u->io.say(u->io.user, bad, text);
}

bool nh_update_may_speak(const struct nh_update *u)
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
    if (!nh_update_may_speak(u))
        return;
    changed(u);
    u->io.status(u->io.user, u->server, status, reason);
}

static enum nh_status stage_word(const struct nh_update *u)
{
    return u->record.stage == NH_FETCHING || u->record.stage == NH_CHECKING ? NH_DOWNLOADING
                                                                            : NH_UPDATING;
}

void nh_update_send_progress(struct nh_update *u, unsigned percent)
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
    if (nh_update_may_speak(u) && news && u->now_ms - u->said_ms >= PROGRESS_EVERY_MS)
        nh_update_send_progress(u, u->percent);
}

/* The same value again is not stored, and what is not stored does not keep the update alive. */
static void keep_alive(struct nh_update *u)
{
    if (!nh_update_may_speak(u) || u->record.stage == NH_IDLE ||
        u->now_ms - u->changed_ms < KEEP_ALIVE_MS)
        return;
    nh_update_send_progress(u, u->said_percent == u->percent && u->percent > 0 ? u->percent - 1
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

bool nh_update_keep(struct nh_update *u, enum nh_stage stage)
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

void nh_update_become_idle(struct nh_update *u)
{
    struct nh_record none = idle_after(&u->record);
    if (!u->io.keep(u->io.user, &none))
        nh_update_say(
            u, true,
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
    nh_update_say(u, true, line);
    say_status(u, NH_FAILED, why);
    u->failed++;
    u->in_flight = false;
    remember_failure(u, why, for_good);
}

void nh_update_fail(struct nh_update *u, const char *why, bool for_good)
{
    if (u->record.stage == NH_FETCHING)
        u->io.stop_fetching(u->io.user);
    say_failed(u, why, for_good);
    nh_update_become_idle(u);
}

/* The board may hold half an image: bring back the firmware that ran, where its file is still here.
 * That the disk is full is no reason not to. */
void nh_update_restore(struct nh_update *u, const char *why)
{
    say_failed(u, why, false);
    if (u->io.keeps_old || u->record.before[0] == '\0') {
        nh_update_become_idle(u);
        return;
    }
    memcpy(u->record.uuid, u->record.before, sizeof(u->record.uuid));
    u->record.tries = 0;
    u->flashing = u->attempt = false;
    u->waiting_ms = 0;
    u->step_ms = u->now_ms;
    if (!nh_update_keep(u, NH_RESTORING))
        u->record.stage = NH_RESTORING;
}

static void succeed(struct nh_update *u)
{
    char line[2 * NH_TEXT_MAX + 64];
    snprintf(line, sizeof(line), "runs %s %s now, read back from the board", u->running.product,
             u->running.version);
    nh_update_say(u, false, line);
    say_status(u, NH_COMPLETED, NULL);
    u->updated++;
    memcpy(u->record.running, u->running.uuid, sizeof(u->record.running));
    nh_update_become_idle(u);
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

static void begin(struct nh_update *u, const struct nh_offer *offer)
{
    char why[NH_WHY_MAX];
    u->record.stage = NH_IDLE;
    u->record.tries = 0;
    u->touched = false;
    memcpy(u->record.uuid, offer->firmware.uuid, sizeof(u->record.uuid));
    memcpy(u->record.before, u->running.uuid, sizeof(u->record.before));
    u->percent = u->said_percent = 0;
    u->said_stage = NH_DOWNLOADING;
    u->in_flight = true;
    u->heard_ms = u->now_ms; /* the offer itself is of now */
    u->doubtful_ms = 0;
    say_status(u, NH_RECEIVED, NULL);
    if (!nh_firmware_fits(&u->running, &offer->firmware, why)) {
        nh_update_fail(u, why, true);
    } else if (!nh_update_keep(u, NH_FETCHING)) {
        nh_update_fail(u, "the bridge cannot write its state: is its disk full?", false);
    } else {
        say_status(u, NH_STARTED, NULL);
        say_status(u, NH_DOWNLOADING, NULL);
        u->io.fetch(u->io.user, offer);
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
    u->server = offer->server;
    u->passed_by = strcmp(offer->firmware.uuid, u->running.uuid) == 0;
    if (u->passed_by)
        correct_the_server(u);
    else if (failed_lately(u, offer->firmware.uuid))
        refuse_again(u);
    else
        begin(u, offer);
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
            nh_update_become_idle(u);
        return;
    case NH_CHECKING:
    case NH_FLASHING:
    case NH_AWAITING:
        if (known) {
            u->server = offer->server;
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
        nh_update_fail(u, why, for_good);
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
        nh_update_fail(u, why, for_good);
    } else if (!nh_update_keep(u, NH_FLASHING)) {
        nh_update_fail(u, "the bridge cannot write its state: is its disk full?", false);
    } else {
        u->percent = 0;
        u->step_ms = now_ms;
        say_status(u, NH_UPDATING, NULL);
        nh_update_poll(u, now_ms);
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
    nh_update_become_idle(u);
    rejoin(u);
}

static bool is_waited_for(const struct nh_update *u)
{
    return u->waiting_ms != 0 && u->absent;
}

/* What it holds is whole, and it runs: there is nothing to save. */
static void came_back_late(struct nh_update *u)
{
    nh_update_say(u, false,
                  "the board came back after all: its previous firmware is not brought back");
    nh_update_become_idle(u);
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
        nh_update_restore(u, "the board did not come back after it was flashed");
}

void nh_update_poll(struct nh_update *u, uint64_t now_ms)
{
    u->now_ms = now_ms;
    switch (u->record.stage) {
    case NH_FLASHING:
    case NH_RESTORING:
        if (!u->flashing && now_ms >= u->step_ms)
            nh_update_flash(u);
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
    u->step_ms = now_ms + (record->stage == NH_AWAITING ? nh_update_await_ms(u) : HELLO_FIRST_MS);
}
