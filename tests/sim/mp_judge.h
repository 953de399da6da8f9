/*
 * mp_judge.h - a whole device and host (mp_world) whose readings and commands are numbered, and
 * watched: readings in order, none twice, none lost that the device was told is safe; a command
 * applied once at most, in order, never after its deadline by the one true clock, never reported
 * done without having been applied; and, while its session stands, always answered.
 */
#ifndef MP_JUDGE_H
#define MP_JUDGE_H

#include "mp_world.h"

#define JUDGE_COMMANDS 1000 /* as many as the motor has values above zero */
#define JUDGE_REQUESTS 4096

struct judge_command {
    uint64_t deadline_us; /* of the simulation's clock */
    unsigned session;     /* world.readies when it was sent */
    unsigned applied, answered;
};

struct judge {
    struct world world;
    int32_t life, sent; /* of the device, and the readings it took in it */
    int32_t stored,
        last; /* of those, kept by the host; the newest in this life of the host or -1 */
    struct judge_command command[JUDGE_COMMANDS + 1]; /* by its value, 1 to .. */
    unsigned commands;
    unsigned newest_applied;
    unsigned by_request[JUDGE_REQUESTS]; /* the newest command with such a request */
    unsigned applied, done, expired;
    uint64_t readings;
    char broken[160]; /* the first broken rule; empty: none */
};

/* Both ends started; memory of about 100 KiB that judge_free gives back. NULL: none left. */
struct judge *judge_new(uint64_t seed, uint32_t baud, uint32_t latency_us);
void judge_free(struct judge *judge);

/* The device takes a reading, unless its memory is full. */
void judge_read(struct judge *judge);

/* The host sends the next command, if it is ready and any are left. */
void judge_command(struct judge *judge, uint32_t ttl_ms);

/* Power off and on of WORLD_DEVICE or WORLD_HOST. What the host keeps, it keeps. */
void judge_restart(struct judge *judge, int end);

/* Judges the readings that came since. */
void judge_look(struct judge *judge);

/* Heals the line and lets everything come to rest. Returns whether every rule held in all of the
 * run. */
bool judge_settle(struct judge *judge);

#endif
