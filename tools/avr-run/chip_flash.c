/*
 * Stands before libsimavr's own flash module, which does the programming, and adds time and rules.
 */
#include "chip_flash.h"

#include <string.h>

#define PAGE_US 4500 /* to erase one, and to write one: the datasheet's longest */

#define SPM_ENABLE 0x01
#define SPM_ERASE  0x02
#define SPM_WRITE  0x04
#define SPM_READ   0x10 /* RWWSRE: the application's flash is to be read again */
#define SPM_BUSY   0x40 /* RWWSB */

static avr_cycle_count_t on_done(avr_t *avr, avr_cycle_count_t when, void *param)
{
    struct chip_flash *flash = param;

    (void)when;
    flash->busy = false;
    avr->data[flash->spmcsr] &= (uint8_t)~SPM_ENABLE;
    return 0;
}

/* Once libsimavr has programmed, which takes it no time. */
static avr_cycle_count_t on_begun(avr_t *avr, avr_cycle_count_t when, void *param)
{
    struct chip_flash *flash = param;

    (void)when;
    flash->busy = flash->written = true;
    avr->data[flash->spmcsr] |= SPM_ENABLE | SPM_BUSY;
    avr_cycle_timer_register_usec(avr, PAGE_US, on_done, flash);
    return 0;
}

/* Returns -1 to let libsimavr go on with it. */
static int on_spm(avr_io_t *io, uint32_t ctl, void *param)
{
    struct chip_flash *flash = (struct chip_flash *)io;
    uint8_t *control = &io->avr->data[flash->spmcsr];

    (void)param;
    if (ctl != AVR_IOCTL_FLASH_SPM)
        return -1;
    if (io->avr->pc < flash->boot_section)
        flash->wrong = "programmed flash from outside of the boot section";
    else if (flash->busy)
        flash->wrong = "programmed flash before the last page was done";
    if (flash->wrong)
        return 0;
    if (*control & SPM_READ)
        *control &= (uint8_t)~SPM_BUSY;
    else if (*control & (SPM_ERASE | SPM_WRITE))
        avr_cycle_timer_register(io->avr, 1, on_begun, flash);
    return -1;
}

static void on_reset(avr_io_t *io)
{
    ((struct chip_flash *)io)->busy = false;
}

void chip_flash_attach(struct chip_flash *flash, avr_t *avr)
{
    for (avr_io_t *io = avr->io_port; io; io = io->next)
        if (strcmp(io->kind, "flash") == 0)
            flash->spmcsr = ((avr_flash_t *)io)->r_spm;
    flash->io = (avr_io_t){.kind = "flash's time", .ioctl = on_spm, .reset = on_reset};
    avr_register_io(avr, &flash->io);
}
