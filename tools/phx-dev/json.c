/*
 * The strict JSON scanner. It builds a small tree with parent links, so that neither parsing nor
 * writing recurses: ten thousand levels of nesting are as good as one. What a frame must look like
 * is not known here.
 */
#include "json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES_PER_CHUNK = 64 };

struct json_chunk {
    struct json_chunk *next;
    size_t used;
    struct json values[VALUES_PER_CHUNK];
};

struct scanner {
    struct json_doc *doc;
    const char *at;
    const char *end;
    char *strings; /* where the next decoded string goes */
    size_t values;
};

static char *put_utf8(char *out, unsigned code)
{
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xC0 | code >> 6);
        *out++ = (char)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        *out++ = (char)(0xE0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 0x3F));
        *out++ = (char)(0x80 | (code & 0x3F));
    } else {
        *out++ = (char)(0xF0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 0x3F));
        *out++ = (char)(0x80 | (code >> 6 & 0x3F));
        *out++ = (char)(0x80 | (code & 0x3F));
    }
    return out;
}

/* -- scanning */

static void skip_space(struct scanner *s)
{
    while (s->at < s->end &&
           (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r')) {
        s->at++;
    }
}

static bool take(struct scanner *s, char c)
{
    if (s->at < s->end && *s->at == c) {
        s->at++;
        return true;
    }
    return false;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int take_hex4(struct scanner *s)
{
    int code = 0;
    if (s->end - s->at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(*s->at++);
        if (digit < 0) {
            return -1;
        }
        code = code * 16 + digit;
    }
    return code;
}

/* Behind "\u". Returns the code point, or -1: not hexadecimal, or half a surrogate pair. */
static int take_unicode(struct scanner *s)
{
    int code = take_hex4(s);
    if (code < 0xD800 || code > 0xDFFF) {
        return code;
    }
    if (code > 0xDBFF || !take(s, '\\') || !take(s, 'u')) {
        return -1;
    }
    int low = take_hex4(s);
    if (low < 0xDC00 || low > 0xDFFF) {
        return -1;
    }
    return 0x10000 + (code - 0xD800) * 0x400 + (low - 0xDC00);
}

static int take_escape(struct scanner *s)
{
    if (s->at == s->end) {
        return -1;
    }
    switch (*s->at++) {
    case '"':
        return '"';
    case '\\':
        return '\\';
    case '/':
        return '/';
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'u':
        return take_unicode(s);
    default:
        return -1;
    }
}

/* Behind the opening quote. A decoded string is never longer than its text, so doc->strings, as
 * large as the whole text, has room for all of them. */
static bool take_string(struct scanner *s, struct slice *out)
{
    char *start = s->strings;
    while (s->at < s->end) {
        char c = *s->at++;
        if (c == '"') {
            *out = (struct slice){start, (size_t)(s->strings - start)};
            return true;
        }
        if ((unsigned char)c < 0x20) {
            return false;
        }
        if (c != '\\') {
            *s->strings++ = c;
            continue;
        }
        int code = take_escape(s);
        if (code < 0) {
            return false;
        }
        s->strings = put_utf8(s->strings, (unsigned)code);
    }
    return false;
}

static bool take_digits(struct scanner *s)
{
    const char *start = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9') {
        s->at++;
    }
    return s->at > start;
}

/* Copies the number behind the decoded strings: its text outlives the frame. */
static void keep_number(struct scanner *s, struct json *value, const char *start)
{
    size_t n = (size_t)(s->at - start);
    memcpy(s->strings, start, n);
    value->text = (struct slice){s->strings, n};
    s->strings += n;
    if (value->type == JSON_INT && slice_eq(value->text, "-0")) {
        value->text = (struct slice){value->text.data + 1, 1};
    }
}

static bool float_fits(struct slice text)
{
    char *copy = copy_bytes(text.data, text.len);
    bool fits = isfinite(strtod(copy, NULL));
    free(copy);
    return fits;
}

static bool take_number(struct scanner *s, struct json *value)
{
    const char *start = s->at;
    value->type = JSON_INT;
    take(s, '-');
    if (!take(s, '0') && !take_digits(s)) {
        return false;
    }
    if (take(s, '.')) {
        value->type = JSON_FLOAT;
        if (!take_digits(s)) {
            return false;
        }
    }
    if (take(s, 'e') || take(s, 'E')) {
        value->type = JSON_FLOAT;
        if (!take(s, '+')) {
            take(s, '-');
        }
        if (!take_digits(s)) {
            return false;
        }
    }
    keep_number(s, value, start);
    return value->type == JSON_INT || float_fits(value->text);
}

static bool take_word(struct scanner *s, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(s->end - s->at) < n || memcmp(s->at, word, n) != 0) {
        return false;
    }
    s->at += n;
    return true;
}

static struct json *take_slot(struct json_doc *doc)
{
    struct json_chunk *chunk = doc->chunks;
    if (chunk == NULL || chunk->used == VALUES_PER_CHUNK) {
        chunk = must_calloc(1, sizeof *chunk);
        chunk->next = doc->chunks;
        doc->chunks = chunk;
    }
    return &chunk->values[chunk->used++];
}

static struct json *new_value(struct scanner *s, struct json *parent)
{
    if (++s->values > JSON_MAX_VALUES) {
        return NULL;
    }
    struct json *value = take_slot(s->doc);
    value->parent = parent;
    if (parent != NULL) { /* newest first; close_container puts them in order */
        value->next = parent->child;
        parent->child = value;
    }
    return value;
}

/* A scalar, or the opening of a container. */
static bool take_value(struct scanner *s, struct json *value)
{
    if (s->at == s->end) {
        return false;
    }
    switch (*s->at) {
    case '{':
        s->at++;
        value->type = JSON_OBJECT;
        return true;
    case '[':
        s->at++;
        value->type = JSON_ARRAY;
        return true;
    case '"':
        s->at++;
        value->type = JSON_STRING;
        return take_string(s, &value->text);
    case 't':
        value->type = JSON_TRUE;
        return take_word(s, "true");
    case 'f':
        value->type = JSON_FALSE;
        return take_word(s, "false");
    case 'n':
        value->type = JSON_NULL;
        return take_word(s, "null");
    default:
        return take_number(s, value);
    }
}

/* -- members in order */

static int compare_keys(struct slice a, struct slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n > 0 ? memcmp(a.data, b.data, n) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static struct json *reverse(struct json *list)
{
    struct json *out = NULL;
    while (list != NULL) {
        struct json *next = list->next;
        list->next = out;
        out = list;
        list = next;
    }
    return out;
}

static struct json *merge(struct json *a, struct json *b)
{
    struct json *head = NULL;
    struct json **tail = &head;
    while (a != NULL && b != NULL) {
        struct json **from = compare_keys(a->key, b->key) <= 0 ? &a : &b;
        *tail = *from;
        tail = &(*from)->next;
        *from = *tail;
    }
    *tail = a != NULL ? a : b;
    return head;
}

/* A stable merge sort of count members; its depth is the logarithm of count. */
static struct json *sort_members(struct json *list, size_t count)
{
    if (count < 2) {
        return list;
    }
    struct json *last = list;
    for (size_t i = 1; i < count / 2; i++) {
        last = last->next;
    }
    struct json *second = last->next;
    last->next = NULL;
    return merge(sort_members(list, count / 2), sort_members(second, count - count / 2));
}

static void drop_duplicates(struct json *list)
{
    while (list != NULL && list->next != NULL) {
        if (compare_keys(list->key, list->next->key) == 0) {
            list->next = list->next->next;
        } else {
            list = list->next;
        }
    }
}

static void close_container(struct json *container)
{
    container->child = reverse(container->child);
    if (container->type != JSON_OBJECT) {
        return;
    }
    size_t count = 0;
    for (struct json *m = container->child; m != NULL; m = m->next) {
        count++;
    }
    container->child = sort_members(container->child, count);
    drop_duplicates(container->child);
}

/* -- the parser */

static bool take_key(struct scanner *s, struct slice *key)
{
    skip_space(s);
    if (!take(s, '"') || !take_string(s, key)) {
        return false;
    }
    skip_space(s);
    if (!take(s, ':')) {
        return false;
    }
    skip_space(s);
    return true;
}

/* One element or member of parent begins here. */
static struct json *take_element(struct scanner *s, struct json *parent)
{
    struct slice key = {0};
    if (parent->type == JSON_OBJECT && !take_key(s, &key)) {
        return NULL;
    }
    skip_space(s);
    struct json *value = new_value(s, parent);
    if (value == NULL || !take_value(s, value)) {
        return NULL;
    }
    value->key = key;
    return value;
}

/* Leaves every container that ends here. Returns the one still open, NULL behind the root's end;
 * *ok false when something else stands where a comma or an end must be. */
static struct json *leave_containers(struct scanner *s, struct json *open, bool *ok)
{
    while (open != NULL) {
        skip_space(s);
        if (take(s, ',')) {
            return open;
        }
        if (!take(s, open->type == JSON_OBJECT ? '}' : ']')) {
            *ok = false;
            return NULL;
        }
        close_container(open);
        open = open->parent;
    }
    return NULL;
}

static bool is_container(const struct json *value)
{
    return value->type == JSON_OBJECT || value->type == JSON_ARRAY;
}

/* Just behind "{" or "[": true when the container is empty and closed. */
static bool take_empty(struct scanner *s, struct json *container)
{
    skip_space(s);
    return take(s, container->type == JSON_OBJECT ? '}' : ']');
}

static bool parse_all(struct scanner *s)
{
    bool ok = true;
    skip_space(s);
    struct json *value = new_value(s, NULL);
    s->doc->root = value;
    if (!take_value(s, value)) {
        return false;
    }
    struct json *open = is_container(value) && !take_empty(s, value) ? value : NULL;
    while (open != NULL) {
        value = take_element(s, open);
        if (value == NULL) {
            return false;
        }
        if (is_container(value) && !take_empty(s, value)) {
            open = value;
            continue;
        }
        open = leave_containers(s, open, &ok);
    }
    skip_space(s);
    return ok && s->at == s->end;
}

int json_parse(struct json_doc *doc, const char *text, size_t n)
{
    bool incomplete;
    *doc = (struct json_doc){0};
    if (utf8_valid_prefix(text, n, &incomplete) != n) {
        return -1;
    }
    doc->strings = must_calloc(n + 1, 1);
    struct scanner s = {.doc = doc, .at = text, .end = text + n, .strings = doc->strings};
    if (!parse_all(&s)) {
        json_deinit(doc);
        return -1;
    }
    return 0;
}

size_t json_doc_bytes(const struct json_doc *doc)
{
    size_t bytes = 0;
    for (const struct json_chunk *chunk = doc->chunks; chunk != NULL; chunk = chunk->next) {
        bytes += sizeof *chunk;
    }
    return bytes;
}

void json_wrap_bytes(struct json_doc *doc, const char *bytes, size_t n)
{
    *doc = (struct json_doc){.strings = copy_bytes(bytes, n)};
}

const struct json *json_wrap(struct json_doc *doc, enum json_type type, size_t at, size_t len)
{
    struct json *value = take_slot(doc);
    value->type = type;
    value->text = (struct slice){doc->strings + at, len};
    return value;
}

void json_deinit(struct json_doc *doc)
{
    while (doc->chunks != NULL) {
        struct json_chunk *next = doc->chunks->next;
        free(doc->chunks);
        doc->chunks = next;
    }
    free(doc->strings);
    *doc = (struct json_doc){0};
}

/* -- reading */

const struct json *json_get(const struct json *object, const char *key)
{
    if (!json_is(object, JSON_OBJECT)) {
        return NULL;
    }
    for (const struct json *m = object->child; m != NULL; m = m->next) {
        if (slice_eq(m->key, key)) {
            return m;
        }
    }
    return NULL;
}

const struct json *json_at(const struct json *array, size_t i)
{
    if (!json_is(array, JSON_ARRAY)) {
        return NULL;
    }
    const struct json *e = array->child;
    while (e != NULL && i > 0) {
        e = e->next;
        i--;
    }
    return e;
}

bool json_is(const struct json *value, enum json_type type)
{
    return value != NULL && value->type == type;
}

bool json_is_text(const struct json *value, const char *text)
{
    return json_is(value, JSON_STRING) && slice_eq(value->text, text);
}

bool json_int(const struct json *value, long low, long high, long *out)
{
    char digits[24];
    if (!json_is(value, JSON_INT) || value->text.len >= sizeof digits) {
        return false;
    }
    memcpy(digits, value->text.data, value->text.len);
    digits[value->text.len] = '\0';
    errno = 0;
    long n = strtol(digits, NULL, 10);
    if (errno != 0 || n < low || n > high) {
        return false;
    }
    *out = n;
    return true;
}

bool json_is_number_text(struct slice text)
{
    struct json_doc doc;
    if (text.len == 0 || text.data[text.len - 1] <= ' ' || text.data[0] <= ' ' ||
        json_parse(&doc, text.data, text.len) != 0) {
        return false;
    }
    bool number = doc.root->type == JSON_INT || doc.root->type == JSON_FLOAT;
    json_deinit(&doc);
    return number;
}
