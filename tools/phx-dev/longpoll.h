#ifndef PHXDEV_LONGPOLL_H
#define PHXDEV_LONGPOLL_H

#include "peer.h"
#include "session.h"

/* Phoenix sockets over HTTP long polling, with the answers and the waits of a real server. A
 * session of it outlives connections: it is found by its token, and dies when it is not polled for
 * one and a half times the length of a poll. */

/* A request whose answer is still to come. */
struct held;

/* Answers a request to a long-polling path, now or later. */
void longpoll_request(struct session *s, const struct mount *mount,
                      const struct http_request *request, struct slice body);
/* The connection of a held request is gone. */
void longpoll_gone(struct held *held);

#endif
