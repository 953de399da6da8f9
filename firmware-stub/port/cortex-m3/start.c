/*
 * From reset to fw_main: the vector table, memory as C expects it, and faults, which start the
 * board anew.
 */
#include "board.h"
#include "fw_app.h"

#include <string.h>

extern uint32_t stack_top[], data_load[], data_start[], data_end[], bss_start[], bss_end[];

_Noreturn void start_reset(void);

static size_t span(const uint32_t *from, const uint32_t *to)
{
    return (size_t)((uintptr_t)to - (uintptr_t)from);
}

_Noreturn void start_reset(void)
{
    memcpy(data_start, data_load, span(data_start, data_end));
    memset(bss_start, 0, span(bss_start, bss_end));
#if FW_HANG
    for (;;)
        ;
#endif
    board_start();
    (void)fw_main();
    board_restart(MP_RESET_SOFTWARE);
}

static void on_fault(void)
{
    board_restart(MP_RESET_SOFTWARE);
}

enum { VECTORS_OF_CORE = 16, VECTORS_OF_BOARD = 32 };

__attribute__((section(".vectors"),
               used)) static const board_handler vectors[VECTORS_OF_CORE + VECTORS_OF_BOARD] = {
    [0] = (board_handler)(uintptr_t)stack_top,
    [1] = start_reset,
    [2] = board_on_watchdog, /* NMI */
    [3] = on_fault,          /* hard fault */
    [4] = on_fault,          /* memory management */
    [5] = on_fault,          /* bus fault */
    [6] = on_fault,          /* usage fault */
    [16] = board_on_uart_rx,
    [17] = board_on_uart_tx,
    [24] = board_on_timer,
};
