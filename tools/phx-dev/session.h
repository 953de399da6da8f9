#ifndef PHXDEV_SESSION_H
#define PHXDEV_SESSION_H

#include "server.h"

/* One connection: HTTP until an upgrade, WebSocket from then on. Frees itself when it is gone. */
struct session;

/* Takes a connection from the server's listener. */
void session_accept(struct server *server);

/* -- for server.c and control.c; all of them do nothing on a session that is not a WebSocket */

bool session_is_socket(const struct session *s);
/* The socket's id ("microcontroller:3"), "" for none. */
const char *session_id(const struct session *s);
/* Its controller, 0 for none. */
long session_controller(const struct session *s);
bool session_deliver(struct session *s, const struct broadcast *what, const struct channel *except);
/* Is it a V1 socket joined to topic? */
bool session_is_v1_subscriber(const struct session *s, struct slice topic);
/* How many channels are joined. */
size_t session_channels(const struct session *s);
/* A close frame with this code, then the end. */
void session_close(struct session *s, int code);
/* The end without a close frame. */
void session_cut(struct session *s);
/* A text frame exactly as given. */
void session_send_text(struct session *s, struct slice text);
/* Appends what GET /sockets says of it. */
void session_write(const struct session *s, struct buf *out);

#endif
