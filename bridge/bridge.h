/*
 * bridge.h - every port and every MCU of one configuration: which board belongs to which lane, and
 * the order in which all of it ends.
 */
#ifndef BRIDGE_H
#define BRIDGE_H

#include "config.h"

/* Runs until a signal ends it. Returns 0, or -1 when it could not start (said in the log). `config`
 * must hold meanwhile. */
int bridge_run(const struct config *config);

#endif
