#ifndef PHXDEV_JSON_H
#define PHXDEV_JSON_H

#include "buf.h"

#include <stdbool.h>

/* Strict JSON as Phoenix's decoder takes it: RFC 8259 and nothing else, UTF-8 checked, lone
 * surrogate escapes and floats beyond a double refused, of a duplicate key the first value kept.
 * Written back as its encoder does: members sorted by key, numbers untouched (integers of any
 * size), control characters as \u001F, everything else raw. */

enum json_type {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_INT,
    JSON_FLOAT,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
    JSON_BYTES /* not JSON: the data of a binary frame; never comes out of json_parse */
};

struct json {
    enum json_type type;
    struct slice text; /* a number as it was written (-0 as 0); a string decoded, may contain NUL */
    struct slice key;  /* decoded name, when the parent is an object */
    struct json *parent;
    struct json *child; /* first element or member; members are sorted by key */
    struct json *next;
};

/* Values of one text. Bounded: a text of more than JSON_MAX_VALUES values is refused as if it were
 * malformed. Depth is not bounded otherwise: nothing here recurses on the input's nesting. */
enum { JSON_MAX_VALUES = 1000000 };

struct json_doc {
    struct json *root;
    struct json_chunk *chunks;
    char *strings;
};

/* Parses n bytes; trailing garbage is an error. The document owns copies of all it needs: the text
 * may go. Returns 0, or -1 when it is not JSON (the document is then empty). Deinit either way. */
int json_parse(struct json_doc *doc, const char *text, size_t n);
void json_deinit(struct json_doc *doc);
/* The memory its values take, strings not counted. */
size_t json_doc_bytes(const struct json_doc *doc);

/* A document for values that were not JSON text: it keeps a copy of n bytes, and json_wrap adds a
 * JSON_STRING or JSON_BYTES made of len of them from at on (within n). */
void json_wrap_bytes(struct json_doc *doc, const char *bytes, size_t n);
const struct json *json_wrap(struct json_doc *doc, enum json_type type, size_t at, size_t len);

/* A member of an object, or NULL (no such member, not an object, object NULL). */
const struct json *json_get(const struct json *object, const char *key);

/* The i-th element of an array (0-based), or NULL. */
const struct json *json_at(const struct json *array, size_t i);

bool json_is(const struct json *value, enum json_type type);   /* false for NULL */
bool json_is_text(const struct json *value, const char *text); /* a string of exactly this text */
/* A whole number between low and high. Returns true and stores it, or false. */
bool json_int(const struct json *value, long low, long high, long *out);

/* Appends root as JSON text (null for JSON_BYTES). */
void json_write(struct buf *out, const struct json *root);
/* Appends bytes (valid UTF-8) as a JSON string with its quotes. */
void json_write_string(struct buf *out, struct slice text);
/* Is text a JSON number, whole? */
bool json_is_number_text(struct slice text);

/* Length of the longest prefix of valid UTF-8; *incomplete tells whether what is left is the
 * beginning of a character that the following bytes may complete. */
size_t utf8_valid_prefix(const char *bytes, size_t n, bool *incomplete);

#endif
