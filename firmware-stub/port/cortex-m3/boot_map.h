/*
 * boot_map.h - who has which part of the MPS2 board's PSRAM, which plays the part of flash: what
 * boot loader and application have in common. The identities come first (board.ld).
 */
#ifndef BOOT_MAP_H
#define BOOT_MAP_H

#include <stdint.h>

#define BOOT_PAGE_BYTES 1024u
#define BOOT_SLOT_PAGES 256u
#define BOOT_SLOT_BYTES (BOOT_SLOT_PAGES * BOOT_PAGE_BYTES)

#define BOOT_KEPT_AT   ((uint8_t *)0x21010000u)
#define BOOT_UPLOAD_AT ((uint8_t *)0x21011000u)
#define BOOT_SLOTS_AT \
    ((uint8_t *)0x21100000u) /* images are linked to run in the first (board.ld) */

#define FW_IMAGE_INFO_AT 0xc0u /* behind the vectors */

#endif
