/*
 * chip_flash.h - what libsimavr's self-programming leaves out: that only the boot section may
 * program, that a page takes its time, and that nothing else is executed meanwhile. A boot loader
 * that gets one of them wrong works in libsimavr and on no board.
 */
#ifndef CHIP_FLASH_H
#define CHIP_FLASH_H

#include <avr_flash.h>
#include <stdbool.h>

struct chip_flash {
    avr_io_t io; /* first: libsimavr hands it back */
    uint32_t boot_section;
    avr_io_addr_t spmcsr;
    bool busy;
    const char *wrong; /* what the firmware did that no board does; NULL: nothing yet */
    bool written;      /* a page was */
};

/* Hooks it in; `flash` is kept, and zero but for boot_section, where that begins. */
void chip_flash_attach(struct chip_flash *flash, avr_t *avr);

/* To be called before each instruction. */
static inline void chip_flash_look(struct chip_flash *flash, const avr_t *avr)
{
    if (flash->busy && avr->pc < flash->boot_section)
        flash->wrong = "executed flash while a page of it was being programmed";
}

#endif
