#ifndef PHXDEV_WS_DEFLATE_H
#define PHXDEV_WS_DEFLATE_H

#include "buf.h"

#include <stdbool.h>

/* permessage-deflate (RFC 7692) of one connection. */
struct ws_deflate;

/* Takes the first acceptable offer of a Sec-WebSocket-Extensions value and appends the answer as
 * Bandit words it. NULL when none is acceptable. */
struct ws_deflate *ws_deflate_negotiate(struct slice offer, struct buf *answer);
void ws_deflate_free(struct ws_deflate *d); /* NULL is fine */

/* Appends the compressed message. False: it could not be, send it as it is. */
bool ws_deflate_compress(struct ws_deflate *d, const char *data, size_t n, struct buf *out);
/* Appends the message's plain bytes. False: not deflate data, or more than max bytes. */
bool ws_deflate_decompress(struct ws_deflate *d, const struct buf *in, struct buf *out, size_t max);

#endif
