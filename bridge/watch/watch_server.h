/*
 * watch_server.h - the pages of a running bridge on a loopback port or a UNIX socket: GET /metrics
 * (Prometheus), /healthz (200, or 503 with a line for each thing that is down) and /status (JSON).
 *
 * At most WATCH_CLIENTS_MAX connections at a time; another is closed at once. Each is closed after
 * its answer, or when it took longer than WATCH_CLIENT_MS. It shows, it never changes anything.
 */
#ifndef WATCH_SERVER_H
#define WATCH_SERVER_H

#include "loop/loop.h"
#include "watch.h"

#define WATCH_CLIENTS_MAX 8
#define WATCH_CLIENT_MS   3000

struct watch_server;

/* `picture` fills in `watch`, whose lists hold until the next call; it returns false when memory
 * ended. `listen` is an address that config_listen takes. Returns NULL after a line in the log. */
struct watch_server *watch_server_open(struct loop *loop, const char *listen,
                                       bool (*picture)(void *user, struct watch *watch),
                                       void *user);
/* Closes its handles on the loop, and frees itself when they are closed. */
void watch_server_close(struct watch_server *server);

#endif
