#ifndef PHXDEV_APP_LAB_H
#define PHXDEV_APP_LAB_H

#include "socket.h"

/* Channels for experiments, and what the recordings were made against: room:* and exact (a channel
 * with an event for everything a channel can do), slowjoin:*, and device:* of /device_socket. */
extern const struct channel_app *const user_channel_apps[];
extern const struct channel_app *const device_channel_apps[];

#endif
