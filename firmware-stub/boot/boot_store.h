/*
 * boot_store.h - the store of a board whose slots are written like memory; port_image_store returns
 * it. Beside the sizes, boot_map.h says where: BOOT_SLOTS_AT, BOOT_KEPT_AT and BOOT_UPLOAD_AT are
 * pointers to BOOT_SLOT_BYTES for each slot, BOOT_KEPT_BYTES, and 64 bytes for the upload's notes,
 * in memory that neither a reset nor losing power clears. fw_info.h has FW_IMAGE_INFO.
 */
#ifndef BOOT_STORE_H
#define BOOT_STORE_H

#include "mp_bulk_device.h"

extern const struct mp_bulk_store boot_store;

/* Waits for as long as half a page takes to be written; the port has it. */
void board_wait_for_flash(void);

#endif
