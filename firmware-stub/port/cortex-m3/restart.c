/*
 * Starting the board anew and the pace of its flash, for boot loader and application.
 */
#include "board.h"
#include "boot_store.h"
#include "mps2.h"

#define HALF_PAGE_US 4000u

_Noreturn void board_restart(uint32_t cause)
{
    ((struct board_kept *)BOARD_KEPT_AT)->next_cause = cause;
    __asm__ volatile("dsb" ::: "memory");
    SCB_RESET = SCB_RESET_REQUEST;
    for (;;)
        ;
}

void board_wait_for_flash(void)
{
    uint32_t begun = FPGAIO_COUNTER;

    while (FPGAIO_COUNTER - begun < HALF_PAGE_US)
        ;
}
