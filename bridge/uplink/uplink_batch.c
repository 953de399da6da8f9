/*
 * Batches of an MCU's readings: when one is due, its second tries, and the search for a reading
 * that the server will never take. Pushing is the lane's, the queues are uplink_send.c's.
 *
 *     FREE --due--> WAITING --pushed--> FLYING --ok--> DELIVERED --those before it too--> FREE
 *                      ^                   |
 *                      '----- failed ------'    (halved from the third time on)
 *
 * A batch keeps its readings until its reply, so that a second try is the same. With several in
 * flight, those behind it may have been taken before: they go again after it, so that the last time
 * that each reading comes is in order. A batch of one reading that fails and fails may be poison,
 * or the server may be down: its neighbour, taken or not, tells.
 */
#include "uplink_private.h"

#define NEVER       UINT64_MAX
#define HALVE_AFTER 3  /* failures in a row */
#define BLAME_AFTER 2  /* of a single reading, before its neighbour is asked */
#define NEAR        64 /* rows behind it in which that is looked for */

static bool is_of(const struct uplink_batch *batch, uint8_t which)
{
    return batch->state != UPLINK_FREE && batch->queue == which;
}

static int flying(const struct uplink *uplink, uint8_t which)
{
    int n = 0;
    for (int i = 0; i < UPLINK_FLIGHT_MAX; i++)
        n += is_of(&uplink->batches[i], which) && uplink->batches[i].state == UPLINK_FLYING ? 1 : 0;
    return n;
}

static int flying_all(const struct uplink *uplink)
{
    return flying(uplink, UPLINK_MAIN) + flying(uplink, UPLINK_LIVE);
}

bool uplink_is_in_flight(const struct uplink *uplink)
{
    return flying_all(uplink) > 0;
}

static int free_slot(const struct uplink *uplink)
{
    for (int i = 0; i < UPLINK_FLIGHT_MAX; i++)
        if (uplink->batches[i].state == UPLINK_FREE)
            return i;
    return UPLINK_NONE;
}

/* The batch of this queue that waits for its next try; there is at most one for long. */
static int waiting_slot(const struct uplink *uplink, uint8_t which)
{
    int found = UPLINK_NONE;
    for (int i = 0; i < UPLINK_FLIGHT_MAX; i++)
        if (uplink->batches[i].state == UPLINK_WAITING && uplink->batches[i].queue == which &&
            (found == UPLINK_NONE || uplink->batches[i].at < uplink->batches[found].at))
            found = i;
    return found;
}

/* The batch of this queue that begins at row `at`. */
static const struct uplink_batch *batch_at(const struct uplink *uplink, uint8_t which, size_t at)
{
    for (int i = 0; i < UPLINK_FLIGHT_MAX; i++)
        if (is_of(&uplink->batches[i], which) && uplink->batches[i].at == at)
            return &uplink->batches[i];
    return NULL;
}

/* The oldest rows that are in no batch. Returns how many, up to the next batch. */
static size_t find_gap(const struct uplink *uplink, uint8_t which, size_t *at)
{
    const struct uplink_batch *batch;
    *at = 0;
    while ((batch = batch_at(uplink, which, *at)) != NULL)
        *at += batch->count;
    size_t end = uplink->queues[which].count;
    for (int i = 0; i < UPLINK_FLIGHT_MAX; i++)
        if (is_of(&uplink->batches[i], which) && uplink->batches[i].at > *at &&
            uplink->batches[i].at < end)
            end = uplink->batches[i].at;
    return end - *at;
}

/* The clock of row `at`, and how many rows from there on are of the same. */
static size_t same_clock(const struct uplink_queue *queue, size_t at, uint32_t *clock)
{
    size_t begin = 0, same = 0;
    *clock = 0;
    if (queue->segment_count == 0)
        return queue->count - at;
    for (size_t i = 0; i < queue->segment_count; i++) {
        const struct uplink_segment *segment = &queue->segments[queue->segment_head + i];
        size_t end = begin + segment->left;
        if (begin <= at && at < end) {
            *clock = segment->clock;
            same = end - at;
        } else if (begin > at) {
            if (segment->clock != *clock)
                break;
            same += segment->left;
        }
        begin = end;
    }
    return same;
}

/* -- What is due. */

static uint64_t new_batch_at(const struct uplink *uplink, uint8_t which)
{
    const struct uplink_queue *queue = &uplink->queues[which];
    size_t at, gap = find_gap(uplink, which, &at);
    if (gap == 0 || free_slot(uplink) == UPLINK_NONE)
        return NEVER;
    bool bounded = at + gap < queue->count; /* what lies behind it has gone: no company comes */
    if (gap >= uplink->limit || bounded || (uplink->config.spooled && !uplink_has_room(queue)))
        return 0;
    return queue->oldest_ms + uplink->config.batch_ms;
}

static int flights_max(const struct uplink *uplink)
{
    return uplink->config.identity ? UPLINK_FLIGHT_MAX : 1;
}

/* A second try is due or under way: it goes alone, so that nothing overtakes it again. */
static bool is_in_trouble(const struct uplink *uplink, uint8_t which)
{
    for (int i = 0; i < UPLINK_FLIGHT_MAX; i++)
        if (is_of(&uplink->batches[i], which) && uplink->batches[i].state != UPLINK_DELIVERED &&
            uplink->batches[i].failures > 0)
            return true;
    return false;
}

static uint64_t queue_due_at(const struct uplink *uplink, uint8_t which)
{
    if (is_in_trouble(uplink, which) && flying(uplink, which) > 0)
        return NEVER;
    int waiting = waiting_slot(uplink, which);
    if (waiting != UPLINK_NONE)
        return uplink->batches[waiting].not_before_ms;
    return new_batch_at(uplink, which);
}

/* The queue whose turn it is among those that are due first. */
static uint64_t next_due(const struct uplink *uplink, uint8_t *which)
{
    *which = UPLINK_MAIN;
    if (uplink->settling || flying_all(uplink) >= flights_max(uplink))
        return NEVER;
    uint64_t main = queue_due_at(uplink, UPLINK_MAIN), live = queue_due_at(uplink, UPLINK_LIVE);
    if (live < main || (live == main && uplink->turn == UPLINK_MAIN))
        *which = UPLINK_LIVE;
    return live < main ? live : main;
}

uint64_t uplink_due_at(const struct uplink *uplink)
{
    uint8_t which;
    return next_due(uplink, &which);
}

static int begin_batch(struct uplink *uplink, uint8_t which, size_t at, size_t count)
{
    int slot = free_slot(uplink);
    if (slot != UPLINK_NONE)
        uplink->batches[slot] = (struct uplink_batch){
            .state = UPLINK_WAITING, .queue = which, .at = at, .count = count};
    return slot;
}

static int new_batch(struct uplink *uplink, uint8_t which, uint64_t now_ms)
{
    struct uplink_queue *queue = &uplink->queues[which];
    uint32_t clock;
    size_t at, count = find_gap(uplink, which, &at);
    size_t same = same_clock(queue, at, &clock);
    if (count > same)
        count = same;
    if (count > uplink->limit)
        count = uplink->limit;
    queue->oldest_ms = now_ms; /* of the rows that the batch leaves behind */
    return begin_batch(uplink, which, at, count);
}

static uint32_t pause_ms(const struct uplink *uplink, uint32_t failures)
{
    uint64_t pause = uplink->config.retry_min_ms;
    for (uint32_t i = 1; i < failures && pause < uplink->config.retry_max_ms; i++)
        pause *= 2;
    return pause > uplink->config.retry_max_ms ? uplink->config.retry_max_ms : (uint32_t)pause;
}

static uint16_t group_at(const struct uplink *uplink, uint8_t which, size_t at)
{
    const struct uplink_queue *queue = &uplink->queues[which];
    return uplink->sensors[queue->rows[queue->head + at].sensor].group;
}

/* The row that is tried before this batch of one: of another sensor if one is near, so that each
 * sensor stays in order if the batch is taken after all; else the next. The count of rows: none. */
static size_t neighbour_of(const struct uplink *uplink, const struct uplink_batch *batch)
{
    size_t count = uplink->queues[batch->queue].count, next = count;
    size_t end = count - batch->at > NEAR ? batch->at + NEAR : count;
    uint16_t group = group_at(uplink, batch->queue, batch->at);
    for (size_t at = batch->at + 1; at < end; at++) {
        const struct uplink_batch *taken = batch_at(uplink, batch->queue, at);
        if (taken != NULL) {
            at += taken->count - 1;
            continue;
        }
        if (group_at(uplink, batch->queue, at) != group)
            return at;
        next = next == count ? at : next;
    }
    return next;
}

/* The batch itself, or its neighbour when that has to tell whether the batch is at fault. */
static int try_again(struct uplink *uplink, int slot, uint64_t now_ms)
{
    struct uplink_batch *batch = &uplink->batches[slot];
    if (!batch->probe_next)
        return slot;
    size_t at = neighbour_of(uplink, batch);
    if (at == uplink->queues[batch->queue].count)
        return slot;
    int probe = begin_batch(uplink, batch->queue, at, 1);
    if (probe == UPLINK_NONE) { /* as many neighbours were taken as can be kept in mind */
        batch->proven = true;
        return slot;
    }
    batch->probe_next = false;
    batch->not_before_ms = now_ms + pause_ms(uplink, batch->failures);
    return probe;
}

int uplink_due(struct uplink *uplink, uint64_t now_ms, struct profile_upload *upload,
               uint32_t *clock)
{
    uint8_t which;
    if (now_ms < next_due(uplink, &which))
        return UPLINK_NONE;
    int slot = waiting_slot(uplink, which);
    slot = slot == UPLINK_NONE ? new_batch(uplink, which, now_ms) : try_again(uplink, slot, now_ms);
    if (slot == UPLINK_NONE)
        return slot;
    const struct uplink_queue *queue = &uplink->queues[which];
    const struct uplink_batch *batch = &uplink->batches[slot];
    uplink->turn = which;
    same_clock(queue, batch->at, clock);
    upload->sensors = uplink->sensors;
    upload->sensor_count = uplink->sensor_count;
    upload->readings = queue->rows + queue->head + batch->at;
    upload->reading_count = batch->count;
    return slot;
}

/* -- How it ends. */

void uplink_trim(struct uplink *uplink, int slot, size_t count)
{
    if (count < uplink->batches[slot].count)
        uplink->batches[slot].count = count;
}

/* What was taken before this second try of an older one comes again behind it. */
static void take_back_behind(struct uplink *uplink, const struct uplink_batch *batch)
{
    for (int i = 0; i < UPLINK_FLIGHT_MAX; i++)
        if (is_of(&uplink->batches[i], batch->queue) && uplink->batches[i].at > batch->at)
            uplink->batches[i].state = UPLINK_FREE;
}

void uplink_on_pushed(struct uplink *uplink, int slot)
{
    struct uplink_batch *batch = &uplink->batches[slot];
    batch->state = UPLINK_FLYING;
    if (uplink->config.identity && batch->failures > 0)
        take_back_behind(uplink, batch);
}

/* Takes away what is delivered and has nothing undelivered before it. */
static void pop_delivered(struct uplink *uplink, uint8_t which)
{
    for (int i = 0; i < UPLINK_FLIGHT_MAX;) {
        struct uplink_batch *batch = &uplink->batches[i];
        if (!is_of(batch, which) || batch->state != UPLINK_DELIVERED || batch->at != 0) {
            i++;
            continue;
        }
        size_t count = batch->count;
        uplink->counts.uploaded += batch->parked ? 0 : count;
        batch->state = UPLINK_FREE;
        for (int j = 0; j < UPLINK_FLIGHT_MAX; j++)
            if (is_of(&uplink->batches[j], which))
                uplink->batches[j].at -= count;
        uplink_pop(uplink, &uplink->queues[which], count);
        i = 0;
    }
}

void uplink_on_ok(struct uplink *uplink, int slot)
{
    struct uplink_batch *batch = &uplink->batches[slot];
    if (batch->state != UPLINK_FLYING)
        return;
    int suspect = waiting_slot(uplink, batch->queue);
    if (suspect != UPLINK_NONE && uplink->batches[suspect].at < batch->at && batch->count == 1 &&
        uplink->batches[suspect].blamed >= BLAME_AFTER) {
        uplink->batches[suspect].proven = true;
        uplink->batches[suspect].not_before_ms = 0;
    }
    batch->state = UPLINK_DELIVERED;
    uplink->failures = 0;
    uplink->limit = uplink->limit < uplink->config.batch_readings / 2
                        ? uplink->limit * 2
                        : uplink->config.batch_readings;
    pop_delivered(uplink, batch->queue);
}

static void park(struct uplink *uplink, struct uplink_batch *batch)
{
    const struct uplink_queue *queue = &uplink->queues[batch->queue];
    const struct profile_reading *reading = &queue->rows[queue->head + batch->at];
    uplink->counts.parked++;
    if (uplink->config.io.parked != NULL)
        uplink->config.io.parked(uplink->config.io.user, &uplink->sensors[reading->sensor],
                                 reading);
    batch->state = UPLINK_DELIVERED;
    batch->parked = true;
    pop_delivered(uplink, batch->queue);
}

/* The first that waits goes first; what waits behind it is not begun any more. */
static void give_up_others(struct uplink *uplink, uint8_t which)
{
    int first = waiting_slot(uplink, which);
    for (int i = 0; i < UPLINK_FLIGHT_MAX; i++)
        if (i != first && is_of(&uplink->batches[i], which) &&
            uplink->batches[i].state == UPLINK_WAITING)
            uplink->batches[i].state = UPLINK_FREE;
}

/* Notes what a failure says of a single reading. Returns whether it is to be parked. */
static bool blame(struct uplink_batch *batch, enum uplink_failure why)
{
    bool its_own = why == UPLINK_ERROR || why == UPLINK_CRASH;
    if (batch->count > 1)
        return false;
    if (its_own && batch->proven)
        return true;
    batch->proven = false;
    batch->blamed += its_own ? 1 : 0;
    batch->probe_next = batch->blamed >= BLAME_AFTER;
    return false;
}

static void halve(struct uplink *uplink, struct uplink_batch *batch)
{
    if (batch->failures < HALVE_AFTER || batch->count == 1)
        return;
    batch->count = (batch->count + 1) / 2;
    batch->failures = HALVE_AFTER - 1;
    uplink->limit = (uint32_t)batch->count;
}

uint32_t uplink_on_failure(struct uplink *uplink, int slot, enum uplink_failure why,
                           uint64_t now_ms)
{
    struct uplink_batch *batch = &uplink->batches[slot];
    bool at_once = why == UPLINK_LOST || why == UPLINK_CRASH;
    if (batch->state != UPLINK_FLYING)
        return uplink->failures;
    uplink->counts.failures++;
    uplink->failures++;
    batch->state = UPLINK_WAITING;
    batch->failures++;
    uint32_t paused = batch->failures - (at_once ? 1 : 0);
    batch->not_before_ms = paused == 0 ? now_ms : now_ms + pause_ms(uplink, paused);
    if (blame(batch, why)) {
        park(uplink, batch);
        return uplink->failures;
    }
    halve(uplink, batch);
    give_up_others(uplink, batch->queue);
    return uplink->failures;
}
