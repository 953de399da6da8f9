/*
 * config_listen.h - an address to listen on: `127.0.0.1:9469`, `[::1]:9469`, `localhost:9469` or
 * `unix:/run/mcu-bridge/status.sock`.
 */
#ifndef CONFIG_LISTEN_H
#define CONFIG_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#define CONFIG_LISTEN_PATH_MAX 107 /* what the address of a UNIX socket holds */

struct config_listen {
    bool is_unix;
    bool is_loopback; /* a UNIX socket is */
    char path[CONFIG_LISTEN_PATH_MAX + 1];
    char host[46]; /* a numeric address */
    bool is_ipv6;
    uint16_t port;
};

#define CONFIG_LISTEN_EXPECTED "an address such as 127.0.0.1:9469, [::1]:9469 or unix:/PATH"

/* Returns 0, or -1: it is none (names other than localhost are not taken, nor port 0). */
int config_listen(const char *text, struct config_listen *out);

#endif
