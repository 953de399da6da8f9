#ifndef PHXDEV_PRESENCE_H
#define PHXDEV_PRESENCE_H

#include <stdint.h>

struct presence_entry;

/* Who is present on which topic; app_presence.c keeps it. Zero-initialised is nobody. */
struct presence {
    struct presence_entry *entries;
    uint64_t refs; /* given out so far */
};

#endif
