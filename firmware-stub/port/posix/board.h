/*
 * board.h - the process as a board: how main.c sets up what port.h's functions answer with.
 */
#ifndef BOARD_H
#define BOARD_H

#include "mp_schema.h"

#include <stdbool.h>
#include <stdint.h>

struct board {
    int fd;                       /* the UART: non-blocking, a PTY's master or a socket */
    uint8_t id[MP_DEVICE_ID_MAX]; /* the board's own identity */
    uint8_t id_len;               /* 0: none */
    const char
        *state; /* file that keeps a stored identity; NULL: it is kept while the process runs */
    uint32_t seed;
    double time_scale; /* the firmware's seconds in one of ours */
};

/* Starts anew as with the power just switched on. `given` is kept by pointer. SIGTERM and SIGINT
 * end port_idle, and port_running then says false. */
void board_power_on(struct board *given);

/* The board was reset since: the image is to be started again. */
bool board_take_reset(void);

/* Hangs, as an image that does: until the watchdog resets the board, or a signal comes. */
void board_hang(void);

/* What is written to the UART from now on is lost on the way. */
void board_mute(bool mute);

/* Reads an identity: text, or hexadecimal digits behind "hex:". Returns its length, or -1. */
int board_read_id(const char *text, uint8_t out[MP_DEVICE_ID_MAX]);

#endif
