#ifndef PHXDEV_CONTROL_NERVES_H
#define PHXDEV_CONTROL_NERVES_H

#include "server.h"

/* /nerves/...: what a person does in NervesHub's web pages, and faults; README.md lists it. Both
 * return the HTTP status; with one other than 200, answer holds one line that says why. 404: what
 * is not known. */
int control_nerves_get(struct server *server, const struct http_request *request, struct slice what,
                       struct buf *answer);
int control_nerves_post(struct server *server, struct slice what, const struct json *body,
                        struct buf *answer);

#endif
