/*
 * A ring of bytes, for nh_board.c's console both ways. What is done when it is full is the caller's
 * business.
 */
#include "nh_ring.h"

#include <stdlib.h>
#include <string.h>

size_t nh_ring_add(struct nh_ring *r, size_t cap, const char *bytes, size_t n)
{
    if (r->bytes == NULL) {
        r->bytes = n > 0 ? malloc(cap) : NULL;
        r->cap = r->bytes != NULL ? cap : 0;
        r->from = r->length = 0;
    }
    size_t taken = n < r->cap - r->length ? n : r->cap - r->length;
    for (size_t done = 0; done < taken;) {
        size_t at = (r->from + r->length) % r->cap;
        size_t piece = taken - done < r->cap - at ? taken - done : r->cap - at;
        memcpy(r->bytes + at, bytes + done, piece);
        r->length += piece;
        done += piece;
    }
    return taken;
}

const char *nh_ring_peek(const struct nh_ring *r, size_t *n)
{
    *n = r->length < r->cap - r->from ? r->length : r->cap - r->from;
    return *n > 0 ? r->bytes + r->from : NULL;
}

void nh_ring_drop(struct nh_ring *r, size_t n)
{
    r->length -= n;
    if (r->length == 0)
        nh_ring_free(r);
    else
        r->from = (r->from + n) % r->cap;
}

void nh_ring_free(struct nh_ring *r)
{
    free(r->bytes);
    *r = (struct nh_ring){0};
}
