/*
 * mp_host_describe.h - reads what mp_describe.h writes.
 */
#ifndef MP_HOST_DESCRIBE_H
#define MP_HOST_DESCRIBE_H

#include "mp_host.h"

/* Parses a whole description. `raw` becomes the home of the strings, and is changed, `tables` that
 * of the rest: both must live as long as *description. Returns NULL, or what is wrong with it (then
 * none is of use). */
const char *mp_description_parse(uint8_t *raw, size_t n, struct mp_description_tables *tables,
                                 struct mp_description *description);

/* The bytes of its tables, and a copy of them to `room`, which it refers to from then on. */
size_t mp_description_tables_bytes(const struct mp_description *description);
void mp_description_move(struct mp_description *description, void *room);

#endif
