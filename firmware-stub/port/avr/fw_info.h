/*
 * fw_info.h - what images of this port say of themselves.
 */
#ifndef FW_INFO_H
#define FW_INFO_H

#include "fw_image.h"

#if defined __AVR_ATmega328P__
#define BOARD_PLATFORM "atmega328p"
#elif defined __AVR_ATmega2560__
#define BOARD_PLATFORM "atmega2560"
#else
#error "this port knows the ATmega328P and the ATmega2560"
#endif

#define FW_IMAGE_INFO                        \
    {                                        \
        {'M', 'C', 'U', 'i'}, BOARD_PLATFORM \
    }

#endif
