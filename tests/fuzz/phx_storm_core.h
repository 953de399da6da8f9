/*
 * phx_storm_core.h - what phx_storm.c (the caller and the rules) and phx_storm_frames.c (what comes
 * from the server) share, and nobody else.
 */
#ifndef PHX_STORM_CORE_H
#define PHX_STORM_CORE_H

#include "phx_storm.h"

#include "phx_core.h"

#include <stdio.h>
#include <stdlib.h>

#define TOPICS    3
#define SEATS     4096 /* joins in one storm */
#define QUEUE_MAX 2000
#define SLACK_MS  (2 * PHX_LATE_MS)
#define HELD_MAX  5

#define RULE(what)                                                              \
    do {                                                                        \
        if (!(what)) {                                                          \
            fprintf(stderr, "broken: %s (%s:%d)\n", #what, __FILE__, __LINE__); \
            abort();                                                            \
        }                                                                       \
    } while (0)

struct storm;

/* One join, from phx_join to phx_leave. */
struct seat {
    struct storm *storm;
    struct phx_channel *channel;
    unsigned waiting; /* pushes without an end */
    bool left, told;
};

struct storm {
    const uint8_t *at, *end;
    struct phx_storm_counts *counts;
    struct phx_machine *machine;
    struct phx_machine_settings settings;
    uint64_t now, not_before, last_ref;
    uint64_t alive, stalled; /* since then, by us */
    bool is_open, connected, hurried;
    unsigned waiting, unlimited, leaving;
    int depth;
    struct seat *topics[TOPICS];
    struct seat seats[SEATS];
    unsigned used;
};

extern const char *const phx_storm_topics[TOPICS];

unsigned phx_storm_draw(struct storm *s, unsigned below);
/* A message of the server: about right, right, or any bytes. */
void phx_storm_frame(struct storm *s);
void phx_storm_binary_frame(struct storm *s);
void phx_storm_answer(struct storm *s);
void phx_storm_raw(struct storm *s);

#endif
