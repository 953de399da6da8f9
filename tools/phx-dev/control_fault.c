/*
 * The failure knobs: what the server does wrong from now on, and what it does to one controller's
 * sockets at once. The list for people is in README.md.
 */
#include "control_fault.h"

#include "peer.h"

#include <limits.h>

enum { MAX_COUNT = 1000000, MAX_SLOW_MS = 60000, MAX_FRAME_SENT = 32 * 1024 * 1024 };

struct knob {
    struct server *server;
    struct faults *faults;
    const struct json *body;
    const struct json *value;
    size_t *affected;
};

static bool set_bool(const struct json *value, bool *out)
{
    *out = json_is(value, JSON_TRUE);
    return json_is(value, JSON_TRUE) || json_is(value, JSON_FALSE);
}

/* A companion member that may be missing. */
static bool optional(const struct json *body, const char *name, long high, long otherwise,
                     long *out)
{
    const struct json *value = json_get(body, name);
    *out = otherwise;
    return value == NULL || json_int(value, 0, high, out);
}

static const char *refuse_upgrades(struct knob *k)
{
    long status = 0;
    bool known =
        json_int(k->value, 0, 599, &status) && (status == 403 || status == 429 || status == 500);
    k->faults->refuse_status = status;
    if (!known || !optional(k->body, "count", MAX_COUNT, 1, &k->faults->refuse_count) ||
        !optional(k->body, "retry_after", 86400, 0, &k->faults->retry_after_s)) {
        return "refuse: expected 403, 429 or 500, with whole numbers count and retry_after";
    }
    return NULL;
}

static const char *hold_heartbeat(struct knob *k)
{
    return set_bool(k->value, &k->faults->socket.hold_heartbeat)
               ? NULL
               : "hold_heartbeat: expected a boolean";
}

static const char *hold_replies(struct knob *k)
{
    return set_bool(k->value, &k->faults->hold_replies) ? NULL : "hold_replies: expected a boolean";
}

static const char *silent(struct knob *k)
{
    return set_bool(k->value, &k->faults->silent) ? NULL : "silent: expected a boolean";
}

static const char *upload_error(struct knob *k)
{
    return json_int(k->value, 0, MAX_COUNT, &k->faults->upload_error)
               ? NULL
               : "upload_error: expected how many uploads";
}

static const char *crash_upload(struct knob *k)
{
    return json_int(k->value, 0, MAX_COUNT, &k->faults->crash_upload)
               ? NULL
               : "crash_upload: expected how many uploads";
}

/* -- on one controller's sockets */

static long controller_of(const struct json *value)
{
    long id = 0;
    struct json number = {.type = JSON_INT};
    if (json_is(value, JSON_STRING) && json_is_number_text(value->text)) {
        number.text = value->text;
        value = &number;
    }
    return json_int(value, 1, INT_MAX, &id) ? id : 0;
}

/* Does something to every socket of controller k->value; returns what is wrong with the id, if it
 * is. */
static const char *each_socket(struct knob *k, void (*act)(struct peer *p, const void *what),
                               const void *what)
{
    long id = controller_of(k->value);
    if (id == 0) {
        return "expected a controller id";
    }
    for (struct peer *p = k->server->peers, *next; p != NULL; p = next) {
        next = p->next;
        if (!p->ended && peer_controller(p) == id) {
            act(p, what);
            ++*k->affected;
        }
    }
    return NULL;
}

static void act_cut(struct peer *p, const void *what)
{
    (void)what;
    p->ops->drop(p);
}

static void act_close(struct peer *p, const void *what)
{
    p->ops->close(p, (int)*(const long *)what);
}

static void act_send(struct peer *p, const void *what)
{
    const struct slice *text = what;
    p->ops->send(p, false, text->data, text->len);
}

static const char *drop(struct knob *k)
{
    return each_socket(k, act_cut, NULL);
}

static const char *send_text(struct knob *k)
{
    const struct json *text = json_get(k->body, "text");
    if (!json_is(text, JSON_STRING)) {
        return "send: expected a string in text";
    }
    return each_socket(k, act_send, &text->text);
}

static const char *send_bytes(struct knob *k)
{
    long n = -1;
    struct buf text = {0};
    if (!json_int(json_get(k->body, "n"), 0, MAX_FRAME_SENT, &n)) {
        return "send_bytes: expected a whole number up to 33554432 in n";
    }
    for (long i = 0; i < n; i++) {
        buf_add(&text, "x", 1);
    }
    struct slice all = {text.data, text.len};
    const char *wrong = each_socket(k, act_send, &all);
    buf_deinit(&text);
    return wrong;
}

static const char *close_socket(struct knob *k)
{
    long code = 0;
    if (!json_int(json_get(k->body, "code"), 0, 65535, &code)) {
        return "close: expected a close code in code";
    }
    return each_socket(k, act_close, &code);
}

static const char *slow(struct knob *k)
{
    return json_int(k->value, 0, MAX_SLOW_MS, &k->faults->socket.slow_ms)
               ? NULL
               : "slow: expected milliseconds, up to 60000";
}

static const char *crash_topic(struct knob *k)
{
    if (!json_is(k->value, JSON_STRING)) {
        return "crash: expected a topic";
    }
    for (struct peer *p = k->server->peers, *next; p != NULL; p = next) {
        next = p->next;
        *k->affected += peer_crash(p, k->value->text);
    }
    return NULL;
}

static const char *transport(struct knob *k)
{
    k->faults->transport = json_is_text(k->value, "websocket")  ? FAULT_WEBSOCKET
                           : json_is_text(k->value, "longpoll") ? FAULT_LONGPOLL
                                                                : FAULT_BOTH;
    return k->faults->transport != FAULT_BOTH || json_is_text(k->value, "both")
               ? NULL
               : "transport: expected websocket, longpoll or both";
}

static const char *companion(struct knob *k)
{
    (void)k;
    return NULL;
}

static const struct {
    const char *name;
    const char *with; /* only together with this member; NULL: stands alone */
    const char *(*apply)(struct knob *k);
} KNOBS[] = {
    {"refuse", NULL, refuse_upgrades},
    {"count", "refuse", companion},
    {"retry_after", "refuse", companion},
    {"hold_heartbeat", NULL, hold_heartbeat},
    {"hold_replies", NULL, hold_replies},
    {"upload_error", NULL, upload_error},
    {"crash_upload", NULL, crash_upload},
    {"silent", NULL, silent},
    {"transport", NULL, transport},
    {"slow", NULL, slow},
    {"crash", NULL, crash_topic},
    {"drop", NULL, drop},
    {"send", NULL, send_text},
    {"text", "send", companion},
    {"send_bytes", NULL, send_bytes},
    {"n", "send_bytes", companion},
    {"close", NULL, close_socket},
    {"code", "close", companion},
};
enum { KNOB_COUNT = sizeof KNOBS / sizeof *KNOBS };

static size_t find_knob(const struct json *member)
{
    size_t i = 0;
    while (i < KNOB_COUNT && !slice_eq(member->key, KNOBS[i].name)) {
        i++;
    }
    return i;
}

static bool names_ok(const struct json *body, struct buf *error)
{
    for (const struct json *m = body->child; m != NULL; m = m->next) {
        size_t i = find_knob(m);
        if (i == KNOB_COUNT) {
            buf_str(error, "unknown member ");
            json_write_string(error, m->key);
            return false;
        }
        if (KNOBS[i].with != NULL && json_get(body, KNOBS[i].with) == NULL) {
            buf_printf(error, "%s: only together with %s", KNOBS[i].name, KNOBS[i].with);
            return false;
        }
    }
    return true;
}

bool control_fault(struct server *server, const struct json *body, size_t *affected,
                   struct buf *error)
{
    struct faults faults = server->faults;
    struct knob knob = {.server = server, .faults = &faults, .body = body, .affected = affected};
    if (!names_ok(body, error)) {
        return false;
    }
    for (const struct json *m = body->child; m != NULL; m = m->next) {
        knob.value = m;
        const char *wrong = KNOBS[find_knob(m)].apply(&knob);
        if (wrong != NULL) {
            buf_str(error, wrong);
            return false;
        }
    }
    server->faults = faults;
    return true;
}
