/*
 * Into the board's own store, by the protocol. Pieces, losses and where it goes on are
 * mp_bulk_host's; here is the file, how long nothing may happen, and what an end means in words.
 */
#include "flasher_private.h"

#include "fw/fw_image.h"
#include "fw/fw_meta.h"
#include "mp_sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FALLS_MAX 8 /* of what the board has stored: then it will never hold it all */

struct in_band {
    struct flasher *flasher;
    struct loop *loop;
    uint32_t timeout_ms;
    struct port *port; /* of bulk, while bulk has a host */
    struct mp_bulk_host bulk;
    struct fw_image image;
    uint64_t moved_ms; /* when something happened last */
    uint32_t stored;   /* as the board said last */
    uint32_t falls;
    bool is_there; /* the board */
};

static bool read_image(void *user, uint32_t offset, uint8_t *out, size_t n)
{
    const struct in_band *way = user;
    memcpy(out, way->image.bytes + offset, n);
    return true;
}

/* A board that begins anew has moved too, but not for ever. */
static void on_progress(void *user, uint32_t stored, uint32_t size)
{
    struct in_band *way = user;
    char why[FLASHER_WHY_MAX];
    if (stored != way->stored)
        way->moved_ms = loop_now_ms(way->loop);
    if (stored < way->stored && ++way->falls > FALLS_MAX) {
        snprintf(why, sizeof why,
                 "the board has lost what it had stored %u times: look at its power and its flash",
                 way->falls);
        flasher_done(way->flasher, why, false);
    }
    way->stored = stored;
    flasher_progress(way->flasher, (unsigned)(100ull * stored / size));
}

static void too_large(const struct in_band *way, char *why, size_t cap)
{
    if (way->bulk.limit != 0)
        snprintf(why, cap, "the image has %zu bytes, and the board has room for %u",
                 way->image.length, way->bulk.limit);
    else
        snprintf(why, cap, "the image has %zu bytes, and the board has less room than that",
                 way->image.length);
}

/* In words what the board has said; returns whether it will never say anything else. */
static bool explain(const struct in_band *way, enum mp_status status, char *why, size_t cap)
{
    switch (status) {
    case MP_STATUS_TOO_LARGE:
        too_large(way, why, cap);
        return true;
    case MP_STATUS_FOREIGN:
        snprintf(why, cap, "the board refuses it as an image for another kind of board");
        return true;
    case MP_STATUS_UNSUPPORTED:
        snprintf(why, cap,
                 "the board takes no images in-band: it has no boot loader that stores them, so "
                 "flash it by a command");
        return true;
    case MP_STATUS_MISMATCH:
        snprintf(why, cap, "what the board has stored is not what was sent to it");
        return false;
    case MP_STATUS_FAILED:
        snprintf(why, cap, "the board could not store it, or is busy with another update");
        return false;
    case MP_STATUS_DONE:
    case MP_STATUS_UNKNOWN:
    case MP_STATUS_RANGE:
    case MP_STATUS_EXPIRED:
    case MP_STATUS_CORRUPT:
    case MP_STATUS_STALE:
    case MP_STATUS_COUNT:
        break;
    }
    snprintf(why, cap, "the board did not take it: %s", mp_status_text(status));
    return false;
}

static void on_done(void *user, enum mp_status status)
{
    struct in_band *way = user;
    char why[FLASHER_WHY_MAX];
    if (status == MP_STATUS_DONE) {
        flasher_done(way->flasher, NULL, false);
        return;
    }
    bool for_good = explain(way, status, why, sizeof why);
    flasher_done(way->flasher, why, for_good);
}

void *flasher_in_band_open(struct flasher *flasher, const struct flasher_options *options,
                           char *why, size_t why_cap)
{
    struct in_band *way = calloc(1, sizeof *way);
    if (way == NULL) {
        snprintf(why, why_cap, "out of memory");
        return NULL;
    }
    way->flasher = flasher;
    way->loop = options->loop;
    way->timeout_ms = options->timeout_ms;
    return way;
}

static void board(void *state, struct port *port)
{
    struct in_band *way = state;
    way->is_there = true;
    way->port = port;
    port_upload(port, &way->bulk);
}

static int start(void *state, struct port *port, const char *file, char *why, size_t why_cap)
{
    struct in_band *way = state;
    const struct mp_bulk_host_io io = {
        .user = way, .read = read_image, .progress = on_progress, .done = on_done};
    struct mp_sha256 sha;
    uint8_t hash[MP_SHA256_BYTES];
    char image_why[FW_WHY_MAX];
    if (fw_image_load(file, &way->image, image_why) != 0) {
        snprintf(why, why_cap, "%s", image_why);
        return -1;
    }
    mp_sha256_begin(&sha);
    mp_sha256_add(&sha, way->image.bytes, way->image.length);
    mp_sha256_end(&sha, hash);
    way->stored = way->falls = 0;
    way->is_there = false;
    way->moved_ms = loop_now_ms(way->loop);
    mp_bulk_host_start(&way->bulk, NULL, (uint32_t)way->image.length, hash, &io);
    flasher_touches(way->flasher);
    if (port != NULL)
        board(way, port);
    return 0;
}

static void board_lost(void *state)
{
    struct in_band *way = state;
    way->is_there = false;
}

static void stop(void *state)
{
    struct in_band *way = state;
    flasher_done(way->flasher, "the upload was stopped before it had ended", false);
}

static void look(void *state, uint64_t now_ms)
{
    struct in_band *way = state;
    char why[FLASHER_WHY_MAX];
    if (now_ms - way->moved_ms < way->timeout_ms)
        return;
    snprintf(why, sizeof why, "%s for %g s, after %u of %zu bytes",
             way->is_there ? "the board has stored nothing more" : "the board has not come back",
             way->timeout_ms / 1000.0, way->stored, way->image.length);
    flasher_done(way->flasher, why, false);
}

static void clear(void *state)
{
    struct in_band *way = state;
    if (way->bulk.host != NULL)
        port_upload(way->port, NULL);
    way->bulk = (struct mp_bulk_host){.phase = MP_BULK_HOST_IDLE};
    fw_image_free(&way->image);
}

const struct flasher_way flasher_in_band = {start, board, board_lost, stop, look, clear, free};
