/*
 * board.h - what the files of this port and the boot loader share beside port.h.
 */
#ifndef BOARD_H
#define BOARD_H

#include <avr/io.h>
#include <stdint.h>

/* The first two bytes of RAM, where no image has its variables (port.cmake): a reset leaves them
 * alone, losing power makes them random. BOARD_RESTARTING: port_reset made the watchdog fire. */
#define board_restarting (*(volatile uint16_t *)RAMSTART)
#define BOARD_RESTARTING 0x6b65u

/* Programs a page of flash by the boot section, keeping what arrives meanwhile (boot_rx.h). */
void board_program_page(uint32_t at, const uint8_t *bytes);

#endif
