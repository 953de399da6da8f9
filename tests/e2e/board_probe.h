/*
 * board_probe.h - what board_probe.c (orders, time, death) and board_probe_board.c (what one board
 * does) share. Nobody else includes it.
 */
#ifndef BOARD_PROBE_H
#define BOARD_PROBE_H

#include "nerveshub/nh_board.h"

struct board {
    struct nh_board *board;
    const char *name, *flash;
    char *before; /* what its flash held, for a boot loader that takes the new image back */
    size_t before_bytes;
    uint8_t *image; /* being flashed */
    size_t image_bytes;
    unsigned percent;
    bool flashing, old, silent, refuse, pulled, holding, deaf, blank, swapped, said;
    unsigned fail, missing, lines, line;
    uint64_t hello_at; /* real milliseconds; 0: not waited for */
    uint64_t next_tick;
    enum nh_stage stage;
    bool joined;
};

/* board_probe.c */
/* One JSON object on standard output; board "" is the program itself. */
void probe_line(const char *board, const char *event, const char *text);
uint64_t probe_real_ms(void);
/* Of board_io: the boards' clock, the calendar, and a tick that is due now. */
uint64_t probe_now_ms(void *user);
int64_t probe_unix_us(void *user);
void probe_wake(void *user);

/* board_probe_board.c */
/* For nh_board_new, with `user` set to the board. */
extern struct nh_board_io board_io;
/* What a board does in one tick: says hello, is flashed, prints. */
void board_turn(struct board *b);
/* Tells what has changed since the last time. */
void board_show(struct board *b);
void board_pull(struct board *b);
void board_plug(struct board *b);
void board_reboot(void *user);
void board_free(struct board *b);
/* The bytes of a file, to be freed, or NULL. */
char *board_read_whole(const char *path, size_t *n);

#endif
