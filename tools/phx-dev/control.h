#ifndef PHXDEV_CONTROL_H
#define PHXDEV_CONTROL_H

#include "http.h"
#include "server.h"

/* The HTTP surface beside the sockets: readings, controls, kicks, faults. README.md lists it.
 * Answers a request: appends the JSON body and returns the HTTP status; 404 with nothing appended
 * when the path is not known. */
int control_handle(struct server *server, const struct http_request *request, struct slice body,
                   struct buf *answer);

#endif
