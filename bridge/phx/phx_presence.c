/*
 * phx_presence.c - who is there. The rules are those of Presence in phoenix.js: syncState and
 * syncDiff; which messages of the channel it gets is its user's part.
 */
#include "phx_presence.h"

#include "phx_json.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_MAX_BYTES ((size_t)256 << 10)

static const struct phx_text nothing = {NULL, 0}, no_metas = {"[]", 2};

struct entry {
    struct entry *next;
    unsigned seen; /* the latest state that had it */
    struct phx_text key;
    char *json;
    size_t json_len;
    struct phx_text left; /* by the state under way, told when all joins are; to be freed */
    char text[];
};

struct diff {
    struct diff *next;
    size_t len;
    char text[];
};

struct phx_presence {
    struct phx_presence_events events;
    struct phx_text state_event, diff_event;
    size_t max_bytes, bytes, pending_bytes, count, left_out;
    unsigned states;
    unsigned depth; /* callbacks under way */
    bool pending;   /* no state since the join */
    bool dead;      /* freed inside a callback */
    struct entry *first, **end;
    struct diff *diffs, **diffs_end;
};

/* ---- JSON of a presence ---- */

static struct phx_text member(struct phx_text object, const char *name)
{
    struct phx_json_walk walk;
    struct phx_text key, value;

    if (!phx_json_walk(&walk, object) || !walk.object)
        return nothing;
    while (phx_json_next(&walk, &key, &value) == PHX_JSON_ITEM)
        if (phx_json_is(key, name))
            return value;
    return nothing;
}

static struct phx_text metas_of(struct phx_text presence)
{
    struct phx_text metas = member(presence, "metas");

    return metas.len && metas.at[0] == '[' ? metas : no_metas;
}

static bool next_meta(struct phx_json_walk *walk, struct phx_text *meta)
{
    struct phx_text key;

    return phx_json_next(walk, &key, meta) == PHX_JSON_ITEM;
}

struct refs {
    struct phx_text *at;
    size_t count;
};

/* The phx_ref of each of `metas`, to be freed. False: out of memory. */
static bool collect_refs(struct phx_text metas, struct refs *refs)
{
    struct phx_json_walk walk;
    struct phx_text meta;
    size_t n = 0;

    *refs = (struct refs){NULL, 0};
    if (!phx_json_walk(&walk, metas))
        return true;
    while (next_meta(&walk, &meta))
        n++;
    if (n == 0)
        return true;
    refs->at = malloc(n * sizeof *refs->at);
    if (!refs->at)
        return false;
    for (phx_json_walk(&walk, metas); refs->count < n && next_meta(&walk, &meta); refs->count++)
        refs->at[refs->count] = member(meta, "phx_ref");
    return true;
}

static bool has_ref(const struct refs *refs, struct phx_text ref)
{
    for (size_t i = 0; i < refs->count; i++)
        if (phx_text_equal(refs->at[i], ref))
            return true;
    return false;
}

/* A presence to be written: two lists of metas one after the other, each without those whose refs
 * another list has; the rest as in `base`. */
struct recipe {
    struct phx_text base;
    struct phx_text first, first_except;
    struct phx_text then;
};

/* Returns how many there were. */
static size_t put_metas(struct phx_json_out *out, struct phx_text metas, const struct refs *except,
                        size_t before)
{
    struct phx_json_walk walk;
    struct phx_text meta;
    size_t n = before;

    if (!phx_json_walk(&walk, metas))
        return n;
    while (next_meta(&walk, &meta)) {
        if (except->count > 0 && has_ref(except, member(meta, "phx_ref")))
            continue;
        if (n++ > 0)
            phx_json_put(out, phx_text_of(","));
        phx_json_put(out, meta);
    }
    return n;
}

static size_t write_presence(const struct recipe *recipe, const struct refs *except,
                             struct phx_json_out *out)
{
    static const struct refs none = {NULL, 0};
    struct phx_json_walk walk;
    struct phx_text key, value;
    size_t metas;

    phx_json_put(out, phx_text_of("{\"metas\":["));
    metas = put_metas(out, recipe->first, except, 0);
    metas = put_metas(out, recipe->then, &none, metas);
    phx_json_put(out, phx_text_of("]"));
    if (phx_json_walk(&walk, recipe->base)) {
        while (phx_json_next(&walk, &key, &value) == PHX_JSON_ITEM) {
            if (phx_json_is(key, "metas"))
                continue;
            phx_json_put(out, phx_text_of(","));
            phx_json_put(out, key);
            phx_json_put(out, phx_text_of(":"));
            phx_json_put(out, value);
        }
    }
    phx_json_put(out, phx_text_of("}"));
    return metas;
}

/* The text, to be freed, and how many metas it has; at NULL: out of memory. */
static struct phx_text cook(const struct recipe *recipe, size_t *metas)
{
    struct phx_json_out out = {NULL, 0, 0};
    struct refs except;
    char *text = NULL;

    *metas = 0;
    if (!collect_refs(recipe->first_except, &except))
        return nothing;
    *metas = write_presence(recipe, &except, &out);
    text = malloc(out.len);
    if (text) {
        out = (struct phx_json_out){text, out.len, 0};
        write_presence(recipe, &except, &out);
    }
    free(except.at);
    return text ? (struct phx_text){text, out.len} : nothing;
}

/* ---- what is kept ---- */

static struct phx_text json_of(const struct entry *entry)
{
    return (struct phx_text){entry->json, entry->json_len};
}

static struct entry **find(const struct phx_presence *p, struct phx_text key)
{
    struct entry *const *at = &p->first;

    while (*at && !phx_text_equal((*at)->key, key))
        at = &(*at)->next;
    return (struct entry **)at;
}

static void free_entry(struct phx_presence *p, struct entry **at)
{
    struct entry *entry = *at;

    *at = entry->next;
    if (!*at)
        p->end = at;
    p->bytes -= entry->key.len + entry->json_len;
    p->count--;
    free(entry->json);
    free((char *)entry->left.at);
    free(entry);
}

static void set_json(struct phx_presence *p, struct entry *entry, struct phx_text json)
{
    p->bytes = p->bytes - entry->json_len + json.len;
    free(entry->json);
    entry->json = (char *)json.at;
    entry->json_len = json.len;
}

static bool append(struct phx_presence *p, struct phx_text key, struct phx_text json)
{
    struct entry *entry = malloc(sizeof *entry + key.len);

    if (!entry)
        return false;
    *entry = (struct entry){.seen = p->states, .key = {entry->text, key.len}};
    memcpy(entry->text, key.at, key.len);
    *p->end = entry;
    p->end = &entry->next;
    p->bytes += key.len;
    p->count++;
    set_json(p, entry, json);
    return true;
}

/* Takes `json`. False: it does not fit, and all is as it was. */
static bool keep(struct phx_presence *p, struct entry *entry, struct phx_text key,
                 struct phx_text json)
{
    size_t old = entry ? entry->json_len + entry->key.len : 0;

    if (json.at && p->bytes - old + key.len + json.len <= p->max_bytes) {
        if (entry) {
            set_json(p, entry, json);
            return true;
        }
        if (append(p, key, json))
            return true;
    }
    free((char *)json.at);
    p->left_out++;
    return false;
}

/* ---- one key at a time ---- */

static void tell(struct phx_presence *p,
                 void (*event)(void *user, struct phx_text key, struct phx_text current,
                               struct phx_text changed),
                 struct phx_text key, struct phx_text current, struct phx_text changed)
{
    if (event)
        event(p->events.user, key, current, changed);
}

/* What could never be kept is not looked into: its metas would be compared one with another. */
static bool is_too_long(const struct phx_presence *p, struct phx_text presence)
{
    return presence.len > p->max_bytes;
}

/* `joined` is a presence with the metas that came. */
static void join_key(struct phx_presence *p, struct phx_text key, struct phx_text joined)
{
    struct entry *entry = *find(p, key);
    struct phx_text current = entry ? json_of(entry) : nothing;
    struct phx_text metas = metas_of(joined), before;
    struct recipe recipe = {joined, metas_of(current), metas, metas};
    size_t n;
    char *copy = NULL;

    if (is_too_long(p, joined)) {
        p->left_out++;
        return;
    }
    if (current.len) {
        copy = malloc(current.len);
        if (!copy) {
            p->left_out++;
            return;
        }
        memcpy(copy, current.at, current.len);
    }
    before = (struct phx_text){copy, current.len};
    if (keep(p, entry, key, cook(&recipe, &n)))
        tell(p, p->events.join, key, before, joined);
    free(copy);
}

static void leave_key(struct phx_presence *p, struct phx_text key, struct phx_text left)
{
    struct entry **at = find(p, key), *entry = *at;
    struct recipe recipe = {.first_except = metas_of(left), .then = no_metas};
    struct phx_text json;
    size_t n;

    if (!entry || is_too_long(p, left))
        return;
    recipe.base = json_of(entry);
    recipe.first = metas_of(recipe.base);
    json = cook(&recipe, &n);
    if (!json.at) {
        p->left_out++;
        return;
    }
    set_json(p, entry, json);
    tell(p, p->events.leave, entry->key, json, left);
    if (!p->dead && n == 0)
        free_entry(p, find(p, key));
}

/* A key of a JSON object, unescaped, to be freed. */
static struct phx_text plain_key(struct phx_text quoted)
{
    char *text = malloc(quoted.len);

    if (!text)
        return nothing;
    return (struct phx_text){text, phx_json_unescape(quoted, text)};
}

typedef void on_key(struct phx_presence *p, struct phx_text key, struct phx_text presence);

static void each_key(struct phx_presence *p, struct phx_text object, on_key *act)
{
    struct phx_json_walk walk;
    struct phx_text quoted, value, key;

    if (!phx_json_walk(&walk, object) || !walk.object)
        return;
    while (!p->dead && phx_json_next(&walk, &quoted, &value) == PHX_JSON_ITEM) {
        key = plain_key(quoted);
        if (key.at && value.at[0] == '{')
            act(p, key, value);
        free((char *)key.at);
    }
}

/* ---- diffs and states ---- */

static void sync_diff(struct phx_presence *p, struct phx_text diff)
{
    each_key(p, member(diff, "joins"), join_key);
    if (!p->dead)
        each_key(p, member(diff, "leaves"), leave_key);
}

/* Of a key that was there already, those metas that only the one or the other has. */
static struct phx_text difference(struct phx_text presence, struct phx_text except)
{
    struct recipe recipe = {.base = presence,
                            .first = metas_of(presence),
                            .first_except = metas_of(except),
                            .then = no_metas};
    size_t n;
    struct phx_text text = cook(&recipe, &n);

    if (n > 0)
        return text;
    free((char *)text.at);
    return nothing;
}

static void join_of_state(struct phx_presence *p, struct phx_text key, struct phx_text presence)
{
    struct entry *entry = *find(p, key);
    struct phx_text joined;

    if (entry)
        entry->seen = p->states;
    if (!entry || is_too_long(p, presence)) {
        join_key(p, key, presence);
        return;
    }
    free((char *)entry->left.at);
    entry->left = difference(json_of(entry), presence);
    joined = difference(presence, json_of(entry));
    if (joined.at)
        join_key(p, key, joined);
    free((char *)joined.at);
}

static void leave_of_state(struct phx_presence *p, struct phx_text key, struct phx_text presence)
{
    struct entry *entry = *find(p, key);
    struct phx_text left = entry ? entry->left : nothing;

    (void)presence;
    if (!left.at)
        return;
    entry->left = nothing;
    leave_key(p, key, left);
    free((char *)left.at);
}

static struct entry *unseen(const struct phx_presence *p)
{
    struct entry *entry = p->first;

    while (entry && entry->seen == p->states)
        entry = entry->next;
    return entry;
}

/* Those that the state does not have any more. */
static void leave_all_unseen(struct phx_presence *p)
{
    struct entry *entry;

    while (!p->dead && (entry = unseen(p)) != NULL) {
        struct phx_text key = {malloc(entry->key.len + 1), entry->key.len};
        char *copy = malloc(entry->json_len);
        entry->seen = p->states;
        if (key.at && copy) {
            memcpy((char *)key.at, entry->key.at, key.len);
            memcpy(copy, entry->json, entry->json_len);
            leave_key(p, key, (struct phx_text){copy, entry->json_len});
        }
        free((char *)key.at);
        free(copy);
    }
}

static void drop_diffs(struct phx_presence *p)
{
    struct diff *diff;

    while ((diff = p->diffs) != NULL) {
        p->diffs = diff->next;
        free(diff);
    }
    p->diffs_end = &p->diffs;
    p->pending_bytes = 0;
}

static void sync_state(struct phx_presence *p, struct phx_text state)
{
    p->pending = false;
    p->states++;
    each_key(p, state, join_of_state);
    if (!p->dead)
        leave_all_unseen(p);
    if (!p->dead)
        each_key(p, state, leave_of_state);
    for (struct diff *diff = p->diffs; diff && !p->dead; diff = diff->next)
        sync_diff(p, (struct phx_text){diff->text, diff->len});
    drop_diffs(p);
}

static void keep_diff(struct phx_presence *p, struct phx_text payload)
{
    struct diff *diff = NULL;

    if (p->pending_bytes + payload.len <= p->max_bytes)
        diff = malloc(sizeof *diff + payload.len);
    if (!diff) {
        p->left_out++;
        return;
    }
    diff->next = NULL;
    diff->len = payload.len;
    memcpy(diff->text, payload.at, payload.len);
    *p->diffs_end = diff;
    p->diffs_end = &diff->next;
    p->pending_bytes += payload.len;
}

/* ---- its user's orders ---- */

struct phx_presence *phx_presence_new(const struct phx_presence_options *options,
                                      const struct phx_presence_events *events)
{
    struct phx_presence_options none = {.max_bytes = 0};
    struct phx_presence *p = calloc(1, sizeof *p);

    if (!p)
        return NULL;
    options = options ? options : &none;
    p->state_event = phx_text_of(options->state_event ? options->state_event : "presence_state");
    p->diff_event = phx_text_of(options->diff_event ? options->diff_event : "presence_diff");
    p->max_bytes = options->max_bytes ? options->max_bytes : DEFAULT_MAX_BYTES;
    if (events)
        p->events = *events;
    p->pending = true;
    p->end = &p->first;
    p->diffs_end = &p->diffs;
    return p;
}

void phx_presence_free(struct phx_presence *p)
{
    if (!p)
        return;
    p->dead = true;
    p->events = (struct phx_presence_events){.user = NULL};
    if (p->depth > 0)
        return;
    while (p->first)
        free_entry(p, &p->first);
    drop_diffs(p);
    free(p);
}

void phx_presence_joined(struct phx_presence *p)
{
    p->pending = true;
    if (p->depth == 0)
        drop_diffs(p);
}

bool phx_presence_message(struct phx_presence *p, struct phx_text event, struct phx_text payload)
{
    bool state = phx_text_equal(event, p->state_event);

    if (!state && !phx_text_equal(event, p->diff_event))
        return false;
    if (!phx_json_valid(payload) || p->depth > 0)
        return true;
    p->depth++;
    if (state)
        sync_state(p, payload);
    else if (p->pending)
        keep_diff(p, payload);
    else
        sync_diff(p, payload);
    if (p->events.sync && !p->pending)
        p->events.sync(p->events.user);
    p->depth--;
    if (p->dead)
        phx_presence_free(p);
    return true;
}

size_t phx_presence_count(const struct phx_presence *p)
{
    return p->count;
}

struct phx_text phx_presence_get(const struct phx_presence *p, struct phx_text key)
{
    const struct entry *entry = *find(p, key);

    return entry ? json_of(entry) : nothing;
}

void phx_presence_list(const struct phx_presence *p,
                       void (*each)(void *user, struct phx_text key, struct phx_text presence),
                       void *user)
{
    for (const struct entry *entry = p->first; entry; entry = entry->next)
        each(user, entry->key, json_of(entry));
}

size_t phx_presence_left_out(const struct phx_presence *p)
{
    return p->left_out;
}
