/*
 * Beginning, reloading and ending. Which board belongs to which lane, and how lists of ports and
 * MCUs change, is registry.c's; what a page shows is watch_*.c's.
 *
 * The end: lanes finish their upload in flight and close their sockets; then the ports, so that the
 * last "safe" still reaches the boards; then the Phoenix context and the loop.
 */
#include "bridge.h"

#include "application.h"
#include "hub.h"

#include "base/log.h"
#include "notify.h"
#include "registry.h"
#include "spool/spool.h"
#include "watch/process_watch.h"
#include "watch/watch_server.h"

#include <stdio.h>
#include <stdlib.h>

#define WHO                "bridge"
#define SYSLOG_ERROR       3 /* LOG_ERR of syslog(3), whose names collide with the log's */
#define PATH_BYTES         4096
#define ATTEMPTS_PER_S     50 /* to the server, of all MCUs: a thousand are back in 20 s */
#define ATTEMPTS_UNDER_WAY 32 /* at one server: a core does so many TLS handshakes in 0.2 s */
#define SPARE_SOCKETS      64 /* descriptors of the library's own, and for MCUs that a reload adds */
#define STATUS_LINE_US     1000000
#define SPARE_THREADS      4 /* for names, firmware files, and ports that a reload adds */
#define THREADS_MAX        64

struct bridge {
    struct profile_ruled ruled; /* the profile, where it is one of rules */
    struct config *config;      /* its lists are the registry's */
    const struct bridge_source *source;
    struct loop loop;
    struct phx_context *phx;
    struct seats *seats; /* connections to the server, in that context */
    struct spool *spool; /* NULL: readings stay in memory */
    struct hub hub;      /* of NervesHub; without files when there is no such section */
    struct registry registry;
    struct watch_server *server; /* NULL: nothing is shown */
    struct notify notify;
    size_t most_mcus; /* that the Phoenix context was made for */
    uint64_t began_us;
    uint64_t said_us; /* when the manager was last told how many are up */
    size_t said_up;
    uint64_t reloads_ok, reloads_failed;
    bool stopping;
};

/* -- What is shown. */

static void watch_spool(const struct spool *spool, struct watch_spool *out)
{
    struct spool_stats stats;
    spool_stats(spool, &stats);
    *out = (struct watch_spool){
        .commits = stats.commits,
        .errors = stats.errors,
        .faults = stats.faults,
        .faulty = stats.faulty,
        .failing = stats.failing,
        .held = stats.held_readings,
        .parked = stats.parked,
        .set_aside = stats.set_aside,
    };
}

static bool picture(void *user, struct watch *watch)
{
    struct bridge *bridge = user;
    struct watch_process *process = &watch->process;
    process->version = MCU_VERSION;
    process->uptime_ms = (loop_now_us(&bridge->loop) - bridge->began_us) / 1000;
    process->lag = bridge->loop.lag;
    process->gaps = bridge->loop.gaps;
    process->reloads_ok = bridge->reloads_ok;
    process->reloads_failed = bridge->reloads_failed;
    process->stopping = bridge->stopping;
    process->has_spool = bridge->spool != NULL;
    if (process->has_spool)
        watch_spool(bridge->spool, &process->spool);
    log_counts(&process->log_lines, &process->log_repeats);
    process_watch(process);
    return registry_watch(&bridge->registry, watch);
}

static size_t count_up(struct bridge *bridge)
{
    size_t up = 0;
    for (size_t i = 0; i < bridge->registry.lane_count; i++)
        up += lane_is_up(bridge->registry.lanes[i]->lane);
    return up;
}

/* One line for `systemctl status`. */
static void tell_manager(struct bridge *bridge, uint64_t now_us)
{
    char line[64];
    notify_alive(&bridge->notify, now_us);
    if (bridge->notify.fd < 0 || bridge->stopping || now_us - bridge->said_us < STATUS_LINE_US)
        return;
    bridge->said_us = now_us;
    size_t up = count_up(bridge);
    if (up == bridge->said_up)
        return;
    bridge->said_up = up;
    snprintf(line, sizeof line, "STATUS=%zu of %zu MCUs are up", up, bridge->registry.lane_count);
    notify_send(&bridge->notify, line);
}

/* -- The end. */

static void on_context_closed(void *user)
{
    (void)user;
    log_info(WHO, "stopped");
}

static void close_all(struct bridge *bridge)
{
    registry_deinit(&bridge->registry);
    hub_close(&bridge->hub);
    if (bridge->spool != NULL)
        spool_close(bridge->spool);
    bridge->spool = NULL;
    if (bridge->server != NULL)
        watch_server_close(bridge->server);
    bridge->server = NULL;
    seats_free(bridge->seats);
    bridge->seats = NULL;
    if (bridge->phx != NULL)
        phx_context_close(bridge->phx, on_context_closed, bridge);
    loop_close(&bridge->loop);
}

static void on_stop(void *user)
{
    struct bridge *bridge = user;
    bridge->stopping = true;
    notify_send(&bridge->notify, "STOPPING=1\nSTATUS=the last uploads get their replies");
    registry_stop(&bridge->registry);
}

/* -- A new configuration. */

static void report(void *user, const char *error)
{
    (void)user;
    log_error(WHO, "%s", error);
}

static void on_difference(void *user, const char *setting, bool live)
{
    (void)user;
    if (!live)
        log_warning(WHO, "%s has changed: that takes effect when mcu-bridge is started anew",
                    setting);
}

static void apply(struct bridge *bridge, struct config *next)
{
    struct registry_changes changes;
    config_differences(bridge->config, next, on_difference, NULL);
    bridge->config->log_level = next->log_level;
    bridge->config->log_json = next->log_json;
    log_open(next->log_level, next->log_json);
    bool devices_anew = config_take_nerveshub(bridge->config, next);
    if (devices_anew)
        log_info(WHO, "nerveshub has changed: its boards begin anew");
    hub_boards(&bridge->hub, next);
    if (registry_apply(&bridge->registry, next, devices_anew, &changes) != 0)
        log_error(WHO, "out of memory: some entries are missing until the next SIGHUP");
    log_info(WHO,
             "the configuration was read again; MCUs: %zu new, %zu changed, %zu gone; ports: %zu "
             "new, %zu changed, %zu gone",
             changes.mcus_added, changes.mcus_changed, changes.mcus_removed, changes.ports_added,
             changes.ports_changed, changes.ports_removed);
    bridge->reloads_ok++;
}

static void on_reload(void *user)
{
    struct bridge *bridge = user;
    struct config next;
    notify_reloading(&bridge->notify);
    if (bridge->source->read(bridge->source->user, &next, report, NULL) != 0) {
        log_error(WHO, "the new configuration is not taken: everything goes on as before");
        bridge->reloads_failed++;
    } else if (next.mcu_count > bridge->most_mcus) {
        log_error(
            WHO,
            "the new configuration is not taken: %zu MCUs need a new start (this one was made "
            "for at most %zu)",
            next.mcu_count, bridge->most_mcus);
        bridge->reloads_failed++;
        config_free(&next);
    } else {
        apply(bridge, &next);
        config_free(&next);
    }
    notify_send(&bridge->notify, "READY=1");
}

/* -- Running. */

static uint64_t on_tick(void *user, uint64_t now_us)
{
    struct bridge *bridge = user;
    uint64_t next_us = registry_tick(&bridge->registry, now_us);
    log_tick();
    tell_manager(bridge, now_us);
    if (registry_is_stopped(&bridge->registry))
        close_all(bridge);
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

/* One MCU without a file has a spool of its own: several such bridges may run side by side. */
static int spool_path(const struct config *config, char *out, size_t cap)
{
    char folder[PATH_BYTES];
    int n;
    if (config->spool_path != NULL)
        n = snprintf(out, cap, "%s", config->spool_path);
    else if (spool_folder(folder, sizeof folder) != 0)
        return -1;
    else if (config->one_line)
        n = snprintf(out, cap, "%s/spool-%s.db", folder, config->mcus[0].name);
    else
        n = snprintf(out, cap, "%s/spool.db", folder);
    return n > 0 && (size_t)n < cap ? 0 : -1;
}

static int open_spool(struct bridge *bridge)
{
    char path[PATH_BYTES], error[PATH_BYTES + 200];
    const struct spool_options options = {
        .loop = &bridge->loop.uv,
        .path = path,
        .max_age_ms = bridge->config->spool_max_age_ms,
    };
    if (!bridge->config->spool || bridge->config->url == NULL)
        return 0;
    if (spool_path(bridge->config, path, sizeof path) != 0) {
        log_error("spool", "no folder for it is known: " SPOOL_ADVICE);
        return -1;
    }
    if (spool_open(&bridge->spool, &options, error, sizeof error) == 0)
        return 0;
    log_error("spool", "%s", error);
    return -1;
}

static int start(struct bridge *bridge)
{
    struct config *config = bridge->config;
    struct registry_changes changes;
    const char *why;
    const struct profile *profile = application_profile(config, &bridge->ruled, &why);
    if (profile == NULL) {
        log_error(WHO, "%s", why);
        return -1;
    }
    if (open_spool(bridge) != 0)
        return -1;
    bool has_hub = config->nerveshub.url != NULL;
    bridge->most_mcus = 2 * config->mcu_count + SPARE_SOCKETS;
    const struct phx_context_options options = {
        .max_sockets =
            (unsigned)(has_hub ? 2 * bridge->most_mcus : bridge->most_mcus) + SPARE_SOCKETS,
        .attempts_per_s = ATTEMPTS_PER_S,
        .attempts_under_way = ATTEMPTS_UNDER_WAY,
        .log = on_phx_log,
    };
    bridge->phx = phx_context_open(&bridge->loop.uv, &options);
    bridge->seats = bridge->phx != NULL ? seats_new(bridge->phx) : NULL;
    if (bridge->seats == NULL) {
        log_error(WHO, "cannot start libwebsockets on libuv");
        return -1;
    }
    if (has_hub && hub_open(&bridge->hub, &bridge->loop, bridge->phx, &config->nerveshub) != 0)
        return -1;
    const struct lane_shared shared = {
        .loop = &bridge->loop,
        .seats = bridge->seats,
        .config = config,
        .profile = profile,
        .spool = bridge->spool,
        .hub = has_hub ? &bridge->hub : NULL,
    };
    hub_boards(&bridge->hub, config);
    registry_init(&bridge->registry, &shared, config->keepalive_ms);
    if (config->metrics_listen != NULL) {
        bridge->server = watch_server_open(&bridge->loop, config->metrics_listen, picture, bridge);
        if (bridge->server == NULL)
            return -1;
    }
    if (registry_apply(&bridge->registry, config, false, &changes) == 0)
        return 0;
    log_error(WHO, "out of memory");
    return -1;
}

/* Each line that hangs while it is opened or closed takes one of libuv's threads, which resolve
 * names too: so there is one for each, up to a number. What the environment says goes before. */
static void size_threads(size_t ports)
{
    char number[16];
    size_t threads = SPARE_THREADS + ports;
    snprintf(number, sizeof number, "%zu", threads < THREADS_MAX ? threads : THREADS_MAX);
    setenv("UV_THREADPOOL_SIZE", number, 0);
}

int bridge_run(struct config *config, const struct bridge_source *source)
{
    struct bridge bridge = {.config = config, .source = source, .said_up = SIZE_MAX};
    const struct loop_events events = {&bridge, on_tick, on_stop, on_reload};
    size_threads(config->port_count);
    if (loop_open(&bridge.loop, &events) != 0)
        return -1;
    bridge.began_us = loop_now_us(&bridge.loop);
    notify_open(&bridge.notify);
    log_info(WHO, "mcu-bridge " MCU_VERSION ": ports: %zu, MCUs: %zu, %s", config->port_count,
             config->mcu_count, config->url != NULL ? config->url : config->nerveshub.url);
    int result = start(&bridge);
    if (result == 0)
        notify_send(&bridge.notify, "READY=1");
    else
        close_all(&bridge);
    loop_run(&bridge.loop);
    log_flush();
    notify_close(&bridge.notify);
    return result;
}
