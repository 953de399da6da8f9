/*
 * The rig of the tests of an update; what it offers is in nh_update_rig.h.
 */
#include "nh_update_rig.h"

#include <stdio.h>
#include <string.h>

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

void rig_expect(struct rig *rig, const char *words)
{
    assert_string_equal(rig->did, words);
    rig_forget(rig);
}

void rig_forget(struct rig *rig)
{
    rig->did[0] = '\0';
}

struct nh_firmware rig_firmware(const char *uuid)
{
    struct nh_firmware f = {
        .product = "p", .version = "1", .platform = "avr", .architecture = "avr8"};
    snprintf(f.uuid, sizeof(f.uuid), "%s", uuid);
    return f;
}

void rig_start(struct rig *rig)
{
    struct nh_update_io mine = io;
    mine.user = rig;
    mine.keeps_old = rig->keeps_old;
    nh_update_init(&rig->update, &mine, &rig->kept, rig->now_ms);
}

void rig_board(struct rig *rig, const char *uuid)
{
    struct nh_firmware f = rig_firmware(uuid);
    nh_update_board(&rig->update, &f, rig->now_ms);
}

const char *rig_join(struct rig *rig)
{
    const char *uuid = nh_update_joining(&rig->update, rig->now_ms);
    nh_update_joined(&rig->update, rig->now_ms);
    return uuid;
}

void rig_offer(struct rig *rig, const char *uuid)
{
    static struct nh_offer o;
    o = (struct nh_offer){.server = NH_MAIN, .url = "http://h/f", .firmware = rig_firmware(uuid)};
    nh_update_offer(&rig->update, &o, rig->now_ms);
}

void rig_fetched(struct rig *rig)
{
    nh_update_fetched(&rig->update, NULL, false, rig->now_ms);
}

void rig_checked(struct rig *rig, const char *uuid)
{
    struct nh_firmware f = rig_firmware(uuid);
    nh_update_checked(&rig->update, NULL, false, &f, rig->now_ms);
}

void rig_flashed(struct rig *rig, enum nh_flashed how, const char *why)
{
    nh_update_flashed(&rig->update, how, why, rig->now_ms);
}

void rig_pass(struct rig *rig, uint64_t ms)
{
    for (uint64_t end = rig->now_ms + ms; rig->now_ms < end;) {
        rig->now_ms += 500;
        nh_update_poll(&rig->update, rig->now_ms);
    }
}

void rig_to_joined(struct rig *rig)
{
    *rig = (struct rig){.now_ms = 1000000};
    rig_start(rig);
    rig_board(rig, OLD);
    assert_null(rig_join(rig));
    rig_expect(rig, "");
}

void rig_to_fetching(struct rig *rig)
{
    rig_to_joined(rig);
    rig_offer(rig, NEW);
    rig_expect(rig, "received started downloading FETCH(2cc211b5) ");
}

void rig_to_flashing(struct rig *rig)
{
    rig_to_fetching(rig);
    rig_fetched(rig);
    rig_checked(rig, NEW);
    rig_expect(rig, "CHECK(2cc211b5) updating FLASH(2cc211b5) 0u ");
}

void rig_to_awaiting(struct rig *rig)
{
    rig_to_flashing(rig);
    rig_flashed(rig, NH_FLASHED, NULL);
    rig_expect(rig, "100u rebooting ");
}
