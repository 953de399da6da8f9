/*
 * The waiting room of one MCU's readings. It knows order, batches, what was taken before and what
 * is safe; how an upload is written is the profile's, and pushing it the lane's. A spool on disk
 * takes the place of `rows` and of the moment at which uplink_safe moves, and of nothing else here.
 */
#include "uplink.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_FIRST        64  /* of the first allocation; it doubles from there */
#define ROWS_KEPT         256 /* an empty uplink keeps no more than these */
#define READING_BYTES_MIN 3   /* of a reading in a message: slot, ticks, value */

int uplink_init(struct uplink *uplink, const struct uplink_config *config)
{
    *uplink = (struct uplink){.config = *config};
    uplink->max = config->buffer_bytes / sizeof *uplink->rows;
    return uplink->max == 0 || config->batch_readings == 0 ? -1 : 0;
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
    free(uplink->rows);
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

/* Index in the table of sensors, which may grow; UPLINK_REFUSED: no room for another. */
static uint16_t intern(struct uplink *uplink, const struct uplink_sensor *sensor)
{
    size_t i = find_sensor(uplink, sensor);
    if (i == uplink->sensor_count && (i == PROFILE_SENSORS_MAX || add_sensor(uplink, sensor) != 0))
        return UPLINK_REFUSED;
    return (uint16_t)i;
}

int uplink_describe(struct uplink *uplink, const struct uplink_sensor *sensors, size_t n,
                    void (*refused)(void *user, const struct uplink_sensor *sensor), void *user)
{
    if (n > UPLINK_SLOTS_MAX)
        return -1;
    if (uplink->count == 0)
        forget_sensors(uplink);
    uplink->slot_count = 0;
    for (size_t i = 0; i < n; i++) {
        uplink->slots[i] = UPLINK_REFUSED;
        if (!uplink->config.profile->knows_kind(uplink->config.profile, sensors[i].kind)) {
            refused(user, &sensors[i]);
            continue;
        }
        uplink->slots[i] = intern(uplink, &sensors[i]);
        if (uplink->slots[i] == UPLINK_REFUSED)
            return -1;
    }
    uplink->slot_count = n;
    return 0;
}

void uplink_session(struct uplink *uplink, uint32_t epoch, uint32_t first)
{
    if (!uplink->has_epoch || uplink->epoch != epoch) {
        uplink->has_epoch = true;
        uplink->old = uplink->count;
        uplink->epoch = epoch;
        uplink->next = first;
        return;
    }
    int32_t ahead = (int32_t)(first - uplink->next);
    if (ahead > 0) {
        uplink->counts.missing += (uint32_t)ahead;
        uplink->next = first;
    }
}

/* -- Rows. */

/* Makes room for `n` more rows behind the last. */
static bool reserve(struct uplink *uplink, size_t n)
{
    if (n > uplink->max - uplink->count)
        return false;
    if (uplink->head + uplink->count + n <= uplink->cap)
        return true;
    if (uplink->head > 0) {
        memmove(uplink->rows, uplink->rows + uplink->head, uplink->count * sizeof *uplink->rows);
        uplink->head = 0;
    }
    size_t cap = uplink->cap == 0 ? ROWS_FIRST : uplink->cap;
    while (cap < uplink->count + n + uplink->count / 2)
        cap *= 2;
    if (cap > uplink->max)
        cap = uplink->max;
    if (cap <= uplink->cap)
        return true;
    struct profile_reading *grown = realloc(uplink->rows, cap * sizeof *grown);
    if (grown == NULL)
        return uplink->count + n <= uplink->cap;
    uplink->rows = grown;
    uplink->cap = cap;
    return true;
}

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

static void append(struct uplink *uplink, uint32_t number, uint16_t index,
                   const struct uplink_reading *reading, uint64_t now_ms)
{
    if (!is_for_server(uplink, reading))
        return;
    if (uplink->count == uplink->batch)
        uplink->oldest_ms = now_ms;
    uplink->rows[uplink->head + uplink->count++] = (struct profile_reading){
        .at_us = reading->at_us,
        .epoch = uplink->epoch,
        .number = number,
        .value = reading->value,
        .index = index,
        .sensor = uplink->slots[reading->slot],
    };
    uplink->once += index == PROFILE_ONCE ? 1 : 0;
    uplink->counts.readings++;
}

enum uplink_taken uplink_add(struct uplink *uplink, uint32_t number,
                             const struct uplink_reading *readings, size_t n, uint64_t now_ms)
{
    int32_t ahead = (int32_t)(number - uplink->next);
    if (ahead < 0) {
        uplink->counts.repeated++;
        return UPLINK_REPEATED;
    }
    if (!reserve(uplink, n))
        return UPLINK_FULL;
    uplink->counts.missing += (uint32_t)ahead;
    for (size_t i = 0; i < n; i++)
        append(uplink, number, (uint16_t)i, &readings[i], now_ms);
    uplink->next = number + 1;
    return UPLINK_TAKEN;
}

static size_t once_max(const struct uplink *uplink)
{
    return uplink->max / 4;
}

bool uplink_add_once(struct uplink *uplink, const struct uplink_reading *reading, uint64_t now_ms)
{
    if (uplink->once >= once_max(uplink) || !reserve(uplink, 1)) {
        uplink->counts.dropped++;
        return false;
    }
    append(uplink, uplink->next, PROFILE_ONCE, reading, now_ms);
    return true;
}

uint32_t uplink_safe(const struct uplink *uplink)
{
    for (size_t i = uplink->old; i < uplink->count; i++) {
        const struct profile_reading *row = &uplink->rows[uplink->head + i];
        if (row->index != PROFILE_ONCE)
            return row->number;
    }
    return uplink->next;
}

uint16_t uplink_credit(const struct uplink *uplink)
{
    size_t taken = once_max(uplink) + uplink->old;
    size_t bytes = taken < uplink->max ? (uplink->max - taken) * READING_BYTES_MIN : 0;
    return bytes > UINT16_MAX ? UINT16_MAX : (uint16_t)bytes;
}

bool uplink_is_empty(const struct uplink *uplink)
{
    return uplink->count == 0;
}

bool uplink_is_in_flight(const struct uplink *uplink)
{
    return uplink->in_flight;
}

/* -- Batches. Once begun, a batch keeps its rows until its reply, so that a second try is the same.
 */

uint64_t uplink_due_at(const struct uplink *uplink)
{
    if (uplink->in_flight || uplink->count == 0)
        return UINT64_MAX;
    if (uplink->batch > 0)
        return uplink->not_before_ms;
    if (uplink->count >= uplink->config.batch_readings)
        return 0;
    return uplink->oldest_ms + uplink->config.batch_ms;
}

bool uplink_due(struct uplink *uplink, uint64_t now_ms, struct profile_upload *upload)
{
    if (now_ms < uplink_due_at(uplink))
        return false;
    if (uplink->batch == 0) {
        uplink->batch = uplink->count;
        if (uplink->batch > uplink->config.batch_readings)
            uplink->batch = uplink->config.batch_readings;
        uplink->oldest_ms = now_ms; /* of the rows that the batch leaves behind */
    }
    upload->sensors = uplink->sensors;
    upload->sensor_count = uplink->sensor_count;
    upload->readings = uplink->rows + uplink->head;
    upload->reading_count = uplink->batch;
    return true;
}

void uplink_on_pushed(struct uplink *uplink)
{
    uplink->in_flight = true;
}

static void give_back_memory(struct uplink *uplink)
{
    uplink->head = 0;
    if (uplink->cap <= ROWS_KEPT)
        return;
    free(uplink->rows);
    uplink->rows = NULL;
    uplink->cap = 0;
}

void uplink_on_ok(struct uplink *uplink)
{
    for (size_t i = 0; i < uplink->batch; i++)
        if (uplink->rows[uplink->head + i].index == PROFILE_ONCE)
            uplink->once--;
    uplink->old -= uplink->old < uplink->batch ? uplink->old : uplink->batch;
    uplink->counts.uploaded += uplink->batch;
    uplink->head += uplink->batch;
    uplink->count -= uplink->batch;
    uplink->batch = 0;
    uplink->in_flight = false;
    uplink->failures = 0;
    uplink->not_before_ms = 0;
    if (uplink->count == 0)
        give_back_memory(uplink);
}

static uint32_t count_failure(struct uplink *uplink)
{
    uplink->in_flight = false;
    uplink->counts.failures++;
    return ++uplink->failures;
}

static uint32_t pause_ms(const struct uplink *uplink, uint32_t failures)
{
    uint64_t pause = uplink->config.retry_min_ms;
    for (uint32_t i = 1; i < failures && pause < uplink->config.retry_max_ms; i++)
        pause *= 2;
    return pause > uplink->config.retry_max_ms ? uplink->config.retry_max_ms : (uint32_t)pause;
}

uint32_t uplink_on_failure(struct uplink *uplink, uint64_t now_ms)
{
    uint32_t failures = count_failure(uplink);
    uplink->not_before_ms = now_ms + pause_ms(uplink, failures);
    return failures;
}

uint32_t uplink_on_lost(struct uplink *uplink, uint64_t now_ms)
{
    uint32_t failures = count_failure(uplink);
    uplink->not_before_ms = failures == 1 ? now_ms : now_ms + pause_ms(uplink, failures - 1);
    return failures;
}
