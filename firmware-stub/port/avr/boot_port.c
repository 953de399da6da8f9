/*
 * What the boot loader and the application both need of boot_port.h: the kept bytes, in EEPROM, and
 * a look at the slots. Writing flash is boot_main.c's.
 */
#include "boot_port.h"

#include "fw_info.h"

#include <avr/eeprom.h>
#include <avr/pgmspace.h>

static uint8_t *kept_at(uint8_t at)
{
    return (uint8_t *)(uintptr_t)(EEPROM_BOOT_AT + at);
}

uint8_t boot_kept(uint8_t at)
{
    return eeprom_read_byte(kept_at(at));
}

void boot_keep(uint8_t at, uint8_t value)
{
    eeprom_update_byte(kept_at(at), value);
    eeprom_busy_wait();
}

bool boot_page_differs(enum boot_slot one, enum boot_slot other, uint16_t page)
{
    uint32_t a = one * BOOT_SLOT_BYTES + (uint32_t)page * BOOT_PAGE_BYTES;
    uint32_t b = other * BOOT_SLOT_BYTES + (uint32_t)page * BOOT_PAGE_BYTES;

    for (uint16_t i = 0; i < BOOT_PAGE_BYTES; i++)
        if (pgm_read_byte_far(a + i) != pgm_read_byte_far(b + i))
            return true;
    return false;
}

/* In flash, and reached as such: the boot loader has no variables. */
bool boot_slot_has_image(enum boot_slot slot)
{
    static const struct fw_image_info own PROGMEM = FW_IMAGE_INFO;
    uint32_t own_at = pgm_get_far_address(own);
    uint32_t at = slot * BOOT_SLOT_BYTES + FW_IMAGE_INFO_AT;

    for (uint8_t i = 0; i < sizeof own; i++)
        if (pgm_read_byte_far(at + i) != pgm_read_byte_far(own_at + i))
            return false;
    return true;
}
