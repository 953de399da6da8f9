/*
 * crash_world.h - a real lane, uplink and spool in one process with a scripted MCU and a scripted
 * server, under a virtual clock. What is outside of the bridge outlives it, in shared memory: the
 * process may end at any point and another go on.
 */
#ifndef CRASH_WORLD_H
#define CRASH_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#define WORLD_MESSAGES 120 /* the MCU has so many, of two readings each */
#define WORLD_READINGS (2 * WORLD_MESSAGES)
#define WORLD_BATCH    16 /* readings in an upload */
#define WORLD_TURNS    6000
#define WORLD_LOG      65536

enum world_death { DEATH_NONE, DEATH_KILL, DEATH_POWER };

struct world_plan {
    bool identity;
    enum world_death death;
    uint64_t die_at;      /* point */
    uint32_t seed;        /* of what is left without power */
    int fault;            /* enum fault_kind */
    uint64_t fault_at;    /* change of a file, or read: the first that fails */
    uint64_t fault_count; /* how many do */
};

/* The outside. */
struct world {
    uint64_t turn;         /* of 10 ms */
    uint64_t points;       /* that this process has come to: changes of files and of states */
    uint64_t changes;      /* of files */
    uint64_t reads;        /* of files */
    uint32_t safe;         /* the MCU holds messages from this one on */
    uint32_t uploads;      /* that the server got */
    uint32_t replies_lost; /* of uploads that it had taken, by its own script */
    uint32_t logged;
    uint16_t log[WORLD_LOG]; /* readings that the server took, in its order */
    bool seq_wrong;          /* a reading came under another's identity */
    bool finished;           /* all is delivered and nothing waits */
};

/* Runs a bridge on the spool in `folder`, which has a file `key`, until all is delivered, its
 * death, or WORLD_TURNS. Call it in a process of its own: it ends that, with 0, WORLD_DIED or
 * another. */
void world_run(struct world *outside, const struct world_plan *what, const char *folder);
#define WORLD_DIED 77

/* NULL, or what is wrong with what the server got, after `deaths`. */
const char *world_judge(const struct world *outside, const struct world_plan *what,
                        unsigned deaths);

#endif
