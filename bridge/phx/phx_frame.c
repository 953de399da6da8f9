/*
 * phx_frame.c - encodes and decodes messages of both serializers. Which refs belong to whom is left
 * to phx_machine.c.
 */
#include "phx_frame.h"

#include <string.h>

static const struct phx_text null = {"null", 4}, empty = {"{}", 2};

static void put(struct phx_json_out *out, const char *text)
{
    phx_json_put(out, phx_text_of(text));
}

static void put_ref(struct phx_json_out *out, uint64_t ref)
{
    char digits[22];
    size_t at = sizeof digits;

    if (ref == 0) {
        phx_json_put(out, null);
        return;
    }
    digits[--at] = '"';
    for (; ref; ref /= 10)
        digits[--at] = (char)('0' + ref % 10);
    digits[--at] = '"';
    phx_json_put(out, (struct phx_text){digits + at, sizeof digits - at});
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

size_t phx_frame_encode(enum phx_vsn vsn, const struct phx_frame_out *frame, char *out, size_t cap)
{
    struct phx_json_out to = {out, cap, 0};

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

/* A ref as we write them, a string of digits without leading zeros; 0: anything else. */
static uint64_t own_ref(struct phx_text value)
{
    uint64_t ref = 0;

    if (!value.at || !phx_json_is_string(value) || value.at[1] == '0' || value.len > 2 + 19)
        return 0;
    for (size_t i = 1; i < value.len - 1; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return 0;
        ref = ref * 10 + (uint64_t)(value.at[i] - '0');
    }
    return ref;
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
