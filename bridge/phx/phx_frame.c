/*
 * phx_frame.c - encodes and decodes messages of both serializers. Which refs belong to whom is left
 * to phx_machine.c.
 */
#include "phx_frame.h"

#include <string.h>

static const struct phx_text null = {"null", 4}, empty = {"{}", 2};

enum { BINARY_PUSH, BINARY_REPLY, BINARY_BROADCAST };

static void put(struct phx_json_out *out, const char *text)
{
    phx_json_put(out, phx_text_of(text));
}

struct ref_text {
    char digits[20];
};

/* Empty for 0. */
static struct phx_text ref_digits(uint64_t ref, struct ref_text *room)
{
    size_t at = sizeof room->digits;

    for (; ref; ref /= 10)
        room->digits[--at] = (char)('0' + ref % 10);
    return (struct phx_text){room->digits + at, sizeof room->digits - at};
}

static void put_ref(struct phx_json_out *out, uint64_t ref)
{
    struct ref_text room;

    if (ref == 0) {
        phx_json_put(out, null);
        return;
    }
    phx_json_put_string(out, ref_digits(ref, &room));
}

static void put_array(struct phx_json_out *out, const struct phx_frame_out *frame)
{
    put(out, "[");
    put_ref(out, frame->join_ref);
    put(out, ",");
    put_ref(out, frame->ref);
    put(out, ",");
    phx_json_put_string(out, frame->topic);
    put(out, ",");
    phx_json_put_string(out, frame->event);
    put(out, ",");
    phx_json_put(out, frame->payload);
    put(out, "]");
}

static void put_object(struct phx_json_out *out, const struct phx_frame_out *frame)
{
    put(out, "{\"topic\":");
    phx_json_put_string(out, frame->topic);
    put(out, ",\"event\":");
    phx_json_put_string(out, frame->event);
    put(out, ",\"payload\":");
    phx_json_put(out, frame->payload);
    put(out, ",\"ref\":");
    put_ref(out, frame->ref);
    put(out, ",\"join_ref\":");
    put_ref(out, frame->join_ref);
    put(out, "}");
}

bool phx_frame_fits_binary(enum phx_vsn vsn, struct phx_text topic, struct phx_text event)
{
    return vsn == PHX_V2 && topic.len <= PHX_BINARY_NAME_MAX && event.len <= PHX_BINARY_NAME_MAX;
}

static void put_binary(struct phx_json_out *out, const struct phx_frame_out *frame)
{
    struct ref_text join_ref, ref;
    struct phx_text names[] = {ref_digits(frame->join_ref, &join_ref), ref_digits(frame->ref, &ref),
                               frame->topic, frame->event};
    char head[1 + sizeof names / sizeof names[0]] = {BINARY_PUSH};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        head[1 + i] = (char)names[i].len;
    phx_json_put(out, (struct phx_text){head, sizeof head});
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        phx_json_put(out, names[i]);
    phx_json_put(out, frame->payload);
}

size_t phx_frame_encode(enum phx_vsn vsn, const struct phx_frame_out *frame, char *out, size_t cap)
{
    struct phx_json_out to = {out, cap, 0};

    if (frame->binary) {
        put_binary(&to, frame);
        return to.len;
    }
    switch (vsn) {
    case PHX_V1:
        put_object(&to, frame);
        break;
    case PHX_V2:
        put_array(&to, frame);
        break;
    }
    return to.len;
}

/* Digits without leading zeros, as we write refs; 0: anything else. */
static uint64_t read_digits(struct phx_text text)
{
    uint64_t ref = 0;

    if (text.len == 0 || text.len > 19 || text.at[0] == '0')
        return 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return 0;
        ref = ref * 10 + (uint64_t)(text.at[i] - '0');
    }
    return ref;
}

/* Of a string only: servers drop what has a ref of another JSON type, so that is none of ours. */
static uint64_t own_ref(struct phx_text value)
{
    if (!value.at || !phx_json_is_string(value))
        return 0;
    return read_digits((struct phx_text){value.at + 1, value.len - 2});
}

struct parts {
    struct phx_text join_ref, ref, topic, event, payload;
};

/* Further elements are ignored, as the server ignores them. */
static bool split_array(struct phx_json_walk *walk, struct parts *parts)
{
    struct phx_text *part[] = {&parts->join_ref, &parts->ref, &parts->topic, &parts->event,
                               &parts->payload};
    struct phx_text key, value;
    enum phx_json_step step;
    size_t n = 0;

    while ((step = phx_json_next(walk, &key, &value)) == PHX_JSON_ITEM)
        if (n < sizeof part / sizeof part[0])
            *part[n++] = value;
    return step == PHX_JSON_END && n == sizeof part / sizeof part[0];
}

static struct phx_text *member(struct parts *parts, struct phx_text key)
{
    if (phx_json_is(key, "topic"))
        return &parts->topic;
    if (phx_json_is(key, "event"))
        return &parts->event;
    if (phx_json_is(key, "payload"))
        return &parts->payload;
    if (phx_json_is(key, "ref"))
        return &parts->ref;
    return phx_json_is(key, "join_ref") ? &parts->join_ref : NULL;
}

/* Of a name given twice the first counts, as at the server. */
static bool split_object(struct phx_json_walk *walk, struct parts *parts)
{
    struct phx_text key, value, *part;
    enum phx_json_step step;

    while ((step = phx_json_next(walk, &key, &value)) == PHX_JSON_ITEM) {
        part = member(parts, key);
        if (part && part->at == NULL)
            *part = value;
    }
    return step == PHX_JSON_END;
}

static struct phx_text unescape_in(char *text, struct phx_text value)
{
    char *contents = text + (value.at - text) + 1;
    size_t len = value.len - 2;

    if (memchr(contents, '\\', len))
        len = phx_json_unescape(value, contents);
    return (struct phx_text){contents, len};
}

bool phx_frame_decode(char *text, size_t len, struct phx_frame *frame)
{
    struct parts parts = {.join_ref = null, .ref = null, .payload = empty};
    struct phx_json_walk walk;
    bool good;

    if (len == 0 || !phx_json_walk(&walk, (struct phx_text){text, len}))
        return false;
    if (walk.object)
        parts = (struct parts){.join_ref = {NULL, 0}};
    good = walk.object ? split_object(&walk, &parts) : split_array(&walk, &parts);
    if (!good || !phx_json_is_string(parts.topic) || !phx_json_is_string(parts.event))
        return false;
    *frame = (struct phx_frame){
        .join_ref = own_ref(parts.join_ref),
        .ref = own_ref(parts.ref),
        .has_join_ref = parts.join_ref.at && !phx_text_equal(parts.join_ref, null),
        .topic = unescape_in(text, parts.topic),
        .event = unescape_in(text, parts.event),
        .payload = parts.payload.at ? parts.payload : empty,
    };
    return true;
}

/* The lengths that follow the kind, then the names, into `names`; *rest is what is left. */
static bool split_names(struct phx_text bytes, struct phx_text *names, size_t count,
                        struct phx_text *rest)
{
    size_t at = 1 + count;

    if (bytes.len < at)
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t len = (unsigned char)bytes.at[1 + i];
        if (bytes.len - at < len)
            return false;
        names[i] = (struct phx_text){bytes.at + at, len};
        at += len;
    }
    *rest = (struct phx_text){bytes.at + at, bytes.len - at};
    return true;
}

static void set_refs(struct phx_frame *frame, struct phx_text join_ref, struct phx_text ref)
{
    frame->has_join_ref = join_ref.len > 0;
    frame->join_ref = read_digits(join_ref);
    frame->ref = read_digits(ref);
}

static bool decode_kind(struct phx_text bytes, struct phx_frame *frame)
{
    struct phx_text none = {NULL, 0}, names[4];

    switch (bytes.at[0]) {
    case BINARY_PUSH:
        if (!split_names(bytes, names, 3, &frame->payload))
            return false;
        set_refs(frame, names[0], none);
        frame->topic = names[1];
        frame->event = names[2];
        return true;
    case BINARY_REPLY:
        if (!split_names(bytes, names, 4, &frame->payload))
            return false;
        set_refs(frame, names[0], names[1]);
        frame->topic = names[2];
        frame->status = names[3];
        frame->event = phx_text_of("phx_reply");
        return true;
    case BINARY_BROADCAST:
        if (!split_names(bytes, names, 2, &frame->payload))
            return false;
        frame->topic = names[0];
        frame->event = names[1];
        return true;
    default:
        return false;
    }
}

bool phx_frame_decode_binary(char *bytes, size_t len, struct phx_frame *frame)
{
    if (len > 0 && (unsigned char)bytes[0] > BINARY_BROADCAST)
        return phx_frame_decode(bytes, len, frame);
    *frame = (struct phx_frame){.binary = true};
    return len > 0 && decode_kind((struct phx_text){bytes, len}, frame) &&
           phx_utf8_valid(frame->topic) && phx_utf8_valid(frame->event) &&
           phx_utf8_valid(frame->status);
}

bool phx_frame_reply(struct phx_text payload, struct phx_text *status, struct phx_text *response)
{
    struct phx_text key, value, found = {NULL, 0};
    struct phx_json_walk walk;

    *response = (struct phx_text){NULL, 0};
    if (!phx_json_walk(&walk, payload) || !walk.object)
        return false;
    while (phx_json_next(&walk, &key, &value) == PHX_JSON_ITEM) {
        if (phx_json_is(key, "status") && !found.at)
            found = value;
        else if (phx_json_is(key, "response") && !response->at)
            *response = value;
    }
    if (!phx_json_is_string(found))
        return false;
    if (!response->at)
        *response = empty;
    *status = (struct phx_text){found.at + 1, found.len - 2};
    return true;
}

bool phx_frame_is_unmatched(struct phx_text response)
{
    struct phx_text key, value;
    struct phx_json_walk walk;

    if (!phx_json_walk(&walk, response) || !walk.object)
        return false;
    return phx_json_next(&walk, &key, &value) == PHX_JSON_ITEM && phx_json_is(key, "reason") &&
           phx_json_is(value, "unmatched topic");
}
