/*
 * mp_device_parts.h - what the files of the device know of each other. Not installed for others to
 * use.
 */
#ifndef MP_DEVICE_PARTS_H
#define MP_DEVICE_PARTS_H

#include "mp_device.h"

/* Tells the host how many readings were dropped, if there is room and news. */
void mp_device_tell_dropped(struct mp_device *device);

#endif
