#ifndef PHXDEV_BUF_H
#define PHXDEV_BUF_H

#include <stdarg.h>
#include <stddef.h>

/* A growing run of bytes. Zero-initialised is empty. Running out of memory ends the program: this
 * is a development server, and every caller bounds what it appends. */
struct buf {
    char *data; /* NULL while nothing was ever added; otherwise always followed by a NUL */
    size_t len;
    size_t cap;
};

/* Bytes that belong to somebody else, not NUL-terminated. */
struct slice {
    const char *data;
    size_t len;
};

void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_str(struct buf *b, const char *text);
void buf_slice(struct buf *b, struct slice s);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Removes the first n bytes (n <= len). */
void buf_drop(struct buf *b, size_t n);

/* Empties it and frees the memory. */
void buf_deinit(struct buf *b);

/* A copy of n bytes with a NUL behind it; the caller frees it. */
char *copy_bytes(const char *bytes, size_t n);

/* A calloc that does not return NULL. */
void *must_calloc(size_t count, size_t size);

struct slice buf_all(const struct buf *b); /* its data is never NULL */
struct slice slice_of(const char *text);
int slice_eq(struct slice a, const char *text);
/* Without the spaces and tabs at both ends. */
struct slice slice_trim(struct slice s);
/* Cuts rest behind its first separator; returns what stood before it, all of it if there is none.
 */
struct slice slice_next(struct slice *rest, char separator);

#endif
