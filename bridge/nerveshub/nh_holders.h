/*
 * nh_holders.h - which firmware each board needs, whether it is configured now or only has a record
 * from before. Internal to nh_files.c.
 */
#ifndef NH_HOLDERS_H
#define NH_HOLDERS_H

#include "nh_keep.h"
#include "nh_update.h"

enum { NH_HOLD_RUNS, NH_HOLD_BEFORE, NH_HOLD_COMING, NH_HOLD_COUNT };

struct nh_holder {
    struct nh_holder *next;
    char id[NH_UUID_TEXT];                  /* nh_board_id */
    char uuid[NH_HOLD_COUNT][NH_UUID_TEXT]; /* "": none */
    bool left;                              /* it is in the configuration no more */
};

/* Starts as {0}. */
struct nh_holders {
    struct nh_holder *first;
};

/* The board of that id, made when it is not there. NULL: out of memory. */
struct nh_holder *nh_holders_get(struct nh_holders *holders, const char *id);
/* What a record says that a board needs. `user` is the holders; as nh_store_records wants it. */
void nh_holders_record(void *user, const char *id, const struct nh_record *record);
/* All boards have left; one that is there has its `left` taken back. */
void nh_holders_all_left(struct nh_holders *holders);
void nh_holders_free(struct nh_holders *holders);

/* Who needs that firmware's file, or the image taken out of it. A board that has left needs it as
 * any other while its update is under way, since it may be half written. */
enum nh_need nh_holders_need(const struct nh_holders *holders, const char *uuid, bool image);

#endif
