/*
 * phx_json.h - JSON as the library needs it: check, split and write, never a tree.
 *
 * Accepted is RFC 8259 and no more: valid UTF-8, escapes that name whole characters (no lone
 * surrogate), at most PHX_JSON_DEPTH levels, and no number with a fraction or exponent beyond what
 * a double holds, because a Phoenix server that cannot decode one of those closes the whole socket.
 */
#ifndef PHX_JSON_H
#define PHX_JSON_H

#include "phx.h"

#include <string.h>

#define PHX_JSON_DEPTH 256

/* Is `text` one JSON value, with white space around it or not? */
bool phx_json_valid(struct phx_text text);
bool phx_utf8_valid(struct phx_text text);

/* Walks over the elements of an array or the members of an object, checking them on the way. */
struct phx_json_walk {
    const char *at, *end;
    bool object, started;
};
/* `value` may have white space around it. Returns false if it is neither array nor object. */
bool phx_json_walk(struct phx_json_walk *walk, struct phx_text value);
enum phx_json_step { PHX_JSON_END, PHX_JSON_ITEM, PHX_JSON_BAD };
/* ITEM: `value` is the next element, `key` its name with the quotes (empty in an array). END: the
 * container was closed and nothing but white space follows. BAD: not JSON; do not go on. */
enum phx_json_step phx_json_next(struct phx_json_walk *walk, struct phx_text *key,
                                 struct phx_text *value);

bool phx_json_is_string(struct phx_text value);
/* Is `value` a JSON string of exactly this text, written without escapes? */
bool phx_json_is(struct phx_text value, const char *text);
/* Unescapes `value`, a valid JSON string, into `out`, which needs value.len - 2 bytes and may be
 * where the string's contents are. Returns the length. */
size_t phx_json_unescape(struct phx_text value, char *out);

/* Writes into `at` what fits in `cap` bytes, and counts on in `len` what would have been written.
 */
struct phx_json_out {
    char *at;
    size_t cap, len;
};
void phx_json_put(struct phx_json_out *out, struct phx_text text);
/* `text`, which is valid UTF-8, as a JSON string with its quotes. */
void phx_json_put_string(struct phx_json_out *out, struct phx_text text);

/* Inline: most lengths are known to the compiler. */
static inline struct phx_text phx_text_of(const char *string)
{
    return (struct phx_text){string, strlen(string)};
}

static inline bool phx_text_equal(struct phx_text a, struct phx_text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

#endif
