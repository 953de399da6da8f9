/*
 * phx_storm_test.c - days of faults drawn by lot. A failure names its seed; `phx_storm_test SEED`
 * runs that one again.
 */
#include "../fuzz/phx_storm.h"

#include "phx_backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define STORMS      300
#define STORM_BYTES 20000

static uint64_t first_seed = 1, last_seed = STORMS;

static void rules_hold_and_it_always_comes_back(void **state)
{
    static uint8_t bytes[STORM_BYTES];
    struct phx_storm_counts counts = {0};

    (void)state;
    for (uint64_t seed = first_seed; seed <= last_seed; seed++) {
        uint64_t random = seed * 1000003;
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)phx_random(&random);
        fprintf(stderr, "\rseed %llu", (unsigned long long)seed);
        phx_storm(bytes, sizeof bytes, &counts);
    }
    fprintf(stderr, "\n%u attempts, %u joins, %u pushes: %u replies, %u lost, %u too late\n",
            counts.opens, counts.joins, counts.pushes, counts.replies, counts.lost,
            counts.timeouts);
    if (last_seed == STORMS) {
        assert_true(counts.opens > STORMS && counts.joins > STORMS && counts.replies > STORMS);
        assert_true(counts.lost > STORMS && counts.timeouts > 0 && counts.ends > STORMS);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_hold_and_it_always_comes_back),
    };

    if (argc > 1)
        first_seed = last_seed = strtoull(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
