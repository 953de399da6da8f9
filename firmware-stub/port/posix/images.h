/*
 * images.h - the process as a board with a boot loader: its flash is a file, and what it plays is
 * in the image that runs.
 */
#ifndef IMAGES_H
#define IMAGES_H

#include "mp_schema.h"

#include <stdbool.h>
#include <stdint.h>

enum images_play { IMAGES_RUN, IMAGES_HANG, IMAGES_MUTE };

/* Opens FILE.flash, or makes it as that of a new board with our own image. NULL: there is none, as
 * at first, and uploads are refused. Returns 0, or -1 with errno set. */
int images_open(const char *file);

/* What a reset begins with: the boot loader. `hung`: the watchdog made it. Returns what the image
 * that then runs plays. */
enum images_play images_boot(bool hung);

/* Of the image that runs; NULL and false: our own. */
const char *images_version(void);
bool images_id(uint8_t out[MP_IMAGE_ID_MAX]);

#endif
