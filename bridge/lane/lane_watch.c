/*
 * What can be seen of a lane. Nothing is counted here that its parts do not count themselves.
 */
#include "lane_private.h"
#include "watch/watch.h"

static enum watch_channel server_state(const struct lane *lane)
{
    switch (lane->state) {
    case LANE_IDLE:
        return WATCH_CHANNEL_OFF;
    case LANE_CONNECTING:
        return WATCH_CHANNEL_CONNECTING;
    case LANE_GREETING:
        return WATCH_CHANNEL_GREETING;
    case LANE_JOINING:
        return WATCH_CHANNEL_JOINING;
    case LANE_JOINED:
        return WATCH_CHANNEL_JOINED;
    case LANE_STOPPING:
        return WATCH_CHANNEL_STOPPING;
    }
    return WATCH_CHANNEL_OFF;
}

static void watch_board(const struct lane *lane, struct watch_lane *out)
{
    if (lane->port == NULL)
        return;
    out->port = port_name(lane->port);
    out->path = port_path(lane->port);
    out->device = lane->log.device;
    out->product = lane->description->product;
    out->version = lane->description->version;
}

static void watch_readings(const struct lane *lane, struct watch_lane *out)
{
    const struct uplink_counts *counts = &lane->uplink.counts;
    out->received = counts->readings + lane->counts.unsent;
    out->pushed = lane->counts.pushed;
    out->replied = counts->uploaded;
    out->repeated = counts->repeated;
    out->missing = counts->missing;
    out->waiting = lane_up_waiting(lane);
    out->oldest_us = lane_up_oldest_age_us(lane);
    out->uploads_ok = lane->counts.uploads_ok;
    out->uploads_failed = counts->failures;
    out->reply_us = lane->counts.reply_ms * 1000;
    out->dropped_no_room = counts->dropped;
    out->dropped_kind = counts->refused;
    out->dropped_value = counts->not_finite;
    out->dropped_parked = counts->parked;
    out->dropped_damaged = counts->damaged;
    out->dropped_expired = counts->expired;
}

static void watch_spooled(const struct lane *lane, struct watch_lane *out)
{
    struct spool_stream_stats stats;
    out->spooled = out->spooled_bytes = WATCH_NONE;
    if (lane->stream == NULL)
        return;
    spool_stream_stats(lane->stream, &stats);
    out->spooled = stats.readings;
    out->spooled_bytes = stats.bytes;
}

bool lane_is_up(const struct lane *lane)
{
    return lane->port != NULL && (lane->state == LANE_JOINED || !lane_has_server(lane)) &&
           lane_hub_is_joined(lane);
}

void lane_watch(const struct lane *lane, struct watch_lane *out)
{
    *out = (struct watch_lane){
        .name = lane->config->name,
        .has_server = lane_has_server(lane),
        .server = server_state(lane),
        .error = lane->log.error,
        .error_age_ms = lane_now_ms(lane) - lane->log.error_ms,
        .connects = lane->counts.connects,
        .disconnects = lane->counts.disconnects,
        .joins = lane->counts.joins,
        .boards = lane->counts.boards,
        .failsafe_done = lane->commands.failsafe_done,
        .failsafe_failed = lane->commands.failsafe_failed,
    };
    for (size_t i = 0; i < COMMANDS_OUTCOME_COUNT; i++)
        out->outcomes[i] = lane->commands.counts[i];
    watch_board(lane, out);
    watch_readings(lane, out);
    watch_spooled(lane, out);
    lane_hub_watch(lane, out);
}
