/*
 * What one board may cost the others, under any time.
 */
#include "port/port_guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 1000000ull

static uint8_t bytes[4096];

static void a_line_that_lived_is_opened_at_once(void **state)
{
    struct port_guard guard = {0};
    (void)state;
    for (uint64_t i = 1; i < 50; i++) {
        port_guard_opened(&guard, i * 10 * SECOND);
        assert_int_equal(port_guard_closed(&guard, i * 10 * SECOND + PORT_GUARD_SHORT_US), 0);
    }
}

static void a_line_that_comes_and_goes_waits_longer_each_time(void **state)
{
    struct port_guard guard = {0};
    uint32_t last = 0;
    (void)state;
    for (int i = 0; i < PORT_GUARD_SHORT_FREE; i++) {
        port_guard_opened(&guard, SECOND);
        assert_int_equal(port_guard_closed(&guard, 2 * SECOND), 0);
    }
    for (int i = 0; i < 40; i++) {
        port_guard_opened(&guard, SECOND);
        uint32_t wait_ms = port_guard_closed(&guard, 2 * SECOND);
        assert_true(wait_ms >= PORT_GUARD_WAIT_MIN_MS && wait_ms <= PORT_GUARD_WAIT_MAX_MS);
        assert_true(wait_ms > last || wait_ms == PORT_GUARD_WAIT_MAX_MS);
        last = wait_ms;
    }
    assert_int_equal(last, PORT_GUARD_WAIT_MAX_MS);
}

static void one_long_life_forgives_the_short_ones(void **state)
{
    struct port_guard guard = {.short_lives = 30};
    (void)state;
    port_guard_opened(&guard, SECOND);
    assert_int_equal(port_guard_closed(&guard, 60 * SECOND), 0);
    port_guard_opened(&guard, 61 * SECOND);
    assert_int_equal(port_guard_closed(&guard, 62 * SECOND), 0);
}

/* How many bytes are read in `us` by one that asks all the time and keeps the pauses. */
static uint64_t flood(struct port_guard *guard, uint64_t us)
{
    uint64_t read = 0, now = SECOND, end = now + us;
    for (uint32_t frames = 1; now < end; frames++) {
        read += sizeof bytes;
        if (port_guard_bytes(guard, bytes, sizeof bytes, frames, now) == PORT_PAUSE)
            now = guard->slice_us + PORT_GUARD_SLICE_US;
    }
    return read;
}

static void a_flood_of_valid_frames_is_read_at_the_limit_and_no_faster(void **state)
{
    struct port_guard guard = {0};
    uint64_t limit = (uint64_t)PORT_GUARD_SLICE_BYTES * (SECOND / PORT_GUARD_SLICE_US);
    (void)state;
    uint64_t read = flood(&guard, 10 * SECOND);
    assert_true(read <= 10 * limit + PORT_GUARD_SLICE_BYTES);
    assert_true(read >= 9 * limit);
}

static void a_board_below_the_limit_is_never_paused(void **state)
{
    struct port_guard guard = {0};
    (void)state;
    for (uint32_t i = 1; i < 20000; i++) /* 4 MB a second */
        assert_int_equal(port_guard_bytes(&guard, bytes, sizeof bytes, i, i * 1000ull),
                         PORT_READ_ON);
}

/* Bytes until it is not listened to any more. */
static size_t babble(struct port_guard *guard, uint32_t frames)
{
    size_t n = 0;
    while (port_guard_bytes(guard, bytes, 64, frames, n * 100) != PORT_BABBLE)
        n += 64;
    return n + 64;
}

static void nonsense_is_listened_to_for_so_long_and_the_pauses_grow(void **state)
{
    struct port_guard guard = {0};
    uint32_t last = 0;
    (void)state;
    port_guard_opened(&guard, 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(babble(&guard, 0), PORT_GUARD_JUNK_BYTES);
        uint32_t wait_ms = port_guard_babble(&guard);
        assert_true(wait_ms > last || wait_ms == PORT_GUARD_WAIT_MAX_MS);
        last = wait_ms;
    }
    assert_int_equal(last, PORT_GUARD_WAIT_MAX_MS);
}

static void a_valid_frame_among_nonsense_begins_anew(void **state)
{
    struct port_guard guard = {0};
    (void)state;
    port_guard_opened(&guard, 0);
    for (uint32_t frames = 0; frames < 10; frames++)
        for (size_t n = 0; n + 64 < PORT_GUARD_JUNK_BYTES; n += 64)
            assert_int_not_equal(port_guard_bytes(&guard, bytes, 64, frames, SECOND * frames),
                                 PORT_BABBLE);
    babble(&guard, 9);
    uint32_t first = port_guard_babble(&guard);
    babble(&guard, 9);
    assert_true(port_guard_babble(&guard) > first);
    port_guard_bytes(&guard, bytes, 64, 10, 0);
    babble(&guard, 10);
    assert_int_equal(port_guard_babble(&guard), first);
}

static void text_is_told_from_noise(void **state)
{
    static const char log[] = "rst:0x1 (POWERON_RESET),boot:0x13\r\n\tconfigsip: 0\r\n";
    struct port_guard guard = {0};
    uint8_t noise[256];
    (void)state;
    assert_false(port_guard_is_text(&guard));
    port_guard_bytes(&guard, (const uint8_t *)log, sizeof log - 1, 0, SECOND);
    assert_true(port_guard_is_text(&guard));
    port_guard_opened(&guard, SECOND);
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)(i * 37);
    port_guard_bytes(&guard, noise, sizeof noise, 0, SECOND);
    assert_false(port_guard_is_text(&guard));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_that_lived_is_opened_at_once),
        cmocka_unit_test(a_line_that_comes_and_goes_waits_longer_each_time),
        cmocka_unit_test(one_long_life_forgives_the_short_ones),
        cmocka_unit_test(a_flood_of_valid_frames_is_read_at_the_limit_and_no_faster),
        cmocka_unit_test(a_board_below_the_limit_is_never_paused),
        cmocka_unit_test(nonsense_is_listened_to_for_so_long_and_the_pauses_grow),
        cmocka_unit_test(a_valid_frame_among_nonsense_begins_anew),
        cmocka_unit_test(text_is_told_from_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
