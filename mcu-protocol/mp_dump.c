/*
 * The readable line of a message, and the texts of the schema's numbers, from the table.
 */
#include "mp_dump.h"

#include "mp_msg.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct line {
    char *out;
    size_t cap, len;
};

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *format, ...)
{
    va_list args;
    size_t room = line->cap - line->len;
    va_start(args, format);
    int n = vsnprintf(line->out + line->len, room, format, args);
    va_end(args);
    if (n > 0)
        line->len += (size_t)n < room ? (size_t)n : room - 1;
}

static bool printable(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i] < 0x20 || bytes[i] > 0x7e || bytes[i] == '"')
            return false;
    return n > 0;
}

static void add_bytes(struct line *line, const uint8_t *bytes, size_t n)
{
    if (printable(bytes, n)) {
        add(line, "\"%.*s\"", (int)n, (const char *)bytes);
        return;
    }
    if (n == 0)
        add(line, "-");
    for (size_t i = 0; i < n; i++)
        add(line, "%02x", bytes[i]);
}

#define ADD_U8(name)  add(line, " " #name "=%u", (unsigned)m.name);
#define ADD_U16(name) ADD_U8(name)
#define ADD_U32(name) add(line, " " #name "=%" PRIu32, m.name);
#define ADD_U64(name) add(line, " " #name "=%" PRIu64, m.name);
#define ADD_STR(name)         \
    add(line, " " #name "="); \
    add_bytes(line, m.name, m.name##_len);
#define ADD_REST(name)          ADD_STR(name)
#define X_ADD(TYPE, name, text) ADD_##TYPE(name)
#define X_DUMP(id, NAME, name, FIELDS, from)                                     \
    static bool dump_##name(struct line *line, const struct mp_message *message) \
    {                                                                            \
        struct mp_##name m;                                                      \
        if (mp_decode_##name(message->body, message->len, &m) != 0)              \
            return false;                                                        \
        FIELDS(X_ADD)                                                            \
        return true;                                                             \
    }
MP_MESSAGES(X_DUMP)

static bool dump_fields(struct line *line, const struct mp_message *message)
{
    switch (message->id) {
#define X_CASE(id, NAME, name, FIELDS, from) \
    case id:                                 \
        return dump_##name(line, message);
        MP_MESSAGES(X_CASE)
#undef X_CASE
    default:
        return false;
    }
}

const char *mp_message_name(uint8_t id)
{
    switch (id) {
#define X_NAME(id, NAME, name, FIELDS, from) \
    case id:                                 \
        return #name;
        MP_MESSAGES(X_NAME)
#undef X_NAME
    default:
        return NULL;
    }
}

size_t mp_dump(const struct mp_message *message, char *out, size_t cap)
{
    struct line line = {out, cap, 0};
    const char *name = mp_message_name(message->id);
    out[0] = '\0';
    if (name != NULL)
        add(&line, "%s", name);
    else
        add(&line, "message 0x%02x", message->id);
    add(&line, " %s%" PRIu32, message->reliable ? "#" : "~", message->number);
    if (!dump_fields(&line, message)) {
        add(&line, name == NULL ? " " : " undecodable ");
        add_bytes(&line, message->body, message->len);
    }
    return line.len;
}

const char *mp_status_text(enum mp_status status)
{
    switch ((unsigned)status) {
#define X_TEXT(id, NAME, text) \
    case id:                   \
        return text;
        MP_STATUSES(X_TEXT)
#undef X_TEXT
    default:
        return "unknown status";
    }
}

/* Whoever has the lower one is to be brought up to date. */
static const char *older(const struct mp_mismatch *m)
{
    return m->device < m->host ? "the device's firmware" : "this program";
}

const char *mp_mismatch_text(const struct mp_mismatch *m, char *out, size_t cap)
{
    unsigned device = (unsigned)m->device, host = (unsigned)m->host;
    switch (m->of) {
    case MP_MISMATCH_NONE:
        (void)snprintf(out, cap, "the device and this program agree");
        break;
    case MP_MISMATCH_PROTOCOL:
        (void)snprintf(out, cap,
                       "the device speaks version %u of the protocol, this program version %u: "
                       "update %s",
                       device, host, older(m));
        break;
    case MP_MISMATCH_FORMAT:
        (void)snprintf(out, cap,
                       "the device describes itself in format %u, this program reads format %u: "
                       "update %s",
                       device, host, older(m));
        break;
    case MP_MISMATCH_SCHEMA:
        (void)snprintf(out, cap,
                       "the device announces the description %08x and sends %08x: build and flash "
                       "its firmware as a whole",
                       device, host);
        break;
    }
    return out;
}

const char *mp_down_text(enum mp_down why)
{
    switch (why) {
    case MP_DOWN_SILENT:
        return "nothing valid comes any more";
    case MP_DOWN_RESTARTED:
        return "the device restarted";
    case MP_DOWN_VERSION:
        return "the other side speaks another version of the protocol";
    case MP_DOWN_LINE:
        return "the line was lost";
    case MP_DOWN_REPLACED:
        return "the session was given up for another";
    }
    return "unknown reason";
}
