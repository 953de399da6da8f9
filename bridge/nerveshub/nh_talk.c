/*
 * Console, log and extensions of a NervesHub device as payloads, through cJSON. When a channel is
 * there to say it on is nh_device.c's business.
 */
#include "nh_talk.h"

#include "base/utf8.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_TEXT_MAX   1024
#define LOG_BURST      10
#define LOG_EVERY_MS   200 /* five a second */
#define REPLACED_BYTES 3   /* U+FFFD */

static char *printed(cJSON *object)
{
    char *text = object != NULL ? cJSON_PrintUnformatted(object) : NULL;
    cJSON_Delete(object);
    return text;
}

/* -- Extensions. */

const char *nh_extension_name(enum nh_extension extension)
{
    return extension == NH_HEALTH ? "health" : "logging";
}

static unsigned bit_of(const cJSON *name)
{
    for (unsigned i = 0; i < NH_EXTENSIONS; i++)
        if (cJSON_IsString(name) &&
            strcmp(name->valuestring, nh_extension_name((enum nh_extension)i)) == 0)
            return 1u << i;
    return 0;
}

unsigned nh_decode_extensions(const char *json, size_t length)
{
    cJSON *root = cJSON_ParseWithLength(json, length);
    const cJSON *list =
        cJSON_IsObject(root) ? cJSON_GetObjectItemCaseSensitive(root, "extensions") : root;
    const cJSON *item;
    unsigned bits = 0;
    if (cJSON_IsString(list) && strcmp(list->valuestring, "all") == 0)
        bits = (1u << NH_EXTENSIONS) - 1;
    if (cJSON_IsArray(list))
        cJSON_ArrayForEach(item, list) bits |= bit_of(item);
    cJSON_Delete(root);
    return bits;
}

char *nh_encode_health(const char *value)
{
    size_t cap = strlen(value) * REPLACED_BYTES + 1;
    char *clean = malloc(cap);
    if (clean == NULL)
        return NULL;
    utf8_clean(value, strlen(value), clean, cap);
    cJSON *parsed = cJSON_Parse(clean);
    free(clean);
    if (parsed == NULL)
        return NULL;
    cJSON *object = cJSON_CreateObject();
    if (!cJSON_AddItemToObject(object, "value", parsed))
        cJSON_Delete(parsed);
    return printed(object);
}

char *nh_encode_log(const char *level, const char *message, int64_t unix_us)
{
    char clean[LOG_TEXT_MAX];
    char time[24];
    cJSON *object = cJSON_CreateObject();
    utf8_clean(message, strlen(message), clean, sizeof(clean));
    snprintf(time, sizeof(time), "%" PRId64, unix_us);
    cJSON_AddStringToObject(object, "level", level);
    cJSON_AddStringToObject(object, "message", clean);
    cJSON_AddStringToObject(cJSON_AddObjectToObject(object, "meta"), "time", time);
    return printed(object);
}

bool nh_log_fits(struct nh_log_limit *limit, uint64_t now_ms)
{
    uint64_t earned = (now_ms - limit->since_ms) / LOG_EVERY_MS;
    if (limit->spent == 0 || earned >= limit->spent) {
        limit->spent = 0;
        limit->since_ms = now_ms;
    } else {
        limit->spent -= (unsigned)earned;
        limit->since_ms += earned * LOG_EVERY_MS;
    }
    if (limit->spent == LOG_BURST) {
        limit->dropped++;
        return false;
    }
    limit->spent++;
    return true;
}

/* -- Console. */

size_t nh_console_add(struct nh_console *console, const char *bytes, size_t n, uint64_t now_ms)
{
    size_t room = NH_CONSOLE_BYTES - console->length;
    size_t taken = n < room ? n : room;
    if (taken == 0 ||
        (console->bytes == NULL && (console->bytes = malloc(NH_CONSOLE_BYTES)) == NULL))
        return 0;
    if (console->length == 0)
        console->first_ms = now_ms;
    memcpy(console->bytes + console->length, bytes, taken);
    console->length += taken;
    return taken;
}

/* How many bytes at the end are the beginning of a character: 0 to 3. */
static size_t unfinished(const unsigned char *bytes, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = bytes[n - back];
        size_t needs = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 1;
        if (c < 0x80 || c >= 0xc0)
            return needs > back && c < 0xf5 ? back : 0;
    }
    return 0;
}

bool nh_console_due(const struct nh_console *console, uint64_t now_ms)
{
    bool begun_only = unfinished(console->bytes, console->length) == console->length;
    return console->length == NH_CONSOLE_BYTES ||
           (console->length > 0 &&
            now_ms - console->first_ms >= (begun_only ? NH_CONSOLE_REST_MS : NH_CONSOLE_MS));
}

char *nh_console_payload(const struct nh_console *console, size_t *taken)
{
    *taken = console->length - unfinished(console->bytes, console->length);
    if (*taken == 0)
        *taken = console->length; /* its rest had time to come */
    if (*taken == 0)
        return NULL;
    size_t cap = *taken * REPLACED_BYTES + 1;
    char *clean = malloc(cap);
    cJSON *object = cJSON_CreateObject();
    if (clean != NULL) {
        utf8_clean((const char *)console->bytes, *taken, clean, cap);
        cJSON_AddStringToObject(object, "data", clean);
    }
    free(clean);
    char *text = printed(object);
    if (clean == NULL) {
        free(text);
        return NULL;
    }
    return text;
}

void nh_console_sent(struct nh_console *console, size_t taken, uint64_t now_ms)
{
    console->length -= taken;
    if (console->length == 0)
        nh_console_free(console);
    else
        memmove(console->bytes, console->bytes + taken, console->length);
    console->first_ms = now_ms;
}

/* Most boards' consoles are looked at by nobody. */
void nh_console_free(struct nh_console *console)
{
    free(console->bytes);
    console->bytes = NULL;
    console->length = 0;
}

char *nh_decode_console(const char *payload, size_t length, size_t *n)
{
    cJSON *root = cJSON_ParseWithLength(payload, length);
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(root, "data");
    char *text = cJSON_IsString(data) ? strdup(data->valuestring) : NULL;
    *n = text != NULL ? strlen(text) : 0;
    cJSON_Delete(root);
    return text;
}

static bool take_size(const cJSON *item, unsigned *out)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 1 && item->valuedouble <= 1000))
        return false;
    *out = (unsigned)item->valuedouble;
    return true;
}

bool nh_decode_window(const char *payload, size_t length, unsigned *rows, unsigned *columns)
{
    cJSON *root = cJSON_ParseWithLength(payload, length);
    bool good = take_size(cJSON_GetObjectItemCaseSensitive(root, "height"), rows) &&
                take_size(cJSON_GetObjectItemCaseSensitive(root, "width"), columns);
    cJSON_Delete(root);
    return good;
}
