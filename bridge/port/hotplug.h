/*
 * hotplug.h - serial lines that come, heard on the loop: one ear for all ports of a bridge.
 */
#ifndef HOTPLUG_H
#define HOTPLUG_H

#include "loop/loop.h"

struct hotplug;

/* `changed` is called from the loop when a line may have appeared or become usable; many changes of
 * one moment are one call. NULL: nothing can be heard here (said in the log), or out of memory. */
struct hotplug *hotplug_open(struct loop *loop, void (*changed)(void *user), void *user);
void hotplug_close(struct hotplug *hotplug); /* NULL is ignored */

/* To be called before each look for `path`; NULL: for a USB device. */
void hotplug_path(struct hotplug *hotplug, const char *path);

#endif
