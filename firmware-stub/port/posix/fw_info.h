/*
 * fw_info.h - what images of this port say of themselves. They hold no code: the process reads in
 * the one that runs what it is to play. Everything stands at its offset; what follows is padding.
 */
#ifndef FW_INFO_H
#define FW_INFO_H

#include "fw_image.h"
#include "mp_schema.h"

#include <stdint.h>

#define BOARD_PLATFORM "posix"
#define FW_IMAGE_INFO                        \
    {                                        \
        {'M', 'C', 'U', 'i'}, BOARD_PLATFORM \
    }

struct board_image {
    struct fw_image_info info;
    uint8_t note[16]; /* the head of a GNU build id's note, where hosts look for the image id */
    uint8_t id[MP_IMAGE_ID_MAX];
    char version[16]; /* NUL-padded */
    char plays[8];    /* "run"; "hang": until the watchdog comes; "mute": nothing leaves the UART */
};

#define BOARD_NOTE                                                         \
    {                                                                      \
        4, 0, 0, 0, MP_IMAGE_ID_MAX, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0 \
    }

#endif
