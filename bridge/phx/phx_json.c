/*
 * phx_json.c - the JSON scanner and writer. Every byte is looked at once, nothing is allocated, and
 * nesting is a row of flags, not recursion. What the values mean is left to phx_frame.c.
 */
#include "phx_json.h"

#include <string.h>

struct nest {
    unsigned depth;
    bool object[PHX_JSON_DEPTH]; /* or array, of each level */
};

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_spaces(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    return at;
}

/* Servers and we write none: then this is one comparison. */
static inline const char *skip_space(const char *at, const char *end)
{
    return at < end && (unsigned char)*at > ' ' ? at : skip_spaces(at, end);
}

/* Bytes of the UTF-8 character at `at`, or 0: overlong, surrogate, beyond U+10FFFF or cut short. */
static size_t utf8_length(const char *at, const char *end)
{
    const unsigned char *u = (const unsigned char *)at;
    size_t room = (size_t)(end - at);
    unsigned char low = 0x80, high = 0xBF;
    size_t n;

    if (u[0] < 0x80)
        return 1;
    if (u[0] < 0xC2 || u[0] > 0xF4)
        return 0;
    n = u[0] < 0xE0 ? 2 : u[0] < 0xF0 ? 3 : 4;
    if (room < n)
        return 0;
    if (u[0] == 0xE0)
        low = 0xA0;
    else if (u[0] == 0xED)
        high = 0x9F;
    else if (u[0] == 0xF0)
        low = 0x90;
    else if (u[0] == 0xF4)
        high = 0x8F;
    if (u[1] < low || u[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((u[i] & 0xC0) != 0x80)
            return 0;
    return n;
}

bool phx_utf8_valid(struct phx_text text)
{
    const char *at = text.at, *end = text.len ? text.at + text.len : text.at;

    while (at < end) {
        size_t n = utf8_length(at, end);
        if (n == 0)
            return false;
        at += n;
    }
    return true;
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The four hex digits at `at`, or -1. */
static int32_t hex4(const char *at, const char *end)
{
    int32_t value = 0;

    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* `at` follows "\u". Returns the end of the whole escape, a pair of surrogates being one. */
static const char *scan_unicode(const char *at, const char *end, uint32_t *code)
{
    int32_t high = hex4(at, end), low;

    if (high < 0 || (high >= 0xDC00 && high <= 0xDFFF))
        return NULL;
    at += 4;
    *code = (uint32_t)high;
    if (high < 0xD800 || high > 0xDBFF)
        return at;
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return NULL;
    low = hex4(at + 2, end);
    if (low < 0xDC00 || low > 0xDFFF)
        return NULL;
    *code = 0x10000 + (((uint32_t)high - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
    return at + 6;
}

/* `at` follows a backslash. */
static const char *scan_escape(const char *at, const char *end)
{
    uint32_t code;

    if (at == end)
        return NULL;
    if (*at == 'u')
        return scan_unicode(at + 1, end, &code);
    return *at != '\0' && strchr("\"\\/bfnrt", *at) ? at + 1 : NULL;
}

/* Does the byte stand for itself in a string? ASCII does, but for controls, quote and backslash. */
static bool is_plain(char c)
{
    return c >= 0x20 && c != '"' && c != '\\' && (signed char)c > 0;
}

/* Over plain bytes, eight at a time where the order of bytes allows: most of any message is these.
 * Each difference has its high bit set where a byte is not plain; a borrow spoils only bytes above
 * the lowest of those. */
static inline const char *skip_plain(const char *at, const char *end)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    const uint64_t ones = UINT64_MAX / 255;
    uint64_t bytes, special;

    for (; end - at >= 8; at += 8) {
        memcpy(&bytes, at, sizeof bytes);
        special = bytes | (bytes - ones * ' ') | ((bytes ^ ones * '"') - ones) |
                  ((bytes ^ ones * '\\') - ones);
        special &= ones * 0x80;
        if (special)
            return at + __builtin_ctzll(special) / 8;
    }
#endif
    while (at < end && is_plain(*at))
        at++;
    return at;
}

/* The rest of a string, from a byte that is not plain. */
static const char *scan_odd_string(const char *at, const char *end)
{
    size_t n;

    while (at && at < end) {
        unsigned char c = (unsigned char)*at;
        if (c == '"')
            return at + 1;
        if (c < 0x20)
            return NULL;
        if (c == '\\') {
            at = scan_escape(at + 1, end);
        } else {
            n = utf8_length(at, end);
            at = n ? at + n : NULL;
        }
        at = at ? skip_plain(at, end) : NULL;
    }
    return NULL;
}

static const char *scan_string(const char *at, const char *end)
{
    if (at == end || *at != '"')
        return NULL;
    at = skip_plain(at + 1, end);
    return at < end && *at == '"' ? at + 1 : scan_odd_string(at, end);
}

static const char *scan_digits(const char *at, const char *end)
{
    const char *from = at;

    while (at < end && is_digit(*at))
        at++;
    return at > from ? at : NULL;
}

/* Does the number digits * 10^exponent, `digits` starting at its first digit other than zero, stay
 * within a double? `power` is the decimal exponent of that digit. */
static bool fits_double(const char *digits, const char *end, long power)
{
    static const char largest[] = "17976931348623157";
    size_t i = 0;

    if (power != 308)
        return power < 308;
    for (const char *at = digits; at < end && largest[i]; at++) {
        if (*at == '.')
            continue;
        if (!is_digit(*at) || *at < largest[i])
            return true;
        if (*at > largest[i])
            return false;
        i++;
    }
    return true;
}

/* The decimal exponent of the first digit other than zero, which *digits is set to. */
static long leading_power(const char *at, const char *end, const char **digits)
{
    const char *point = at;

    while (point < end && is_digit(*point))
        point++;
    *digits = at;
    if (*at != '0')
        return (long)(point - at) - 1;
    for (*digits = point; *digits < end && (**digits == '0' || **digits == '.');)
        (*digits)++;
    return *digits < end && is_digit(**digits) ? (long)(point - *digits) : 0;
}

static const char *scan_exponent(const char *at, const char *end, long *exponent)
{
    const char *from;
    bool negative = false;

    if (at < end && (*at == '+' || *at == '-'))
        negative = *at++ == '-';
    from = at;
    at = scan_digits(at, end);
    for (; at && from < at; from++)
        if (*exponent < 100000)
            *exponent = *exponent * 10 + (*from - '0');
    if (negative)
        *exponent = -*exponent;
    return at;
}

/* A number with a fraction or an exponent, from its mantissa on. */
static bool real_fits(const char *mantissa, const char *mantissa_end, long exponent)
{
    const char *digits;
    long power;

    if (exponent == 0 && mantissa_end - mantissa < 300)
        return true;
    power = leading_power(mantissa, mantissa_end, &digits);
    return fits_double(digits, mantissa_end, power + exponent);
}

static const char *scan_number(const char *at, const char *end)
{
    const char *mantissa, *mantissa_end;
    long exponent = 0;
    bool real = false;

    if (at < end && *at == '-')
        at++;
    mantissa = at;
    if (at < end && *at == '0')
        at++;
    else if (!(at = scan_digits(at, end)))
        return NULL;
    if (at < end && *at == '.') {
        real = true;
        if (!(at = scan_digits(at + 1, end)))
            return NULL;
    }
    mantissa_end = at;
    if (at < end && (*at == 'e' || *at == 'E')) {
        real = true;
        if (!(at = scan_exponent(at + 1, end, &exponent)))
            return NULL;
    }
    return !real || real_fits(mantissa, mantissa_end, exponent) ? at : NULL;
}

static const char *scan_word(const char *at, const char *end, const char *word)
{
    size_t n = strlen(word);

    return (size_t)(end - at) >= n && memcmp(at, word, n) == 0 ? at + n : NULL;
}

static const char *scan_scalar(const char *at, const char *end)
{
    switch (*at) {
    case '"':
        return scan_string(at, end);
    case 't':
        return scan_word(at, end, "true");
    case 'f':
        return scan_word(at, end, "false");
    case 'n':
        return scan_word(at, end, "null");
    default:
        return scan_number(at, end);
    }
}

/* A member's name, which ends at *name_end, and its colon. */
static const char *scan_name(const char *at, const char *end, const char **name_end)
{
    at = scan_string(at, end);
    *name_end = at;
    if (!at)
        return NULL;
    at = skip_space(at, end);
    return at < end && *at == ':' ? at + 1 : NULL;
}

/* A member's name and its colon, after white space. */
static const char *scan_key(const char *at, const char *end)
{
    const char *name_end;

    return scan_name(skip_space(at, end), end, &name_end);
}

static bool in_object(const struct nest *nest)
{
    return nest->object[nest->depth - 1];
}

static bool push_level(struct nest *nest, bool object)
{
    if (nest->depth == PHX_JSON_DEPTH)
        return false;
    nest->object[nest->depth++] = object;
    return true;
}

/* `at` is on '{' or '['. Goes in, up to the first value or, if empty, out again; *value says which.
 */
static const char *open_level(struct nest *nest, const char *at, const char *end, bool *value)
{
    bool object = *at == '{';

    if (!push_level(nest, object))
        return NULL;
    at = skip_space(at + 1, end);
    *value = at < end && *at != (object ? '}' : ']');
    if (at == end)
        return NULL;
    if (*value)
        return object ? scan_key(at, end) : at;
    nest->depth--;
    return at + 1;
}

/* After a value: over closing brackets up to the next value, or to the end of the outermost one. */
static const char *close_levels(struct nest *nest, const char *at, const char *end)
{
    while (at && nest->depth > 0) {
        bool object = in_object(nest);
        at = skip_space(at, end);
        if (at == end)
            return NULL;
        if (*at == ',')
            return object ? scan_key(at + 1, end) : at + 1;
        if (*at != (object ? '}' : ']'))
            return NULL;
        nest->depth--;
        at++;
    }
    return at;
}

/* The end of the JSON value that starts exactly at `at`, or NULL: no value, or cut short at `end`.
 */
static const char *end_of_value(const char *at, const char *end)
{
    struct nest nest;

    nest.depth = 0;
    do {
        bool value = false;
        if (nest.depth > 0)
            at = skip_space(at, end);
        if (at == end)
            return NULL;
        if (*at == '{' || *at == '[')
            at = open_level(&nest, at, end, &value);
        else
            at = scan_scalar(at, end);
        if (!value)
            at = close_levels(&nest, at, end);
    } while (at && nest.depth > 0);
    return at;
}

bool phx_json_valid(struct phx_text text)
{
    const char *at, *end;

    if (text.len == 0)
        return false;
    end = text.at + text.len;
    at = end_of_value(skip_space(text.at, end), end);
    return at && skip_space(at, end) == end;
}

bool phx_json_walk(struct phx_json_walk *walk, struct phx_text value)
{
    const char *end = value.len ? value.at + value.len : value.at;
    const char *at = skip_space(value.at, end);

    if (at == end || (*at != '{' && *at != '['))
        return false;
    *walk = (struct phx_json_walk){.at = at + 1, .end = end, .object = *at == '{'};
    return true;
}

static enum phx_json_step walk_end(struct phx_json_walk *walk)
{
    walk->at = skip_space(walk->at + 1, walk->end);
    return walk->at == walk->end ? PHX_JSON_END : PHX_JSON_BAD;
}

enum phx_json_step phx_json_next(struct phx_json_walk *walk, struct phx_text *key,
                                 struct phx_text *value)
{
    const char *at = skip_space(walk->at, walk->end), *from, *name_end;

    *key = (struct phx_text){NULL, 0};
    if (at == walk->end)
        return PHX_JSON_BAD;
    walk->at = at;
    if (*at == (walk->object ? '}' : ']'))
        return walk_end(walk);
    if (walk->started) {
        if (*at != ',')
            return PHX_JSON_BAD;
        at = skip_space(at + 1, walk->end);
    }
    walk->started = true;
    if (walk->object) {
        from = at;
        if (!(at = scan_name(at, walk->end, &name_end)))
            return PHX_JSON_BAD;
        *key = (struct phx_text){from, (size_t)(name_end - from)};
        at = skip_space(at, walk->end);
    }
    from = at;
    if (!(at = end_of_value(at, walk->end)))
        return PHX_JSON_BAD;
    *value = (struct phx_text){from, (size_t)(at - from)};
    walk->at = at;
    return PHX_JSON_ITEM;
}

bool phx_json_is_string(struct phx_text value)
{
    return value.len >= 2 && value.at[0] == '"';
}

bool phx_json_is(struct phx_text value, const char *text)
{
    size_t n = strlen(text);

    return value.len == n + 2 && value.at[0] == '"' && memcmp(value.at + 1, text, n) == 0;
}

static size_t put_utf8(char *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

static char unescape_char(char c)
{
    switch (c) {
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
    default:
        return c;
    }
}

size_t phx_json_unescape(struct phx_text value, char *out)
{
    const char *at = value.at + 1, *end = value.at + value.len - 1;
    size_t n = 0;

    while (at < end) {
        if (*at != '\\') {
            out[n++] = *at++;
        } else if (at[1] == 'u') {
            uint32_t code = 0;
            at = scan_unicode(at + 2, end, &code);
            n += put_utf8(out + n, code);
        } else {
            out[n++] = unescape_char(at[1]);
            at += 2;
        }
    }
    return n;
}

static void put_bytes(struct phx_json_out *out, const char *at, size_t len)
{
    if (out->len < out->cap) {
        size_t room = out->cap - out->len;
        memcpy(out->at + out->len, at, len < room ? len : room);
    }
    out->len += len;
}

void phx_json_put(struct phx_json_out *out, struct phx_text text)
{
    if (text.len)
        put_bytes(out, text.at, text.len);
}

static void put_escape(struct phx_json_out *out, unsigned char c)
{
    static const char hex[] = "0123456789ABCDEF";
    char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

    if (c == '"' || c == '\\') {
        escape[1] = (char)c;
        put_bytes(out, escape, 2);
    } else {
        put_bytes(out, escape, sizeof escape);
    }
}

void phx_json_put_string(struct phx_json_out *out, struct phx_text text)
{
    size_t from = 0;

    put_bytes(out, "\"", 1);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        put_bytes(out, text.at + from, i - from);
        put_escape(out, c);
        from = i + 1;
    }
    if (text.len > from)
        put_bytes(out, text.at + from, text.len - from);
    put_bytes(out, "\"", 1);
}
