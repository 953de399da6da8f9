#ifndef PHXDEV_MOUNTS_H
#define PHXDEV_MOUNTS_H

#include "app_mc.h"
#include "http.h"
#include "nerves.h"
#include "socket.h"

#include <stdint.h>

/* Which sockets this server has, and who may connect to them. */

enum mount_connect {
    CONNECT_ANY,    /* everybody */
    CONNECT_USER,   /* everybody but ?connect=error, reason, rate or crash; ?user=X names the socket
                     */
    CONNECT_MC,     /* an API key */
    CONNECT_NERVES, /* a client certificate, or NervesHub's headers */
    CONNECT_NERVES_USER, /* everybody but web pages: who looks at NervesHub's consoles */
};

struct mount {
    const char *path; /* "/socket/websocket"; a part "*" takes anything */
    enum mount_connect connect;
    const struct channel_app *const *apps;
    bool lab;             /* only with --lab */
    bool v1_only;         /* no V2 */
    bool v2_only;         /* no V1 */
    bool compress;        /* permessage-deflate when offered */
    bool error_handler;   /* refusals have a status of their own */
    const char *origin;   /* the only Origin host let in; NULL: any */
    const char *protocol; /* the only subprotocol besides none; NULL: offers are ignored */
    bool auth_token;      /* a token may come as a subprotocol; "phoenix" is one then */
    size_t max_frame;
    int64_t idle_ms;      /* 0: the server's --idle-ms */
    int64_t poll_ms;      /* a long poll is held so long; 0: the server's --poll-ms */
    int64_t token_age_ms; /* a long-polling token is good for so long; 0: two weeks */
};

enum { MOUNT_MAX_FRAME = 10000000 };

/* NervesHub's sockets: one for secrets, one for people, and one more for certificates where there
 * is TLS. NULL: none at this path. */
const struct mount *mount_find_nerves(struct slice path, bool tls);
/* NULL: no socket at this path. */
const struct mount *mount_find(struct slice path, bool lab);
/* Is this the long-polling path of a mount that has one? */
const struct mount *mount_find_longpoll(struct slice path, bool lab);
/* The first subprotocol offered that the mount has; data NULL: none is to be answered. */
struct slice mount_protocol(const struct mount *mount, const struct http_request *request);
bool mount_origin_ok(const struct mount *mount, const struct http_request *request);

struct connect_request {
    const struct mount *mount;
    const struct http_request *http;
    struct mc_keys *keys;
    enum like like;
    struct nerves *nerves; /* CONNECT_NERVES */
    const char *cert_name; /* of the client's certificate, "" for none */
    bool longpoll;         /* no subprotocols; a token comes in a header of its own */
};

struct connect_result {
    int status;        /* 101: let in; the rest only then */
    const char *extra; /* header lines of a refusal or of the 101 */
    const char *body;  /* of a refusal; starts with '{' when it is JSON */
    enum vsn vsn;
    struct buf id;    /* the socket id that a kick names; empty = none */
    struct buf token; /* the auth_token */
    bool has_token;
    struct mc_identity identity;  /* CONNECT_MC */
    struct nerves_device *device; /* CONNECT_NERVES */
};

/* Decides as Phoenix does, in its order: query, origin, subprotocol, connect. The caller deinits
 * id. */
void mount_connect(const struct connect_request *request, struct connect_result *result);

extern const char JSON_BAD_REQUEST[];
extern const char JSON_SERVER_ERROR[];

#endif
