/*
 * fw_info.h - what images of this port say of themselves.
 */
#ifndef FW_INFO_H
#define FW_INFO_H

#include "fw_image.h"

#define BOARD_PLATFORM "mps2-an385"
#define FW_IMAGE_INFO                        \
    {                                        \
        {'M', 'C', 'U', 'i'}, BOARD_PLATFORM \
    }

#endif
