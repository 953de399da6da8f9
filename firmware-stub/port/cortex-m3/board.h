/*
 * board.h - what start-up and the port share: interrupts, and memory that a reset leaves alone.
 */
#ifndef BOARD_H
#define BOARD_H

#include "mp_schema.h"

#include <stdint.h>

/* At the start of RAM, where no image has its variables (board.ld): a reset leaves it alone, losing
 * power makes it random. */
struct board_kept {
    uint32_t magic;      /* BOARD_KEPT_MAGIC: the rest is to be believed */
    uint32_t cause;      /* enum mp_reset_cause of this start, set by the boot loader */
    uint32_t next_cause; /* the same, should a reset come now */
};
#define BOARD_KEPT_AT    0x20000000u
#define BOARD_KEPT_MAGIC 0x6b657075u

/* An identity in memory; two of them stand at the start of .ids (board.ld). The first is the
 * board's own, put there from outside before the start; the second is the one that port_store_id
 * keeps. */
struct board_id {
    uint32_t magic; /* BOARD_ID_MAGIC: there is one */
    uint32_t len;
    uint8_t bytes[MP_DEVICE_ID_MAX];
};
#define BOARD_ID_MAGIC 0x4449434du /* "MCID" */

typedef void (*board_handler)(void);

/* Sets up clock, UART and interrupts. */
void board_start(void);

/* Starts the board anew; the next start will call it `cause`. */
_Noreturn void board_restart(uint32_t cause);

void board_on_uart_rx(void);
void board_on_uart_tx(void);
void board_on_timer(void);
void board_on_watchdog(void);

#endif
