/*
 * bridge.h - the running program: the loop, the registry of ports and MCUs, what is shown of it,
 * and the order in which all of it begins, changes and ends.
 */
#ifndef BRIDGE_H
#define BRIDGE_H

#include "config/config.h"

/* Where the configuration comes from, once more on SIGHUP. */
struct bridge_source {
    void *user;
    /* As config_read; everything that mcu-bridge --check-config would find wrong is reported. */
    int (*read)(void *user, struct config *config, void (*report)(void *user, const char *error),
                void *report_user);
};

/* Runs until a signal ends it. Returns 0, or -1 when it could not start (said in the log). Takes
 * ports and mcus out of `config`, of which the rest must hold meanwhile. */
int bridge_run(struct config *config, const struct bridge_source *source);

#endif
