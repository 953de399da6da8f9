/*
 * The limits that keep one board from harming the others. Saying so, and keeping the waits, is
 * port.c's.
 */
#include "port_guard.h"

#define TEXT_LOOKED_AT 512 /* bytes of nonsense that show whether it is text */
#define TEXT_PERCENT   90

void port_guard_opened(struct port_guard *guard, uint64_t now_us)
{
    guard->opened_us = now_us;
    guard->frames = guard->junk = guard->junk_text = 0;
}

static bool is_text(uint8_t byte)
{
    return (byte >= ' ' && byte < 0x7f) || byte == '\r' || byte == '\n' || byte == '\t' ||
           byte == 0x1b;
}

static void look_at_junk(struct port_guard *guard, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n && guard->junk + i < TEXT_LOOKED_AT; i++)
        guard->junk_text += is_text(bytes[i]);
    guard->junk += (uint32_t)n;
}

enum port_verdict port_guard_bytes(struct port_guard *guard, const uint8_t *bytes, size_t n,
                                   uint32_t frames, uint64_t now_us)
{
    if (frames != guard->frames) {
        guard->frames = frames;
        guard->junk = guard->junk_text = guard->babbles = 0;
    } else {
        look_at_junk(guard, bytes, n);
    }
    if (now_us - guard->slice_us >= PORT_GUARD_SLICE_US) {
        guard->slice_us = now_us;
        guard->slice_bytes = 0;
    }
    guard->slice_bytes += (uint32_t)n;
    if (guard->junk >= PORT_GUARD_JUNK_BYTES)
        return PORT_BABBLE;
    return guard->slice_bytes >= PORT_GUARD_SLICE_BYTES ? PORT_PAUSE : PORT_READ_ON;
}

bool port_guard_is_text(const struct port_guard *guard)
{
    uint32_t looked = guard->junk < TEXT_LOOKED_AT ? guard->junk : TEXT_LOOKED_AT;
    return looked != 0 && guard->junk_text * 100 >= looked * TEXT_PERCENT;
}

/* 1, 2, 4... times the least wait, up to the longest. */
static uint32_t growing(uint32_t times)
{
    uint32_t wait_ms = PORT_GUARD_WAIT_MIN_MS;
    while (times-- > 0 && wait_ms < PORT_GUARD_WAIT_MAX_MS)
        wait_ms *= 2;
    return wait_ms < PORT_GUARD_WAIT_MAX_MS ? wait_ms : PORT_GUARD_WAIT_MAX_MS;
}

uint32_t port_guard_babble(struct port_guard *guard)
{
    guard->junk = guard->junk_text = 0;
    return growing(++guard->babbles);
}

uint32_t port_guard_closed(struct port_guard *guard, uint64_t now_us)
{
    if (now_us - guard->opened_us >= PORT_GUARD_SHORT_US) {
        guard->short_lives = 0;
        return 0;
    }
    guard->short_lives++;
    if (guard->short_lives <= PORT_GUARD_SHORT_FREE)
        return 0;
    return growing(guard->short_lives - PORT_GUARD_SHORT_FREE - 1);
}
