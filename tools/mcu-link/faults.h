/*
 * faults.h - what a bad line does to bytes: by chance, but the same for the same seed.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <stddef.h>
#include <stdint.h>

/* X(name): each is a rate for every byte, 0 to 1, and a count of how often it was done. */
#define FAULTS(X)                             \
    X(flip)   /* one bit of it is inverted */ \
    X(drop)   /* it is lost */                \
    X(dup)    /* it comes twice */            \
    X(insert) /* a random byte comes before it */

#define FAULTS_MOST_BYTES 3 /* that one can become */

struct faults {
    uint64_t random;
#define X(name) double name##_rate;
    FAULTS(X)
#undef X
#define X(name) uint64_t name##_count;
    FAULTS(X)
#undef X
};

void faults_seed(struct faults *faults, uint64_t seed);

/* Sends one byte through; returns how many come out. */
size_t faults_pass(struct faults *faults, uint8_t byte, uint8_t out[FAULTS_MOST_BYTES]);

#endif
