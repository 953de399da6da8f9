/*
 * nh_ring.h - bytes that wait for room elsewhere, in the order in which they came.
 */
#ifndef NH_RING_H
#define NH_RING_H

#include <stddef.h>
#include <stdint.h>

/* All zero it is empty; memory is taken with the first byte that has to wait, and given back with
 * the last. */
struct nh_ring {
    char *bytes; /* freed with nh_ring_free */
    size_t cap, from, length;
};

/* Takes as many of n bytes as `cap` has room for; returns how many. */
size_t nh_ring_add(struct nh_ring *ring, size_t cap, const char *bytes, size_t n);

/* The oldest bytes that lie together; *n 0: none. */
const char *nh_ring_peek(const struct nh_ring *ring, size_t *n);
void nh_ring_drop(struct nh_ring *ring, size_t n);
void nh_ring_free(struct nh_ring *ring); /* and it is empty */

#endif
