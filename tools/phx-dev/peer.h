#ifndef PHXDEV_PEER_H
#define PHXDEV_PEER_H

#include "app_nerves.h"
#include "conn.h"
#include "server.h"

/* One client's Phoenix socket on this server, whatever carries it: a WebSocket (session.c) or a
 * session of long polls (longpoll.c), which has a peer as its first member. */

struct peer;

struct peer_ops {
    const char *transport; /* as the last part of its path: "websocket", "longpoll" */
    void (*send)(struct peer *p, bool binary, const char *data, size_t n);
    /* The server's end of it, with this close code where there is one. */
    void (*close)(struct peer *p, int code);
    /* The end of the transport's process: a FIN after what is queued. */
    void (*cut)(struct peer *p);
    /* The connection breaks. */
    void (*drop)(struct peer *p);
};

struct peer {
    struct peer *next;
    struct peer **link; /* what points here; NULL: not in the server's list */
    const struct peer_ops *ops;
    struct server *server;
    const struct mount *mount;
    struct socket *socket; /* NULL: not open yet */
    bool ended;            /* nothing reaches it any more */
    struct buf info;
    struct buf id; /* what a kick names ("microcontroller:3") */
    struct mc_client mc;
    struct nerves_client nerves; /* device NULL: no NervesHub device */
    uint64_t number;
};

/* Opens the socket of a client that was let in and puts it into the server's list. server, mount,
 * ops and number are set; the id is taken out of connect. What the application says on connect
 * goes out at once. */
void peer_open(struct peer *p, const struct conn *conn, const struct http_request *request,
               struct connect_result *connect);
/* Out of the list; nothing reaches it any more. Harmless when it is not in it. */
void peer_end(struct peer *p);
/* Frees what it holds. Not from inside its socket. */
void peer_deinit(struct peer *p);

/* The socket's id, "" for none. */
const char *peer_id(const struct peer *p);
/* Its controller, 0 for none. */
long peer_controller(const struct peer *p);
bool peer_deliver(struct peer *p, const struct broadcast *what, const struct channel *except);
/* Is it a V1 socket joined to topic? */
bool peer_is_v1_subscriber(const struct peer *p, struct slice topic);
/* Crashes its channel of this topic. False: it has none. */
bool peer_crash(struct peer *p, struct slice topic);
/* How many channels are joined. */
size_t peer_channels(const struct peer *p);
/* Appends what GET /sockets says of it. */
void peer_write(const struct peer *p, struct buf *out);

#endif
