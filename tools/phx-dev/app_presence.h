#ifndef PHXDEV_APP_PRESENCE_H
#define PHXDEV_APP_PRESENCE_H

#include "socket.h"

/* presence:*, which tracks its members as Phoenix.Presence does: joined with
 * {"key":NAME,"meta":{...}}, a member is pushed presence_state, and everybody is told by
 * presence_diff who comes and goes. The events are update {...}, which puts another meta in place,
 * and list. */
extern const struct channel_app presence_channel_app;

#endif
