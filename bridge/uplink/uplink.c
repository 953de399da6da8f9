/*
 * The waiting room of one MCU's readings: what comes. It knows which sensors there are, what was
 * taken before, and what is safe; with a spool it writes what comes into groups for it. What goes,
 * and its order, is uplink_send.c's; how an upload is written is the profile's, and pushing it the
 * lane's.
 */
#include "uplink_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define READING_BYTES_MIN 3   /* of a reading in a message: slot, ticks, value */
#define SPOOLED_ROWS_MIN  256 /* a group of one message fits twice */
#define GROUPS_MIN        8192
/* The largest description that a board can send is shared by all of its sensors. */
#define DESCRIBED_MAX     4608
#define LOAD_MIN          128 /* bytes of a group that are not worth a commit of their own */

/* Of memory for groups that are not stored yet. */
static size_t groups_max(const struct uplink *uplink)
{
    size_t half = uplink->config.buffer_bytes / 2;
    return half < GROUPS_MIN ? GROUPS_MIN : half;
}

static size_t queue_max(const struct uplink_config *config)
{
    size_t rows = config->buffer_bytes / sizeof(struct profile_reading);
    if (!config->spooled)
        return rows;
    rows /= config->identity ? 4 : 2;
    return rows < SPOOLED_ROWS_MIN ? SPOOLED_ROWS_MIN : rows;
}

int uplink_init(struct uplink *uplink, const struct uplink_config *config)
{
    *uplink = (struct uplink){.config = *config, .limit = config->batch_readings};
    for (int i = 0; i < UPLINK_QUEUES; i++)
        uplink->queues[i].max = queue_max(config);
    uplink->behind = config->spooled;
    return uplink->queues[UPLINK_MAIN].max == 0 || config->batch_readings == 0 ? -1 : 0;
}

static void forget_sensors(struct uplink *uplink)
{
    for (size_t i = 0; i < uplink->sensor_count; i++) {
        free((char *)uplink->sensors[i].name);
        free((char *)uplink->sensors[i].kind);
    }
    free(uplink->sensors);
    uplink->sensors = NULL;
    uplink->sensor_count = 0;
}

void uplink_deinit(struct uplink *uplink)
{
    forget_sensors(uplink);
    for (int i = 0; i < UPLINK_QUEUES; i++)
        uplink_queue_deinit(&uplink->queues[i]);
    while (uplink->groups != NULL) {
        struct uplink_group *group = uplink->groups;
        uplink->groups = group->next;
        uplink_group_free(group);
    }
    *uplink = (struct uplink){0};
}

/* -- Sensors: rows outlive the description that they came with. */

static size_t find_sensor(const struct uplink *uplink, const struct uplink_sensor *sensor)
{
    for (size_t i = 0; i < uplink->sensor_count; i++) {
        const struct profile_sensor *known = &uplink->sensors[i];
        if (known->type == sensor->type && known->exponent == sensor->exponent &&
            strcmp(known->name, sensor->name) == 0 && strcmp(known->kind, sensor->kind) == 0)
            return i;
    }
    return uplink->sensor_count;
}

static uint16_t group_of(const struct uplink *uplink, const char *name)
{
    size_t i = 0;
    while (i < uplink->sensor_count && strcmp(uplink->sensors[i].name, name) != 0)
        i++;
    return (uint16_t)i;
}

static int add_sensor(struct uplink *uplink, const struct uplink_sensor *sensor)
{
    size_t bytes = (uplink->sensor_count + 1) * sizeof *uplink->sensors;
    struct profile_sensor *grown = realloc(uplink->sensors, bytes);
    if (grown == NULL)
        return -1;
    uplink->sensors = grown;
    char *name = strdup(sensor->name);
    char *kind = strdup(sensor->kind);
    if (name == NULL || kind == NULL) {
        free(name);
        free(kind);
        return -1;
    }
    uint16_t group = group_of(uplink, name);
    grown[uplink->sensor_count++] =
        (struct profile_sensor){name, kind, sensor->type, sensor->exponent, group};
    return 0;
}

static bool has_rows(const struct uplink *uplink)
{
    return uplink->queues[UPLINK_MAIN].count + uplink->queues[UPLINK_LIVE].count > 0;
}

/* The places move, so nobody may hold one: neither a row nor whoever reads a group. */
void uplink_forget_unused(struct uplink *uplink)
{
    size_t kept = 0;
    if (has_rows(uplink) || uplink->sensor_count + UPLINK_GROUP_SENSORS_MAX <= PROFILE_SENSORS_MAX)
        return;
    for (size_t i = 0; i < uplink->sensor_count; i++) {
        bool used = false;
        for (size_t slot = 0; slot < uplink->slot_count; slot++) {
            if (uplink->slots[slot] != i)
                continue;
            uplink->slots[slot] = (uint16_t)kept;
            used = true;
        }
        if (used) {
            uplink->sensors[kept++] = uplink->sensors[i];
            continue;
        }
        free((char *)uplink->sensors[i].name);
        free((char *)uplink->sensors[i].kind);
    }
    uplink->sensor_count = kept;
    for (size_t i = 0; i < kept; i++)
        uplink->sensors[i].group = group_of(uplink, uplink->sensors[i].name);
}

uint16_t uplink_intern(struct uplink *uplink, const struct uplink_sensor *sensor)
{
    size_t i = find_sensor(uplink, sensor);
    if (i == uplink->sensor_count && (i == PROFILE_SENSORS_MAX || add_sensor(uplink, sensor) != 0))
        return UPLINK_REFUSED;
    return (uint16_t)i;
}

static void seal_newest(struct uplink *uplink);

int uplink_describe(struct uplink *uplink, const struct uplink_sensor *sensors, size_t n,
                    void (*refused)(void *user, const struct uplink_sensor *sensor), void *user)
{
    if (n > UPLINK_SLOTS_MAX)
        return -1;
    seal_newest(uplink);
    uplink->slot_count = 0;
    if (!has_rows(uplink))
        forget_sensors(uplink);
    for (size_t i = 0; i < n; i++) {
        uplink->slots[i] = UPLINK_REFUSED;
        if (!uplink->config.profile->knows_kind(uplink->config.profile, sensors[i].kind)) {
            refused(user, &sensors[i]);
            continue;
        }
        uplink->slots[i] = uplink_intern(uplink, &sensors[i]);
        if (uplink->slots[i] == UPLINK_REFUSED)
            return -1;
    }
    uplink->slot_count = n;
    return 0;
}

/* -- Sessions. */

void uplink_board(struct uplink *uplink, const uint8_t *device, uint8_t len,
                  const struct uplink_mark *known)
{
    if (uplink->has_epoch && uplink->device_len == len && memcmp(uplink->device, device, len) == 0)
        return;
    seal_newest(uplink);
    memcpy(uplink->device, device, len);
    uplink->device_len = len;
    uplink->old = uplink->queues[UPLINK_MAIN].count;
    uplink->has_epoch = uplink->resumed = known != NULL;
    if (known != NULL) {
        uplink->epoch = known->epoch;
        uplink->next = known->next;
    }
}

void uplink_session(struct uplink *uplink, uint32_t epoch, uint32_t first)
{
    bool resumed = uplink->resumed;
    uplink->resumed = false;
    uplink->load_most = 0;
    if (!uplink->has_epoch || uplink->epoch != epoch) {
        seal_newest(uplink);
        uplink->has_epoch = true;
        uplink->old = uplink->queues[UPLINK_MAIN].count;
        uplink->epoch = epoch;
        uplink->next = first;
        return;
    }
    int32_t ahead = (int32_t)(first - uplink->next);
    if (ahead <= 0)
        return;
    /* Messages without readings are not stored: after a restart they look as if missing. */
    if (!resumed)
        uplink->counts.missing += (uint32_t)ahead;
    uplink->next = first;
}

/* -- What comes, into memory. */

/* Whether the reading has a place on the server; counts those that have not. */
static bool is_for_server(struct uplink *uplink, const struct uplink_reading *reading)
{
    if (reading->slot >= uplink->slot_count || uplink->slots[reading->slot] == UPLINK_REFUSED) {
        uplink->counts.refused++;
        return false;
    }
    uint8_t type = uplink->sensors[uplink->slots[reading->slot]].type;
    if (type == MP_TYPE_F32 && !isfinite(reading->value.f)) {
        uplink->counts.not_finite++;
        return false;
    }
    return true;
}

static struct profile_reading row_of(const struct uplink *uplink, uint32_t number, uint16_t index,
                                     const struct uplink_reading *reading)
{
    return (struct profile_reading){
        .at_us = reading->at_us,
        .epoch = uplink->epoch,
        .number = number,
        .value = reading->value,
        .index = index,
        .sensor = uplink->slots[reading->slot],
    };
}

static void append(struct uplink *uplink, uint32_t number, uint16_t index,
                   const struct uplink_reading *reading, uint64_t now_ms)
{
    struct uplink_queue *queue = &uplink->queues[UPLINK_MAIN];
    if (uplink_unbegun(uplink, UPLINK_MAIN) == 0)
        queue->oldest_ms = now_ms;
    queue->rows[queue->head + queue->count++] = row_of(uplink, number, index, reading);
    uplink->once += index == PROFILE_ONCE ? 1 : 0;
    uplink->counts.readings++;
}

static bool keep(struct uplink *uplink, uint32_t number, const struct uplink_reading *readings,
                 size_t n, uint64_t now_ms)
{
    struct uplink_queue *queue = &uplink->queues[UPLINK_MAIN];
    if (!uplink_reserve(queue, n, queue->max))
        return false;
    for (size_t i = 0; i < n; i++)
        if (is_for_server(uplink, &readings[i]))
            append(uplink, number, (uint16_t)i, &readings[i], now_ms);
    return true;
}

/* -- What comes, into groups. */

static void drop_newest(struct uplink *uplink)
{
    struct uplink_group **at = &uplink->groups, *before = NULL;
    while (*at != uplink->newest) {
        before = *at;
        at = &before->next;
    }
    *at = NULL;
    uplink_group_free(uplink->newest);
    uplink->newest = before;
}

/* Its bytes are finished when it is due. */
static void seal_newest(struct uplink *uplink)
{
    if (uplink->newest == NULL || uplink->newest->closed)
        return;
    if (uplink->newest->count == 0) {
        drop_newest(uplink);
        return;
    }
    uplink->newest->following = uplink->next;
    uplink->newest->closed = true;
}

static struct uplink_group *open_group(struct uplink *uplink, uint64_t now_ms)
{
    if (uplink->newest != NULL && !uplink->newest->closed)
        return uplink->newest;
    struct uplink_group *group = uplink_group_new(uplink->epoch, now_ms);
    if (group == NULL)
        return NULL;
    group->device_len = uplink->device_len;
    memcpy(group->device, uplink->device, uplink->device_len);
    if (uplink->newest == NULL)
        uplink->groups = group;
    else
        uplink->newest->next = group;
    uplink->newest = group;
    return group;
}

/* It is to be loaded whole: into the half of a queue. */
static void seal_large(struct uplink *uplink)
{
    if (uplink->newest != NULL && uplink->newest->count >= uplink->queues[UPLINK_MAIN].max / 2)
        seal_newest(uplink);
}

static size_t load_of(const struct uplink *uplink)
{
    size_t load = 0;
    for (const struct uplink_group *group = uplink->groups; group != NULL; group = group->next)
        load += group->load;
    return load;
}

/* Whether the reading is in a group now, or has no place there. */
static bool write_reading(struct uplink *uplink, uint32_t number, uint16_t index,
                          const struct uplink_reading *reading, uint64_t now_ms)
{
    if (!is_for_server(uplink, reading))
        return true;
    const struct profile_reading row = row_of(uplink, number, index, reading);
    const struct profile_sensor *sensor = &uplink->sensors[row.sensor];
    if (!mp_value_of_type(sensor->type, reading->value)) {
        uplink->counts.not_finite++;
        return true;
    }
    struct uplink_group *group = open_group(uplink, now_ms);
    if (group == NULL || !uplink_group_add(group, reading->slot, sensor, &row))
        return false;
    uplink->counts.readings++;
    return true;
}

/* Whole or not at all: a message that is refused comes again. */
static bool write_message(struct uplink *uplink, uint32_t number,
                          const struct uplink_reading *readings, size_t n, uint64_t now_ms)
{
    if (n > 0 && load_of(uplink) + (n + 1) * UPLINK_GROUP_ENTRY_MAX > groups_max(uplink))
        return false;
    seal_large(uplink);
    if (n > 0 &&
        (open_group(uplink, now_ms) == NULL ||
         !uplink_group_reserve(uplink->newest, n * UPLINK_GROUP_ENTRY_MAX + DESCRIBED_MAX)))
        return false;
    for (size_t i = 0; i < n; i++)
        write_reading(uplink, number, (uint16_t)i, &readings[i], now_ms);
    size_t load = load_of(uplink);
    uplink->load_most = load > uplink->load_most ? load : uplink->load_most;
    return true;
}

enum uplink_taken uplink_add(struct uplink *uplink, uint32_t number,
                             const struct uplink_reading *readings, size_t n, uint64_t now_ms)
{
    int32_t ahead = (int32_t)(number - uplink->next);
    if (ahead < 0) {
        uplink->counts.repeated++;
        return UPLINK_REPEATED;
    }
    bool kept = uplink->config.spooled ? write_message(uplink, number, readings, n, now_ms)
                                       : keep(uplink, number, readings, n, now_ms);
    if (!kept)
        return UPLINK_FULL;
    uplink->counts.missing += (uint32_t)ahead;
    uplink->next = number + 1;
    return UPLINK_TAKEN;
}

static size_t once_max(const struct uplink *uplink)
{
    return uplink->queues[UPLINK_MAIN].max / 4;
}

bool uplink_add_once(struct uplink *uplink, const struct uplink_reading *reading, uint64_t now_ms)
{
    struct uplink_queue *queue = &uplink->queues[UPLINK_MAIN];
    bool room;
    seal_large(uplink);
    if (uplink->config.spooled)
        room = uplink->has_epoch && load_of(uplink) < groups_max(uplink) / 4 &&
               write_reading(uplink, uplink->next, PROFILE_ONCE, reading, now_ms);
    else
        room = uplink->once < once_max(uplink) && uplink_reserve(queue, 1, queue->max);
    if (!room) {
        uplink->counts.dropped++;
        return false;
    }
    if (!uplink->config.spooled && is_for_server(uplink, reading))
        append(uplink, uplink->next, PROFILE_ONCE, reading, now_ms);
    return true;
}

/* -- What is safe. */

static uint32_t safe_in_memory(const struct uplink *uplink)
{
    const struct uplink_queue *queue = &uplink->queues[UPLINK_MAIN];
    for (size_t i = uplink->old; i < queue->count; i++) {
        const struct profile_reading *row = &queue->rows[queue->head + i];
        if (row->index != PROFILE_ONCE)
            return row->number;
    }
    return uplink->next;
}

static bool is_of_session(const struct uplink *uplink, const struct uplink_group *group)
{
    return group->epoch == uplink->epoch && group->device_len == uplink->device_len &&
           memcmp(group->device, uplink->device, uplink->device_len) == 0;
}

uint32_t uplink_safe(const struct uplink *uplink)
{
    if (!uplink->config.spooled)
        return safe_in_memory(uplink);
    for (const struct uplink_group *group = uplink->groups; group != NULL; group = group->next)
        if (group->has_first && is_of_session(uplink, group))
            return group->first;
    return uplink->next;
}

uint16_t uplink_credit(const struct uplink *uplink)
{
    const struct uplink_queue *queue = &uplink->queues[UPLINK_MAIN];
    size_t taken = once_max(uplink) + uplink->old;
    size_t bytes = taken < queue->max ? (queue->max - taken) * READING_BYTES_MIN : 0;
    if (uplink->config.spooled)
        bytes = groups_max(uplink) / 4 * 3 / UPLINK_GROUP_ENTRY_MAX * READING_BYTES_MIN;
    return bytes > UINT16_MAX ? UINT16_MAX : (uint16_t)bytes;
}

/* -- Groups on their way to the disk. */

static size_t load_due(const struct uplink *uplink)
{
    size_t half = uplink->load_most / 2;
    return half < LOAD_MIN ? LOAD_MIN : half;
}

uint64_t uplink_group_due_at(const struct uplink *uplink)
{
    const struct uplink_group *group = uplink->groups;
    const struct uplink_config *config = &uplink->config;
    if (group == NULL || group->handed || group->count == 0)
        return UINT64_MAX;
    if (group->closed || group->load >= load_due(uplink))
        return 0;
    return group->since_ms +
           (config->commit_ms < config->batch_ms ? config->commit_ms : config->batch_ms);
}

struct uplink_group *uplink_group_due(struct uplink *uplink, uint64_t now_ms, bool flush)
{
    if (!flush && now_ms < uplink_group_due_at(uplink))
        return NULL;
    struct uplink_group *group = uplink->groups;
    while (group != NULL && group->handed)
        group = group->next;
    if (group == NULL || group->count == 0)
        return NULL;
    if (!group->closed)
        seal_newest(uplink);
    if (!uplink_group_seal(group))
        return NULL;
    group->handed = true;
    return group;
}

void uplink_group_not_stored(struct uplink *uplink)
{
    struct uplink_group *latest = NULL;
    for (struct uplink_group *group = uplink->groups; group != NULL; group = group->next)
        latest = group->handed ? group : latest;
    if (latest != NULL)
        latest->handed = false;
}

bool uplink_is_storing(const struct uplink *uplink)
{
    return uplink->groups != NULL && uplink->groups->handed;
}

uint64_t uplink_tail(const struct uplink *uplink)
{
    return uplink->tail;
}
