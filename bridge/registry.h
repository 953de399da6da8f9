/*
 * registry.h - every port and every MCU of the bridge: which board belongs to which lane, and how
 * both lists become those of a new configuration while the bridge runs.
 */
#ifndef REGISTRY_H
#define REGISTRY_H

#include "config/config.h"
#include "lane/lane.h"
#include "loop/loop.h"
#include "port/port.h"
#include "watch/watch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGISTRY_REASON_MAX 320

struct registry_port {
    struct config_port config;
    struct port *port;
    char refusal[REGISTRY_REASON_MAX]; /* why its board is not served, as last said; "": it is */
};

struct registry_lane {
    struct config_mcu config;
    struct lane *lane;
    bool stopping, stopped;
    bool has_next; /* another lane of that name takes its place when it has stopped */
    struct config_mcu next;
};

struct registry {
    struct lane_shared shared;
    uint32_t keepalive_ms;
    struct hotplug *hotplug; /* NULL: nothing can be heard of new ports */
    struct registry_port **ports;
    struct registry_lane **lanes;
    size_t port_count, lane_count;
    bool stopping;
    bool some_stopped;  /* a lane has stopped and was not looked at since */
    struct turns turns; /* of all lanes and ports */
    uint64_t all_us;    /* when all of them are called, whatever they wait for */
    uint32_t gaps;      /* of the loop, as far as all of them have been told */
    bool ask_again;     /* a lane is free again: refused boards may be let in */
    struct watch_port *port_pictures;
    struct watch_lane *lane_pictures;
};

/* `shared` without the members that are the registry's (user, freed, stopped). Opens no port. */
void registry_init(struct registry *registry, const struct lane_shared *shared,
                   uint32_t keepalive_ms);
/* Frees every port, then every lane, at once. */
void registry_deinit(struct registry *registry);

struct registry_changes {
    size_t ports_added, ports_changed, ports_removed;
    size_t mcus_added, mcus_changed, mcus_removed;
};

/* Makes the lists those of `config`, whose entries it takes away. What is the same goes on
 * untouched; a changed port is opened anew; a changed MCU finishes its upload in flight, and its
 * board begins anew, also under another name if its API key is the same. So does, with
 * `devices_anew`, each that is a device of NervesHub. Every key file is read, and an MCU with
 * another key connects anew. Returns 0, or -1: memory ended, and some entries are missing. */
int registry_apply(struct registry *registry, struct config *config, bool devices_anew,
                   struct registry_changes *changes);

/* As lane_tick and port_tick, for all. */
uint64_t registry_tick(struct registry *registry, uint64_t now_us);

/* Each lane finishes as lane_stop does; registry_is_stopped when all have. */
void registry_stop(struct registry *registry);
bool registry_is_stopped(const struct registry *registry);

/* Fills in the lists of `watch`, which hold until the next call of the registry. Returns false when
 * memory ended. */
bool registry_watch(struct registry *registry, struct watch *watch);

#endif
