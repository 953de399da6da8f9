/* One flasher at a time on a port, and on that port only. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "flash/flash_claim.h"

#define NAME_MAX_BYTES 64

/* Returns the master's descriptor. */
static int make_pty(char name[static NAME_MAX_BYTES])
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    assert_int_equal(ptsname_r(master, name, NAME_MAX_BYTES), 0);
    return master;
}

static void a_claimed_port_is_not_claimed_again_until_it_is_given_back(void **state)
{
    (void)state;
    char name[NAME_MAX_BYTES], why[200];
    int master = make_pty(name);
    assert_false(flash_claimed(name));
    int claim = flash_claim(name, why, sizeof why);
    assert_true(claim >= 0);
    assert_true(flash_claimed(name));
    assert_int_equal(flash_claim(name, why, sizeof why), -1);
    assert_non_null(strstr(why, "another flasher"));
    close(claim);
    assert_false(flash_claimed(name));
    close(master);
}

/* The file system's clock goes on in steps. */
static void wait_for_another_time(void)
{
    struct timespec from, now;
    clock_gettime(CLOCK_REALTIME_COARSE, &from);
    do
        clock_gettime(CLOCK_REALTIME_COARSE, &now);
    while (now.tv_sec == from.tv_sec && now.tv_nsec == from.tv_nsec);
}

/* Others on this machine take numbers too: tried until one comes again. */
static void a_new_pty_of_the_same_number_is_another_port(void **state)
{
    (void)state;
    char before[NAME_MAX_BYTES], after[NAME_MAX_BYTES], why[200];
    for (int i = 0; i < 1000; i++) {
        int master = make_pty(before);
        int claim = flash_claim(before, why, sizeof why);
        assert_true(claim >= 0);
        close(master);
        wait_for_another_time();
        master = make_pty(after);
        bool same = strcmp(before, after) == 0;
        if (same)
            assert_false(flash_claimed(after));
        close(claim);
        close(master);
        if (same)
            return;
    }
    fail_msg("no number came again");
}

static void a_port_that_is_not_there_cannot_be_claimed(void **state)
{
    (void)state;
    char why[200];
    assert_int_equal(flash_claim("/nonexistent/tty", why, sizeof why), -1);
    assert_non_null(strstr(why, "plugged in"));
    assert_false(flash_claimed("/nonexistent/tty"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_claimed_port_is_not_claimed_again_until_it_is_given_back),
        cmocka_unit_test(a_new_pty_of_the_same_number_is_another_port),
        cmocka_unit_test(a_port_that_is_not_there_cannot_be_claimed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
