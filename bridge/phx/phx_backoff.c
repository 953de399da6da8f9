/*
 * phx_backoff.c - the arithmetic of waiting. When a success counts as one is left to phx_machine.c.
 */
#include "phx_backoff.h"

uint32_t phx_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (uint32_t)((z ^ (z >> 31)) >> 32);
}

void phx_backoff_init(struct phx_backoff *backoff, uint32_t min_ms, uint32_t max_ms)
{
    *backoff = (struct phx_backoff){.min_ms = min_ms, .max_ms = max_ms < min_ms ? min_ms : max_ms};
}

static uint64_t between(uint64_t low, uint64_t high, uint64_t *random)
{
    return low + phx_random(random) % (high - low + 1);
}

uint32_t phx_backoff_next(struct phx_backoff *backoff, uint32_t asked_ms, uint64_t *random)
{
    uint64_t base = backoff->min_ms, low, high;

    for (unsigned i = 0; i < backoff->failures && base < backoff->max_ms; i++)
        base *= 2;
    if (base < backoff->max_ms)
        backoff->failures++;
    else
        base = backoff->max_ms;
    low = base * 2 / 3;
    high = base * 4 / 3;
    low = low < backoff->min_ms ? backoff->min_ms : low;
    high = high > backoff->max_ms ? backoff->max_ms : high;
    if (asked_ms > PHX_RETRY_AFTER_MAX_MS)
        asked_ms = PHX_RETRY_AFTER_MAX_MS;
    if (asked_ms > low) {
        low = asked_ms;
        high = (uint64_t)asked_ms + asked_ms / 4;
    }
    return (uint32_t)between(low, high, random);
}

void phx_backoff_skip(struct phx_backoff *backoff, unsigned steps)
{
    backoff->failures += steps;
}

uint64_t phx_pace_turn(struct phx_pace *pace, uint64_t now)
{
    uint64_t now_us = now * 1000, step, burst, turn;

    if (pace->per_s == 0)
        return now;
    step = 1000000 / pace->per_s;
    burst = (PHX_PACE_BURST - 1) * step;
    turn = pace->next + burst > now_us ? pace->next : now_us - burst;
    pace->next = turn + step;
    return turn > now_us ? (turn + 999) / 1000 : now;
}

void phx_backoff_reset(struct phx_backoff *backoff)
{
    backoff->failures = 0;
}
