/*
 * Which answers vouch for what comes after them, and when to ask again. What is done with a control
 * that is not fresh is commands.c's; sending the heartbeat, and giving up a connection that never
 * answers, are the socket's.
 */
#include "commands_fresh.h"

#define NEVER   UINT64_MAX
#define GRID_MS 250 /* probes of many connections leave in the same turn of the loop */

void commands_fresh_init(struct commands_fresh *fresh, uint32_t probe_ms)
{
    *fresh = (struct commands_fresh){.probe_ms = probe_ms, .probed_ms = NEVER, .upload_ms = NEVER};
}

void commands_fresh_on_connected(struct commands_fresh *fresh, uint64_t now_ms)
{
    commands_fresh_init(fresh, fresh->probe_ms);
    fresh->answered_ms = now_ms;
}

void commands_fresh_want(struct commands_fresh *fresh, bool wanted)
{
    fresh->wanted = wanted;
}

/* The answer to a probe of before the gap may be one of the things that lay there. */
void commands_fresh_on_gap(struct commands_fresh *fresh)
{
    fresh->stale = true;
    fresh->probed_ms = NEVER;
    fresh->upload_ms = NEVER;
}

void commands_fresh_on_push(struct commands_fresh *fresh, uint64_t now_ms)
{
    if (fresh->upload_ms == NEVER)
        fresh->upload_ms = now_ms;
}

void commands_fresh_on_push_end(struct commands_fresh *fresh, bool answered, uint64_t pushed_ms,
                                uint64_t oldest_ms)
{
    if (fresh->upload_ms != NEVER)
        fresh->upload_ms = oldest_ms;
    if (answered && !fresh->stale && pushed_ms > fresh->answered_ms)
        fresh->answered_ms = pushed_ms;
}

bool commands_fresh_on_heartbeat(struct commands_fresh *fresh)
{
    if (fresh->probed_ms == NEVER)
        return false;
    bool was_stale = fresh->stale;
    fresh->answered_ms = fresh->probed_ms;
    fresh->probed_ms = NEVER;
    fresh->stale = fresh->late = false;
    return was_stale;
}

static bool is_late(uint64_t asked_ms, uint64_t now_ms)
{
    return asked_ms != NEVER && now_ms >= asked_ms + COMMANDS_FRESH_LATE_MS;
}

bool commands_fresh_is(const struct commands_fresh *fresh, uint64_t now_ms)
{
    if (fresh->stale || fresh->late || is_late(fresh->probed_ms, now_ms) ||
        is_late(fresh->upload_ms, now_ms))
        return false;
    return now_ms <= fresh->answered_ms + fresh->probe_ms + (uint64_t)2 * COMMANDS_FRESH_LATE_MS;
}

/* Either the server is slow, then it answers a heartbeat all the same, or nothing comes through,
 * then what comes later may be as old as that. */
static void look_at_upload(struct commands_fresh *fresh, uint64_t now_ms)
{
    if (!is_late(fresh->upload_ms, now_ms))
        return;
    fresh->late = true;
    fresh->upload_ms = NEVER;
}

static uint64_t probe_due_ms(const struct commands_fresh *fresh)
{
    uint64_t due_ms = fresh->answered_ms + fresh->probe_ms;
    return (due_ms + GRID_MS - 1) / GRID_MS * GRID_MS;
}

bool commands_fresh_probe(struct commands_fresh *fresh, uint64_t now_ms)
{
    if (!fresh->wanted)
        return false;
    look_at_upload(fresh, now_ms);
    if (fresh->probed_ms != NEVER)
        return false;
    if (!fresh->stale && !fresh->late && now_ms < probe_due_ms(fresh))
        return false;
    fresh->probed_ms = now_ms;
    return true;
}

uint64_t commands_fresh_due_at(const struct commands_fresh *fresh)
{
    if (!fresh->wanted)
        return NEVER;
    uint64_t upload_ms =
        fresh->upload_ms == NEVER ? NEVER : fresh->upload_ms + COMMANDS_FRESH_LATE_MS;
    if (fresh->probed_ms != NEVER)
        return upload_ms;
    if (fresh->stale || fresh->late)
        return 0;
    uint64_t probe_ms = probe_due_ms(fresh);
    return probe_ms < upload_ms ? probe_ms : upload_ms;
}
