/*
 * What a device's words do: which payloads crash its channel, what is stored of an update in
 * flight, who is sent the release. Every rule is a recorded one; the two servers differ in most.
 */
#include "nerves.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { API_NONE = 100 };

static const char *const STATUSES[] = {
    "requested",   "rescheduled", "ignored",   "received", "started",
    "downloading", "updating",    "completed", "failed",   "expired",
};
enum { STATUS_COUNT = sizeof STATUSES / sizeof *STATUSES };

static const char *status_of(const struct json *value)
{
    for (size_t i = 0; i < STATUS_COUNT; i++) {
        if (json_is_text(value, STATUSES[i])) {
            return STATUSES[i];
        }
    }
    return NULL;
}

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* -- the row */

struct nerves_row *nerves_row_of(struct nerves *n, struct nerves_device *d)
{
    int64_t life = n->like == NERVES_MAIN ? NERVES_EXPIRY_MS : NERVES_EXPIRY_240_MS;
    if (d->row.present && nerves_now(n) - d->row.stored_ms >= life) {
        d->row.present = false;
    }
    return d->row.present ? &d->row : NULL;
}

static void make_row(struct nerves *n, struct nerves_device *d, const char *uuid,
                     const char *status, bool deployment)
{
    d->row = (struct nerves_row){
        .present = true, .deployment = deployment, .status = status, .stored_ms = nerves_now(n)};
    size_t length = strnlen(uuid, sizeof d->row.uuid - 1);
    memcpy(d->row.uuid, uuid, length);
}

void nerves_pushed(struct nerves *n, struct nerves_device *d, const struct nerves_firmware *fw,
                   bool deployment)
{
    d->pushes++;
    d->counted = false;
    if (n->like == NERVES_MAIN || deployment) {
        make_row(n, d, fw->uuid, n->like == NERVES_MAIN ? "requested" : "updating", deployment);
    }
}

/* Stores a status with its progress (NULL: none), unless it is too soon for one more of the same
 * status. */
static enum nerves_verdict store(struct nerves *n, struct nerves_device *d, const char *status,
                                 const struct json *progress)
{
    struct nerves_row *row = nerves_row_of(n, d);
    int64_t now = nerves_now(n);
    long value = 0;
    if (row != NULL && is(row->status, status) && now - row->stored_ms < NERVES_STORE_EVERY_MS) {
        return NERVES_IGNORED;
    }
    bool none = progress == NULL || json_is(progress, JSON_NULL);
    struct json number = {.type = JSON_INT};
    if (!none && progress->type == JSON_STRING && json_is_number_text(progress->text)) {
        number.text = progress->text;
        progress = &number;
    }
    if (!none && !json_int(progress, INT_MIN, INT_MAX, &value)) {
        return NERVES_CRASH;
    }
    if (row != NULL && is(row->status, status) && row->has_progress == !none &&
        row->progress == value) {
        return NERVES_IGNORED; /* nothing changes, and so the update does not live longer */
    }
    if (row == NULL) {
        make_row(n, d, "", status, false);
        row = &d->row;
    } else if (is(row->status, "requested")) {
        d->attempts++;
    }
    row->status = status;
    row->has_progress = !none;
    row->progress = value;
    row->stored_ms = now;
    return NERVES_TAKEN;
}

/* failed and ignored: over, and a device of the deployment is left alone for a day. */
static enum nerves_verdict give_up(struct nerves *n, struct nerves_device *d)
{
    struct nerves_row *row = nerves_row_of(n, d);
    if (row == NULL) {
        return NERVES_CRASH;
    }
    if (row->deployment) {
        d->blocked_until_ms = nerves_now(n) + NERVES_PENALTY_MS;
    }
    row->present = false;
    return NERVES_TAKEN;
}

static enum nerves_verdict reschedule(struct nerves *n, struct nerves_device *d,
                                      const struct json *delay)
{
    struct nerves_row *row = nerves_row_of(n, d);
    long ms = 0;
    if (row == NULL || (delay != NULL && !json_int(delay, LONG_MIN, LONG_MAX, &ms))) {
        return NERVES_CRASH;
    }
    if (delay == NULL) {
        return store(n, d, "rescheduled", NULL); /* and blocks from now on */
    }
    if (row->deployment) {
        d->blocked_until_ms = nerves_now(n) + ms;
    }
    row->present = false;
    return NERVES_TAKEN;
}

/* -- status and progress */

static bool says_fwup_error(const struct json *status)
{
    static const char WORDS[] = "fwup error";
    size_t length = sizeof WORDS - 1;
    for (size_t i = 0; i + length <= status->text.len; i++) {
        if (strncasecmp(status->text.data + i, WORDS, length) == 0) {
            return true;
        }
    }
    return false;
}

static enum nerves_verdict status_240(struct nerves_device *d, const struct json *payload)
{
    const struct json *status = json_get(payload, "status");
    if (status == NULL) {
        return NERVES_IGNORED;
    }
    if (!json_is(status, JSON_STRING)) {
        return NERVES_CRASH;
    }
    if (says_fwup_error(status)) {
        d->row.present = false;
    }
    return NERVES_IGNORED;
}

enum nerves_verdict nerves_on_status(struct nerves *n, struct nerves_device *d,
                                     const struct json *payload)
{
    const struct json *status = json_get(payload, "status");
    if (n->like == NERVES_240) {
        return status_240(d, payload);
    }
    if (!json_is(status, JSON_STRING)) {
        return NERVES_CRASH;
    }
    if (status->text.len == 0) {
        return NERVES_IGNORED;
    }
    const char *known = says_fwup_error(status) ? "failed" : status_of(status);
    if (known == NULL) {
        return NERVES_CRASH;
    }
    if (is(known, "failed") || is(known, "ignored")) {
        return give_up(n, d);
    }
    if (is(known, "rescheduled")) {
        return reschedule(n, d, json_get(payload, "delay_for"));
    }
    bool carries = is(known, "downloading") || is(known, "updating");
    return store(n, d, known, carries ? json_get(payload, "progress") : NULL);
}

static enum nerves_verdict progress_240(struct nerves_device *d)
{
    if (!d->counted) {
        d->counted = true;
        d->attempts++;
    }
    return NERVES_IGNORED;
}

enum nerves_verdict nerves_on_progress(struct nerves *n, struct nerves_device *d,
                                       const struct json *payload)
{
    const struct json *value = json_get(payload, "value");
    const struct json *stage = json_get(payload, "stage");
    if (n->like == NERVES_240) {
        return progress_240(d);
    }
    if (value == NULL) {
        return NERVES_IGNORED;
    }
    const char *known = "updating";
    if (stage != NULL && !json_is(stage, JSON_NULL)) {
        known = status_of(stage);
        if (known == NULL) {
            return NERVES_CRASH;
        }
    } else if (json_is(value, JSON_INT) && slice_eq(value->text, "100")) {
        known = "completed";
    }
    if (is(known, "failed") || is(known, "ignored")) {
        return give_up(n, d);
    }
    bool carries = is(known, "downloading") || is(known, "updating");
    return store(n, d, known, carries ? value : NULL);
}

/* -- joining */

/* "2.3.0" as 203; what is not three whole numbers counts as 1.0.0. */
static int api_of(const struct json *version)
{
    long parts[3];
    struct slice rest = version != NULL ? version->text : (struct slice){0};
    for (size_t i = 0; i < 3; i++) {
        struct slice part = slice_next(&rest, '.');
        struct json number = {.type = JSON_INT, .text = part};
        if (part.len == 0 || !json_is_number_text(part) || !json_int(&number, 0, 99, &parts[i])) {
            return API_NONE;
        }
    }
    return rest.len == 0 ? (int)(parts[0] * 100 + parts[1]) : API_NONE;
}

static bool is_uuid(struct slice text)
{
    if (text.len != 36) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        bool ok =
            hyphen ? text.data[i] == '-' : strchr("0123456789abcdefABCDEF", text.data[i]) != NULL;
        if (!ok || text.data[i] == '\0') {
            return false;
        }
    }
    return true;
}

static bool take_text(const struct json *payload, const char *name, struct buf *out)
{
    const struct json *value = json_get(payload, name);
    bool given =
        json_is(value, JSON_STRING) || json_is(value, JSON_INT) || json_is(value, JSON_FLOAT);
    out->len = 0;
    if (given) {
        buf_slice(out, value->text);
    }
    return out->len > 0;
}

/* Takes the five over. False: not all are there, and the server does not know the uuid either. */
static bool take_metadata(struct nerves *n, struct nerves_device *d, const struct json *payload)
{
    bool all = take_text(payload, "nerves_fw_uuid", &d->uuid);
    all = take_text(payload, "nerves_fw_product", &d->product) && all;
    all = take_text(payload, "nerves_fw_architecture", &d->architecture) && all;
    all = take_text(payload, "nerves_fw_version", &d->version) && all;
    all = take_text(payload, "nerves_fw_platform", &d->platform) && all;
    const struct nerves_firmware *known =
        d->uuid.len > 0 ? nerves_firmware_find(n, buf_all(&d->uuid)) : NULL;
    if (!all && known != NULL) {
        d->platform.len = d->architecture.len = 0;
        buf_str(&d->platform, known->platform);
        buf_str(&d->architecture, known->architecture);
        all = true;
    }
    bool usable = n->like != NERVES_240 || is_uuid(buf_all(&d->uuid));
    if (!all || !usable) {
        d->uuid.len = 0;
    }
    return all && usable;
}

/* NERVES_TAKEN: nothing in meta is wrong. */
static enum nerves_verdict take_meta(struct nerves_device *d, const struct json *payload)
{
    const struct json *meta = json_get(payload, "meta");
    const struct json *validated = json_get(meta, "firmware_validated");
    const struct json *reverted = json_get(meta, "firmware_auto_revert_detected");
    if (meta != NULL && meta->type != JSON_OBJECT) {
        return NERVES_CRASH;
    }
    if (validated != NULL && !json_is(validated, JSON_TRUE) && !json_is(validated, JSON_FALSE)) {
        return NERVES_CRASH;
    }
    if (reverted != NULL && !json_is(reverted, JSON_TRUE) && !json_is(reverted, JSON_FALSE)) {
        return NERVES_REFUSED;
    }
    d->validation = validated == NULL               ? NERVES_UNKNOWN
                    : json_is(validated, JSON_TRUE) ? NERVES_VALIDATED
                                                    : NERVES_NOT_VALIDATED;
    d->auto_revert = json_is(reverted, JSON_TRUE);
    return NERVES_TAKEN;
}

/* What the join says of an update in flight. */
static void settle_row(struct nerves *n, struct nerves_device *d, const struct json *payload,
                       bool new_firmware)
{
    const struct json *downloading = json_get(payload, "currently_downloading_uuid");
    bool goes_on = json_is(downloading, JSON_STRING) && downloading->text.len > 0;
    const struct nerves_row *row = nerves_row_of(n, d);
    if (row != NULL && (!goes_on || slice_eq(buf_all(&d->uuid), row->uuid))) {
        d->row.present = false;
    }
    if (new_firmware) {
        d->attempts = 0;
    }
}

enum nerves_verdict nerves_on_join(struct nerves *n, struct nerves_device *d,
                                   const struct json *payload)
{
    const struct json *version = json_get(payload, "device_api_version");
    if (!json_is(payload, JSON_OBJECT) || (version != NULL && version->type != JSON_STRING)) {
        return NERVES_CRASH;
    }
    enum nerves_verdict meta = take_meta(d, payload);
    if (meta != NERVES_TAKEN) {
        return meta;
    }
    struct buf before = {0};
    buf_slice(&before, buf_all(&d->uuid));
    bool known = take_metadata(n, d, payload);
    bool changed = known && (before.len != d->uuid.len ||
                             memcmp(buf_all(&before).data, d->uuid.data, before.len) != 0);
    buf_deinit(&before);
    if (!known && n->like == NERVES_240) {
        return NERVES_CRASH;
    }
    d->api = api_of(version);
    d->counted = false;
    settle_row(n, d, payload, changed);
    return NERVES_TAKEN;
}

bool nerves_eligible(struct nerves *n, struct nerves_device *d)
{
    const struct nerves_firmware *fw = n->release;
    if (fw == NULL || d->uuid.len == 0 || slice_eq(buf_all(&d->uuid), fw->uuid) ||
        !slice_eq(buf_all(&d->platform), fw->platform) ||
        !slice_eq(buf_all(&d->architecture), fw->architecture)) {
        return false;
    }
    if (nerves_row_of(n, d) != NULL || d->validation == NERVES_NOT_VALIDATED ||
        d->blocked_until_ms > nerves_now(n)) {
        return false;
    }
    if (d->attempts >= NERVES_ATTEMPTS) {
        d->attempts = 0;
        d->blocked_until_ms = nerves_now(n) + NERVES_PENALTY_MS;
        return false;
    }
    return true;
}
