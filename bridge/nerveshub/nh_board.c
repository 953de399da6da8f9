/*
 * The wiring of one board at NervesHub: what its hello, the server, its files and its flasher say
 * goes to the update machine, and what that wants goes to them. Decisions about an update are
 * nh_update.c's; the console's bytes are nh_board_talk.c's.
 */
#include "nh_board_private.h"

#include "nh_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UPDATE_TICK_MS   250
#define CONNECT_AGAIN_MS 5000

static uint64_t now_of(const struct nh_board *b)
{
    return b->io.now_ms(b->io.user);
}

void nh_board_say(struct nh_board *b, bool bad, const char *text)
{
    if (b->io.say != NULL)
        b->io.say(b->io.user, bad, text);
}

/* -- At the server. */

static void hold(struct nh_board *b)
{
    const struct nh_record *r = &b->update.record;
    const char *runs = b->update.running.uuid[0] != '\0' ? b->update.running.uuid : r->running;
    nh_claim_hold(b->claim, runs, r->before, r->uuid);
}

/* Once it runs, a connection is tried again for ever; what cannot even begin is tried again here.
 */
static void wake(struct nh_board *b)
{
    char line[2 * NH_TEXT_MAX];
    const char *why = nh_device_wake(b->device);
    b->resting = false;
    b->again_ms = UINT64_MAX;
    if (why == NULL)
        return;
    snprintf(line, sizeof(line), "cannot connect: %s; trying again in %d s", why,
             CONNECT_AGAIN_MS / 1000);
    nh_board_say(b, true, line);
    b->again_ms = now_of(b) + CONNECT_AGAIN_MS;
}

static void rest(struct nh_board *b)
{
    b->resting = true;
    b->again_ms = UINT64_MAX;
    nh_device_rest(b->device);
}

/* Joins, or joins anew, with what the board runs. `anew`: even if that is known there. */
static void tell_server(struct nh_board *b, bool anew)
{
    const struct nh_firmware *running = &b->update.running;
    bool reverted = b->update.auto_reverted || b->hello_reverted;
    bool known = strcmp(b->told_uuid, running->uuid) == 0 && (b->told_reverted || !reverted);
    if (b->stopping || !nh_firmware_is_known(running))
        return;
    memcpy(b->told_uuid, running->uuid, sizeof(b->told_uuid));
    b->told_reverted = reverted;
    wake(b);
    nh_device_board(b->device, running, reverted);
    if (known && anew)
        nh_device_rejoin(b->device);
}

static const char *on_downloading(void *user)
{
    struct nh_board *b = user;
    return nh_update_joining(&b->update, now_of(b));
}

static void on_joined(void *user)
{
    struct nh_board *b = user;
    char line[2 * NH_TEXT_MAX];
    b->trouble[0] = '\0';
    snprintf(line, sizeof(line), "joined with firmware %s (%s)", b->update.running.version,
             b->update.running.uuid);
    nh_board_say(b, false, line);
    nh_update_joined(&b->update, now_of(b));
}

static void on_left(void *user)
{
    struct nh_board *b = user;
    nh_update_left(&b->update);
}

static void on_offer(void *user, const struct nh_offer *offer)
{
    struct nh_board *b = user;
    if (b->stopping)
        return;
    nh_update_offer(&b->update, offer, now_of(b));
    hold(b);
    b->io.wake(b->io.user);
}

static void on_reboot(void *user)
{
    struct nh_board *b = user;
    if (b->update.flashing) {
        nh_board_say(b, true, "the server asks for a reboot: not while the board is flashed");
        return;
    }
    nh_device_rebooting(b->device);
    if (b->io.reboot != NULL)
        b->io.reboot(b->io.user);
}

static void on_identify(void *user)
{
    struct nh_board *b = user;
    if (b->io.identify != NULL)
        b->io.identify(b->io.user);
}

static void on_typed(void *user, const char *bytes, size_t n)
{
    nh_board_typed(user, bytes, n);
}

static void on_window(void *user, unsigned rows, unsigned columns)
{
    struct nh_board *b = user;
    if (b->io.window != NULL)
        b->io.window(b->io.user, rows, columns);
}

static char *on_health(void *user)
{
    struct nh_board *b = user;
    return b->io.health != NULL ? b->io.health(b->io.user) : NULL;
}

static int64_t on_unix_us(void *user)
{
    struct nh_board *b = user;
    return b->io.unix_us(b->io.user);
}

static bool on_secret(void *user, char out[NH_SECRET_MAX])
{
    struct nh_board *b = user;
    return b->io.secret(b->io.user, out);
}

static void on_device_say(void *user, bool bad, const char *text)
{
    struct nh_board *b = user;
    if (bad)
        snprintf(b->trouble, sizeof(b->trouble), "%s", text);
    nh_board_say(b, bad, text);
}

/* -- What the update wants. */

static bool want_keep(void *user, const struct nh_record *record)
{
    struct nh_board *b = user;
    return nh_store_keep(nh_files_folder(b->files), b->name, record);
}

static void want_status(void *user, enum nh_server server, enum nh_status status,
                        const char *reason)
{
    struct nh_board *b = user;
    nh_device_status(b->device, server, status, reason);
}

static void want_progress(void *user, unsigned percent, enum nh_status stage)
{
    struct nh_board *b = user;
    nh_device_progress(b->device, percent, stage);
}

static void want_rebooting(void *user)
{
    struct nh_board *b = user;
    nh_device_rebooting(b->device);
}

static void want_rejoin(void *user)
{
    tell_server(user, true);
}

static void want_fetch(void *user, const struct nh_offer *offer)
{
    struct nh_board *b = user;
    hold(b);
    nh_claim_fetch(b->claim, offer);
}

static void want_stop_fetching(void *user)
{
    struct nh_board *b = user;
    nh_claim_stop(b->claim);
}

static void want_check(void *user, const char *uuid)
{
    struct nh_board *b = user;
    b->before_flash = false;
    nh_claim_check(b->claim, uuid, b->resource);
}

static void want_say(void *user, bool bad, const char *text)
{
    nh_board_say(user, bad, text);
}

/* -- Flashing. */

/* Told at the next tick: the machine is not called from within itself. */
static void end_flash(struct nh_board *b, enum nh_flashed how, const char *why)
{
    b->ended = true;
    b->ended_how = how;
    snprintf(b->ended_why, sizeof(b->ended_why), "%s", why);
    b->io.wake(b->io.user);
}

static void begin_flash(struct nh_board *b)
{
    char why[NH_WHY_MAX] = "";
    b->flashing = b->io.flash(b->io.user, b->image, why, sizeof(why));
    if (!b->flashing)
        end_flash(b, NH_FLASH_ABSENT, why);
}

/* A board that was not touched says hello before it is flashed, if it is there. One that was is
 * written whether it says anything or not: it may not be able to. */
static void want_flash(void *user, const char *uuid)
{
    struct nh_board *b = user;
    hold(b);
    if (b->stopping) {
        end_flash(b, NH_FLASH_ABSENT, "the bridge stops");
    } else if (!b->here && !b->update.touched && b->update.record.stage == NH_FLASHING) {
        end_flash(b, NH_FLASH_ABSENT, "it is not there");
    } else if (b->image != NULL && strcmp(b->image_uuid, uuid) == 0) {
        begin_flash(b);
    } else {
        b->before_flash = true;
        nh_claim_check(b->claim, uuid, b->resource);
    }
}

void nh_board_flash_percent(struct nh_board *b, unsigned percent)
{
    if (b->flashing)
        nh_update_percent(&b->update, percent, now_of(b));
}

/* When the bridge stops, its record says what is to be done after the next start. */
static void flash_ended(struct nh_board *b, enum nh_flashed how, const char *why)
{
    if (b->flashing && !b->stopping)
        end_flash(b, how, why);
    b->flashing = false;
}

void nh_board_flashed(struct nh_board *b, const char *why, bool for_good)
{
    if (why == NULL)
        flash_ended(b, NH_FLASHED, "");
    else
        flash_ended(b, for_good ? NH_FLASH_REFUSED : NH_FLASH_FAILED, why);
}

void nh_board_not_flashed(struct nh_board *b, const char *why)
{
    flash_ended(b, NH_FLASH_NOT_BEGUN, why);
}

/* -- Files. */

static void on_percent(void *user, unsigned percent)
{
    struct nh_board *b = user;
    nh_update_percent(&b->update, percent, now_of(b));
}

static void on_fetched(void *user, const char *why, bool for_good)
{
    struct nh_board *b = user;
    nh_update_fetched(&b->update, why, for_good, now_of(b));
    hold(b);
    b->io.wake(b->io.user);
}

static void forget_image(struct nh_board *b)
{
    free(b->image);
    b->image = NULL;
}

static void on_checked(void *user, const char *why, bool for_good, const struct nh_firmware *meta,
                       const char *image)
{
    struct nh_board *b = user;
    forget_image(b);
    if (why == NULL && (b->image = strdup(image)) == NULL)
        why = "out of memory";
    memcpy(b->image_uuid, meta->uuid, sizeof(b->image_uuid));
    if (!b->before_flash)
        nh_update_checked(&b->update, why, for_good, meta, now_of(b));
    else if (why != NULL)
        end_flash(b, for_good ? NH_FLASH_REFUSED : NH_FLASH_NOT_BEGUN, why);
    else if (!b->stopping)
        begin_flash(b);
    hold(b);
    b->io.wake(b->io.user);
}

/* -- The board. */

static void copy_text(char *out, const char *text)
{
    snprintf(out, NH_TEXT_MAX, "%s", text != NULL ? text : "");
}

static struct nh_firmware firmware_of(struct nh_board *b, const struct nh_board_hello *hello)
{
    struct nh_firmware f = {0};
    if (nh_files_find(b->files, hello->image, hello->image_length, nh_update_prefers(&b->update),
                      &f))
        return f;
    f = (struct nh_firmware){0};
    if (hello->image_length > 0)
        nh_uuid_of_image(hello->image, hello->image_length, f.uuid);
    copy_text(f.product, hello->product);
    copy_text(f.version, hello->version);
    copy_text(f.architecture, hello->architecture);
    copy_text(f.platform, hello->platform);
    return f;
}

static void hex_of(const uint8_t *bytes, size_t n, char hex[static 2 * NH_DEVICE_MAX + 1])
{
    hex[0] = '\0';
    for (size_t i = 0; i < n && i < NH_DEVICE_MAX; i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
}

static void start_update(struct nh_board *b, const struct nh_record *record)
{
    const struct nh_update_io io = {
        .user = b,
        .keep = want_keep,
        .status = want_status,
        .progress = want_progress,
        .rebooting = want_rebooting,
        .rejoin = want_rejoin,
        .fetch = want_fetch,
        .stop_fetching = want_stop_fetching,
        .check = want_check,
        .flash = want_flash,
        .keeps_old = b->io.keeps_old,
        .say = want_say,
    };
    bool joined = b->update.joined;
    nh_update_init(&b->update, &io, record, now_of(b));
    b->update.joined = joined;
}

/* An update belongs to the board that it was begun for. Returns whether one is over: the server has
 * to hear of it. */
static bool look_who(struct nh_board *b, const char *device)
{
    struct nh_record *record = &b->update.record;
    bool another =
        record->device[0] != '\0' && device[0] != '\0' && strcmp(record->device, device) != 0;
    bool over = another && record->stage != NH_IDLE;
    if (over) {
        nh_board_say(b, true, "another board is there now: the update of the one before is over");
        nh_claim_stop(b->claim);
        if (b->flashing && b->io.stop_flash != NULL)
            b->io.stop_flash(b->io.user);
    }
    if (another) {
        b->flashing = b->ended = b->before_flash = false;
        start_update(b, NULL);
    }
    if (device[0] != '\0' && strcmp(record->device, device) != 0) {
        snprintf(record->device, sizeof(record->device), "%s", device);
        nh_store_keep(nh_files_folder(b->files), b->name, record);
    }
    return over;
}

static const char *what_is_missing(const struct nh_firmware *f)
{
    return f->uuid[0] == '\0'       ? "a build id (link it with --build-id)"
           : f->product[0] == '\0'  ? "a product"
           : f->version[0] == '\0'  ? "a version"
           : f->platform[0] == '\0' ? "a platform"
                                    : "an architecture";
}

/* What cannot be named is not at the server, least of all as what ran before. */
static void go_unknown(struct nh_board *b, const struct nh_firmware *f)
{
    snprintf(b->trouble, sizeof(b->trouble),
             "the board's firmware does not say %s: it cannot be joined with", what_is_missing(f));
    nh_board_say(b, true, b->trouble);
    b->update.running.uuid[0] = b->told_uuid[0] = '\0';
    rest(b);
}

void nh_board_here(struct nh_board *b, const struct nh_board_hello *hello)
{
    char device[2 * NH_DEVICE_MAX + 1];
    hex_of(hello->device, hello->device_length, device);
    bool over = look_who(b, device);
    struct nh_firmware f = firmware_of(b, hello);
    b->here = true;
    b->hello_reverted = hello->auto_reverted;
    if (!nh_firmware_is_known(&f)) {
        go_unknown(b, &f);
        return;
    }
    nh_update_board(&b->update, &f, now_of(b));
    tell_server(b, over);
    hold(b);
    b->io.wake(b->io.user);
}

void nh_board_gone(struct nh_board *b)
{
    b->here = false;
    b->gone_ms = now_of(b);
    b->io.wake(b->io.user);
}

void nh_board_log(struct nh_board *b, const char *level, const char *text)
{
    nh_device_log(b->device, level, text, now_of(b));
}

/* -- Time. */

/* Returns when to look again. */
static uint64_t rest_if_gone(struct nh_board *b, uint64_t now_ms)
{
    if (b->here || b->resting || b->update.record.stage != NH_IDLE)
        return UINT64_MAX;
    if (now_ms - b->gone_ms < NH_BOARD_LINGER_MS)
        return b->gone_ms + NH_BOARD_LINGER_MS;
    rest(b);
    return UINT64_MAX;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t nh_board_tick(struct nh_board *b, uint64_t now_ms)
{
    uint64_t next = UINT64_MAX;
    if (b->stopping)
        return next;
    if (b->ended) {
        b->ended = false;
        nh_update_flashed(&b->update, b->ended_how, b->ended_why, now_ms);
    }
    if (b->update.record.stage != NH_IDLE) {
        nh_update_poll(&b->update, now_ms);
        next = now_ms + UPDATE_TICK_MS;
    } else {
        forget_image(b);
    }
    hold(b);
    if (now_ms >= b->again_ms)
        wake(b);
    next = earlier(next, earlier(rest_if_gone(b, now_ms), b->again_ms));
    return nh_board_talk(b, now_ms) ? now_ms + NH_CONSOLE_MS : next;
}

/* -- Life. */

static struct nh_device *new_device(struct nh_board *b, const struct nh_board_shared *shared,
                                    const struct nh_board_options *o)
{
    const struct nh_device_options options = {
        .url = o->url,
        .identifier = o->identifier,
        .key = o->key,
        .secret = o->secret,
        .cert_file = o->cert_file,
        .key_file = o->key_file,
        .ca_file = o->ca_file,
        .proxy = o->proxy,
        .backoff_min_ms = o->backoff_min_ms,
        .backoff_max_ms = o->backoff_max_ms,
        .rejoin_min_ms = o->rejoin_min_ms,
        .at_rest = true,
    };
    const struct nh_device_io io = {
        .user = b,
        .unix_us = on_unix_us,
        .secret = b->io.secret != NULL ? on_secret : NULL,
        .downloading = on_downloading,
        .joined = on_joined,
        .left = on_left,
        .offer = on_offer,
        .reboot = on_reboot,
        .identify = on_identify,
        .typed = on_typed,
        .window = on_window,
        .health = on_health,
        .say = on_device_say,
    };
    return nh_device_new(shared->context, &options, &io);
}

struct nh_board *nh_board_new(const struct nh_board_shared *shared,
                              const struct nh_board_options *options, const struct nh_board_io *io)
{
    struct nh_board *b = calloc(1, sizeof(*b));
    struct nh_record record;
    if (b == NULL)
        return NULL;
    const struct nh_claim_events events = {b, on_percent, on_fetched, on_checked};
    b->io = *io;
    b->files = shared->files;
    b->resting = true;
    b->again_ms = UINT64_MAX;
    b->name = strdup(options->identifier);
    b->resource = options->resource != NULL ? strdup(options->resource) : NULL;
    b->device = new_device(b, shared, options);
    b->claim = nh_claim_new(shared->files, options->identifier, &events);
    if (b->name == NULL || (options->resource != NULL && b->resource == NULL) ||
        b->device == NULL || b->claim == NULL) {
        nh_board_free(b);
        return NULL;
    }
    nh_store_load(nh_files_folder(b->files), b->name, &record);
    start_update(b, &record);
    return b;
}

void nh_board_free(struct nh_board *b)
{
    if (b == NULL)
        return;
    nh_claim_drop(b->claim);
    nh_device_free(b->device);
    nh_board_talk_free(b);
    free(b->name);
    free(b->resource);
    free(b->image);
    free(b);
}

void nh_board_stop(struct nh_board *b)
{
    if (b->stopping)
        return;
    b->stopping = true;
    nh_claim_stop(b->claim);
    nh_device_rest(b->device);
    if (b->flashing && b->io.stop_flash != NULL)
        b->io.stop_flash(b->io.user);
}

bool nh_board_is_stopped(const struct nh_board *b)
{
    return b->stopping && !b->flashing;
}
