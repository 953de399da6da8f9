/*
 * The hand of the person at NervesHub: updates, the release, console and whatever else a server
 * pushes, settings, the clock, faults of downloads. What it does to a device is nerves_rules.c's
 * business.
 */
#include "control_nerves.h"

#include "nerves_http.h"
#include "peer.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PATH_TEXT = 4096, MAX_REDIRECT = 2000 };

static int refuse(struct buf *answer, int status, const char *why)
{
    answer->len = 0;
    buf_str(answer, why);
    return status;
}

static struct peer *peer_of(const struct server *server, const struct nerves_device *d)
{
    struct peer *p = server->peers;
    while (p != NULL && (p->ended || p->nerves.device != d)) {
        p = p->next;
    }
    return p;
}

static bool deliver(const struct server *server, const struct nerves_device *d, const char *topic,
                    const char *event, struct slice payload)
{
    struct peer *p = peer_of(server, d);
    struct broadcast what = {slice_of(topic), event, payload, false};
    return p != NULL && peer_deliver(p, &what, NULL);
}

static bool is_joined(const struct server *server, const struct nerves_device *d, const char *topic)
{
    const struct peer *p = peer_of(server, d);
    return p != NULL && socket_is_joined(p->socket, slice_of(topic));
}

/* -- GET */

static int get_devices(struct server *server, struct buf *answer)
{
    struct nerves *n = &server->nerves;
    buf_str(answer, "{\"devices\":[");
    for (struct nerves_device *d = n->devices; d != NULL; d = d->next) {
        const struct peer *p = peer_of(server, d);
        struct buf topics = {0};
        if (p != NULL) {
            socket_write_topics(p->socket, &topics);
        }
        nerves_device_write(n, d, p != NULL, &topics, answer);
        buf_str(answer, d->next != NULL ? "," : "");
        buf_deinit(&topics);
    }
    buf_str(answer, "]}");
    return 200;
}

static int get_events(struct server *server, const struct http_request *request, struct buf *answer)
{
    struct buf after = {0};
    long id = 0;
    bool ok = true;
    if (http_query(request->query, "after", &after)) {
        struct json number = {.type = JSON_INT, .text = buf_all(&after)};
        ok = after.len > 0 && json_is_number_text(number.text) &&
             json_int(&number, 0, LONG_MAX, &id);
    }
    buf_deinit(&after);
    if (!ok) {
        return refuse(answer, 400, "after: expected a whole number, the id of an event");
    }
    nerves_events_write(&server->nerves, (uint64_t)id, answer);
    return 200;
}

int control_nerves_get(struct server *server, const struct http_request *request, struct slice what,
                       struct buf *answer)
{
    if (slice_eq(what, "devices")) {
        return get_devices(server, answer);
    }
    if (slice_eq(what, "downloads")) {
        buf_printf(answer, "{\"downloads\":[%s]}",
                   server->nerves.download_count > 0 ? server->nerves.downloads.data : "");
        return 200;
    }
    return slice_eq(what, "events") ? get_events(server, request, answer)
                                    : refuse(answer, 404, "expected devices, events or downloads");
}

/* -- POST */

static struct nerves_device *device_of(const struct server *server, const struct json *body)
{
    const struct json *id = json_get(body, "device");
    return json_is(id, JSON_STRING) ? nerves_device_find(&server->nerves, id->text) : NULL;
}

static const struct nerves_firmware *firmware_of(struct server *server, const struct json *body,
                                                 struct buf *answer)
{
    char path[MAX_PATH_TEXT];
    char error[MAX_PATH_TEXT + 300] = "";
    const struct json *text = json_get(body, "path");
    if (!json_is(text, JSON_STRING) || text->text.len == 0 || text->text.len >= sizeof path ||
        memchr(text->text.data, '\0', text->text.len) != NULL) {
        refuse(answer, 400, "path: expected the path of a .fw file");
        return NULL;
    }
    memcpy(path, text->text.data, text->text.len);
    path[text->text.len] = '\0';
    const struct nerves_firmware *fw =
        nerves_firmware_load(&server->nerves, path, error, sizeof error);
    if (fw == NULL) {
        refuse(answer, 400, error);
    }
    return fw;
}

static bool push_update(struct server *server, struct nerves_device *d,
                        const struct nerves_firmware *fw, bool deployment)
{
    struct buf payload = {0};
    nerves_update_write(&server->nerves, d, fw, deployment, &payload);
    nerves_pushed(&server->nerves, d, fw, deployment);
    bool received = deliver(server, d, "device", "update", buf_all(&payload));
    buf_deinit(&payload);
    return received;
}

static int answer_uuid(struct buf *answer, const struct nerves_firmware *fw, int received)
{
    buf_printf(answer, "{\"received\":%d,\"uuid\":\"%s\"}", received, fw->uuid);
    return 200;
}

static int post_update(struct server *server, const struct json *body, struct buf *answer)
{
    struct nerves_device *d = device_of(server, body);
    if (d == NULL || !is_joined(server, d, "device")) {
        return refuse(answer, 409, "device: expected one that has joined");
    }
    const struct nerves_firmware *fw = firmware_of(server, body, answer);
    if (fw == NULL) {
        return 400;
    }
    if (nerves_row_of(&server->nerves, d) != NULL) {
        return refuse(answer, 409, "an update is in flight already, as far as the server knows");
    }
    return answer_uuid(answer, fw, push_update(server, d, fw, false) ? 1 : 0);
}

/* {"path":FILE} makes it what every device is to run, {} is the end of that. */
static int post_release(struct server *server, const struct json *body, struct buf *answer)
{
    struct nerves *n = &server->nerves;
    int received = 0;
    n->release = NULL;
    if (json_get(body, "path") == NULL) {
        buf_str(answer, "{\"received\":0}");
        return 200;
    }
    n->release = firmware_of(server, body, answer);
    if (n->release == NULL) {
        return 400;
    }
    for (struct nerves_device *d = n->devices; d != NULL; d = d->next) {
        if (is_joined(server, d, "device") && nerves_eligible(n, d)) {
            received += push_update(server, d, n->release, true) ? 1 : 0;
        }
    }
    return answer_uuid(answer, n->release, received);
}

static bool is_word(const struct json *value)
{
    if (!json_is(value, JSON_STRING) || value->text.len == 0 || value->text.len > 64) {
        return false;
    }
    for (size_t i = 0; i < value->text.len; i++) {
        char c = value->text.data[i];
        if (c <= ' ' || c > '~' || c == '"' || c == '\\') {
            return false;
        }
    }
    return true;
}

/* Remembers that a script's answer is waited for. */
static void expect_script(struct nerves_device *d, const struct json *payload)
{
    const struct json *ref = json_get(payload, "ref");
    d->script_ref.len = d->script_output.len = 0;
    if (json_is(ref, JSON_STRING)) {
        buf_slice(&d->script_ref, ref->text);
    }
}

static int post_push(struct server *server, const struct json *body, struct buf *answer)
{
    const struct json *topic = json_get(body, "topic");
    const struct json *event = json_get(body, "event");
    const struct json *given = json_get(body, "payload");
    struct nerves_device *d = device_of(server, body);
    struct buf payload = {0};
    if (d == NULL || !is_word(topic) || !is_word(event)) {
        return refuse(answer, 400, "expected {\"device\",\"topic\",\"event\",\"payload\"}");
    }
    char *topic_text = copy_bytes(topic->text.data, topic->text.len);
    char *event_text = copy_bytes(event->text.data, event->text.len);
    if (given != NULL) {
        json_write(&payload, given);
    } else {
        buf_str(&payload, "{}");
    }
    if (strcmp(event_text, "scripts/run") == 0) {
        expect_script(d, given);
    }
    bool received = deliver(server, d, topic_text, event_text, buf_all(&payload));
    free(topic_text);
    free(event_text);
    buf_deinit(&payload);
    buf_printf(answer, "{\"received\":%d}", received ? 1 : 0);
    return 200;
}

static bool set_json(const struct json *value, enum json_type type, struct buf *out)
{
    if (value == NULL || json_is(value, JSON_NULL)) {
        out->len = value == NULL ? out->len : 0;
        return true;
    }
    out->len = 0;
    json_write(out, value);
    return json_is(value, type);
}

static bool set_bool(const struct json *value, bool *out)
{
    *out = value == NULL ? *out : json_is(value, JSON_TRUE);
    return value == NULL || json_is(value, JSON_TRUE) || json_is(value, JSON_FALSE);
}

/* A URL with {uuid} in it, or null: our own. */
static bool set_url(const struct json *value, struct buf *out)
{
    bool given = json_is(value, JSON_STRING) && value->text.len <= MAX_REDIRECT &&
                 memchr(value->text.data, '\0', value->text.len) == NULL;
    out->len = value == NULL ? out->len : 0;
    if (given) {
        buf_slice(out, value->text);
    }
    return value == NULL || given || json_is(value, JSON_NULL);
}

static int post_settings(struct server *server, const struct json *body, struct buf *answer)
{
    struct nerves *n = &server->nerves;
    if (!set_json(json_get(body, "connecting_code"), JSON_STRING, &n->connecting_code) ||
        !set_json(json_get(body, "archive"), JSON_OBJECT, &n->archive) ||
        !set_bool(json_get(body, "logging"), &n->logging) ||
        !set_url(json_get(body, "url"), &n->url)) {
        n->connecting_code.len = n->archive.len = 0;
        return refuse(answer, 400,
                      "expected connecting_code TEXT, archive {...}, logging BOOLEAN, url TEXT");
    }
    buf_str(answer, "{\"set\":true}");
    return 200;
}

/* The server's clock, its Date header included, runs ahead by so much. */
static int post_clock(struct server *server, const struct json *body, struct buf *answer)
{
    long ms = 0;
    if (!json_int(json_get(body, "ahead_ms"), -86400000L * 366, 86400000L * 366, &ms)) {
        return refuse(answer, 400, "ahead_ms: expected a whole number within a year");
    }
    server->nerves.ahead_ms = ms;
    buf_str(answer, "{\"set\":true}");
    return 200;
}

static bool optional(const struct json *body, const char *name, long low, long otherwise, long *out)
{
    const struct json *value = json_get(body, name);
    *out = otherwise;
    return value == NULL || json_int(value, low, INT_MAX, out);
}

/* Replaces the faults of downloads; {} ends them. */
static int post_fault(struct server *server, const struct json *body, struct buf *answer)
{
    struct nerves_faults f = {0};
    const struct json *redirect = json_get(body, "redirect");
    long forever = body->child != NULL ? INT_MAX : 0;
    bool ok = optional(body, "times", 0, forever, &f.times) &&
              optional(body, "cut_at", 0, -1, &f.cut_at) &&
              optional(body, "corrupt", 0, -1, &f.corrupt) &&
              optional(body, "status", 400, 0, &f.status) && f.status <= 599 &&
              optional(body, "slow", 1, 0, &f.slow) &&
              set_bool(json_get(body, "stall"), &f.stall) &&
              set_bool(json_get(body, "no_range"), &f.no_range);
    if (!ok || (redirect != NULL &&
                (!json_is(redirect, JSON_STRING) || redirect->text.len > MAX_REDIRECT))) {
        return refuse(answer, 400,
                      "expected whole numbers times, cut_at, corrupt, slow and status, "
                      "booleans stall and no_range, text redirect");
    }
    if (redirect != NULL) {
        f.redirect = copy_bytes(redirect->text.data, redirect->text.len);
    }
    free(server->nerves.faults.redirect);
    server->nerves.faults = f;
    buf_str(answer, "{\"set\":true}");
    return 200;
}

/* Whom the next connect is refused: a device that was deleted, a key that was deactivated. */
static int post_refuse(struct server *server, const struct json *body, struct buf *answer)
{
    const struct json *key = json_get(body, "key");
    struct nerves_device *d = device_of(server, body);
    bool on = true;
    bool *refused = d != NULL ? &d->refused : NULL;
    for (size_t i = 0; json_is(key, JSON_STRING) && i < server->nerves.key_count; i++) {
        struct nerves_key *known = &server->nerves.keys[i];
        if (known->name.len == key->text.len &&
            memcmp(known->name.data, key->text.data, key->text.len) == 0) {
            refused = &known->refused;
        }
    }
    if (refused == NULL || !set_bool(json_get(body, "refused"), &on)) {
        return refuse(answer, 400, "expected a known device or key, and refused BOOLEAN");
    }
    *refused = on;
    buf_str(answer, "{\"set\":true}");
    return 200;
}

static int post_kick(struct server *server, const struct json *body, struct buf *answer)
{
    const struct nerves_device *d = device_of(server, body);
    struct peer *p = d != NULL ? peer_of(server, d) : NULL;
    if (p != NULL) {
        p->ops->close(p, server_kick_code(server));
    }
    buf_printf(answer, "{\"kicked\":%d}", p != NULL ? 1 : 0);
    return 200;
}

static const struct {
    const char *name;
    int (*post)(struct server *server, const struct json *body, struct buf *answer);
} ORDERS[] = {
    {"update", post_update},     {"release", post_release}, {"push", post_push},
    {"settings", post_settings}, {"clock", post_clock},     {"fault", post_fault},
    {"kick", post_kick},         {"refuse", post_refuse},
};

int control_nerves_post(struct server *server, struct slice what, const struct json *body,
                        struct buf *answer)
{
    for (size_t i = 0; i < sizeof ORDERS / sizeof *ORDERS; i++) {
        if (slice_eq(what, ORDERS[i].name)) {
            return ORDERS[i].post(server, body, answer);
        }
    }
    return refuse(answer, 404,
                  "expected update, release, push, settings, clock, fault, kick or refuse");
}
