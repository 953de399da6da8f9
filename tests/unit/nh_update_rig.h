/*
 * nh_update_rig.h - the machine of an update alone: what is done to it and the time that passes,
 * and what it asked for, as words.
 */
#ifndef NH_UPDATE_RIG_H
#define NH_UPDATE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nerveshub/nh_update.h"

#define OLD   "206d2695-f7b3-5efd-05c8-5d40adeac947"
#define NEW   "2cc211b5-e7c5-5b9c-b678-c70df78babe5"
#define OTHER "cf2f836e-4436-53cc-d5a2-81700850aeb2"

struct rig {
    struct nh_update update;
    struct nh_record kept; /* as on disk */
    char did[2048];        /* what the machine asked for since the last rig_expect */
    uint64_t now_ms;
    bool disk_full, keeps_old;
};

/* A machine that waits for an update, with OLD on its board, and joined; one that fetches NEW; one
 * that has asked for it to be written; one that waits for the board to come back with it. */
void rig_to_joined(struct rig *rig);
void rig_to_fetching(struct rig *rig);
void rig_to_flashing(struct rig *rig);
void rig_to_awaiting(struct rig *rig);

/* The words since the last time are these. */
void rig_expect(struct rig *rig, const char *words);
/* Whatever they are. */
void rig_forget(struct rig *rig);

struct nh_firmware rig_firmware(const char *uuid);
/* The program starts, with what was kept. */
void rig_start(struct rig *rig);
/* The board says hello and runs this. */
void rig_board(struct rig *rig, const char *uuid);
/* Returns the uuid that the join names, or NULL. */
const char *rig_join(struct rig *rig);
void rig_offer(struct rig *rig, const char *uuid);
/* The file was fetched. */
void rig_fetched(struct rig *rig);
/* It is whole and holds this. */
void rig_checked(struct rig *rig, const char *uuid);
/* Writing it has ended so. */
void rig_flashed(struct rig *rig, enum nh_flashed how, const char *why);
/* Time passes, and is told every half a second. */
void rig_pass(struct rig *rig, uint64_t ms);

#endif
