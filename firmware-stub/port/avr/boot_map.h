/*
 * boot_map.h - who has which part of an ATmega2560's memory, for the boot loader, the application
 * and avr-run. The flash: three slots from 0, and the boot section (BOOTSZ 00: its last 8 KiB),
 * which alone can program flash.
 */
#ifndef BOOT_MAP_H
#define BOOT_MAP_H

#include "eeprom_id.h"

#define BOOT_PAGE_BYTES 256u /* SPM_PAGESIZE */
#define BOOT_SLOT_PAGES 330u
#define BOOT_SLOT_BYTES ((uint32_t)BOOT_SLOT_PAGES * BOOT_PAGE_BYTES)

/* The boot section begins with its entry, then that of boot_program_page, then the mark by which an
 * application knows that there is a boot loader: four bytes each. */
#define BOOT_SECTION     0x3e000ul
#define BOOT_MARK_AT     (BOOT_SECTION + 8)
#define BOOT_MARK        0x31424f4dul /* "MOB1": changes with what stands before it */
#define BOOT_TRIAL_WDT   WDTO_4S
#define FW_IMAGE_INFO_AT 0xe4u /* behind the interrupt vectors */

/* The EEPROM, behind the identities. */
#define EEPROM_BOOT_AT   (EEPROM_ID_SLOTS * EEPROM_ID_BYTES) /* BOOT_KEPT_BYTES */
#define EEPROM_UPLOAD_AT (EEPROM_BOOT_AT + 32)               /* struct upload of image.c */
#define EEPROM_PAGES_AT  (EEPROM_BOOT_AT + 96)               /* BOOT_SLOT_PAGES bytes */

#endif
