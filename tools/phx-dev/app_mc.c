/*
 * What the microcontroller server does, as recorded: an upload is stored whole or not at all, and a
 * reply of ok does not say which; a payload it cannot walk through crashes the channel.
 */
#include "app_mc.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char KEY_PREFIX[] = "API_TOKEN_MC_";
enum { KEY_MIN_TAIL = 16, DEFAULT_LOCATION = 2, DEFAULT_USER = 1 };

/* In the order of the server's enumeration: an upload may name a type by its index. */
static const char *const TYPES[] = {"temperature", "pressure", "illuminance", "humidity"};
enum { TYPE_COUNT = 4 };

/* -- keys */

static bool key_well_formed(struct slice key)
{
    size_t prefix = sizeof KEY_PREFIX - 1;
    if (key.len < prefix + KEY_MIN_TAIL || key.len > MC_KEY_MAX ||
        memcmp(key.data, KEY_PREFIX, prefix) != 0) {
        return false;
    }
    for (size_t i = prefix; i < key.len; i++) {
        unsigned char c = (unsigned char)key.data[i];
        if (c > 127 || !isalnum(c)) {
            return false;
        }
    }
    return true;
}

static struct mc_key *find_key(const struct mc_keys *keys, struct slice text)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (slice_eq(text, keys->keys[i].text)) {
            return &keys->keys[i];
        }
    }
    return NULL;
}

static struct mc_key *add_key(struct mc_keys *keys, struct slice text)
{
    if (keys->count == MC_MAX_KEYS) {
        return NULL;
    }
    if (keys->keys == NULL) {
        keys->keys = must_calloc(MC_MAX_KEYS, sizeof *keys->keys);
    }
    struct mc_key *key = &keys->keys[keys->count++];
    memcpy(key->text, text.data, text.len);
    key->text[text.len] = '\0';
    return key;
}

/* One number of "3:2:1"; a part left out keeps what *value has. */
static bool take_id(struct slice *rest, long *value)
{
    struct slice part = slice_next(rest, ':');
    struct json number = {.type = JSON_INT, .text = part};
    return part.len == 0 || (json_is_number_text(part) && json_int(&number, 1, 2147483647, value));
}

int mc_keys_add(struct mc_keys *keys, const char *option)
{
    struct slice rest = slice_of(option);
    struct slice text = slice_next(&rest, '=');
    struct mc_identity identity = {0, DEFAULT_LOCATION, DEFAULT_USER};
    if (!key_well_formed(text) || find_key(keys, text) != NULL ||
        !take_id(&rest, &identity.controller_id) || identity.controller_id == 0 ||
        !take_id(&rest, &identity.location_id) || !take_id(&rest, &identity.user_id) ||
        rest.len > 0) {
        return -1;
    }
    struct mc_key *key = add_key(keys, text);
    if (key == NULL) {
        return -1;
    }
    key->identity = identity;
    keys->closed = true;
    return 0;
}

bool mc_keys_find(struct mc_keys *keys, struct slice text, struct mc_identity *out)
{
    if (!key_well_formed(text)) {
        return false;
    }
    struct mc_key *key = find_key(keys, text);
    if (key == NULL && !keys->closed) {
        key = add_key(keys, text);
        if (key != NULL) {
            key->identity = (struct mc_identity){(long)keys->count, DEFAULT_LOCATION, DEFAULT_USER};
        }
    }
    if (key != NULL) {
        *out = key->identity;
    }
    return key != NULL;
}

void mc_keys_deinit(struct mc_keys *keys)
{
    free(keys->keys);
    *keys = (struct mc_keys){0};
}

void mc_write_metadata(const struct mc_client *client, struct buf *out)
{
    const struct mc_identity *id = &client->identity;
    buf_printf(
        out,
        "{\"event\":\"metadata\",\"join_ref\":null,\"payload\":{\"controller_id\":%ld,"
        "\"location_id\":%ld,\"user_id\":%ld},\"ref\":null,\"topic\":\"microcontroller:%ld\"}",
        id->controller_id, id->location_id, id->user_id, id->controller_id);
}

/* -- uploads */

enum verdict { STORED, DROPPED, CRASHED };

/* The type's name; NULL: not known, with *crash when the server cannot even look it up. */
static const char *type_name(const struct json *type, bool *crash)
{
    long index = 0;
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if (json_is_text(type, TYPES[i])) {
            return TYPES[i];
        }
    }
    if (!json_is(type, JSON_INT)) {
        return NULL;
    }
    if (!json_int(type, 0, TYPE_COUNT - 1, &index)) {
        *crash = true;
        return NULL;
    }
    return TYPES[index];
}

static bool is_value(const struct json *value)
{
    return json_is(value, JSON_INT) || json_is(value, JSON_FLOAT) ||
           (json_is(value, JSON_STRING) && json_is_number_text(value->text));
}

static enum verdict judge_reading(const struct json *reading)
{
    bool crash = false;
    if (!json_is(reading, JSON_OBJECT)) {
        return CRASHED;
    }
    const char *type = type_name(json_get(reading, "type"), &crash);
    if (crash) {
        return CRASHED;
    }
    return type != NULL && is_value(json_get(reading, "value")) ? STORED : DROPPED;
}

static enum verdict judge_upload(const struct json *payload)
{
    enum verdict worst = STORED;
    if (!json_is(payload, JSON_OBJECT)) {
        return CRASHED;
    }
    for (const struct json *sensor = payload->child; sensor != NULL; sensor = sensor->next) {
        if (!json_is(sensor, JSON_ARRAY)) {
            return CRASHED;
        }
        for (const struct json *r = sensor->child; r != NULL; r = r->next) {
            enum verdict verdict = judge_reading(r);
            worst = verdict > worst ? verdict : worst;
        }
    }
    return worst;
}

static void write_extra(const struct json *reading, struct buf *out)
{
    for (const struct json *m = reading->child; m != NULL; m = m->next) {
        if (slice_eq(m->key, "type") || slice_eq(m->key, "value")) {
            continue;
        }
        buf_str(out, out->len > 0 ? "," : "{");
        json_write_string(out, m->key);
        buf_str(out, ":");
        json_write(out, m);
    }
    buf_str(out, out->len > 0 ? "}" : "");
}

static void store_reading(struct mc_client *client, const struct json *sensor,
                          const struct json *reading)
{
    bool crash = false;
    const struct json *value = json_get(reading, "value");
    const char *type = type_name(json_get(reading, "type"), &crash);
    struct reading r = {.controller_id = client->identity.controller_id};
    json_write_string(&r.sensor, sensor->key);
    json_write_string(&r.type, slice_of(type));
    buf_slice(&r.value, value->text);
    write_extra(reading, &r.extra);
    readings_add(client->app->readings, &r);
}

static const char *type_of(const struct json *reading)
{
    bool crash = false;
    return type_name(json_get(reading, "type"), &crash);
}

static bool is_newest_of_its_type(const struct json *reading)
{
    for (const struct json *later = reading->next; later != NULL; later = later->next) {
        if (strcmp(type_of(later), type_of(reading)) == 0) {
            return false;
        }
    }
    return true;
}

/* A person wants to see what comes, not all of it: the newest of each type, and how many came. */
static void show_sensor(const struct json *sensor, struct buf *line)
{
    size_t count = 0, shown = 0;
    buf_slice(line, sensor->key);
    for (const struct json *r = sensor->child; r != NULL; r = r->next, count++) {
        if (is_newest_of_its_type(r)) {
            buf_printf(line, " %s=", type_of(r));
            buf_slice(line, json_get(r, "value")->text);
            shown++;
        }
    }
    if (count > shown) {
        buf_printf(line, " (%zu readings)", count);
    }
}

static void store_upload(struct mc_client *client, const struct json *payload)
{
    struct buf line = {0};
    for (const struct json *sensor = payload->child; sensor != NULL; sensor = sensor->next) {
        for (const struct json *r = sensor->child; r != NULL; r = r->next) {
            store_reading(client, sensor, r);
        }
        buf_str(&line, line.len > 0 ? "  " : "");
        show_sensor(sensor, &line);
    }
    client->uploads++;
    log_event(client->app->log, "upload", client->identity.controller_id,
              line.len > 0 ? buf_all(&line) : slice_of("(empty upload)"));
    buf_deinit(&line);
}

static void say(const struct mc_client *client, const char *kind, const char *text)
{
    log_event(client->app->log, kind, client->identity.controller_id, slice_of(text));
}

static bool count_down(long *counter)
{
    if (*counter <= 0) {
        return false;
    }
    --*counter;
    return true;
}

static void take_upload(struct channel *ch, struct mc_client *client, const struct json *payload)
{
    switch (judge_upload(payload)) {
    case CRASHED:
        say(client, "crash", "an upload that is not {sensor: [{type, value}]}");
        channel_stop(ch, STOP_CRASH);
        return;
    case DROPPED:
        say(client, "dropped", "an upload with an unknown type or without a value: all of it");
        break;
    case STORED:
        store_upload(client, payload);
        break;
    }
    if (!client->app->faults->hold_replies) {
        channel_reply(ch, "ok", "{}");
    }
}

static void on_upload(struct channel *ch, const struct json *payload)
{
    struct mc_client *client = channel_app_ctx(ch);
    struct faults *faults = client->app->faults;
    if (count_down(&faults->crash_upload)) {
        say(client, "fault", "this upload crashes the channel");
        channel_stop(ch, STOP_CRASH);
    } else if (count_down(&faults->upload_error)) {
        say(client, "fault", "this upload is answered with an error");
        channel_reply(ch, "error", "{\"reason\":\"fault\"}");
    } else {
        take_upload(ch, client, payload);
    }
}

/* -- the channel */

static void mc_join(struct channel *ch, const struct json *payload, struct join_result *result)
{
    const struct mc_client *client = channel_app_ctx(ch);
    (void)payload;
    (void)result;
    log_event(client->app->log, "join", client->identity.controller_id, channel_topic(ch));
}

static void mc_handle_in(struct channel *ch, const struct json *event, const struct json *payload)
{
    if (json_is_text(event, "upload_readings")) {
        on_upload(ch, payload);
    } else if (json_is_text(event, "ping")) {
        channel_reply_json(ch, "ok", payload);
    } else if (json_is_text(event, "shout")) {
        channel_broadcast(ch, "shout", payload, true);
    } else {
        say(channel_app_ctx(ch), "crash", "an event that the server does not know");
        channel_stop(ch, STOP_CRASH);
    }
}

static const struct channel_app mc_channel = {
    .pattern = "microcontroller:v1:*",
    .join = mc_join,
    .handle_in = mc_handle_in,
};

const struct channel_app *const mc_channel_apps[] = {&mc_channel, NULL};
