/*
 * The queue of one direction and its arithmetic of byte times. Reading and writing descriptors is
 * line.c's.
 */
#include "pump.h"

#include <string.h>

#define BITS_PER_BYTE 10

void pump_set_baud(struct pump *pump, uint32_t baud)
{
    pump->byte_ns = baud ? BITS_PER_BYTE * 1000000000ull / baud : 0;
}

size_t pump_room(const struct pump *pump)
{
    return (PUMP_BYTES - pump->len) / FAULTS_MOST_BYTES;
}

void pump_feed(struct pump *pump, const uint8_t *bytes, size_t n, uint64_t now_ns)
{
    if (pump->len == 0 && pump->line_ns < now_ns)
        pump->line_ns = now_ns;
    for (size_t i = 0; i < n; i++)
        pump->len += faults_pass(&pump->faults, bytes[i], pump->bytes + pump->len);
}

static size_t on_time(const struct pump *pump, uint64_t now_ns)
{
    uint64_t n;

    if (pump->byte_ns == 0)
        return pump->len;
    n = now_ns > pump->line_ns ? (now_ns - pump->line_ns) / pump->byte_ns : 0;
    return n < pump->len ? (size_t)n : pump->len;
}

size_t pump_ready(const struct pump *pump, uint64_t now_ns)
{
    size_t n = on_time(pump, now_ns);

    return pump->stop_set && n > pump->stop_after ? (size_t)pump->stop_after : n;
}

void pump_delivered(struct pump *pump, size_t n, uint64_t now_ns)
{
    pump->line_ns = pump->byte_ns ? pump->line_ns + n * pump->byte_ns : now_ns;
    pump->passed += n;
    if (pump->stop_set)
        pump->stop_after -= n;
    pump->len -= n;
    memmove(pump->bytes, pump->bytes + n, pump->len);
}

void pump_stalled(struct pump *pump, uint64_t now_ns)
{
    if (pump->byte_ns)
        pump->line_ns = now_ns;
}

uint64_t pump_wait(const struct pump *pump, uint64_t now_ns)
{
    uint64_t due = pump->line_ns + pump->byte_ns;

    if (pump->len == 0 || pump_stopped(pump))
        return UINT64_MAX;
    return due > now_ns ? due - now_ns : 0;
}

void pump_stop_after(struct pump *pump, uint64_t n)
{
    pump->stop_after = n;
    pump->stop_set = true;
}

bool pump_stopped(const struct pump *pump)
{
    return pump->stop_set && pump->stop_after == 0;
}

void pump_release(struct pump *pump)
{
    pump->stop_set = false;
}

void pump_discard(struct pump *pump, size_t n)
{
    pump->discarded += pump->len + n;
    pump->len = 0;
}
