#ifndef PHXDEV_NERVES_HTTP_H
#define PHXDEV_NERVES_HTTP_H

#include "http.h"
#include "nerves.h"

/* Firmware over HTTP, as a NervesHub with local uploads serves it, and what may go wrong with it.
 */

/* Reads the .fw file at path, or reads it again. NULL: error holds one line that says why. Blocks.
 */
const struct nerves_firmware *nerves_firmware_load(struct nerves *n, const char *path, char *error,
                                                   size_t error_size);

/* What the connection is to do after the answer. */
enum nerves_end { NERVES_KEEP, NERVES_CUT, NERVES_STALL, NERVES_SLOW };

/* Is it a path of a download? Then appends the whole answer. */
bool nerves_serve(struct nerves *n, const struct http_request *request, struct buf *out,
                  enum nerves_end *end);

#endif
