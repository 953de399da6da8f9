/*
 * boot_rx.h - the one thing that the boot section does for the application: programming a page.
 * While that lasts, some 9 ms, nothing but the boot section can be executed, so it also keeps the
 * bytes that arrive.
 */
#ifndef BOOT_RX_H
#define BOOT_RX_H

#include <stdint.h>

/* A receive ring of mask + 1 bytes, a power of two; head and tail count on for ever. */
struct boot_rx {
    volatile uint8_t *bytes, *head;
    const volatile uint8_t *tail;
    uint8_t mask;
};

/* Erases the page of BOOT_PAGE_BYTES that begins at `at` and writes it; interrupts are off until it
 * is done. Meanwhile UART0's bytes go into `rx` (NULL: nowhere), the newest lost when it is full.
 * Nothing is done for an address in the boot section. No EEPROM write may be under way. */
void boot_program_page(uint32_t at, const uint8_t *bytes, const struct boot_rx *rx);

#endif
