/*
 * phx_url.h - the address of a Phoenix socket, and the target of the request made from it.
 */
#ifndef PHX_URL_H
#define PHX_URL_H

#include "phx.h"

#define PHX_TARGET_MAX 2000 /* bytes of path and query; the transport garbles longer ones */
#define PHX_HOST_MAX   253

/* Points into the text it was parsed from. */
struct phx_url {
    bool tls, ipv6;
    uint16_t port;
    struct phx_text host;   /* without brackets */
    struct phx_text target; /* path and query */
};

/* Parses ws:// or wss://HOST[:PORT]/PATH[?query]. Returns PHX_OK, or PHX_ERR_BAD_OPTION with a line
 * for people, which never holds the query, in `error`. */
int phx_url_parse(const char *text, struct phx_url *url, char *error, size_t cap);

/* Appends `name`=`value`, percent-encoded, to the query of `target`, a string in `cap` bytes.
 * Returns PHX_OK, or PHX_ERR_BAD_OPTION, and `target` as it was, if that would be too long. */
int phx_url_add_param(char *target, size_t cap, const char *name, const char *value);

/* The target of long polling for that of a WebSocket: longpoll in place of the path's last part,
 * which must be websocket or longpoll. False: it is not, or `cap` bytes are too few. */
bool phx_url_poll_target(const char *target, char *out, size_t cap);

#endif
