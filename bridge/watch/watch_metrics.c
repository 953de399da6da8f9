/*
 * The picture as Prometheus metrics. Each family stands together, as the format demands, so the
 * tables of figures are walked outside and the ports or MCUs inside.
 */
#include "base/utf8.h"
#include "watch_text.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "mcu_bridge_"

enum type { COUNTER, GAUGE };

struct figure {
    const char *name, *help;
    size_t at; /* of the member */
    double scale;
    enum type type;
};

static const struct figure port_figures[] = {
#define X(member, name, type, scale, help) \
    {PREFIX name, help, offsetof(struct watch_port, member), scale, type},
    WATCH_PORT_FIGURES(X)
#undef X
};
static const struct figure lane_figures[] = {
#define X(member, name, type, scale, help) \
    {PREFIX name, help, offsetof(struct watch_lane, member), scale, type},
    WATCH_LANE_FIGURES(X)
#undef X
};

static const struct figure hub_figures[] = {
#define X(member, name, type, scale, help) \
    {PREFIX name, help, offsetof(struct watch_lane, member), scale, type},
    WATCH_HUB_FIGURES(X)
#undef X
};

static void family(struct watch_text *text, const char *name, const char *type, const char *help)
{
    const char *const parts[] = {"# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        watch_put(text, parts[i]);
}

/* A label's value may hold any UTF-8: what is none becomes '?', and so do control characters, which
 * the format allows and nobody wants. */
static void put_label_value(struct watch_text *text, const char *value)
{
    size_t n = 0, used = 0;
    while (value[n] >= ' ' && value[n] < 0x7f && value[n] != '"' && value[n] != '\\')
        n++;
    if (value[n] == '\0' && n <= WATCH_LABEL_MAX) {
        watch_put_bytes(text, value, n); /* as nearly all are */
        return;
    }
    n = strlen(value);
    for (size_t i = 0; i < n;) {
        size_t length = utf8_sequence((const unsigned char *)value + i, n - i);
        if (used + (length > 1 ? length : 1) > WATCH_LABEL_MAX)
            break;
        if (length == 0 || (unsigned char)value[i] < 0x20 || value[i] == 0x7f) {
            watch_put(text, "?");
            length = 1;
        } else {
            if (value[i] == '"' || value[i] == '\\')
                watch_put(text, "\\");
            watch_put_bytes(text, value + i, length);
        }
        used += length;
        i += length;
    }
}

/* `name{label="value"` and, with another label, `,other="..."`; then `} `. */
static void sample(struct watch_text *text, const char *name, const char *label, const char *value,
                   const char *other, const char *other_value)
{
    watch_put(text, name);
    watch_put(text, "{");
    watch_put(text, label);
    watch_put(text, "=\"");
    put_label_value(text, value);
    if (other != NULL) {
        watch_put(text, "\",");
        watch_put(text, other);
        watch_put(text, "=\"");
        put_label_value(text, other_value);
    }
    watch_put(text, "\"} ");
}

static void put_value(struct watch_text *text, uint64_t value, double scale)
{
    if (scale < 1)
        watch_put_micro(text, value);
    else
        watch_put_whole(text, value);
    watch_put(text, "\n");
}

/* One family of `count` things of `size` bytes each, whose first member is the name. */
static void figures(struct watch_text *text, const struct figure *figure, const char *label,
                    const void *things, size_t count, size_t size)
{
    family(text, figure->name, figure->type == COUNTER ? "counter" : "gauge", figure->help);
    for (size_t i = 0; i < count; i++) {
        const char *thing = (const char *)things + i * size;
        const char *name;
        uint64_t value;
        memcpy(&name, thing, sizeof name);
        memcpy(&value, thing + figure->at, sizeof value);
        if (value == WATCH_NONE)
            continue;
        sample(text, figure->name, label, name, NULL, NULL);
        put_value(text, value, figure->scale);
    }
}
_Static_assert(offsetof(struct watch_port, name) == 0, "figures() takes the name from there");
_Static_assert(offsetof(struct watch_lane, name) == 0, "figures() takes the name from there");

/* -- Ports and MCUs. */

static void port_states(struct watch_text *text, const struct watch *watch)
{
    family(text, PREFIX "port_up", "gauge", "Whether a board is served on the port.");
    for (size_t i = 0; i < watch->port_count; i++) {
        sample(text, PREFIX "port_up", "port", watch->ports[i].name, NULL, NULL);
        put_value(text, watch->ports[i].state == WATCH_LINK_SERVING, 1);
    }
}

static void lane_states(struct watch_text *text, const struct watch *watch)
{
    family(text, PREFIX "board_up", "gauge", "Whether the MCU's board is there.");
    for (size_t i = 0; i < watch->lane_count; i++) {
        sample(text, PREFIX "board_up", "mcu", watch->lanes[i].name, NULL, NULL);
        put_value(text, watch->lanes[i].port != NULL, 1);
    }
    family(text, PREFIX "channel_up", "gauge", "Whether the MCU's channel is joined.");
    for (size_t i = 0; i < watch->lane_count; i++) {
        if (!watch->lanes[i].has_server)
            continue;
        sample(text, PREFIX "channel_up", "mcu", watch->lanes[i].name, NULL, NULL);
        put_value(text, watch->lanes[i].server == WATCH_CHANNEL_JOINED, 1);
    }
}

static void board_info(struct watch_text *text, const struct watch *watch)
{
    family(text, PREFIX "board_info", "gauge", "What the board says of itself.");
    for (size_t i = 0; i < watch->lane_count; i++) {
        const struct watch_lane *lane = &watch->lanes[i];
        if (lane->port == NULL)
            continue;
        watch_put(text, PREFIX "board_info{mcu=\"");
        put_label_value(text, lane->name);
        watch_put(text, "\",device=\"");
        put_label_value(text, lane->device);
        watch_put(text, "\",product=\"");
        put_label_value(text, lane->product);
        watch_put(text, "\",version=\"");
        put_label_value(text, lane->version);
        watch_put(text, "\"} 1\n");
    }
}

static void hub_states(struct watch_text *text, const struct watch *watch)
{
    family(text, PREFIX "nerveshub_up", "gauge", "Whether the MCU is joined at NervesHub.");
    for (size_t i = 0; i < watch->lane_count; i++) {
        if (!watch->lanes[i].has_hub)
            continue;
        sample(text, PREFIX "nerveshub_up", "mcu", watch->lanes[i].name, NULL, NULL);
        put_value(text, watch->lanes[i].hub_joined, 1);
    }
    family(text, PREFIX "nerveshub_update_stage", "gauge", "What is done about an update now.");
    for (size_t i = 0; i < watch->lane_count; i++) {
        if (!watch->lanes[i].has_hub)
            continue;
        sample(text, PREFIX "nerveshub_update_stage", "mcu", watch->lanes[i].name, "stage",
               watch->lanes[i].hub_stage);
        put_value(text, 1, 1);
    }
    family(text, PREFIX "nerveshub_firmware_info", "gauge", "What the board runs.");
    for (size_t i = 0; i < watch->lane_count; i++) {
        const struct watch_lane *lane = &watch->lanes[i];
        if (!lane->has_hub || lane->hub_uuid[0] == '\0')
            continue;
        watch_put(text, PREFIX "nerveshub_firmware_info{mcu=\"");
        put_label_value(text, lane->name);
        watch_put(text, "\",uuid=\"");
        put_label_value(text, lane->hub_uuid);
        watch_put(text, "\",version=\"");
        put_label_value(text, lane->hub_version);
        watch_put(text, "\"} 1\n");
    }
}

static bool has_hub(const struct watch *watch)
{
    for (size_t i = 0; i < watch->lane_count; i++)
        if (watch->lanes[i].has_hub)
            return true;
    return false;
}

static void hub(struct watch_text *text, const struct watch *watch)
{
    if (!has_hub(watch))
        return;
    hub_states(text, watch);
    for (size_t i = 0; i < sizeof hub_figures / sizeof hub_figures[0]; i++)
        figures(text, &hub_figures[i], "mcu", watch->lanes, watch->lane_count,
                sizeof *watch->lanes);
}

static void dropped(struct watch_text *text, const struct watch *watch)
{
    static const char name[] = PREFIX "readings_dropped_total";
    family(text, name, "counter", "Readings that went nowhere, and why.");
    for (size_t i = 0; i < watch->lane_count; i++) {
#define X(member, reason)                                              \
    sample(text, name, "mcu", watch->lanes[i].name, "reason", reason); \
    put_value(text, watch->lanes[i].member, 1);
        WATCH_DROPPED(X)
#undef X
    }
}

static void commands(struct watch_text *text, const struct watch *watch)
{
    static const char name[] = PREFIX "commands_total";
    family(text, name, "counter", "Values asked for by the server, by how they ended.");
    for (size_t i = 0; i < watch->lane_count; i++)
        for (size_t j = 0; j < COMMANDS_OUTCOME_COUNT; j++) {
            sample(text, name, "mcu", watch->lanes[i].name, "outcome",
                   commands_outcome_name((enum commands_outcome)j));
            put_value(text, watch->lanes[i].outcomes[j], 1);
        }
}

static void sockets(struct watch_text *text, const struct watch *watch)
{
    static const char *const labels[] = {
        [WATCH_CHANNEL_OFF] = "off",           [WATCH_CHANNEL_CONNECTING] = "connecting",
        [WATCH_CHANNEL_GREETING] = "greeting", [WATCH_CHANNEL_JOINING] = "joining",
        [WATCH_CHANNEL_JOINED] = "joined",     [WATCH_CHANNEL_STOPPING] = "stopping",
    };
    uint64_t counts[WATCH_CHANNEL_COUNT] = {0};
    for (size_t i = 0; i < watch->lane_count; i++)
        if (watch->lanes[i].has_server)
            counts[watch->lanes[i].server]++;
    family(text, PREFIX "sockets", "gauge", "MCUs by the state of their socket and channel.");
    for (size_t i = 0; i < WATCH_CHANNEL_COUNT; i++) {
        sample(text, PREFIX "sockets", "state", labels[i], NULL, NULL);
        put_value(text, counts[i], 1);
    }
}

/* -- The process. */

static void single(struct watch_text *text, const char *name, const char *type, const char *help,
                   uint64_t value, double scale)
{
    family(text, name, type, help);
    watch_put(text, name);
    watch_put(text, " ");
    put_value(text, value, scale);
}

static void lag(struct watch_text *text, const struct watch_lag *lag)
{
    static const uint64_t bounds[WATCH_LAG_COUNT] = WATCH_LAG_BOUNDS;
    uint64_t sum = 0;
    family(text, PREFIX "loop_lag_seconds", "histogram",
           "How much later than due a turn of the event loop began.");
    for (size_t i = 0; i <= WATCH_LAG_COUNT; i++) {
        sum += lag->within[i];
        watch_put(text, PREFIX "loop_lag_seconds_bucket{le=\"");
        if (i < WATCH_LAG_COUNT)
            watch_put_micro(text, bounds[i]);
        else
            watch_put(text, "+Inf");
        watch_put(text, "\"} ");
        put_value(text, sum, 1);
    }
    watch_put(text, PREFIX "loop_lag_seconds_sum ");
    put_value(text, lag->sum_us, 1e-6);
    watch_put(text, PREFIX "loop_lag_seconds_count ");
    put_value(text, sum, 1);
}

static void spool(struct watch_text *text, const struct watch_spool *it)
{
#define X(member, name, type, scale, help) \
    single(text, PREFIX name, type == COUNTER ? "counter" : "gauge", help, it->member, scale);
    WATCH_SPOOL_FIGURES(X)
#undef X
}

static void process(struct watch_text *text, const struct watch_process *it)
{
    family(text, PREFIX "build_info", "gauge", "The version that runs.");
    sample(text, PREFIX "build_info", "version", it->version, NULL, NULL);
    put_value(text, 1, 1);
    single(text, "process_start_time_seconds", "gauge", "Unix time of the start.",
           (uint64_t)(it->started * 1e6), 1e-6);
    single(text, "process_cpu_seconds_total", "counter", "User and system time.",
           (uint64_t)(it->cpu_s * 1e6), 1e-6);
    single(text, "process_resident_memory_bytes", "gauge", "Resident memory.", it->memory_bytes, 1);
    single(text, "process_open_fds", "gauge", "Open descriptors.", it->open_fds, 1);
    single(text, "process_max_fds", "gauge", "Most descriptors that may be open.", it->max_fds, 1);
    lag(text, &it->lag);
    single(text, PREFIX "loop_gaps_total", "counter",
           "Times that the process stood still: suspended, stopped or stalled.", it->gaps, 1);
    family(text, PREFIX "config_reloads_total", "counter", "Configurations read on SIGHUP.");
    sample(text, PREFIX "config_reloads_total", "result", "ok", NULL, NULL);
    put_value(text, it->reloads_ok, 1);
    sample(text, PREFIX "config_reloads_total", "result", "refused", NULL, NULL);
    put_value(text, it->reloads_failed, 1);
    single(text, PREFIX "log_lines_total", "counter", "Lines written to the log.", it->log_lines,
           1);
    single(text, PREFIX "log_repeats_total", "counter",
           "Lines that were counted instead of repeated.", it->log_repeats, 1);
}

void watch_metrics(struct watch_text *text, const struct watch *watch)
{
    process(text, &watch->process);
    if (watch->process.has_spool)
        spool(text, &watch->process.spool);
    sockets(text, watch);
    port_states(text, watch);
    for (size_t i = 0; i < sizeof port_figures / sizeof port_figures[0]; i++)
        figures(text, &port_figures[i], "port", watch->ports, watch->port_count,
                sizeof *watch->ports);
    lane_states(text, watch);
    board_info(text, watch);
    for (size_t i = 0; i < sizeof lane_figures / sizeof lane_figures[0]; i++)
        figures(text, &lane_figures[i], "mcu", watch->lanes, watch->lane_count,
                sizeof *watch->lanes);
    dropped(text, watch);
    commands(text, watch);
    hub(text, watch);
}
