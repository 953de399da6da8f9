/*
 * The registry of boards. A hello selects an entry of the configuration, never a topic or a path:
 * the entry then has its port pinned or not. A second live board of one identity is refused and
 * named, and let in when the first is gone.
 *
 * The end: lanes finish their upload in flight and close their sockets; then the ports, so that the
 * last "safe" still reaches the boards; then the Phoenix context and the loop.
 */
#include "bridge.h"
#include "lane.h"
#include "lane_log.h"
#include "log.h"
#include "loop.h"
#include "port.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REASON_MAX    320
#define SPARE_SOCKETS 16 /* descriptors of the library's own */
#define SYSLOG_ERROR  3  /* LOG_ERR of syslog(3), whose names collide with the log's */

/* Why the board on a port was refused, as it was last said. */
struct refusal {
    char text[REASON_MAX];
};

struct bridge {
    const struct config *config;
    struct loop loop;
    struct phx_context *phx;
    struct lane_shared shared;
    struct port **ports;
    struct refusal *refusals; /* one for each port */
    struct lane **lanes;
    size_t lanes_open;
    bool stopping;
    bool ask_again; /* a lane is free again: refused boards may be let in */
};

/* -- Which lane. */

static bool is_device(const struct config_mcu *mcu, const struct mp_peer *peer)
{
    return !mcu->any_device && mcu->device_len == peer->device_len &&
           memcmp(mcu->device, peer->device, peer->device_len) == 0;
}

/* The entry that names the device, or the one that takes anything on this port. */
static struct lane *find_lane(const struct bridge *bridge, const struct port *port,
                              const struct mp_peer *peer)
{
    struct lane *any = NULL;
    for (size_t i = 0; i < bridge->config->mcu_count; i++) {
        const struct config_mcu *mcu = &bridge->config->mcus[i];
        if (is_device(mcu, peer))
            return bridge->lanes[i];
        if (mcu->any_device && (mcu->port == NULL || strcmp(mcu->port, port_name(port)) == 0))
            any = bridge->lanes[i];
    }
    return any;
}

static void explain_unknown(char *reason, const char *path, const struct mp_peer *peer)
{
    char device[LANE_LOG_DEVICE];
    lane_log_device(device, peer->device, peer->device_len);
    if (peer->device_len == 0)
        snprintf(
            reason, REASON_MAX,
            "refused the board on %s: it has no identity; give it one with: mcu-tool set-id %s "
            "NAME",
            path, path);
    else
        snprintf(
            reason, REASON_MAX,
            "refused the board %s on %s: no such device in the configuration; to let it in, add "
            "under mcus: - {name: NAME, device: %s, api_key_file: FILE}",
            device, path, device);
}

/* Returns the lane to serve the board, or NULL with the reason. */
static struct lane *choose(const struct bridge *bridge, struct port *port,
                           const struct mp_peer *peer, char *reason)
{
    char device[LANE_LOG_DEVICE];
    lane_log_device(device, peer->device, peer->device_len);
    struct lane *lane = find_lane(bridge, port, peer);
    if (lane == NULL) {
        explain_unknown(reason, port_path(port), peer);
        return NULL;
    }
    const char *pinned = lane_config(lane)->port;
    if (pinned != NULL && strcmp(pinned, port_name(port)) != 0) {
        snprintf(reason, REASON_MAX, "refused the board %s on %s: %s is pinned to the port %s",
                 device, port_path(port), lane_name(lane), pinned);
        return NULL;
    }
    struct port *other = lane_port(lane);
    if (other != NULL && other != port) {
        snprintf(reason, REASON_MAX,
                 "refused the board %s on %s: the board on %s is %s already and alive", device,
                 port_path(port), port_path(other), lane_name(lane));
        return NULL;
    }
    return lane;
}

static struct refusal *refusal_of(struct bridge *bridge, const struct port *port)
{
    size_t i = 0;
    while (bridge->ports[i] != port)
        i++;
    return &bridge->refusals[i];
}

static void say_refusal(struct bridge *bridge, const struct port *port, const char *reason)
{
    struct refusal *refusal = refusal_of(bridge, port);
    if (strcmp(refusal->text, reason) == 0)
        return;
    snprintf(refusal->text, sizeof refusal->text, "%s", reason);
    log_error(port_name(port), "%s", reason);
}

static bool claim(void *user, struct port *port, const struct mp_peer *peer,
                  const struct mp_description *description, bool fresh, struct port_client *client)
{
    struct bridge *bridge = user;
    char reason[REASON_MAX];
    (void)fresh; /* what a session repeats, the uplink knows by its numbers */
    if (bridge->stopping)
        return false;
    struct lane *lane = choose(bridge, port, peer, reason);
    if (lane == NULL) {
        say_refusal(bridge, port, reason);
        return false;
    }
    refusal_of(bridge, port)->text[0] = '\0';
    return lane_claim(lane, port, peer, description, client);
}

/* -- The end. */

static void free_ports(struct bridge *bridge)
{
    for (size_t i = 0; bridge->ports != NULL && i < bridge->config->port_count; i++)
        if (bridge->ports[i] != NULL)
            port_free(bridge->ports[i]);
    free(bridge->ports);
    free(bridge->refusals);
    bridge->ports = NULL;
    bridge->refusals = NULL;
}

static void free_lanes(struct bridge *bridge)
{
    for (size_t i = 0; bridge->lanes != NULL && i < bridge->config->mcu_count; i++)
        if (bridge->lanes[i] != NULL)
            lane_free(bridge->lanes[i]);
    free(bridge->lanes);
    bridge->lanes = NULL;
}

static void on_context_closed(void *user)
{
    (void)user;
    log_info("bridge", "stopped");
}

static void finish(struct bridge *bridge)
{
    free_ports(bridge);
    free_lanes(bridge);
    phx_context_close(bridge->phx, on_context_closed, bridge);
    loop_close(&bridge->loop);
}

static void on_lane_stopped(void *user)
{
    struct bridge *bridge = user;
    bridge->lanes_open--;
    loop_wake(&bridge->loop);
}

static void on_stop(void *user)
{
    struct bridge *bridge = user;
    bridge->stopping = true;
    bridge->lanes_open = bridge->config->mcu_count;
    for (size_t i = 0; i < bridge->config->mcu_count; i++)
        lane_stop(bridge->lanes[i]);
    loop_wake(&bridge->loop);
}

/* -- Running. */

static void on_lane_freed(void *user)
{
    struct bridge *bridge = user;
    bridge->ask_again = true;
    loop_wake(&bridge->loop);
}

static void ask_refused_again(struct bridge *bridge)
{
    bridge->ask_again = false;
    for (size_t i = 0; i < bridge->config->port_count; i++)
        if (bridge->refusals[i].text[0] != '\0')
            port_ask_again(bridge->ports[i]);
}

/* Lanes first: what they give to their boards leaves in the same turn. */
static uint64_t on_tick(void *user, uint64_t now_us)
{
    struct bridge *bridge = user;
    uint64_t next_us = UINT64_MAX;
    if (bridge->ask_again)
        ask_refused_again(bridge);
    for (size_t i = 0; i < bridge->config->mcu_count; i++) {
        uint64_t at_us = lane_tick(bridge->lanes[i], now_us);
        next_us = at_us < next_us ? at_us : next_us;
    }
    for (size_t i = 0; i < bridge->config->port_count; i++) {
        uint64_t at_us = port_tick(bridge->ports[i], now_us);
        next_us = at_us < next_us ? at_us : next_us;
    }
    if (bridge->stopping && bridge->lanes_open == 0)
        finish(bridge);
    return next_us;
}

static void on_phx_log(void *user, int level, const char *text)
{
    (void)user;
    if (level <= SYSLOG_ERROR)
        log_warning("libphx", "%s", text);
    else
        log_debug("libphx", "%s", text);
}

static int make_lanes(struct bridge *bridge)
{
    bridge->lanes = calloc(bridge->config->mcu_count, sizeof(struct lane *));
    for (size_t i = 0; bridge->lanes != NULL && i < bridge->config->mcu_count; i++) {
        bridge->lanes[i] = lane_new(&bridge->shared, &bridge->config->mcus[i]);
        if (bridge->lanes[i] == NULL)
            return -1;
    }
    return bridge->lanes == NULL ? -1 : 0;
}

static int make_ports(struct bridge *bridge)
{
    const struct port_events events = {bridge, claim};
    bridge->ports = calloc(bridge->config->port_count, sizeof(struct port *));
    bridge->refusals = calloc(bridge->config->port_count, sizeof *bridge->refusals);
    if (bridge->ports == NULL || bridge->refusals == NULL)
        return -1;
    for (size_t i = 0; i < bridge->config->port_count; i++) {
        bridge->ports[i] = port_new(&bridge->loop, &bridge->config->ports[i],
                                    bridge->config->keepalive_ms, &events);
        if (bridge->ports[i] == NULL)
            return -1;
    }
    return 0;
}

static const struct profile *profile_of(const struct config *config)
{
    switch (config->profile) {
    case CONFIG_MICROCONTROLLERS:
        return &profile_microcontrollers;
    }
    return &profile_microcontrollers;
}

static int start(struct bridge *bridge)
{
    const struct phx_context_options options = {
        .max_sockets = (unsigned)bridge->config->mcu_count + SPARE_SOCKETS,
        .log = on_phx_log,
    };
    bridge->phx = phx_context_open(&bridge->loop.uv, &options);
    if (bridge->phx == NULL) {
        log_error("bridge", "cannot start libwebsockets on libuv");
        return -1;
    }
    bridge->shared = (struct lane_shared){
        .loop = &bridge->loop,
        .phx = bridge->phx,
        .config = bridge->config,
        .profile = profile_of(bridge->config),
        .user = bridge,
        .freed = on_lane_freed,
        .stopped = on_lane_stopped,
    };
    if (make_lanes(bridge) == 0 && make_ports(bridge) == 0)
        return 0;
    log_error("bridge", "out of memory");
    return -1;
}

int bridge_run(const struct config *config)
{
    struct bridge bridge = {.config = config};
    const struct loop_events events = {&bridge, on_tick, on_stop};
    if (loop_open(&bridge.loop, &events) != 0)
        return -1;
    log_info("bridge", "mcu-bridge " MCU_VERSION ": ports: %zu, MCUs: %zu, %s", config->port_count,
             config->mcu_count, config->url);
    int result = start(&bridge);
    if (result != 0) {
        free_ports(&bridge);
        free_lanes(&bridge);
        if (bridge.phx != NULL)
            phx_context_close(bridge.phx, on_context_closed, &bridge);
        loop_close(&bridge.loop);
    }
    loop_run(&bridge.loop);
    return result;
}
