#ifndef PHXDEV_CONTROL_FAULT_H
#define PHXDEV_CONTROL_FAULT_H

#include "server.h"

/* Applies the body of POST /fault. Returns true and how many sockets it touched, or false with one
 * line in error, and then nothing that lasts was changed. */
bool control_fault(struct server *server, const struct json *body, size_t *affected,
                   struct buf *error);

#endif
