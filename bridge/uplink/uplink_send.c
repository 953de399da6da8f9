/*
 * The waiting room of one MCU's readings: the queues of those that go, and how they are filled with
 * what the spool has stored. Batches are uplink_batch.c's.
 */
#include "uplink_private.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_FIRST 64  /* of the first allocation; it doubles from there */
#define ROWS_KEPT  256 /* an empty queue keeps no more than these */

/* -- Queues. */

void uplink_queue_deinit(struct uplink_queue *queue)
{
    free(queue->rows);
    free(queue->segments);
}

bool uplink_reserve(struct uplink_queue *queue, size_t n, size_t max)
{
    if (max < queue->count || n > max - queue->count)
        return false;
    if (queue->head + queue->count + n <= queue->cap)
        return true;
    if (queue->head > 0) {
        memmove(queue->rows, queue->rows + queue->head, queue->count * sizeof *queue->rows);
        queue->head = 0;
    }
    size_t cap = queue->cap == 0 ? ROWS_FIRST : queue->cap;
    while (cap < queue->count + n + queue->count / 2)
        cap *= 2;
    if (cap > max)
        cap = max;
    if (cap <= queue->cap)
        return true;
    struct profile_reading *grown = realloc(queue->rows, cap * sizeof *grown);
    if (grown == NULL)
        return queue->count + n <= queue->cap;
    queue->rows = grown;
    queue->cap = cap;
    return true;
}

static void give_back_memory(struct uplink_queue *queue)
{
    queue->head = 0;
    queue->segment_head = 0;
    if (queue->cap > ROWS_KEPT) {
        free(queue->rows);
        queue->rows = NULL;
        queue->cap = 0;
    }
    if (queue->segment_cap > ROWS_FIRST) {
        free(queue->segments);
        queue->segments = NULL;
        queue->segment_cap = 0;
    }
}

static struct uplink_segment *first_segment(const struct uplink_queue *queue)
{
    return queue->segment_count == 0 ? NULL : &queue->segments[queue->segment_head];
}

static bool add_segment(struct uplink_queue *queue, const struct uplink_segment *segment)
{
    if (queue->segment_head > 0 &&
        queue->segment_head + queue->segment_count == queue->segment_cap) {
        memmove(queue->segments, queue->segments + queue->segment_head,
                queue->segment_count * sizeof *queue->segments);
        queue->segment_head = 0;
    }
    if (queue->segment_count == queue->segment_cap) {
        size_t cap = queue->segment_cap == 0 ? ROWS_FIRST / 4 : queue->segment_cap * 2;
        struct uplink_segment *grown = realloc(queue->segments, cap * sizeof *grown);
        if (grown == NULL)
            return false;
        queue->segments = grown;
        queue->segment_cap = cap;
    }
    queue->segments[queue->segment_head + queue->segment_count++] = *segment;
    return true;
}

void uplink_pop(struct uplink *uplink, struct uplink_queue *queue, size_t n)
{
    const struct uplink_io *io = &uplink->config.io;
    for (size_t i = 0; i < n; i++)
        if (!uplink->config.spooled && queue->rows[queue->head + i].index == PROFILE_ONCE)
            uplink->once--;
    if (queue == &uplink->queues[UPLINK_MAIN])
        uplink->old -= uplink->old < n ? uplink->old : n;
    queue->head += n;
    queue->count -= n;
    for (struct uplink_segment *segment; n > 0 && (segment = first_segment(queue)) != NULL;) {
        uint32_t taken = n < segment->left ? (uint32_t)n : segment->left;
        n -= taken;
        segment->left -= taken;
        segment->upto += taken;
        if (io->delivered != NULL)
            io->delivered(io->user, segment->id, segment->upto, segment->left == 0);
        uplink->settling = !uplink->config.identity;
        if (segment->left == 0) {
            queue->segment_head++;
            queue->segment_count--;
        }
    }
    if (queue->count == 0)
        give_back_memory(queue);
}

/* -- From the disk into the queues. */

/* Index in the table of sensors for each sensor of the group, in its order. */
struct places {
    uint16_t at[UPLINK_GROUP_SENSORS_MAX];
    size_t count;
};

static bool place_sensor(struct uplink *uplink, struct places *places,
                         const struct profile_sensor *sensor)
{
    const struct uplink_sensor wanted = {sensor->name, sensor->kind, sensor->type,
                                         sensor->exponent};
    uint16_t place = uplink_intern(uplink, &wanted);
    places->at[places->count++] = place;
    return place != UPLINK_REFUSED;
}

enum reading_back { READ_WHOLE, READ_NO_ROOM, READ_DAMAGED };

/* Appends the rows of a stored group from `upto` on; all of them or none. */
static enum reading_back read_group(struct uplink *uplink, struct uplink_queue *queue,
                                    const uint8_t *bytes, size_t n, uint32_t upto, uint32_t *added)
{
    struct uplink_group_reader reader;
    struct uplink_group_entry entry;
    struct places places = {.count = 0};
    size_t before = queue->count;
    uint32_t seen = 0;
    uplink_forget_unused(uplink);
    int more = uplink_group_begin(&reader, bytes, n) ? 1 : -1;
    while (more > 0 && (more = uplink_group_next(&reader, &entry)) > 0) {
        if ((entry.fresh && !place_sensor(uplink, &places, &entry.sensor)) ||
            !uplink_reserve(queue, 1, SIZE_MAX / sizeof *queue->rows)) {
            queue->count = before;
            return READ_NO_ROOM;
        }
        if (seen++ < upto)
            continue;
        entry.reading.sensor = places.at[entry.reading.sensor];
        queue->rows[queue->head + queue->count++] = entry.reading;
    }
    if (more < 0)
        queue->count = before;
    *added = (uint32_t)(queue->count - before);
    return more < 0 ? READ_DAMAGED : READ_WHOLE;
}

bool uplink_has_room(const struct uplink_queue *queue)
{
    return queue->count <= queue->max / 2;
}

/* Returns false: no room. */
static bool push_group(struct uplink *uplink, uint8_t which, const struct uplink_segment *place,
                       const uint8_t *bytes, size_t n, uint64_t since_ms)
{
    struct uplink_queue *queue = &uplink->queues[which];
    struct uplink_segment segment = *place;
    bool first = uplink_unbegun(uplink, which) == 0;
    if (!uplink_has_room(queue))
        return false;
    switch (read_group(uplink, queue, bytes, n, place->upto, &segment.left)) {
    case READ_NO_ROOM:
        return false;
    case READ_DAMAGED:
        uplink->counts.damaged++;
        if (uplink->config.io.damaged != NULL)
            uplink->config.io.damaged(uplink->config.io.user, place->id);
        return true;
    case READ_WHOLE:
        break;
    }
    if (segment.left == 0)
        return true;
    if (!add_segment(queue, &segment)) {
        queue->count -= segment.left;
        return false;
    }
    if (first)
        queue->oldest_ms = since_ms;
    return true;
}

static bool has_batches(const struct uplink *uplink, uint8_t which)
{
    for (int i = 0; i < UPLINK_FLIGHT_MAX; i++)
        if (uplink->batches[i].state != UPLINK_FREE && uplink->batches[i].queue == which)
            return true;
    return false;
}

static void empty_queue(struct uplink_queue *queue)
{
    queue->count = queue->segment_count = 0;
    give_back_memory(queue);
}

/* The live queue is full: its readings become backlog, where they are already. Returns false when
 * they cannot be told from it any more. */
static bool drop_live(struct uplink *uplink)
{
    struct uplink_queue *live = &uplink->queues[UPLINK_LIVE];
    if (uplink->loading || has_batches(uplink, UPLINK_LIVE) ||
        (uplink->behind && uplink->tail >= uplink->live_first))
        return false;
    if (!uplink->behind)
        uplink->tail = uplink->live_first - 1;
    uplink->behind = true;
    uplink->live_first = uplink->live_last = 0;
    empty_queue(live);
    return true;
}

static void take_live(struct uplink *uplink, const struct uplink_segment *place,
                      const struct uplink_group *group)
{
    struct uplink_queue *live = &uplink->queues[UPLINK_LIVE];
    if (live->count == 0 && !uplink->loading)
        uplink->live_shut = false;
    if (!uplink->live_shut && !uplink_has_room(live) && !drop_live(uplink))
        uplink->live_shut = true;
    bool fresh = live->count == 0 && !uplink->loading;
    if (!uplink->live_shut &&
        push_group(uplink, UPLINK_LIVE, place, group->bytes, group->len, group->since_ms)) {
        if (fresh || uplink->live_last == 0)
            uplink->live_first = place->id;
        uplink->live_last = place->id;
        if (!uplink->behind)
            uplink->tail = place->id;
        return;
    }
    uplink->live_shut = true;
    uplink->behind = true; /* the tail is the group before it, or one of the backlog */
}

void uplink_on_committed(struct uplink *uplink, uint64_t id, uint32_t clock)
{
    struct uplink_group *group = uplink->groups;
    const struct uplink_segment place = {.id = id, .clock = clock};
    uplink->groups = group->next;
    if (uplink->groups == NULL)
        uplink->newest = NULL;
    if (uplink->config.identity)
        take_live(uplink, &place, group);
    else if (!uplink->behind &&
             push_group(uplink, UPLINK_MAIN, &place, group->bytes, group->len, group->since_ms))
        uplink->tail = id;
    else
        uplink->behind = true;
    uplink_group_free(group);
}

void uplink_reload(struct uplink *uplink)
{
    for (int i = 0; i < UPLINK_FLIGHT_MAX; i++)
        uplink->batches[i].state = UPLINK_FREE;
    for (int i = 0; i < UPLINK_QUEUES; i++)
        empty_queue(&uplink->queues[i]);
    uplink->behind = true;
    uplink->load_stale = uplink->loading;
    uplink->settling = false;
    uplink->tail = uplink->live_first = uplink->live_last = 0;
}

bool uplink_wants(struct uplink *uplink, uint64_t *after)
{
    const struct uplink_queue *queue = &uplink->queues[UPLINK_MAIN];
    if (!uplink->behind || uplink->loading || !uplink_has_room(queue))
        return false;
    uplink->loading = true;
    uplink->load_cut = false;
    *after = uplink->tail;
    return true;
}

static bool is_live(const struct uplink *uplink, uint64_t id)
{
    return uplink->live_last != 0 && id >= uplink->live_first && id <= uplink->live_last;
}

bool uplink_on_row(struct uplink *uplink, uint64_t id, uint32_t clock, uint32_t upto,
                   const uint8_t *bytes, size_t n)
{
    const struct uplink_segment place = {.id = id, .clock = clock, .upto = upto};
    if (uplink->load_stale || uplink->load_cut)
        return false;
    if (!is_live(uplink, id) && !push_group(uplink, UPLINK_MAIN, &place, bytes, n, 0)) {
        uplink->load_cut = true;
        return false;
    }
    uplink->tail = id;
    return true;
}

void uplink_on_loaded(struct uplink *uplink, bool end)
{
    uplink->loading = false;
    if (!uplink->load_stale && end && !uplink->load_cut) {
        uplink->behind = false;
        if (uplink->tail < uplink->live_last)
            uplink->tail = uplink->live_last;
    }
    uplink->load_stale = false;
}

void uplink_on_settled(struct uplink *uplink)
{
    uplink->settling = false;
}

/* Whether all of a segment was taken before that time of its clock. */
static bool is_older(const struct uplink_queue *queue, const struct uplink_segment *segment,
                     uint32_t clock, int64_t at_us)
{
    return queue->rows != NULL && segment->clock == clock && at_us > 0 &&
           queue->rows[queue->head + segment->left - 1].at_us < (uint64_t)at_us;
}

void uplink_expire(struct uplink *uplink, uint32_t clock, int64_t at_us)
{
    for (uint8_t which = 0; which < UPLINK_QUEUES; which++) {
        struct uplink_queue *queue = &uplink->queues[which];
        const struct uplink_segment *segment = first_segment(queue);
        while (!has_batches(uplink, which) && segment != NULL &&
               is_older(queue, segment, clock, at_us)) {
            uplink->counts.expired += segment->left;
            uplink_pop(uplink, queue, segment->left);
            segment = first_segment(queue);
        }
    }
}

/* -- What the queues hold. */

size_t uplink_unbegun(const struct uplink *uplink, uint8_t which)
{
    size_t rows = uplink->queues[which].count;
    for (int i = 0; i < UPLINK_FLIGHT_MAX; i++)
        if (uplink->batches[i].state != UPLINK_FREE && uplink->batches[i].queue == which)
            rows -= uplink->batches[i].count;
    return rows;
}

bool uplink_is_empty(const struct uplink *uplink)
{
    return uplink_waiting(uplink) == 0 && uplink->groups == NULL && !uplink->behind &&
           !uplink->loading;
}

size_t uplink_waiting(const struct uplink *uplink)
{
    return uplink->queues[UPLINK_MAIN].count + uplink->queues[UPLINK_LIVE].count;
}

bool uplink_oldest(const struct uplink *uplink, uint64_t *at_us, uint32_t *clock)
{
    uint8_t which = uplink->queues[UPLINK_MAIN].count > 0 ? UPLINK_MAIN : UPLINK_LIVE;
    const struct uplink_queue *queue = &uplink->queues[which];
    const struct uplink_segment *segment = first_segment(queue);
    if (queue->count == 0)
        return false;
    *at_us = queue->rows[queue->head].at_us;
    *clock = segment == NULL ? 0 : segment->clock;
    return true;
}
