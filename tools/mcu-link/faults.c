/*
 * A dice roll for each fault and byte. When which fault is switched on is for the commands.
 */
#include "faults.h"

#include <stdbool.h>

/* splitmix64: any seed will do. */
static uint64_t draw(struct faults *faults)
{
    uint64_t z = faults->random += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static bool happens(struct faults *faults, double rate, uint64_t *count)
{
    if (rate <= 0 || (double)(draw(faults) >> 11) * 0x1p-53 >= rate)
        return false;
    ++*count;
    return true;
}

void faults_seed(struct faults *faults, uint64_t seed)
{
    faults->random = seed;
}

size_t faults_pass(struct faults *faults, uint8_t byte, uint8_t out[FAULTS_MOST_BYTES])
{
    size_t n = 0;

    if (happens(faults, faults->insert_rate, &faults->insert_count))
        out[n++] = (uint8_t)draw(faults);
    if (happens(faults, faults->drop_rate, &faults->drop_count))
        return n;
    if (happens(faults, faults->flip_rate, &faults->flip_count))
        byte ^= (uint8_t)(1u << (draw(faults) & 7));
    out[n++] = byte;
    if (happens(faults, faults->dup_rate, &faults->dup_count))
        out[n++] = byte;
    return n;
}
