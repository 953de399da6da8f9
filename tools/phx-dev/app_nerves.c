/*
 * The channels of a NervesHub device: what is answered, what is pushed after a join and in what
 * shape, which messages crash. What a word does to the server's memory is nerves_rules.c's
 * business.
 */
#include "app_nerves.h"

#include <stdlib.h>
#include <string.h>

enum { API_ARCHIVES = 200, API_SCRIPTS = 201, API_EXTENSIONS = 202 };
enum { LOG_BURST = 10, LOG_PER_S = 5 };

static struct nerves_client *client_of(const struct channel *ch)
{
    return channel_app_ctx(ch);
}

static void crash(struct channel *ch, const char *topic)
{
    struct nerves_client *c = client_of(ch);
    c->device->crashes++;
    nerves_event(c->nerves, c->device, topic, slice_of("CRASH"), NULL);
    channel_stop(ch, STOP_CRASH);
}

static bool push_as_own(struct channel *ch, const char *event, struct slice payload)
{
    char *text = copy_bytes(payload.data, payload.len);
    channel_push(ch, event, text);
    free(text);
    return true;
}

/* -- device */

static void device_join(struct channel *ch, const struct json *payload, struct join_result *result)
{
    struct nerves_client *c = client_of(ch);
    nerves_event(c->nerves, c->device, "device", slice_of("phx_join"), payload);
    switch (nerves_on_join(c->nerves, c->device, payload)) {
    case NERVES_CRASH:
        c->device->crashes++;
        result->status = JOIN_CRASH;
        return;
    case NERVES_REFUSED:
        result->status = JOIN_ERROR;
        buf_str(&result->response, "{\"error\":\"could not connect\"}");
        return;
    case NERVES_TAKEN:
    case NERVES_IGNORED:
        break;
    }
    /* Keys come only when they are asked for. */
    const struct json *fwup = json_get(payload, "fwup_public_keys");
    const struct json *archive = json_get(payload, "archive_public_keys");
    c->wants_fwup_keys = json_is_text(fwup, "on_connect");
    c->wants_archive_keys = json_is_text(archive, "on_connect");
    channel_send_self(ch);
}

static void push_keys(struct channel *ch, const char *event)
{
    const struct nerves *n = client_of(ch)->nerves;
    struct buf keys = {0};
    buf_str(&keys, "{\"keys\":[");
    if (n->firmware_key != NULL) {
        json_write_string(&keys, slice_of(n->firmware_key));
    }
    buf_str(&keys, "]}");
    channel_push_plain(ch, event, keys.data);
    buf_deinit(&keys);
}

static void push_script(struct channel *ch)
{
    const struct nerves *n = client_of(ch)->nerves;
    struct buf payload = {0};
    buf_printf(&payload, "{\"ref\":\"connecting_code\",\"text\":%s}", n->connecting_code.data);
    channel_push(ch, "scripts/run", payload.data);
    buf_deinit(&payload);
}

/* Older devices get it typed into their console. */
static void type_script(struct channel *ch)
{
    const struct nerves_client *c = client_of(ch);
    struct buf payload = {0};
    struct buf text = c->nerves->connecting_code;
    buf_printf(&payload, "{\"data\":%.*s\\n\\r\"}", (int)text.len - 1, text.data);
    struct broadcast what = {slice_of("console"), "dn", buf_all(&payload), false};
    socket_deliver(c->socket, &what, NULL);
    buf_deinit(&payload);
}

static void push_release(struct channel *ch)
{
    struct nerves_client *c = client_of(ch);
    struct buf payload = {0};
    nerves_update_write(c->nerves, c->device, c->nerves->release, true, &payload);
    nerves_pushed(c->nerves, c->device, c->nerves->release, true);
    channel_push_plain(ch, "update", payload.data);
    buf_deinit(&payload);
}

/* What follows the answer to a join; 2.4.0 sends the script first. */
static void device_info(struct channel *ch)
{
    struct nerves_client *c = client_of(ch);
    const struct nerves *n = c->nerves;
    bool script = n->connecting_code.len > 0 && c->device->api >= API_SCRIPTS;
    if (script && n->like == NERVES_240) {
        push_script(ch);
    }
    if (c->wants_fwup_keys) {
        push_keys(ch, "fwup_public_keys");
    }
    if (c->wants_archive_keys) {
        push_keys(ch, "archive_public_keys");
    }
    if (n->archive.len > 0 && c->device->api >= API_ARCHIVES) {
        channel_push_plain(ch, "archive", n->archive.data);
    }
    if (c->device->api >= API_EXTENSIONS) {
        channel_push_plain(ch, "extensions:get", "{}");
    }
    if (script && n->like == NERVES_MAIN) {
        push_script(ch);
    }
    if (!script && n->connecting_code.len > 0) {
        type_script(ch);
    }
    if (nerves_eligible(c->nerves, c->device)) {
        push_release(ch);
    }
}

static void add_text(struct buf *out, const struct json *value)
{
    if (json_is(value, JSON_STRING)) {
        buf_slice(out, value->text);
    }
}

/* An answer to a script: output and return, joined. One that nobody waits for is ignored. */
static void on_script(struct nerves_device *d, const struct json *payload)
{
    const struct json *ref = json_get(payload, "ref");
    if (d->script_ref.len == 0 || !json_is(ref, JSON_STRING) ||
        !slice_eq(ref->text, d->script_ref.data)) {
        return;
    }
    d->script_ref.len = d->script_output.len = 0;
    add_text(&d->script_output, json_get(payload, "output"));
    buf_str(&d->script_output, "\n");
    add_text(&d->script_output, json_get(payload, "return"));
}

/* Nothing is answered; what is not known is ignored. */
static void device_in(struct channel *ch, const struct json *event, const struct json *payload)
{
    struct nerves_client *c = client_of(ch);
    struct nerves_device *d = c->device;
    enum nerves_verdict verdict = NERVES_IGNORED;
    nerves_event(c->nerves, d, "device", event->text, payload);
    if (json_is_text(event, "status_update")) {
        verdict = nerves_on_status(c->nerves, d, payload);
    } else if (json_is_text(event, "fwup_progress") ||
               (json_is_text(event, "update_progress") && c->nerves->like == NERVES_MAIN)) {
        verdict = nerves_on_progress(c->nerves, d, payload);
    } else if (json_is_text(event, "firmware_validated")) {
        d->validation = NERVES_VALIDATED;
    } else if (json_is_text(event, "scripts/run")) {
        on_script(d, payload);
    }
    if (verdict == NERVES_CRASH) {
        crash(ch, "device");
    }
}

/* Broadcasts go out as they are; a script is pushed by the channel itself. */
static bool device_out(struct channel *ch, const char *event, struct slice payload)
{
    if (strcmp(event, "scripts/run") != 0) {
        return false;
    }
    return push_as_own(ch, event, payload);
}

/* -- console */

static void console_join(struct channel *ch, const struct json *payload, struct join_result *result)
{
    struct nerves_client *c = client_of(ch);
    (void)result;
    nerves_event(c->nerves, c->device, "console", slice_of("phx_join"), payload);
}

/* To whoever looks at this device's console. */
static void show_users(const struct nerves_client *c, const struct json *event,
                       const struct json *payload)
{
    struct buf topic = {0}, name = {0}, text = {0};
    buf_printf(&topic, NERVES_USER_TOPIC "%s", c->device->identifier);
    buf_slice(&name, event->text);
    buf_str(&name, "");
    json_write(&text, payload);
    struct broadcast what = {buf_all(&topic), name.data, buf_all(&text), false};
    c->nerves->deliver(c->nerves->deliver_ctx, NULL, &what);
    buf_deinit(&topic);
    buf_deinit(&name);
    buf_deinit(&text);
}

static void console_in(struct channel *ch, const struct json *event, const struct json *payload)
{
    static const char *const FILES[] = {"file-data/start", "file-data", "file-data/stop"};
    struct nerves_client *c = client_of(ch);
    bool known = json_is_text(event, "up") && json_is(json_get(payload, "data"), JSON_STRING);
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        known = known || json_is_text(event, FILES[i]);
    }
    nerves_event(c->nerves, c->device, "console", event->text, payload);
    if (!known) {
        crash(ch, "console");
        return;
    }
    show_users(c, event, payload);
}

/* -- extensions */

/* Sorted by name, as the answer to the join is. */
static const char *const EXTENSIONS[] = {"geo", "health", "local_shell", "logging"};
enum { EXTENSION_COUNT = sizeof EXTENSIONS / sizeof *EXTENSIONS };
enum extension { EXT_GEO, EXT_HEALTH, EXT_LOCAL_SHELL, EXT_LOGGING };

/* "~> 0.0.1" */
static bool version_fits(struct slice version)
{
    static const char SERIES[] = "0.0.";
    size_t length = sizeof SERIES - 1;
    long patch = 0;
    if (version.len <= length || memcmp(version.data, SERIES, length) != 0) {
        return false;
    }
    struct json number = {.type = JSON_INT, .text = {version.data + length, version.len - length}};
    return json_is_number_text(number.text) && json_int(&number, 1, 1000000, &patch);
}

static bool offered(const struct nerves *n, size_t extension)
{
    return extension != EXT_LOGGING || n->logging;
}

static void extensions_join(struct channel *ch, const struct json *payload,
                            struct join_result *result)
{
    struct nerves_client *c = client_of(ch);
    const char *comma = "";
    nerves_event(c->nerves, c->device, "extensions", slice_of("phx_join"), payload);
    if (!json_is(payload, JSON_OBJECT) && !json_is(payload, JSON_ARRAY)) {
        result->status = JOIN_CRASH;
        return;
    }
    c->attached = 0;
    buf_str(&result->response, "[");
    for (size_t i = 0; i < EXTENSION_COUNT; i++) {
        const struct json *version = json_get(payload, EXTENSIONS[i]);
        if (version == NULL || !offered(c->nerves, i)) {
            continue;
        }
        if (version->type != JSON_STRING) {
            buf_deinit(&result->response);
            result->status = JOIN_CRASH;
            return;
        }
        if (version_fits(version->text)) {
            c->attached |= 1U << i;
            buf_printf(&result->response, "%s\"%s\"", comma, EXTENSIONS[i]);
            comma = ",";
        }
    }
    buf_str(&result->response, "]");
}

/* The extension that an event names before its colon, if it is attached. */
static int extension_of(const struct nerves_client *c, struct slice event, struct slice *verb)
{
    *verb = event;
    struct slice name = slice_next(verb, ':');
    for (int i = 0; i < EXTENSION_COUNT; i++) {
        if (verb->len > 0 && slice_eq(name, EXTENSIONS[i]) && (c->attached >> i & 1) != 0) {
            return i;
        }
    }
    return -1;
}

/* A burst of ten, five a second after it; the rest is dropped without a word. */
static bool log_fits(struct nerves_client *c)
{
    int64_t now = nerves_now(c->nerves);
    int64_t earned = (now - c->log_ms) * LOG_PER_S / 1000;
    if (c->log_ms == 0 || earned + c->log_tokens >= LOG_BURST) {
        c->log_tokens = LOG_BURST;
        c->log_ms = now;
    } else {
        c->log_tokens += (long)earned;
        c->log_ms += earned * 1000 / LOG_PER_S;
    }
    return c->log_tokens > 0 && c->log_tokens-- > 0;
}

static void extensions_in(struct channel *ch, const struct json *event, const struct json *payload)
{
    struct nerves_client *c = client_of(ch);
    struct slice verb;
    int extension = extension_of(c, event->text, &verb);
    if (extension < 0) {
        channel_reply(ch, "error", "\"detach\"");
        return;
    }
    bool dropped = extension == EXT_LOGGING && slice_eq(verb, "send") && !log_fits(c);
    nerves_event(c->nerves, c->device, "extensions",
                 dropped ? slice_of("logging:dropped") : event->text, payload);
    if (extension == EXT_HEALTH && slice_eq(verb, "attached")) {
        channel_push(ch, "health:check", "{}");
    } else if (extension == EXT_GEO && slice_eq(verb, "attached")) {
        channel_push(ch, "geo:location:request", "{}");
    }
}

static const struct channel_app device_app = {.pattern = "device",
                                              .join = device_join,
                                              .handle_in = device_in,
                                              .handle_out = device_out,
                                              .handle_info = device_info};
static const struct channel_app console_app = {
    .pattern = "console", .join = console_join, .handle_in = console_in, .handle_out = push_as_own};
static const struct channel_app extensions_app = {.pattern = "extensions",
                                                  .join = extensions_join,
                                                  .handle_in = extensions_in,
                                                  .handle_out = push_as_own};

const struct channel_app *const nerves_channel_apps[] = {&device_app, &console_app, &extensions_app,
                                                         NULL};
