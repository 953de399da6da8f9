/*
 * Readings as JSON, byte by byte: a tree of nodes would take twenty times as long (tests/bench).
 * What a number looks like is profile_number.c's.
 */
#include "profile_write.h"

#include "profile_number.h"

#include <stdio.h>
#include <string.h>

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

/* What may stand between quotation marks. */
static void put_characters(struct out *out, const char *text)
{
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
}

static void put_escaped(struct out *out, const char *text)
{
    put_text(out, "\"");
    put_characters(out, text);
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

static void put_value(struct out *out, const struct profile_upload *upload,
                      const struct profile_reading *reading)
{
    const struct profile_sensor *sensor = &upload->sensors[reading->sensor];
    char number[PROFILE_NUMBER_MAX];
    size_t n = profile_number(sensor->type, sensor->exponent, reading->value, number);
    if (n == 0)
        out->good = false;
    const char *quote = upload->values_as_strings ? "\"" : "";
    put_text(out, quote);
    put(out, number, n);
    put_text(out, quote);
}

/* "type":..,"value":.. and the end of the object that they stand in. */
static void put_reading(struct out *out, const struct profile_upload *upload,
                        const struct profile_reading *reading)
{
    put_text(out, "\"type\":");
    put_escaped(out, upload->sensors[reading->sensor].kind);
    put_text(out, ",\"value\":");
    put_value(out, upload, reading);
    if (upload->identity)
        put_identity(out, upload, reading);
    put_text(out, "}");
}

static uint16_t group_of(const struct profile_upload *upload, size_t i)
{
    return upload->sensors[upload->readings[i].sensor].group;
}

/* -- Groups. */

static void put_group(struct out *out, const struct profile_upload *upload, uint16_t group,
                      size_t first)
{
    put_escaped(out, upload->sensors[group].name);
    put_text(out, ":[");
    for (size_t i = first; i < upload->reading_count; i++) {
        if (group_of(upload, i) != group)
            continue;
        put_text(out, i != first ? ",{" : "{");
        put_reading(out, upload, &upload->readings[i]);
    }
    put_text(out, "]");
}

static void put_groups(struct out *out, const struct profile_upload *upload)
{
    bool written[PROFILE_SENSORS_MAX] = {false};
    for (size_t i = 0; i < upload->reading_count; i++) {
        uint16_t group = group_of(upload, i);
        if (written[group])
            continue;
        if (i != 0)
            put_text(out, ",");
        put_group(out, upload, group, i);
        written[group] = true;
    }
}

/* -- List and object. */

static void put_list(struct out *out, const struct profile_upload *upload)
{
    put_text(out, "\"readings\":[");
    for (size_t i = 0; i < upload->reading_count; i++) {
        put_text(out, i != 0 ? ",{\"sensor\":" : "{\"sensor\":");
        put_escaped(out, upload->sensors[upload->readings[i].sensor].name);
        put_text(out, ",");
        put_reading(out, upload, &upload->readings[i]);
    }
    put_text(out, "]");
}

/* The first sensor that has the same name and kind: the same member of an object. */
static size_t member_of(const struct profile_upload *upload, size_t sensor)
{
    const struct profile_sensor *this = &upload->sensors[sensor];
    size_t i = this->group;
    while (i < sensor && (upload->sensors[i].group != this->group ||
                          strcmp(upload->sensors[i].kind, this->kind) != 0))
        i++;
    return i;
}

static bool has_kinds(const struct profile_upload *upload, uint16_t group)
{
    for (size_t i = group; i < upload->sensor_count; i++)
        if (upload->sensors[i].group == group &&
            strcmp(upload->sensors[i].kind, upload->sensors[group].kind) != 0)
            return true;
    return false;
}

static void put_key(struct out *out, const struct profile_upload *upload, size_t sensor)
{
    const struct profile_sensor *this = &upload->sensors[sensor];
    put_text(out, "\"");
    put_characters(out, this->name);
    if (has_kinds(upload, this->group)) {
        put_text(out, ".");
        put_characters(out, this->kind);
    }
    put_text(out, "\"");
}

static void put_object(struct out *out, const struct profile_upload *upload)
{
    for (size_t i = 0; i < upload->reading_count; i++) {
        if (i != 0)
            put_text(out, ",");
        put_key(out, upload, upload->readings[i].sensor);
        put_text(out, ":");
        put_value(out, upload, &upload->readings[i]);
    }
}

size_t profile_write(enum profile_shape shape, const struct profile_upload *upload, char *at,
                     size_t cap)
{
    struct out out = {at, 0, cap, true};
    put_text(&out, "{");
    switch (shape) {
    case PROFILE_GROUPS:
        put_groups(&out, upload);
        break;
    case PROFILE_LIST:
        put_list(&out, upload);
        break;
    case PROFILE_OBJECT:
        put_object(&out, upload);
        break;
    }
    put_text(&out, "}");
    return out.good ? out.len : 0;
}

size_t profile_write_bound(enum profile_shape shape, const struct profile_upload *upload)
{
    const size_t reading = sizeof ",{\"sensor\":,\"type\":,\"value\":\"\"}" + PROFILE_NUMBER_MAX;
    const size_t identity = sizeof ",\"at\":,\"seq\":\"ffffffff--\"" + 20 + 10 + 5;
    const size_t escaped = sizeof "\\u0000" - 1;
    size_t names = 0, kinds = 0;
    for (size_t i = 0; i < upload->sensor_count; i++) {
        size_t name = escaped * strlen(upload->sensors[i].name) + sizeof ",\"\":[]";
        size_t kind = escaped * strlen(upload->sensors[i].kind) + sizeof "\"\"";
        /* In groups a name stands once, else beside each reading. */
        names = shape == PROFILE_GROUPS ? names + name : name > names ? name : names;
        kinds = kind > kinds ? kind : kinds;
    }
    size_t each = reading + kinds + (upload->identity ? identity : 0);
    size_t once = sizeof "{\"readings\":[]}";
    if (shape == PROFILE_GROUPS)
        once += names;
    else
        each += names;
    return once + upload->reading_count * each;
}

size_t profile_write_fits(enum profile_shape shape, const struct profile_upload *upload)
{
    bool seen[PROFILE_SENSORS_MAX] = {false};
    if (shape != PROFILE_OBJECT)
        return upload->reading_count;
    for (size_t i = 0; i < upload->reading_count; i++) {
        size_t member = member_of(upload, upload->readings[i].sensor);
        if (seen[member])
            return i;
        seen[member] = true;
    }
    return upload->reading_count;
}
