/*
 * The registry of boards. A hello selects an entry of the configuration, never a topic or a path:
 * the entry then has its port pinned or not. A second live board of one identity is refused and
 * named, and let in when the first is gone.
 *
 * Each port and lane has its entry of the configuration beside it, taken out of the file's lists,
 * so that a new configuration replaces entries one by one and the others hold as long as they are
 * used. What is in the entries is config.c's, when a new file is read bridge.c's.
 */
#include "registry.h"

#include "base/log.h"
#include "lane/lane_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALL_US 10000000 /* between two times that all lanes and ports are called */

/* -- Which lane. */

static bool is_device(const struct config_mcu *mcu, const struct mp_peer *peer)
{
    return !mcu->any_device && mcu->device_len == peer->device_len &&
           memcmp(mcu->device, peer->device, peer->device_len) == 0;
}

/* The entry that names the device, or the one that takes anything on this port. One that is about
 * to stop gives way to one that is not. */
static struct registry_lane *find_lane(const struct registry *registry, const struct port *port,
                                       const struct mp_peer *peer)
{
    struct registry_lane *any = NULL, *leaving = NULL;
    for (size_t i = 0; i < registry->lane_count; i++) {
        struct registry_lane *entry = registry->lanes[i];
        bool is_it = is_device(&entry->config, peer);
        if (is_it && !entry->stopping)
            return entry;
        if (is_it)
            leaving = entry;
        else if (entry->config.any_device &&
                 (entry->config.port == NULL || strcmp(entry->config.port, port_name(port)) == 0))
            any = entry;
    }
    return leaving != NULL ? leaving : any;
}

static void explain_unknown(const struct registry *registry, char *reason, const char *path,
                            const struct mp_peer *peer)
{
    char device[LANE_LOG_DEVICE];
    lane_log_device(device, peer->device, peer->device_len);
    if (peer->device_len == 0)
        snprintf(
            reason, REGISTRY_REASON_MAX,
            "refused the board on %s: it has no identity; give it one with: mcu-tool set-id %s "
            "NAME",
            path, path);
    else
        snprintf(
            reason, REGISTRY_REASON_MAX,
            "refused the board %s on %s: no such device in the configuration; to let it in, add "
            "under mcus: - {name: NAME, device: %s%s}",
            device, path, device,
            registry->shared.config->url != NULL ? ", api_key_file: FILE" : "");
}

/* Returns the lane to serve the board, or NULL with the reason. */
static struct lane *choose(const struct registry *registry, struct port *port,
                           const struct mp_peer *peer, char *reason)
{
    char device[LANE_LOG_DEVICE];
    lane_log_device(device, peer->device, peer->device_len);
    struct registry_lane *entry = find_lane(registry, port, peer);
    if (entry == NULL) {
        explain_unknown(registry, reason, port_path(port), peer);
        return NULL;
    }
    const char *pinned = entry->config.port;
    if (pinned != NULL && strcmp(pinned, port_name(port)) != 0) {
        snprintf(reason, REGISTRY_REASON_MAX,
                 "refused the board %s on %s: %s is pinned to the port %s", device, port_path(port),
                 entry->config.name, pinned);
        return NULL;
    }
    struct port *other = lane_port(entry->lane);
    if (other != NULL && other != port) {
        snprintf(reason, REGISTRY_REASON_MAX,
                 "refused the board %s on %s: the board on %s is %s already and alive", device,
                 port_path(port), port_path(other), entry->config.name);
        return NULL;
    }
    if (entry->stopping) {
        snprintf(reason, REGISTRY_REASON_MAX,
                 "the board %s on %s waits for the configuration of %s to change", device,
                 port_path(port), entry->config.name);
        return NULL;
    }
    return entry->lane;
}

static struct registry_port *entry_of(const struct registry *registry, const struct port *port)
{
    size_t i = 0;
    while (registry->ports[i]->port != port)
        i++;
    return registry->ports[i];
}

static void say_refusal(struct registry_port *entry, const char *reason)
{
    if (strcmp(entry->refusal, reason) == 0)
        return;
    snprintf(entry->refusal, sizeof entry->refusal, "%s", reason);
    log_error(entry->config.name, "%s", reason);
}

static bool claim(void *user, struct port *port, const struct mp_peer *peer,
                  const struct mp_description *description, bool fresh, struct port_client *client)
{
    struct registry *registry = user;
    char reason[REGISTRY_REASON_MAX];
    (void)fresh; /* what a session repeats, the uplink knows by its numbers */
    if (registry->stopping)
        return false;
    struct lane *lane = choose(registry, port, peer, reason);
    if (lane == NULL) {
        say_refusal(entry_of(registry, port), reason);
        return false;
    }
    entry_of(registry, port)->refusal[0] = '\0';
    return lane_claim(lane, port, peer, description, client);
}

/* -- What the lanes say. */

static void on_lane_freed(void *user)
{
    struct registry *registry = user;
    registry->ask_again = true;
    loop_wake(registry->shared.loop);
}

/* Freed at the next tick: the lane is still under the callback's feet. */
static void on_lane_stopped(void *user, struct lane *lane)
{
    struct registry *registry = user;
    for (size_t i = 0; i < registry->lane_count; i++)
        if (registry->lanes[i]->lane == lane)
            registry->lanes[i]->stopped = registry->some_stopped = true;
    loop_wake(registry->shared.loop);
}

static struct lane *lane_on(const struct registry *registry, const struct port *port)
{
    for (size_t i = 0; i < registry->lane_count; i++)
        if (registry->lanes[i]->lane != NULL && lane_port(registry->lanes[i]->lane) == port)
            return registry->lanes[i]->lane;
    return NULL;
}

static struct port *free_port(void *user, const char *name)
{
    const struct registry *registry = user;
    for (size_t i = 0; i < registry->port_count; i++) {
        struct port *port = registry->ports[i]->port;
        if (strcmp(registry->ports[i]->config.name, name) == 0)
            return lane_on(registry, port) == NULL ? port : NULL;
    }
    return NULL;
}

static void on_lines_changed(void *user)
{
    struct registry *registry = user;
    for (size_t i = 0; i < registry->port_count; i++)
        port_look(registry->ports[i]->port);
    loop_wake(registry->shared.loop);
}

void registry_init(struct registry *registry, const struct lane_shared *shared,
                   uint32_t keepalive_ms)
{
    *registry = (struct registry){.shared = *shared, .keepalive_ms = keepalive_ms};
    turns_init(&registry->turns, shared->loop);
    registry->shared.turns = &registry->turns;
    registry->shared.user = registry;
    registry->shared.free_port = free_port;
    registry->shared.freed = on_lane_freed;
    registry->shared.stopped = on_lane_stopped;
    registry->hotplug = hotplug_open(shared->loop, on_lines_changed, registry);
}

/* -- Adding and taking away. */

/* Makes room for one more pointer. Returns -1 when out of memory. */
static int grow(void ***list, size_t count)
{
    void **more = realloc(*list, (count + 1) * sizeof *more);
    if (more == NULL)
        return -1;
    *list = more;
    return 0;
}

static int add_port(struct registry *registry, struct config_port *config)
{
    const struct port_events events = {registry, claim};
    struct registry_port *entry = calloc(1, sizeof *entry);
    void **list = (void **)registry->ports;
    if (entry == NULL || grow(&list, registry->port_count) != 0) {
        free(entry);
        return -1;
    }
    registry->ports = (struct registry_port **)list;
    entry->config = *config;
    *config = (struct config_port){.name = NULL};
    entry->port = port_new(&registry->turns, registry->hotplug, &entry->config,
                           registry->keepalive_ms, &events);
    if (entry->port == NULL) {
        config_port_free(&entry->config);
        free(entry);
        return -1;
    }
    registry->ports[registry->port_count++] = entry;
    return 0;
}

static int open_lane(struct registry *registry, struct registry_lane *entry,
                     struct config_mcu *config)
{
    entry->config = *config;
    *config = (struct config_mcu){.name = NULL};
    entry->stopping = entry->stopped = entry->has_next = false;
    entry->lane = lane_new(&registry->shared, &entry->config);
    registry->ask_again = true;
    return entry->lane == NULL ? -1 : 0;
}

static int add_lane(struct registry *registry, struct config_mcu *config)
{
    struct registry_lane *entry = calloc(1, sizeof *entry);
    void **list = (void **)registry->lanes;
    if (entry == NULL || grow(&list, registry->lane_count) != 0) {
        free(entry);
        return -1;
    }
    registry->lanes = (struct registry_lane **)list;
    if (open_lane(registry, entry, config) != 0) {
        config_mcu_free(&entry->config);
        free(entry);
        return -1;
    }
    registry->lanes[registry->lane_count++] = entry;
    return 0;
}

static void remove_port(struct registry *registry, size_t i)
{
    struct registry_port *entry = registry->ports[i];
    struct lane *lane = lane_on(registry, entry->port);
    if (lane != NULL)
        lane_board_lost(lane, "its port is no longer in the configuration");
    port_free(entry->port);
    config_port_free(&entry->config);
    free(entry);
    registry->ports[i] = registry->ports[--registry->port_count];
}

static void begin_stop(struct registry_lane *entry)
{
    if (entry->stopping)
        return;
    entry->stopping = true;
    lane_stop(entry->lane);
}

/* Its board, if it has one, is asked again: another entry may take it. */
static void end_lane(struct registry *registry, struct registry_lane *entry)
{
    struct port *port = lane_port(entry->lane);
    lane_free(entry->lane);
    entry->lane = NULL;
    config_mcu_free(&entry->config);
    if (port != NULL)
        port_hold(port, 1);
    registry->ask_again = true;
}

static void reap(struct registry *registry)
{
    if (!registry->some_stopped || registry->stopping)
        return;
    registry->some_stopped = false;
    for (size_t i = 0; i < registry->lane_count;) {
        struct registry_lane *entry = registry->lanes[i];
        if (!entry->stopped) {
            i++;
            continue;
        }
        end_lane(registry, entry);
        if (entry->has_next && open_lane(registry, entry, &entry->next) == 0) {
            i++;
            continue;
        }
        config_mcu_free(&entry->config);
        config_mcu_free(&entry->next);
        free(entry);
        registry->lanes[i] = registry->lanes[--registry->lane_count];
    }
}

void registry_deinit(struct registry *registry)
{
    for (size_t i = 0; i < registry->port_count; i++) {
        port_free(registry->ports[i]->port);
        config_port_free(&registry->ports[i]->config);
        free(registry->ports[i]);
    }
    for (size_t i = 0; i < registry->lane_count; i++) {
        lane_free(registry->lanes[i]->lane);
        config_mcu_free(&registry->lanes[i]->config);
        config_mcu_free(&registry->lanes[i]->next);
        free(registry->lanes[i]);
    }
    turns_deinit(&registry->turns);
    free(registry->ports);
    free(registry->lanes);
    free(registry->port_pictures);
    free(registry->lane_pictures);
    registry->ports = NULL;
    registry->lanes = NULL;
    registry->port_pictures = NULL;
    registry->lane_pictures = NULL;
    registry->port_count = registry->lane_count = 0;
    hotplug_close(registry->hotplug);
    registry->hotplug = NULL;
}

/* -- A new configuration. Entries are known by their names. */

static struct config_port *port_named(struct config *config, const char *name)
{
    for (size_t i = 0; i < config->port_count; i++)
        if (config->ports[i].name != NULL && strcmp(config->ports[i].name, name) == 0)
            return &config->ports[i];
    return NULL;
}

static struct config_mcu *mcu_named(struct config *config, const char *name)
{
    for (size_t i = 0; i < config->mcu_count; i++)
        if (config->mcus[i].name != NULL && strcmp(config->mcus[i].name, name) == 0)
            return &config->mcus[i];
    return NULL;
}

static bool has_lane_named(const struct registry *registry, const char *name)
{
    for (size_t i = 0; i < registry->lane_count; i++)
        if (strcmp(registry->lanes[i]->config.name, name) == 0)
            return true;
    return false;
}

/* An entry with the API key of `old` under a name that is new: the same controller. Its lane has to
 * wait until that of `old` has given up what waits on disk for it. */
static struct config_mcu *mcu_renamed(const struct registry *registry, struct config *config,
                                      const struct config_mcu *old)
{
    for (size_t i = 0; old->api_key_file != NULL && i < config->mcu_count; i++) {
        struct config_mcu *mcu = &config->mcus[i];
        if (mcu->name != NULL && mcu->api_key_file != NULL &&
            strcmp(mcu->api_key_file, old->api_key_file) == 0 &&
            !has_lane_named(registry, mcu->name))
            return mcu;
    }
    return NULL;
}

/* What is the same is taken out of `config`; a changed port goes, and comes again as a new one. */
static void keep_ports(struct registry *registry, struct config *config,
                       struct registry_changes *changes)
{
    for (size_t i = 0; i < registry->port_count;) {
        struct registry_port *entry = registry->ports[i];
        struct config_port *next = port_named(config, entry->config.name);
        if (next != NULL && config_port_same(&entry->config, next)) {
            config_port_free(next);
            i++;
            continue;
        }
        if (next == NULL)
            changes->ports_removed++;
        else
            changes->ports_changed++;
        log_info(entry->config.name, next == NULL
                                         ? "no longer in the configuration: closing it"
                                         : "changed in the configuration: opening it anew");
        remove_port(registry, i);
    }
}

static void keep_lanes(struct registry *registry, struct config *config, bool devices_anew,
                       struct registry_changes *changes)
{
    for (size_t i = 0; i < registry->lane_count; i++) {
        struct registry_lane *entry = registry->lanes[i];
        struct config_mcu *next = mcu_named(config, entry->config.name);
        bool anew = devices_anew && entry->config.nerveshub.use;
        if (next != NULL && !entry->stopping && !anew && config_mcu_same(&entry->config, next)) {
            config_mcu_free(next);
            lane_refresh_key(entry->lane);
            continue;
        }
        config_mcu_free(&entry->next);
        if (next == NULL)
            next = mcu_renamed(registry, config, &entry->config);
        entry->has_next = next != NULL;
        if (next == NULL) {
            changes->mcus_removed++;
            log_info(entry->config.name, "no longer in the configuration: stopping");
        } else {
            changes->mcus_changed++;
            log_info(entry->config.name, "changed in the configuration: beginning anew%s%s",
                     strcmp(next->name, entry->config.name) != 0 ? " as " : "",
                     strcmp(next->name, entry->config.name) != 0 ? next->name : "");
            entry->next = *next;
            *next = (struct config_mcu){.name = NULL};
        }
        begin_stop(entry);
    }
}

int registry_apply(struct registry *registry, struct config *config, bool devices_anew,
                   struct registry_changes *changes)
{
    int result = 0;
    *changes = (struct registry_changes){.ports_added = 0};
    keep_ports(registry, config, changes);
    keep_lanes(registry, config, devices_anew, changes);
    for (size_t i = 0; i < config->mcu_count; i++)
        if (config->mcus[i].name != NULL) {
            changes->mcus_added++;
            result |= add_lane(registry, &config->mcus[i]);
        }
    for (size_t i = 0; i < config->port_count; i++)
        if (config->ports[i].name != NULL) {
            changes->ports_added++;
            result |= add_port(registry, &config->ports[i]);
        }
    changes->ports_added -= changes->ports_changed;
    registry->ask_again = true;
    loop_wake(registry->shared.loop);
    return result;
}

/* -- Running. */

static void ask_refused_again(struct registry *registry)
{
    registry->ask_again = false;
    for (size_t i = 0; i < registry->port_count; i++)
        if (registry->ports[i]->refusal[0] != '\0')
            port_ask_again(registry->ports[i]->port);
}

/* After a gap all have to know of it, and now and then all look around: a wake-up that was
 * forgotten somewhere costs ten seconds and not for ever. */
static void call_all(struct registry *registry, uint64_t now_us)
{
    if (now_us < registry->all_us && registry->gaps == registry->shared.loop->gaps)
        return;
    registry->gaps = registry->shared.loop->gaps;
    registry->all_us = now_us + ALL_US;
    turns_wake_all(&registry->turns);
}

uint64_t registry_tick(struct registry *registry, uint64_t now_us)
{
    reap(registry);
    if (registry->ask_again)
        ask_refused_again(registry);
    call_all(registry, now_us);
    uint64_t next_us = turns_take(&registry->turns, now_us);
    return next_us < registry->all_us ? next_us : registry->all_us;
}

void registry_stop(struct registry *registry)
{
    registry->stopping = true;
    for (size_t i = 0; i < registry->lane_count; i++)
        begin_stop(registry->lanes[i]);
    loop_wake(registry->shared.loop);
}

bool registry_is_stopped(const struct registry *registry)
{
    for (size_t i = 0; i < registry->lane_count; i++)
        if (!registry->lanes[i]->stopped)
            return false;
    return registry->stopping;
}

bool registry_watch(struct registry *registry, struct watch *watch)
{
    struct watch_port *ports =
        realloc(registry->port_pictures, (registry->port_count + 1) * sizeof *ports);
    if (ports != NULL)
        registry->port_pictures = ports;
    struct watch_lane *lanes =
        realloc(registry->lane_pictures, (registry->lane_count + 1) * sizeof *lanes);
    if (lanes != NULL)
        registry->lane_pictures = lanes;
    if (ports == NULL || lanes == NULL)
        return false;
    for (size_t i = 0; i < registry->port_count; i++) {
        port_watch(registry->ports[i]->port, &ports[i]);
        if (registry->ports[i]->refusal[0] != '\0')
            ports[i].trouble = registry->ports[i]->refusal;
    }
    for (size_t i = 0; i < registry->lane_count; i++)
        lane_watch(registry->lanes[i]->lane, &lanes[i]);
    watch->ports = ports;
    watch->port_count = registry->port_count;
    watch->lanes = lanes;
    watch->lane_count = registry->lane_count;
    return true;
}
