/*
 * The profile of the microcontroller server: an API key in a header selects the device, the server
 * names it in an object-shaped `metadata` message, readings go up grouped by sensor, controls come
 * down as a list of one-member objects. Whether and when anything is sent is not decided here.
 */
#include "profile.h"
#include "profile_number.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_PREFIX        "API_TOKEN_MC_"
#define KEY_MIN           16                 /* characters after the prefix */
#define ID_MAX            9007199254740991.0 /* largest integer that JSON carries exactly everywhere */
#define CONTROL_BYTES_MAX 65536 /* of one control update; a tree takes many times that */

/* Every member of an upload is a sensor to this server, so nothing else may stand there. */
static const char *const kinds[] = {"temperature", "pressure", "illuminance", "humidity"};

static bool is_letter_or_digit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static const char *check_credential(const struct profile *self, const char *secret)
{
    (void)self;
    if (strncmp(secret, KEY_PREFIX, strlen(KEY_PREFIX)) != 0)
        return "an API key begins with " KEY_PREFIX;
    const char *rest = secret + strlen(KEY_PREFIX);
    for (const char *c = rest; *c != '\0'; c++)
        if (!is_letter_or_digit(*c))
            return "an API key has only A-Z, a-z and 0-9 after " KEY_PREFIX;
    if (strlen(rest) < KEY_MIN)
        return "an API key has at least 16 characters after " KEY_PREFIX;
    return NULL;
}

static bool knows_kind(const struct profile *self, const char *kind)
{
    (void)self;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    return false;
}

static bool text_is(struct profile_text text, const char *literal)
{
    return text.len == strlen(literal) && memcmp(text.at, literal, text.len) == 0;
}

static cJSON *parse(struct profile_text text)
{
    return text.at == NULL ? NULL : cJSON_ParseWithLength(text.at, text.len);
}

static bool topic_from_metadata(const struct profile *self, struct profile_text topic,
                                struct profile_text event, struct profile_text payload,
                                char out[PROFILE_TOPIC_MAX], const char **why)
{
    (void)self;
    (void)topic; /* it repeats the id, but the payload is what the server documents */
    *why = NULL;
    if (!text_is(event, "metadata"))
        return false;
    cJSON *tree = parse(payload);
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(tree, "controller_id");
    bool good = cJSON_IsNumber(id) && id->valuedouble >= 1 && id->valuedouble <= ID_MAX &&
                floor(id->valuedouble) == id->valuedouble;
    if (good)
        snprintf(out, PROFILE_TOPIC_MAX, "microcontroller:v1:%.0f", id->valuedouble);
    else
        *why = "the metadata has no controller_id that is a positive integer";
    cJSON_Delete(tree);
    return good;
}

static char *join_payload(const struct profile *self, const struct profile_board *board)
{
    (void)self;
    (void)board;
    char *payload = malloc(sizeof "{}");
    if (payload != NULL)
        memcpy(payload, "{}", sizeof "{}");
    return payload;
}

/* -- Uploads. */

struct out {
    char *at;
    size_t len, cap;
    bool good;
};

static void put(struct out *out, const char *bytes, size_t n)
{
    if (out->cap - out->len < n) {
        out->good = false;
        return;
    }
    memcpy(out->at + out->len, bytes, n);
    out->len += n;
}

static void put_text(struct out *out, const char *text)
{
    put(out, text, strlen(text));
}

static void put_escaped(struct out *out, const char *text)
{
    put_text(out, "\"");
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        char escape[8];
        if (c == '"' || c == '\\')
            put(out, (const char[]){'\\', (char)c}, 2);
        else if (c < 0x20 || c == 0x7f)
            put(out, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04X", c));
        else
            put(out, text, 1);
    }
    put_text(out, "\"");
}

static void put_identity(struct out *out, const struct profile_upload *upload,
                         const struct profile_reading *reading)
{
    char text[64];
    long long at = ((long long)reading->at_us + upload->unix_minus_mono_us) / 1000;
    put(out, text, (size_t)snprintf(text, sizeof text, ",\"at\":%lld", at));
    if (reading->index != PROFILE_ONCE)
        put(out, text,
            (size_t)snprintf(text, sizeof text, ",\"seq\":\"%08x-%u-%u\"", reading->epoch,
                             reading->number, reading->index));
}

static void put_reading(struct out *out, const struct profile_upload *upload,
                        const struct profile_reading *reading)
{
    const struct profile_sensor *sensor = &upload->sensors[reading->sensor];
    char number[PROFILE_NUMBER_MAX];
    size_t n = profile_number(sensor->type, sensor->exponent, reading->value, number);
    if (n == 0)
        out->good = false;
    const char *quote = upload->values_as_strings ? "\"" : "";
    put_text(out, "{\"type\":\"");
    put_text(out, sensor->kind);
    put_text(out, "\",\"value\":");
    put_text(out, quote);
    put(out, number, n);
    put_text(out, quote);
    if (upload->identity)
        put_identity(out, upload, reading);
    put_text(out, "}");
}

static void put_group(struct out *out, const struct profile_upload *upload, uint16_t group,
                      size_t first)
{
    put_escaped(out, upload->sensors[group].name);
    put_text(out, ":[");
    for (size_t i = first; i < upload->reading_count; i++) {
        if (upload->sensors[upload->readings[i].sensor].group != group)
            continue;
        if (i != first)
            put_text(out, ",");
        put_reading(out, upload, &upload->readings[i]);
    }
    put_text(out, "]");
}

static size_t write_upload(const struct profile *self, const struct profile_upload *upload,
                           char *at, size_t cap)
{
    struct out out = {at, 0, cap, true};
    bool written[PROFILE_SENSORS_MAX] = {false};
    (void)self;
    put_text(&out, "{");
    for (size_t i = 0; i < upload->reading_count; i++) {
        uint16_t group = upload->sensors[upload->readings[i].sensor].group;
        if (written[group])
            continue;
        if (i != 0)
            put_text(&out, ",");
        put_group(&out, upload, group, i);
        written[group] = true;
    }
    put_text(&out, "}");
    return out.good ? out.len : 0;
}

static size_t upload_bound(const struct profile *self, const struct profile_upload *upload)
{
    (void)self;
    const size_t reading = sizeof ",{\"type\":\"temperature\",\"value\":\"\"}" + PROFILE_NUMBER_MAX;
    const size_t identity = sizeof ",\"at\":,\"seq\":\"ffffffff--\"" + 20 + 10 + 5;
    const size_t escaped = sizeof "\\u0000" - 1;
    size_t bytes = sizeof "{}";
    for (size_t i = 0; i < upload->sensor_count; i++)
        bytes += escaped * strlen(upload->sensors[i].name) + sizeof ",\"\":[]";
    return bytes + upload->reading_count * (reading + (upload->identity ? identity : 0));
}

/* -- Control updates. */

static void read_member(const cJSON *member, const struct profile_control_io *io)
{
    struct profile_control control = {member->string, PROFILE_OTHER, 0};
    if (cJSON_IsBool(member)) {
        control.kind = PROFILE_BOOL;
        control.number = cJSON_IsTrue(member) ? 1 : 0;
    } else if (cJSON_IsNumber(member)) {
        control.kind = PROFILE_NUMBER;
        control.number = member->valuedouble;
    }
    io->element(io->user, &control);
}

static void read_element(const cJSON *element, const struct profile_control_io *io)
{
    if (!cJSON_IsObject(element)) {
        io->bad(io->user, "an element of \"control\" is not an object");
        return;
    }
    if (element->child == NULL)
        io->bad(io->user, "an element of \"control\" is empty");
    for (const cJSON *member = element->child; member != NULL; member = member->next)
        read_member(member, io);
}

static void read_control(const struct profile *self, struct profile_text payload,
                         const struct profile_control_io *io)
{
    (void)self;
    if (payload.len > CONTROL_BYTES_MAX) {
        io->bad(io->user, "it is longer than 64 KiB");
        return;
    }
    cJSON *tree = parse(payload);
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(tree, "control");
    if (cJSON_IsArray(list)) {
        const cJSON *element;
        cJSON_ArrayForEach(element, list) read_element(element, io);
    } else {
        io->bad(io->user, "it has no list \"control\"");
    }
    cJSON_Delete(tree);
}

const struct profile profile_microcontrollers = {
    .name = "microcontrollers",
    .credential = PROFILE_HEADER,
    .credential_name = "X-API-Key",
    .identity = true,
    .upload_event = "upload_readings",
    .control_event = "control_update",
    .check_credential = check_credential,
    .topic = topic_from_metadata,
    .join_payload = join_payload,
    .knows_kind = knows_kind,
    .upload_bound = upload_bound,
    .write_upload = write_upload,
    .read_control = read_control,
};
