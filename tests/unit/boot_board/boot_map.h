/*
 * boot_map.h - the board of the boot loader's tests: small, in memory, and with a power switch.
 */
#ifndef BOOT_MAP_H
#define BOOT_MAP_H

#define BOOT_PAGE_BYTES 4u
#define BOOT_SLOT_PAGES 5u

#endif
