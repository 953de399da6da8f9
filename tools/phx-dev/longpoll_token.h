#ifndef PHXDEV_LONGPOLL_TOKEN_H
#define PHXDEV_LONGPOLL_TOKEN_H

#include "buf.h"

#include <stdbool.h>
#include <stdint.h>

/* What a client of long polling is told to come back with: a session's number, when it was given
 * out, and a signature that outlives a restart, as on a real server, so that a token of yesterday's
 * process is one of a dead session and no forgery. */

enum longpoll_token { TOKEN_GOOD, TOKEN_EXPIRED, TOKEN_FORGED };

enum { LONGPOLL_ID_BYTES = 16 };

/* Appends a token. */
void longpoll_token_write(const unsigned char id[LONGPOLL_ID_BYTES], int64_t now_ms,
                          struct buf *out);
/* id is filled in unless it is forged. */
enum longpoll_token longpoll_token_read(struct slice token, int64_t now_ms, int64_t age_ms,
                                        unsigned char id[LONGPOLL_ID_BYTES]);

#endif
