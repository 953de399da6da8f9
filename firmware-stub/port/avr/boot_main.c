/*
 * The boot loader of the ATmega2560: its entries, programming flash, and the start of the
 * application. What is copied when is boot.c's. It lives in the boot section by itself: no
 * interrupts, no variables but those on the stack.
 */
#include "board.h"
#include "boot.h"
#include "boot_port.h"
#include "boot_rx.h"

#include <avr/boot.h>
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/pgmspace.h>
#include <avr/wdt.h>

/* First in the section; boot_map.h says what stands where. */
void boot_head(void) __attribute__((naked, used, section(".vectors")));
void boot_head(void)
{
    __asm__ volatile("jmp boot_start\n\t"
                     "jmp boot_program_page\n\t"
                     ".long %0" ::"i"(BOOT_MARK));
}

/* What C expects. No variable is initialised, none is cleared. */
void boot_start(void) __attribute__((naked, used));
void boot_start(void)
{
    __asm__ volatile("clr __zero_reg__\n\t"
                     "out __SREG__, __zero_reg__\n\t"
                     "ldi r28, lo8(%0)\n\t"
                     "ldi r29, hi8(%0)\n\t"
                     "out __SP_H__, r29\n\t"
                     "out __SP_L__, r28\n\t"
                     "jmp boot_main" ::"i"(RAMEND));
}

static void keep_received(const struct boot_rx *rx)
{
    uint8_t byte, head;

    if (rx == NULL || !(UCSR0A & 1 << RXC0))
        return;
    byte = UDR0;
    head = *rx->head;
    if ((uint8_t)(head - *rx->tail) == rx->mask)
        return;
    rx->bytes[head & rx->mask] = byte;
    *rx->head = (uint8_t)(head + 1);
}

static void wait_for_flash(const struct boot_rx *rx)
{
    do
        keep_received(rx);
    while (boot_spm_busy());
}

void boot_program_page(uint32_t at, const uint8_t *bytes, const struct boot_rx *rx)
{
    uint8_t status = SREG;

    if (at >= BOOT_SECTION)
        return;
    cli();
    boot_page_erase(at);
    wait_for_flash(rx);
    for (uint16_t i = 0; i < BOOT_PAGE_BYTES; i += 2) {
        boot_page_fill(at + i, (uint16_t)(bytes[i] | bytes[i + 1] << 8));
        keep_received(rx);
    }
    boot_page_write(at);
    wait_for_flash(rx);
    boot_rww_enable();
    SREG = status;
}

void boot_page_copy(enum boot_slot to, enum boot_slot from, uint16_t page)
{
    uint32_t offset = (uint32_t)page * BOOT_PAGE_BYTES;
    uint8_t bytes[BOOT_PAGE_BYTES];

    for (uint16_t i = 0; i < BOOT_PAGE_BYTES; i++)
        bytes[i] = pgm_read_byte_far(from * BOOT_SLOT_BYTES + offset + i);
    boot_program_page(to * BOOT_SLOT_BYTES + offset, bytes, NULL);
}

/* A watchdog that has fired goes on with its shortest time, so it is stopped first. For that MCUSR
 * has to be cleared, and that nobody has asked for the next reset is noted too: the application
 * finds both in GPIOR0 and GPIOR1. */
static uint8_t take_reset_flags(void)
{
    uint8_t flags = MCUSR;

    MCUSR = 0;
    wdt_disable();
    GPIOR0 = flags;
    GPIOR1 = board_restarting == BOARD_RESTARTING;
    board_restarting = 0;
    return flags;
}

void boot_main(void) __attribute__((noreturn, used));
void boot_main(void)
{
    uint8_t flags = take_reset_flags();
    bool hung = (flags & 1 << WDRF) && !GPIOR1;

    switch (boot_prepare(hung)) {
    case BOOT_START_TRIAL:
        wdt_enable(BOOT_TRIAL_WDT);
        break;
    case BOOT_START_SETTLED:
        break;
    case BOOT_START_NONE:
        for (;;)
            ;
    }
    __asm__ volatile("jmp 0");
    __builtin_unreachable();
}
