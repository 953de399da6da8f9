/*
 * phx_usual.h - the settings of a machine whose caller decides nothing, as phx.h names them.
 */
#ifndef PHX_USUAL_H
#define PHX_USUAL_H

#include "phx_machine.h"

static inline struct phx_machine_settings phx_usual(enum phx_vsn vsn, uint64_t seed)
{
    return (struct phx_machine_settings){.vsn = vsn,
                                         .heartbeat_ms = 30000,
                                         .heartbeat_timeout_ms = 10000,
                                         .connect_timeout_ms = 10000,
                                         .backoff_min_ms = 1000,
                                         .backoff_max_ms = 60000,
                                         .stable_ms = 60000,
                                         .max_queue = 4096,
                                         .seed = seed};
}

#endif
