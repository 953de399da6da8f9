#ifndef PHXDEV_SERVER_H
#define PHXDEV_SERVER_H

#include "app_mc.h"
#include "faults.h"
#include "log.h"
#include "mounts.h"
#include "nerves.h"
#include "readings.h"
#include "socket.h"
#include "tls.h"

#include <openssl/ssl.h>
#include <uv.h>

struct peer;
struct session;

struct server_options {
    const char *listen; /* numeric address */
    int port;           /* 0: any free one */
    bool tls;
    struct tls_options tls_options;
    enum like like;
    bool lab;
    int64_t idle_ms; /* a WebSocket client silent for longer is closed */
    int64_t poll_ms; /* a long poll without messages is held so long */
    struct log log;
};

/* Connections beyond this are closed as soon as they are accepted. */
enum {
    SERVER_MAX_SESSIONS = 2048,
    SERVER_IDLE_MS = 60000,
    SERVER_NERVES_IDLE_MS = 180000,
    SERVER_POLL_MS = 10000
};

struct server {
    struct server_options options;
    uv_loop_t *loop;
    uv_tcp_t listener;
    SSL_CTX *tls;
    bool stopping;
    struct session *sessions;
    struct peer *peers; /* those with a Phoenix socket, newest first */
    size_t session_count;
    uint64_t sessions_ever;
    struct faults faults;
    struct readings readings;
    struct presence presence;
    struct mc_keys keys;
    struct mc_app mc;
    struct nerves nerves; /* of it, like, keys and firmware_key are set before the start */
};

/* Binds and listens. Returns 0, or -1 with one line in error. The server is zeroed by the caller,
 * options, loop and keys filled in. */
int server_start(struct server *server, char *error, size_t error_size);
/* The port it got. */
int server_port(const struct server *server);
/* The graceful stop of a real server: the port refuses at once, sockets with a joined channel get
 * 1012, the others 1000; a long poll is held to its end. The loop ends when the last connection is
 * gone. */
void server_stop(struct server *server);
void server_deinit(struct server *server);

/* To every channel joined to topic but except. Returns how many. */
size_t server_broadcast(struct server *server, const struct broadcast *what,
                        const struct channel *except);
/* Ends every socket with this id as a "disconnect" broadcast does. Returns how many. */
size_t server_kick(struct server *server, const char *id);
/* The close code of a kick, and of a socket whose identity connects anew. */
int server_kick_code(const struct server *server);

/* -- for session.c */
struct session *session_next(const struct session *s);

#endif
