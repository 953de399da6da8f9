#ifndef PHXDEV_APP_NERVES_H
#define PHXDEV_APP_NERVES_H

#include "nerves.h"
#include "socket.h"

/* One device's socket: its channels' app_ctx. */
struct nerves_client {
    struct nerves *nerves;
    struct nerves_device *device; /* NULL: a person */
    struct socket *socket;        /* that of all its channels */
    bool wants_fwup_keys;
    bool wants_archive_keys;
    unsigned attached; /* bits of the extensions offered in the last join */
    int64_t log_ms;    /* the rate limit of logging: up to now */
    long log_tokens;
};

/* device, console and extensions, as NervesHub has them. */
extern const struct channel_app *const nerves_channel_apps[];

#define NERVES_USER_TOPIC "user:console:"

/* user:console:IDENTIFIER, the other end of a device's console, as phx-dev's own: a real server has
 * it in its pages. `up` comes from the device; dn, window_size, restart and file-data go to it. */
extern const struct channel_app *const nerves_user_apps[];

#endif
