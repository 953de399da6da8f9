/*
 * boot_board.h - a board in memory for the boot loader: three slots, the kept bytes, and a power
 * switch that can go at any write and leaves what was being written torn.
 */
#ifndef BOOT_BOARD_H
#define BOOT_BOARD_H

#include "boot.h"
#include "boot_image.h"
#include "boot_port.h"
#include "boot_state.h"

#include <stddef.h>

enum { BOARD_SLOTS = 3, BOARD_IMAGE = 0xb0 }; /* a slot whose first byte is BOARD_IMAGE has one */

struct boot_board {
    uint8_t slot[BOARD_SLOTS][BOOT_SLOT_PAGES][BOOT_PAGE_BYTES];
    uint8_t kept[BOOT_KEPT_BYTES];
    uint32_t writes; /* so far */
    uint32_t cut_at; /* the write at which the power goes; 0: it stays */
    uint8_t torn;    /* what is left of a byte that was being written */
    int worn_slot;   /* a page of it takes no more writes; -1: none */
    uint16_t worn_page;
};

extern struct boot_board board;

/* All erased, RUN with an image of `mark`. */
void board_init(uint8_t mark);
void board_fill(enum boot_slot slot, uint8_t mark, uint16_t pages);
bool board_holds(enum boot_slot slot, uint8_t mark, uint16_t pages);

/* The power comes on. Returns enum boot_start, or BOARD_CUT: it went again. */
enum { BOARD_CUT = -1 };
int board_start(bool hung);

/* Calls `act` with the power on. False: it went meanwhile. */
bool board_powered(void (*act)(void *user), void *user);

#endif
