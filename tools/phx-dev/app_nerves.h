#ifndef PHXDEV_APP_NERVES_H
#define PHXDEV_APP_NERVES_H

#include "nerves.h"
#include "socket.h"

/* One device's socket: its channels' app_ctx. */
struct nerves_client {
    struct nerves *nerves;
    struct nerves_device *device;
    struct socket *socket; /* that of all its channels */
    bool wants_fwup_keys;
    bool wants_archive_keys;
    unsigned attached; /* bits of the extensions offered in the last join */
    int64_t log_ms;    /* the rate limit of logging: up to now */
    long log_tokens;
};

/* device, console and extensions, as NervesHub has them. */
extern const struct channel_app *const nerves_channel_apps[];

#endif
