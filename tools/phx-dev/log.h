#ifndef PHXDEV_LOG_H
#define PHXDEV_LOG_H

#include "buf.h"

#include <stdbool.h>

/* What a person watching sees on stdout: one line an event. */
struct log {
    bool quiet;
    bool json;
};

/* kind is one word ("upload", "join", ...); controller 0: no controller. text may hold anything:
 * control characters come out as '?' (escaped with json). */
void log_event(const struct log *log, const char *kind, long controller, struct slice text);

#endif
