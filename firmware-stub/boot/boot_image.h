/*
 * boot_image.h - the application's half of an update: it commits an image and confirms itself. A
 * port's image functions (port.h) are made of these.
 */
#ifndef BOOT_IMAGE_H
#define BOOT_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

/* The image in NEXT, so many pages long, is to run from the next start on. It must be whole and
 * checked. Nothing changes when it is what RUN holds already. False: the application is on trial
 * itself, and BACK still needed. */
bool boot_commit(uint16_t pages);

/* What runs is good: it is not taken back any more. Harmless when it is not on trial. */
void boot_confirm(void);

#endif
