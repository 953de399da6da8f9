/*
 * phx_storm.h - a socket machine in a storm: calls, frames, ends and time in any order, drawn from
 * bytes, with what must always hold checked after each. Shared by the fuzzer and the random test.
 */
#ifndef PHX_STORM_H
#define PHX_STORM_H

#include <stddef.h>
#include <stdint.h>

struct phx_storm_counts {
    unsigned opens, joins, pushes, replies, lost, timeouts, ends;
};

/* Aborts, after saying which rule was broken, if one is. */
void phx_storm(const uint8_t *bytes, size_t n, struct phx_storm_counts *counts);

#endif
