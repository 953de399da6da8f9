#ifndef PHXDEV_READINGS_H
#define PHXDEV_READINGS_H

#include "buf.h"
#include "json.h"

#include <stdint.h>

/* The readings that were uploaded and accepted. Keeps the newest READINGS_KEPT, or fewer when their
 * texts come to more than READINGS_MAX_BYTES: the oldest go first. Ids count from 1 for the life of
 * the process, a reset included. */

enum { READINGS_KEPT = 10000, READINGS_MAX_BYTES = 16 * 1024 * 1024 };

struct reading {
    uint64_t id;
    long controller_id;
    struct buf sensor; /* JSON string */
    struct buf type;   /* JSON string */
    struct buf value;  /* JSON number */
    struct buf extra;  /* JSON object of further members; empty = none */
};

struct readings {
    struct reading kept[READINGS_KEPT]; /* a ring */
    size_t first;
    size_t count;
    size_t bytes;
    uint64_t last_id;
    uint64_t total; /* since the start or the last reset, those no longer kept included */
};

/* Takes the buffers of reading over and gives it its id. */
void readings_add(struct readings *r, struct reading *reading);
void readings_reset(struct readings *r);
/* Appends {"count":TOTAL,"readings":[...]} with the readings kept whose id is above after. */
void readings_write(const struct readings *r, uint64_t after, struct buf *out);

#endif
