/*
 * seat.h - a lane's place on a connection: one of its own, or one that it shares with other lanes
 * whose server knows no difference between them.
 *
 * A connection has at most SEATS_MAX places, since a Phoenix server refuses more topics on a socket
 * than that; the next lane opens another one. The last to leave closes it.
 */
#ifndef SEAT_H
#define SEAT_H

#include "phx/phx.h"

#define SEATS_MAX 100

struct seats; /* the connections of a bridge */
struct seat;

/* NULL: out of memory. The context must outlive it. */
struct seats *seats_new(struct phx_context *context);
void seats_free(struct seats *seats); /* when no seat is left */
size_t seats_connections(const struct seats *seats);

/* Takes a place. `key` NULL: a connection of its own; else one that was opened with
 * an equal key and has room, or a new one: the same key means the same options and credentials. Of
 * the events, credentials and retry are asked of whoever sits there first. NULL: out of memory. */
struct seat *seat_take(struct seats *seats, const char *key,
                       const struct phx_socket_options *options,
                       const struct phx_socket_events *events);
/* Connects; connected() follows, at once and from within where the connection is up already.
 * Returns PHX_OK, or PHX_ERR_BAD_OPTION: see phx_socket_error. */
int seat_start(struct seat *seat);
/* Leaves at once; no callback follows. The seat's channels must be left before. NULL is allowed. */
void seat_free(struct seat *seat);

struct phx_socket *seat_socket(const struct seat *seat);

/* As phx_socket_probe for this seat's question: heartbeat() of its events says that what follows
 * was sent after this call, whatever this seat or the others have asked before. */
void seat_probe(struct seat *seat);

/* Connects anew, with credentials asked for again; all who sit there do. Returns as seat_start. */
int seat_reconnect(struct seat *seat);

/* As phx_socket_disconnect, where nobody else sits there: returns true, and disconnected() follows.
 * False: others stay, and there is nothing to wait for. */
bool seat_disconnect(struct seat *seat, uint32_t linger_ms);

#endif
