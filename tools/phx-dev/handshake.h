#ifndef PHXDEV_HANDSHAKE_H
#define PHXDEV_HANDSHAKE_H

#include "conn.h"
#include "http.h"
#include "mounts.h"
#include "ws.h"

/* Is this request a WebSocket handshake? False: error holds what Bandit says of it. */
bool handshake_ok(const struct http_request *request, struct buf *error);
/* Appends the 101; turns compression of ws on if the mount has it and the client offers it. */
void handshake_write(const struct mount *mount, const struct http_request *request, struct ws *ws,
                     struct buf *out);
/* Appends what an application sees of a connect, as JSON: params, token, x-headers, peer, uri, ...
 */
void handshake_write_info(const struct conn *conn, const struct http_request *request,
                          const struct connect_result *connect, struct buf *out);

#endif
