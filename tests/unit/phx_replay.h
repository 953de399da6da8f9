/*
 * phx_replay.h - one recorded connection played to a machine, and written down.
 */
#ifndef PHX_REPLAY_H
#define PHX_REPLAY_H

#include "phx_rig.h"

#include <cJSON.h>
#include <stdio.h>

#define ALIASES 16

/* Some recorded clients had join_refs such as "j1", where ours has the ref of the join. */
struct alias {
    char theirs[12], ours[12];
};

struct replay {
    struct rig rig;
    FILE *out;
    char *topics[RIG_CHANNELS];
    unsigned topic_count;
    struct alias aliases[ALIASES];
    unsigned alias_count;
};

/* A string member; empty: none. */
const char *replay_text(const cJSON *line, const char *name);
/* The lines of this connection, among `count` of a recording. Connections that are no WebSocket's
 * are left out. */
void replay_conn(struct replay *r, cJSON *const *lines, size_t count, const char *conn);

#endif
