/*
 * The writing of the board: tries, waiting, and what follows from how one ended. When it is
 * written, and whether what then runs is the truth, is nh_update.c's.
 */
#include "nh_update_private.h"

#include <stdio.h>

#define FLASH_TRIES    3
#define FLASH_AGAIN_MS 5000
#define FLASH_LATER_MS 60000
#define FLASH_WAIT_MS  (60u * 60 * 1000) /* for a board that is not there to be flashed */
#define AWAIT_MS       120000            /* for a board to come back */
#define AWAIT_TRIAL_MS 240000            /* where a boot loader may have to give up a trial first */

uint64_t nh_update_await_ms(const struct nh_update *u)
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
        nh_update_say(u, true, text);
        nh_update_become_idle(u);
    } else if (u->touched) {
        nh_update_restore(u, why);
    } else {
        nh_update_fail(u, why, for_good);
    }
}

/* The try is on disk before the board is touched: after a crash it counts as made. */
void nh_update_flash(struct nh_update *u)
{
    if (!u->attempt) {
        u->record.tries++;
        u->attempt = true;
        if (!nh_update_keep(u, u->record.stage) && u->record.stage == NH_FLASHING) {
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
    nh_update_say(u, true, why);
    if (u->record.tries < FLASH_TRIES) {
        u->step_ms = u->now_ms + FLASH_AGAIN_MS;
        return;
    }
    if (u->record.stage == NH_RESTORING) {
        nh_update_say(u, true,
                      "the previous firmware could not be brought back: flash the board by hand");
        nh_update_become_idle(u);
        return;
    }
    snprintf(text, sizeof(text), "flashing failed %d times: %.180s", FLASH_TRIES, why);
    nh_update_restore(u, text);
}

/* A board that may hold half an image is waited for without end: only this saves it. */
static void flash_not_begun(struct nh_update *u, const char *why, bool absent)
{
    char text[NH_WHY_MAX];
    uint64_t wait = FLASH_AGAIN_MS;
    for (unsigned i = 0; !absent && i < u->waits && wait < FLASH_LATER_MS; i++)
        wait *= 2;
    if (u->waiting_ms == 0) {
        u->waiting_ms = u->now_ms;
        snprintf(text, sizeof(text), "waiting to flash the board: %.200s", why);
        nh_update_say(u, false, text);
    }
    u->absent = absent;
    u->waits += absent ? 0 : 1;
    u->step_ms = u->now_ms + (wait < FLASH_LATER_MS ? wait : FLASH_LATER_MS);
    if (u->record.stage == NH_RESTORING || u->now_ms - u->waiting_ms < FLASH_WAIT_MS)
        return;
    snprintf(text, sizeof(text), "the board could not be flashed for an hour: %.180s", why);
    if (u->touched)
        nh_update_restore(u, text);
    else
        nh_update_fail(u, text, false);
}

static void flash_succeeded(struct nh_update *u)
{
    if (u->record.stage == NH_RESTORING) {
        nh_update_say(u, true, "the previous firmware was brought back");
        nh_update_become_idle(u);
        return;
    }
    if (!nh_update_keep(u, NH_AWAITING))
        u->record.stage = NH_AWAITING;
    u->heard = false;
    u->awaited_ms = u->now_ms;
    u->step_ms = u->now_ms + nh_update_await_ms(u);
    u->percent = 100;
    if (nh_update_may_speak(u)) {
        nh_update_send_progress(u, 100);
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
