/* Growing byte buffers and the allocator that never returns NULL. Bounds are the callers' business.
 */
#include "buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *must_calloc(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (p == NULL) {
        abort();
    }
    return p;
}

static void *must_realloc(void *old, size_t size)
{
    void *p = realloc(old, size);
    if (p == NULL) {
        abort();
    }
    return p;
}

char *copy_bytes(const char *bytes, size_t n)
{
    char *copy = must_calloc(n + 1, 1);
    if (n > 0) {
        memcpy(copy, bytes, n);
    }
    return copy;
}

static void make_room(struct buf *b, size_t n)
{
    size_t need = b->len + n + 1;
    if (need <= b->cap) {
        return;
    }
    size_t cap = b->cap < 64 ? 64 : b->cap;
    while (cap < need) {
        cap *= 2;
    }
    b->data = must_realloc(b->data, cap);
    b->cap = cap;
}

void buf_add(struct buf *b, const void *bytes, size_t n)
{
    make_room(b, n);
    if (n > 0) {
        memcpy(b->data + b->len, bytes, n);
    }
    b->len += n;
    b->data[b->len] = '\0';
}

void buf_str(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_slice(struct buf *b, struct slice s)
{
    buf_add(b, s.data, s.len);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n > 0) {
        make_room(b, (size_t)n);
        vsnprintf(b->data + b->len, (size_t)n + 1, format, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

void buf_drop(struct buf *b, size_t n)
{
    if (n == 0) {
        return;
    }
    memmove(b->data, b->data + n, b->len - n + 1);
    b->len -= n;
}

void buf_deinit(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

struct slice buf_all(const struct buf *b)
{
    return (struct slice){b->data != NULL ? b->data : "", b->len};
}

struct slice slice_of(const char *text)
{
    return (struct slice){text, strlen(text)};
}

int slice_eq(struct slice a, const char *text)
{
    return a.len == strlen(text) && memcmp(a.data, text, a.len) == 0;
}

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice s)
{
    while (s.len > 0 && is_blank(s.data[0])) {
        s.data++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.data[s.len - 1])) {
        s.len--;
    }
    return s;
}

struct slice slice_next(struct slice *rest, char separator)
{
    const char *cut = rest->len > 0 ? memchr(rest->data, separator, rest->len) : NULL;
    size_t n = cut != NULL ? (size_t)(cut - rest->data) : rest->len;
    struct slice part = {rest->data, n};
    size_t skip = cut != NULL ? n + 1 : n;
    rest->data = skip > 0 ? rest->data + skip : rest->data;
    rest->len -= skip;
    return part;
}
