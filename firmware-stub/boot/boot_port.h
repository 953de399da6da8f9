/*
 * boot_port.h - what the boot loader asks of the board, and what a board guarantees so that no loss
 * of power can cost it its firmware. boot_map.h, beside each port, gives the sizes: BOOT_PAGE_BYTES
 * and BOOT_SLOT_PAGES.
 */
#ifndef BOOT_PORT_H
#define BOOT_PORT_H

#include "boot_map.h"

#include <stdbool.h>
#include <stdint.h>

enum boot_slot { BOOT_RUN, BOOT_NEXT, BOOT_BACK };

#define BOOT_KEPT_BYTES 14u

/* Bytes kept without power, `at` 0 to BOOT_KEPT_BYTES - 1. boot_keep returns when the byte is kept;
 * power lost before may leave any value in this byte, but in no other. The application uses these
 * two as well. */
uint8_t boot_kept(uint8_t at);
void boot_keep(uint8_t at, uint8_t value);

/* Whether the page numbered `page` differs between two slots. */
bool boot_page_differs(enum boot_slot one, enum boot_slot other, uint16_t page);

/* Makes a page of one slot what it is in another. Power lost in the middle may leave anything in
 * this page, but nothing else in any other. */
void boot_page_copy(enum boot_slot to, enum boot_slot from, uint16_t page);

/* Whether a slot begins as an image for this kind of board does (fw_image.h). */
bool boot_slot_has_image(enum boot_slot slot);

#endif
