/*
 * nh_board_private.h - a board's state, for nh_board.c and nh_board_talk.c alone.
 */
#ifndef NH_BOARD_PRIVATE_H
#define NH_BOARD_PRIVATE_H

#include "nh_board.h"
#include "nh_device.h"
#include "nh_ring.h"

struct nh_board {
    struct nh_board_io io;
    struct nh_files *files;
    struct nh_claim *claim;
    struct nh_device *device;
    struct nh_update update;
    char *name;     /* at the server */
    char *resource; /* NULL: whichever fits */
    bool stopping;

    bool here;    /* its session stands */
    bool resting; /* the connection is closed, since it is not there */
    bool hello_reverted;
    uint64_t gone_ms;
    uint64_t again_ms; /* when to connect again, which could not begin; UINT64_MAX: it could */
    char told_uuid[NH_UUID_TEXT]; /* the server was last joined with */
    bool told_reverted;
    char trouble[NH_WHY_MAX];

    bool before_flash; /* the check under way is for the flash that follows */
    bool flashing;     /* nh_board_flashed is awaited */
    bool ended;        /* the update machine is to be told of this: */
    enum nh_flashed ended_how;
    char ended_why[NH_WHY_MAX];
    char image_uuid[NH_UUID_TEXT];
    char *image; /* path of the image of image_uuid; NULL: none was taken out */

    struct nh_ring typed;   /* for the board */
    struct nh_ring printed; /* for the server */
    bool losing_typed, losing_printed;
    uint64_t console_lost;
};

void nh_board_say(struct nh_board *board, bool bad, const char *text);

/* The console, nh_board_talk.c. */
void nh_board_typed(struct nh_board *board, const char *bytes, size_t n);
/* Moves what waits; returns whether more does. */
bool nh_board_talk(struct nh_board *board, uint64_t now_ms);
void nh_board_talk_free(struct nh_board *board);

#endif
