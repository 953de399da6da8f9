/*
 * mp_host_describe.h - reads what mp_describe.h writes.
 */
#ifndef MP_HOST_DESCRIBE_H
#define MP_HOST_DESCRIBE_H

#include "mp_host.h"

/* Parses a whole description. `raw` becomes the home of the strings: it is changed, and must live
 * as long as *description. Returns NULL, or what is wrong with it (then neither is of use). */
const char *mp_description_parse(uint8_t *raw, size_t n, struct mp_description *description);

#endif
