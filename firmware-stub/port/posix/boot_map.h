/*
 * boot_map.h - the process's flash: a file, mapped into memory (images.c).
 */
#ifndef BOOT_MAP_H
#define BOOT_MAP_H

#include <stdint.h>

#define BOOT_PAGE_BYTES 4096u
#define BOOT_SLOT_PAGES 256u
#define BOOT_SLOT_BYTES (BOOT_SLOT_PAGES * BOOT_PAGE_BYTES)

extern uint8_t *board_flash; /* NULL: none */

#define BOOT_KEPT_AT   (board_flash)
#define BOOT_UPLOAD_AT (board_flash + 64)
#define BOOT_SLOTS_AT  (board_flash + BOOT_PAGE_BYTES)
#define BOOT_FLASH_END (BOOT_PAGE_BYTES + 3 * BOOT_SLOT_BYTES)

#define FW_IMAGE_INFO_AT 0u

#endif
