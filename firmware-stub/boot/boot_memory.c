/*
 * boot_port.h for a board whose slots are written like memory (boot_store.h). A page takes as long
 * as on flash, and its halves come one after the other, so that power can be lost in between.
 */
#include "boot_port.h"
#include "boot_store.h"
#include "fw_info.h"

#include <string.h>

static uint8_t *page_at(enum boot_slot slot, uint16_t page)
{
    return BOOT_SLOTS_AT + slot * BOOT_SLOT_BYTES + page * BOOT_PAGE_BYTES;
}

/* Volatile: what a start finds there was written before it. */
static volatile uint8_t *kept_at(uint8_t at)
{
    return (volatile uint8_t *)BOOT_KEPT_AT + at;
}

uint8_t boot_kept(uint8_t at)
{
    return *kept_at(at);
}

void boot_keep(uint8_t at, uint8_t value)
{
    *kept_at(at) = value;
}

bool boot_page_differs(enum boot_slot one, enum boot_slot other, uint16_t page)
{
    return memcmp(page_at(one, page), page_at(other, page), BOOT_PAGE_BYTES) != 0;
}

static void write_half(uint8_t *to, const uint8_t *from)
{
    memcpy(to, from, BOOT_PAGE_BYTES / 2);
    board_wait_for_flash();
}

void boot_page_copy(enum boot_slot to, enum boot_slot from, uint16_t page)
{
    write_half(page_at(to, page), page_at(from, page));
    write_half(page_at(to, page) + BOOT_PAGE_BYTES / 2, page_at(from, page) + BOOT_PAGE_BYTES / 2);
}

bool boot_slot_has_image(enum boot_slot slot)
{
    static const struct fw_image_info own = FW_IMAGE_INFO;
    struct fw_image_info found;

    memcpy(&found, page_at(slot, 0) + FW_IMAGE_INFO_AT, sizeof found);
    return fw_image_same_board(&found, &own);
}
