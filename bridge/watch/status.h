/*
 * status.h - `mcu-bridge status`: asks a running bridge how it is, and shows it.
 */
#ifndef STATUS_H
#define STATUS_H

#include <stdbool.h>

#define STATUS_ADDRESS "unix:/run/mcu-bridge/status.sock" /* unless told otherwise */

enum {
    STATUS_UP = 0,     /* everything of the configuration is */
    STATUS_DOWN = 1,   /* something is not: shown */
    STATUS_NOBODY = 3, /* no bridge answers there: said on standard error */
};

/* Prints a table, or with `json` what the bridge says. `address` is one of config_listen. Returns
 * one of the above. */
int status_show(const char *address, bool json);

#endif
