/*
 * mp_host_parts.h - what the files of the host know of each other: mp_host.c has sessions, the
 * clock and the description, mp_host_event.c what a described device says, mp_host_request.c what
 * is asked of it. Not installed for others to use.
 */
#ifndef MP_HOST_PARTS_H
#define MP_HOST_PARTS_H

#include "mp_host.h"

/* Counts it and tells the caller. */
void mp_host_nonsense(struct mp_host *host, const char *what);

/* A message of a device that is described; the caller says that it was received. */
void mp_host_event(struct mp_host *host, const struct mp_message *message);

#endif
