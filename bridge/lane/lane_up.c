/*
 * A lane's way up: groups of readings into the spool and back, uploads out, and how they end. What
 * is due, safe and in which order is uplink's; states are lane.c's, the channel lane_server.c's.
 */
#include "lane_private.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXPIRE_EVERY_MS 10000

/* -- Clocks: times are kept by the clock that goes on during suspend, and converted when pushed. */

static int64_t clock_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t lane_boot_minus_mono_us(const struct lane *lane)
{
    return clock_us(CLOCK_BOOTTIME) - (int64_t)loop_now_us(lane->shared->loop);
}

static int64_t unix_minus_clock_us(const struct lane *lane, uint32_t clock)
{
    if (lane->stream != NULL)
        return spool_unix_minus_clock_us(lane->shared->spool, clock);
    return clock_us(CLOCK_REALTIME) - clock_us(CLOCK_BOOTTIME);
}

/* -- Into the spool. */

static bool store_group(struct lane *lane, const struct uplink_group *group)
{
    const struct spool_group stored = {
        .device = group->device,
        .device_len = group->device_len,
        .epoch = group->epoch,
        .following = group->following,
        .count = group->count,
        .at_us = group->first_at_us,
        .bytes = group->bytes,
        .len = group->len,
    };
    if (spool_add(lane->stream, &stored))
        return true;
    uplink_group_not_stored(&lane->uplink);
    return false;
}

/* With `all`, what has come so far; else what is due. */
static void store(struct lane *lane, uint64_t now, bool all)
{
    struct spool_stream_stats stats;
    const struct uplink_group *group;
    if (lane->stream == NULL)
        return;
    spool_stream_stats(lane->stream, &stats);
    if (stats.bytes >= lane->shared->config->spool_bytes && !all) {
        lane_log_spool_full(&lane->log, stats.bytes);
        return;
    }
    lane_log_spool_room(&lane->log, stats.bytes, lane->shared->config->spool_bytes);
    while ((group = uplink_group_due(&lane->uplink, now, all)) != NULL)
        if (!store_group(lane, group))
            return;
}

static void on_committed(void *user, uint64_t id, uint32_t clock)
{
    struct lane *lane = user;
    uplink_on_committed(&lane->uplink, id, clock);
    lane_tell_safe(lane);
    turn_wake(&lane->turn);
}

static void on_delivered(void *user, uint64_t id, uint32_t upto, bool whole)
{
    struct lane *lane = user;
    if (lane->stream != NULL)
        spool_delivered(lane->stream, id, upto, whole);
}

static void on_parked(void *user, const struct profile_sensor *sensor,
                      const struct profile_reading *reading)
{
    struct lane *lane = user;
    const struct spool_parked parked = {
        .sensor = sensor->name,
        .kind = sensor->kind,
        .value = mp_value_to_physical(sensor->type, sensor->exponent, reading->value),
        .epoch = reading->epoch,
        .number = reading->number,
        .index = reading->index,
        .at_us = reading->at_us,
    };
    lane_log_parked(&lane->log, sensor->name, sensor->kind, parked.value, lane->stream != NULL);
    if (lane->stream != NULL)
        spool_park(lane->stream, &parked);
}

static void on_damaged(void *user, uint64_t id)
{
    struct lane *lane = user;
    lane_log_say(&lane->log, LOG_ERROR,
                 "a group of readings in the spool is damaged; it is kept in its table parked");
    spool_damaged(lane->stream, id);
}

const struct uplink_io lane_uplink_io = {
    .delivered = on_delivered,
    .damaged = on_damaged,
    .parked = on_parked,
};

static void on_settled(void *user)
{
    struct lane *lane = user;
    if (--lane->settles == 0)
        uplink_on_settled(&lane->uplink);
    turn_wake(&lane->turn);
}

static void settle(struct lane *lane)
{
    if (lane->stream == NULL)
        return;
    lane->settles += spool_settle(lane->stream) ? 1 : 0;
    if (lane->settles == 0)
        uplink_on_settled(&lane->uplink);
}

/* -- Out of the spool. */

static bool on_row(void *user, const struct spool_row *row)
{
    struct lane *lane = user;
    return uplink_on_row(&lane->uplink, row->id, row->clock, row->upto, row->bytes, row->len);
}

static void on_loaded(void *user, bool end)
{
    struct lane *lane = user;
    uplink_on_loaded(&lane->uplink, end);
    settle(lane); /* groups that could not be read */
    turn_wake(&lane->turn);
}

static void load(struct lane *lane)
{
    uint64_t after;
    if (lane->stream != NULL && lane->binds == 0 && uplink_wants(&lane->uplink, &after) &&
        !spool_load(lane->stream, after))
        uplink_on_loaded(&lane->uplink, false);
}

/* -- Whose readings they are. */

static void on_bound(void *user, bool changed)
{
    struct lane *lane = user;
    struct spool_stream_stats stats;
    lane->binds--;
    if (changed)
        uplink_reload(&lane->uplink);
    spool_stream_stats(lane->stream, &stats);
    if (changed && stats.readings < lane->had)
        lane_log_say(&lane->log, LOG_WARNING,
                     "%llu readings were collected for another controller: they stay in the spool "
                     "until its key is back here",
                     (unsigned long long)lane->had);
    lane->had = stats.readings;
    if (changed && stats.readings > 0)
        lane_log_say(&lane->log, LOG_INFO, "%llu readings wait in the spool",
                     (unsigned long long)stats.readings);
    if (stats.readings > 0)
        lane_readings_wait(lane);
    turn_wake(&lane->turn);
}

static const struct spool_events events_of_stream = {
    .bound = on_bound,
    .committed = on_committed,
    .settled = on_settled,
    .row = on_row,
    .loaded = on_loaded,
};

void lane_up_credential(struct lane *lane)
{
    if (lane->shared->spool == NULL ||
        (lane->stream != NULL && memcmp(lane->key, lane->key_hash, sizeof lane->key) == 0))
        return;
    memcpy(lane->key, lane->key_hash, sizeof lane->key);
    if (lane->stream != NULL) {
        store(lane, 0, true); /* what has come so far was the earlier one's */
        lane->had = lane_up_waiting(lane);
        lane->binds += spool_bind(lane->stream, lane->key, "") ? 1 : 0;
        return;
    }
    struct spool_events events = events_of_stream;
    events.user = lane;
    lane->stream =
        spool_stream_open(lane->shared->spool, lane->key, lane->shared->config->url, &events);
    lane->binds += lane->stream != NULL ? 1 : 0;
}

bool lane_up_topic(struct lane *lane)
{
    if (lane->shared->spool == NULL)
        return true;
    store(lane, 0, true); /* what has come so far was for the earlier one, if there was one */
    if (lane->stream == NULL || !spool_bind(lane->stream, lane->key, lane->topic))
        return false;
    lane->had = lane_up_waiting(lane);
    lane->binds++;
    return true;
}

void lane_up_board(struct lane *lane, const struct mp_peer *peer)
{
    struct uplink_mark mark;
    uint8_t device[UPLINK_DEVICE_MAX] = {0};
    uint8_t len = peer->device_len;
    memcpy(device, peer->device, len);
    if (len == 0) { /* it has no identity: then it is whatever speaks here */
        len = 1 + SPOOL_KEY_BYTES;
        memcpy(device + 1, lane->key, SPOOL_KEY_BYTES);
    }
    bool known = lane->shared->spool != NULL &&
                 spool_device(lane->shared->spool, device, len, &mark.epoch, &mark.next);
    uplink_board(&lane->uplink, device, len, known ? &mark : NULL);
}

/* -- Uploads. */

static int push_upload(struct lane *lane, const struct profile_upload *upload, int slot)
{
    const struct profile *profile = lane->shared->profile;
    size_t bound = profile->upload_bound(profile, upload);
    char *json = malloc(bound);
    if (json == NULL)
        return PHX_ERR_MEMORY;
    size_t n = profile->write_upload(profile, upload, json, bound);
    int error = PHX_ERR_BAD_JSON;
    if (n > 0)
        error = phx_push(lane->channel, profile->upload_event, (struct phx_text){json, n},
                         lane->shared->config->reply_timeout_ms, &lane->pushed_ms[slot]);
    free(json);
    return error;
}

/* When the oldest upload still in flight was pushed. */
static uint64_t oldest_push_ms(const struct lane *lane)
{
    uint64_t oldest = NEVER;
    for (int i = 0; i < UPLINK_FLIGHT_MAX; i++)
        if (lane->pushed_ms[i] < oldest)
            oldest = lane->pushed_ms[i];
    return oldest;
}

/* Returns whether there may be another. */
static bool upload(struct lane *lane, uint64_t now)
{
    struct profile_upload upload = {
        .values_as_strings = lane->shared->config->values_as_strings,
        .identity = lane->shared->config->reading_at,
    };
    uint32_t clock;
    if (lane->state != LANE_JOINED || !phx_channel_is_joined(lane->channel) || lane->binds > 0)
        return false;
    int slot = uplink_due(&lane->uplink, now, &upload, &clock);
    if (slot == UPLINK_NONE)
        return false;
    if (lane->shared->profile->fits != NULL) {
        upload.reading_count = lane->shared->profile->fits(lane->shared->profile, &upload);
        uplink_trim(&lane->uplink, slot, upload.reading_count);
    }
    upload.unix_minus_mono_us = unix_minus_clock_us(lane, clock);
    uplink_on_pushed(&lane->uplink, slot);
    lane->pushed_ms[slot] = now;
    commands_fresh_on_push(&lane->fresh, now);
    int error = push_upload(lane, &upload, slot);
    if (error == PHX_OK) {
        lane->counts.pushed += upload.reading_count;
        return true;
    }
    lane->pushed_ms[slot] = NEVER;
    commands_fresh_on_push_end(&lane->fresh, false, now, oldest_push_ms(lane));
    enum uplink_failure why = error == PHX_ERR_BAD_JSON ? UPLINK_ERROR : UPLINK_LATE;
    lane_log_push_failed(&lane->log, phx_error_text(error),
                         uplink_on_failure(&lane->uplink, slot, why, now));
    settle(lane);
    return false;
}

/* Only a crash of the channel alone may be the readings' fault. */
static enum uplink_failure failure_of(const struct lane *lane, const struct phx_push_result *result)
{
    switch (result->end) {
    case PHX_PUSH_REPLY:
        return UPLINK_ERROR;
    case PHX_PUSH_TIMEOUT:
        return UPLINK_LATE;
    case PHX_PUSH_LOST:
        break;
    }
    return phx_socket_is_connected(lane->socket) ? UPLINK_CRASH : UPLINK_LOST;
}

void lane_up_on_push_end(struct lane *lane, void *token, const struct phx_push_result *result)
{
    int slot = (int)((uint64_t *)token - lane->pushed_ms);
    uint64_t pushed_ms = lane->pushed_ms[slot];
    lane->pushed_ms[slot] = NEVER;
    commands_fresh_on_push_end(&lane->fresh, result->end == PHX_PUSH_REPLY, pushed_ms,
                               oldest_push_ms(lane));
    if (result->end == PHX_PUSH_REPLY && result->ok) {
        uplink_on_ok(&lane->uplink, slot);
        lane->counts.uploads_ok++;
        lane->counts.reply_ms += lane_now_ms(lane) - pushed_ms;
        lane_log_uploaded(&lane->log);
        lane_tell_safe(lane);
    } else {
        lane_log_upload_failed(
            &lane->log, result,
            uplink_on_failure(&lane->uplink, slot, failure_of(lane, result), lane_now_ms(lane)));
    }
    settle(lane);
    turn_wake(&lane->turn);
}

/* -- What is due. */

/* Readings of any clock that are too old, in memory and on disk. */
static void expire(struct lane *lane, uint64_t now)
{
    uint64_t age_ms = lane->shared->config->spool_max_age_ms, at_us, before;
    uint32_t clock;
    if (lane->stream == NULL || age_ms == 0 || now < lane->expire_ms)
        return;
    lane->expire_ms = now + EXPIRE_EVERY_MS;
    int64_t limit_us = clock_us(CLOCK_REALTIME) - (int64_t)age_ms * 1000;
    do {
        before = lane->uplink.counts.expired;
        if (uplink_oldest(&lane->uplink, &at_us, &clock))
            uplink_expire(&lane->uplink, clock, limit_us - unix_minus_clock_us(lane, clock));
    } while (lane->uplink.counts.expired != before);
    settle(lane);
    spool_expire(lane->stream, uplink_tail(&lane->uplink));
}

void lane_up_tick(struct lane *lane, uint64_t now)
{
    store(lane, now, false);
    expire(lane, now);
    load(lane);
    while (upload(lane, now))
        ;
    load(lane);
}

uint64_t lane_up_next_ms(const struct lane *lane)
{
    struct spool_stream_stats stats;
    uint64_t next = NEVER;
    if (lane->state == LANE_JOINED && lane->binds == 0)
        next = uplink_due_at(&lane->uplink);
    if (lane->stream == NULL)
        return next;
    spool_stream_stats(lane->stream, &stats);
    uint64_t group_ms = uplink_group_due_at(&lane->uplink);
    if (stats.bytes < lane->shared->config->spool_bytes && group_ms < next)
        next = group_ms;
    if (lane->shared->config->spool_max_age_ms > 0 && lane->expire_ms < next)
        next = lane->expire_ms;
    return next;
}

uint64_t lane_up_waiting(const struct lane *lane)
{
    struct spool_stream_stats stats;
    if (lane->stream == NULL)
        return uplink_waiting(&lane->uplink);
    spool_stream_stats(lane->stream, &stats);
    return stats.readings;
}

uint64_t lane_up_oldest_age_us(const struct lane *lane)
{
    uint64_t at_us;
    uint32_t clock;
    if (!uplink_oldest(&lane->uplink, &at_us, &clock))
        return NEVER;
    int64_t age = clock_us(CLOCK_REALTIME) - unix_minus_clock_us(lane, clock) - (int64_t)at_us;
    return age < 0 ? 0 : (uint64_t)age;
}

void lane_up_stop(struct lane *lane)
{
    store(lane, lane_now_ms(lane), true);
}

void lane_up_close(struct lane *lane)
{
    if (lane->stream != NULL)
        spool_stream_close(lane->stream);
    lane->stream = NULL;
}
