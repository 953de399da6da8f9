/*
 * What a NervesHub server remembers: keys, devices, firmware, the words of its devices. Who may
 * connect is nerves_auth.c's business, what a word does nerves_rules.c's, the channels
 * app_nerves.c's.
 */
#include "nerves.h"

#include <stdlib.h>
#include <string.h>

int64_t nerves_now(const struct nerves *n)
{
    return n->clock_ms() + n->ahead_ms;
}

static bool slices_same(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

int nerves_keys_add(struct nerves *n, const char *option)
{
    struct slice rest = slice_of(option);
    struct nerves_key key = {.name = slice_next(&rest, '=')};
    key.secret = slice_next(&rest, ':');
    key.identifier = rest;
    bool product = key.name.len > 4 && memcmp(key.name.data, "nhp_", 4) == 0;
    bool device = key.name.len > 4 && memcmp(key.name.data, "nhd_", 4) == 0;
    if (key.secret.len == 0 || n->key_count == NERVES_MAX_KEYS || !(product || device) ||
        device != (key.identifier.len > 0)) {
        return -1;
    }
    n->keys[n->key_count++] = key;
    return 0;
}

/* -- devices */

struct nerves_device *nerves_device_find(const struct nerves *n, struct slice identifier)
{
    struct nerves_device *d = n->devices;
    while (d != NULL && !slices_same(slice_of(d->identifier), identifier)) {
        d = d->next;
    }
    return d;
}

struct nerves_device *nerves_device_get(struct nerves *n, struct slice identifier)
{
    struct nerves_device *d = nerves_device_find(n, identifier);
    if (d != NULL || n->device_count == NERVES_MAX_DEVICES) {
        return d;
    }
    struct nerves_device **tail = &n->devices;
    while (*tail != NULL) {
        tail = &(*tail)->next;
    }
    d = must_calloc(1, sizeof *d);
    d->identifier = copy_bytes(identifier.data, identifier.len);
    d->number = ++n->device_count;
    *tail = d;
    return d;
}

static void free_device(struct nerves_device *d)
{
    free(d->identifier);
    buf_deinit(&d->uuid);
    buf_deinit(&d->product);
    buf_deinit(&d->architecture);
    buf_deinit(&d->version);
    buf_deinit(&d->platform);
    buf_deinit(&d->host);
    buf_deinit(&d->script_ref);
    buf_deinit(&d->script_output);
    free(d);
}

const struct nerves_firmware *nerves_firmware_find(const struct nerves *n, struct slice uuid)
{
    for (size_t i = 0; i < n->firmware_count; i++) {
        if (slice_eq(uuid, n->firmwares[i]->uuid)) {
            return n->firmwares[i];
        }
    }
    return NULL;
}

/* -- what was said */

static void drop_oldest_event(struct nerves *n)
{
    struct nerves_event *oldest = &n->events[n->event_first];
    n->event_bytes -= oldest->text.len;
    buf_deinit(&oldest->text);
    n->event_first = (n->event_first + 1) % NERVES_EVENTS_KEPT;
    n->event_count--;
}

static void keep_event(struct nerves *n, struct buf *text, uint64_t device)
{
    while (n->event_count > 0 && (n->event_count == NERVES_EVENTS_KEPT ||
                                  n->event_bytes + text->len > NERVES_EVENTS_BYTES)) {
        drop_oldest_event(n);
    }
    size_t at = (n->event_first + n->event_count++) % NERVES_EVENTS_KEPT;
    n->event_bytes += text->len;
    n->events[at] = (struct nerves_event){++n->event_last, device, *text};
    *text = (struct buf){0};
}

void nerves_event(struct nerves *n, const struct nerves_device *d, const char *topic,
                  struct slice event, const struct json *payload)
{
    struct buf text = {0};
    struct buf line = {0};
    buf_str(&text, "\"device\":");
    json_write_string(&text, slice_of(d->identifier));
    buf_str(&text, ",\"event\":");
    json_write_string(&text, event);
    buf_str(&text, ",\"payload\":");
    if (payload != NULL) {
        json_write(&text, payload);
    } else {
        buf_str(&text, "null");
    }
    buf_printf(&text, ",\"topic\":\"%s\"", topic);
    buf_printf(&line, "%s  %s %.*s", d->identifier, topic, (int)event.len, event.data);
    log_event(n->log, "nerves", 0, buf_all(&line));
    buf_deinit(&line);
    keep_event(n, &text, d->number);
}

void nerves_events_write(const struct nerves *n, uint64_t after, struct buf *out)
{
    const char *comma = "";
    buf_str(out, "{\"events\":[");
    for (size_t i = 0; i < n->event_count; i++) {
        const struct nerves_event *e = &n->events[(n->event_first + i) % NERVES_EVENTS_KEPT];
        if (e->id > after) {
            buf_printf(out, "%s{\"id\":%llu,", comma, (unsigned long long)e->id);
            buf_slice(out, buf_all(&e->text));
            buf_str(out, "}");
            comma = ",";
        }
    }
    buf_printf(out, "],\"last\":%llu}", (unsigned long long)n->event_last);
}

/* -- for people and tests */

static void write_field(struct buf *out, const char *name, const struct buf *text)
{
    buf_printf(out, ",\"%s\":", name);
    if (text->len == 0) {
        buf_str(out, "null");
    } else {
        json_write_string(out, buf_all(text));
    }
}

static void write_row(const struct nerves_row *row, struct buf *out)
{
    if (row == NULL) {
        buf_str(out, "null");
        return;
    }
    buf_printf(out, "{\"deployment\":%s,\"firmware_uuid\":", row->deployment ? "true" : "false");
    buf_printf(out, row->uuid[0] != '\0' ? "\"%s\"" : "null", row->uuid);
    buf_printf(out, ",\"progress\":");
    if (row->has_progress) {
        buf_printf(out, "%ld", row->progress);
    } else {
        buf_str(out, "null");
    }
    buf_printf(out, ",\"status\":\"%s\"}", row->status);
}

void nerves_device_write(struct nerves *n, struct nerves_device *d, bool connected,
                         const struct buf *topics, struct buf *out)
{
    static const char *const VALIDATION[] = {"unknown", "not_validated", "validated"};
    int64_t blocked = d->blocked_until_ms > 0 ? d->blocked_until_ms - nerves_now(n) : 0;
    buf_str(out, "{\"identifier\":");
    json_write_string(out, slice_of(d->identifier));
    buf_printf(out, ",\"connected\":%s,\"topics\":", connected ? "true" : "false");
    buf_str(out, topics->len > 0 ? topics->data : "[]");
    write_field(out, "uuid", &d->uuid);
    write_field(out, "product", &d->product);
    write_field(out, "architecture", &d->architecture);
    write_field(out, "version", &d->version);
    write_field(out, "platform", &d->platform);
    write_field(out, "script_output", &d->script_output);
    buf_printf(out, ",\"validation\":\"%s\",\"auto_revert\":%s,\"attempts\":%d",
               VALIDATION[d->validation], d->auto_revert ? "true" : "false", d->attempts);
    buf_printf(out, ",\"blocked_ms\":%lld,\"crashes\":%llu,\"updates_pushed\":%llu,\"inflight\":",
               (long long)(blocked > 0 ? blocked : 0), (unsigned long long)d->crashes,
               (unsigned long long)d->pushes);
    write_row(nerves_row_of(n, d), out);
    buf_str(out, "}");
}

static void write_url(const struct nerves *n, const struct nerves_device *d,
                      const struct nerves_firmware *fw, struct buf *out)
{
    static const char PLACE[] = "{uuid}";
    const char *at = n->url.len > 0 ? strstr(n->url.data, PLACE) : NULL;
    struct buf url = {0};
    if (n->url.len == 0) {
        buf_printf(&url, "%s://%s/firmware/1/%s.fw", n->tls ? "https" : "http",
                   d->host.len > 0 ? d->host.data : "localhost", fw->uuid);
    } else if (at == NULL) {
        buf_slice(&url, buf_all(&n->url));
    } else {
        buf_printf(&url, "%.*s%s%s", (int)(at - n->url.data), n->url.data, fw->uuid,
                   at + sizeof PLACE - 1);
    }
    json_write_string(out, buf_all(&url));
    buf_deinit(&url);
}

void nerves_update_write(const struct nerves *n, const struct nerves_device *d,
                         const struct nerves_firmware *fw, bool deployment, struct buf *out)
{
    buf_str(out, "{\"update_available\":true,\"firmware_url\":");
    write_url(n, d, fw, out);
    buf_str(out, ",\"firmware_meta\":");
    buf_slice(out, buf_all(&fw->meta));
    if (n->like == NERVES_MAIN) {
        buf_printf(out, ",\"size\":%zu,\"checksum\":\"%s\",\"partials_checksums\":", fw->bytes.len,
                   fw->checksum);
        buf_slice(out, buf_all(&fw->parts));
    }
    buf_printf(out, ",\"deployment_id\":%s}", deployment ? "1" : "null");
}

void nerves_deinit(struct nerves *n)
{
    while (n->event_count > 0) {
        drop_oldest_event(n);
    }
    while (n->devices != NULL) {
        struct nerves_device *d = n->devices;
        n->devices = d->next;
        free_device(d);
    }
    for (size_t i = 0; i < n->firmware_count; i++) {
        struct nerves_firmware *fw = n->firmwares[i];
        free(fw->path);
        free(fw->uuid);
        free(fw->platform);
        free(fw->architecture);
        buf_deinit(&fw->bytes);
        buf_deinit(&fw->meta);
        buf_deinit(&fw->parts);
        free(fw);
    }
    buf_deinit(&n->connecting_code);
    buf_deinit(&n->archive);
    buf_deinit(&n->url);
    buf_deinit(&n->downloads);
    free(n->faults.redirect);
}
