#ifndef PHXDEV_SESSION_H
#define PHXDEV_SESSION_H

#include "conn.h"
#include "http.h"
#include "server.h"

/* One connection: HTTP until an upgrade, WebSocket from then on. Frees itself when it is gone. */
struct session;
struct held;

/* Takes a connection from the server's listener. */
void session_accept(struct server *server);

/* Has it an end of its own to come to: a WebSocket, or a request that is answered later? */
bool session_is_open(const struct session *s);
/* The end without a close frame. */
void session_cut(struct session *s);

/* -- for longpoll.c */

/* Does what the server was told to do wrong with the next client of this transport. False: nothing.
 */
bool session_fault(struct session *s, enum fault_transport transport);
/* The request being handled is answered later, by session_answer; longpoll_gone tells if its
 * connection ends first. */
void session_hold(struct session *s, struct held *held);
/* Answers the request being handled, or the one held. */
void session_answer(struct session *s, const struct http_response *response);
const struct conn *session_conn(const struct session *s);
struct server *session_server(const struct session *s);

#endif
