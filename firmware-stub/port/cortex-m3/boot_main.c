/*
 * The boot loader of the MPS2 board: from reset to the image in RUN. It is what the emulator loads
 * at address 0, again at every reset, with the image that a new board comes with behind it. What is
 * copied when is boot.c's.
 */
#include "board.h"
#include "boot.h"
#include "boot_port.h"
#include "mps2.h"

#include <string.h>

extern uint32_t stack_top[];
extern const uint8_t factory_start[], factory_end[]; /* boot.ld */

static struct board_kept *const kept = (struct board_kept *)BOARD_KEPT_AT;

/* Why the board started, for the application; only the pin resets one that does not know of it. */
static void find_reset_cause(void)
{
    bool known = kept->magic == BOARD_KEPT_MAGIC && kept->next_cause < MP_RESET_CAUSE_COUNT;

    kept->cause = known ? kept->next_cause : MP_RESET_POWER;
    kept->next_cause = MP_RESET_PIN;
    kept->magic = BOARD_KEPT_MAGIC;
}

/* A board that comes from the factory. By way of NEXT and BACK it would take as long as an update;
 * its first page goes last, so that power lost in between is no harm. */
static void install_factory_image(void)
{
    uint8_t *run = BOOT_SLOTS_AT;
    size_t bytes = (size_t)(factory_end - factory_start);
    size_t first = bytes < BOOT_PAGE_BYTES ? bytes : BOOT_PAGE_BYTES;

    memcpy(run + first, factory_start + first, bytes - first);
    __asm__ volatile("dsb" ::: "memory");
    memcpy(run, factory_start, first);
}

/* It resets the board when it is not fed for twice its time; once before, it interrupts. */
static void start_watchdog(void)
{
    WATCHDOG_LOAD = WATCHDOG_S * CLOCK_MHZ * 1000000u;
    WATCHDOG_CTRL = WATCHDOG_CTRL_INT | WATCHDOG_CTRL_RESET;
}

static _Noreturn void run(void)
{
    const uint32_t *vectors = (const uint32_t *)BOOT_SLOTS_AT;

    SCB_VTOR = (uint32_t)BOOT_SLOTS_AT;
    __asm__ volatile("dsb\n\t"
                     "isb\n\t"
                     "msr msp, %0\n\t"
                     "bx %1" ::"r"(vectors[0]),
                     "r"(vectors[1])
                     : "memory");
    __builtin_unreachable();
}

_Noreturn void boot_main(void);
_Noreturn void boot_main(void)
{
    FPGAIO_PRESCALE = CLOCK_MHZ - 1;
    find_reset_cause();
    if (!boot_slot_has_image(BOOT_RUN) && !boot_slot_has_image(BOOT_BACK))
        install_factory_image();
    if (boot_prepare(kept->cause == MP_RESET_WATCHDOG) == BOOT_START_TRIAL)
        start_watchdog();
    run();
}

static void on_fault(void)
{
    board_restart(MP_RESET_SOFTWARE);
}

__attribute__((section(".vectors"), used)) static const board_handler vectors[] = {
    [0] = (board_handler)(uintptr_t)stack_top,
    [1] = boot_main,
    [2] = on_fault, /* NMI */
    [3] = on_fault, /* hard fault: the others lead here */
};
