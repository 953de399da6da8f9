/*
 * phx_attempt.h - one attempt of a socket: what identifies it, by which transport, through which
 * proxy.
 */
#ifndef PHX_ATTEMPT_H
#define PHX_ATTEMPT_H

#include "phx_socket.h"

/* Copies what the options say of it. False: out of memory. */
bool phx_attempt_init(struct phx_socket *socket, const struct phx_socket_options *options);
void phx_attempt_deinit(struct phx_socket *socket);
/* Is what was copied usable? False: socket->error says why it is not. The url has been parsed. */
bool phx_attempt_check(struct phx_socket *socket);

/* phx_machine_io's open and drop. */
bool phx_attempt_open(struct phx_socket *socket, struct phx_end *end);
void phx_attempt_drop(struct phx_socket *socket);

/* phx_socket.c: the events of its connections. */
extern const struct phx_conn_events phx_socket_conn_events;

#endif
