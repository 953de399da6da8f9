/*
 * Folders in which links to lines appear, and the kernel's messages.
 */
#define _GNU_SOURCE
#include "serial/serial_watch.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_S 30

struct rig {
    struct serial_watch *watch;
    char folder[32], deep[48], path[64];
};

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    snprintf(rig->folder, sizeof rig->folder, "/tmp/watch-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    snprintf(rig->deep, sizeof rig->deep, "%s/by-id", rig->folder);
    snprintf(rig->path, sizeof rig->path, "%s/board", rig->deep);
    rig->watch = serial_watch_open();
    assert_non_null(rig->watch);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    serial_watch_close(rig->watch);
    unlink(rig->path);
    rmdir(rig->deep);
    rmdir(rig->folder);
    free(rig);
    return 0;
}

/* Other things may happen on this machine meanwhile; what is waited for comes all the same. */
static void wait_for_change(struct rig *rig)
{
    struct pollfd polled = {.fd = serial_watch_fd(rig->watch), .events = POLLIN};
    bool heard = false;
    for (time_t until = time(NULL) + PATIENCE_S; !heard && time(NULL) < until;) {
        assert_int_equal(poll(&polled, 1, PATIENCE_S * 1000), 1);
        heard = serial_watch_read(rig->watch);
    }
    assert_true(heard);
}

static void a_link_that_appears_is_heard(void **state)
{
    struct rig *rig = *state;
    mkdir(rig->deep, 0755);
    serial_watch_path(rig->watch, rig->path);
    assert_int_equal(symlink("/dev/null", rig->path), 0);
    wait_for_change(rig);
}

static void a_folder_that_is_missing_is_waited_for(void **state)
{
    struct rig *rig = *state;
    serial_watch_path(rig->watch, rig->path);
    mkdir(rig->deep, 0755);
    wait_for_change(rig);
    serial_watch_path(rig->watch, rig->path);
    assert_int_equal(symlink("/dev/null", rig->path), 0);
    wait_for_change(rig);
}

static void a_pattern_is_heard_in_its_folder(void **state)
{
    struct rig *rig = *state;
    char pattern[64];
    mkdir(rig->deep, 0755);
    snprintf(pattern, sizeof pattern, "%s/bo*", rig->deep);
    serial_watch_path(rig->watch, pattern);
    assert_int_equal(symlink("/dev/null", rig->path), 0);
    wait_for_change(rig);
}

static void a_change_of_rights_is_heard(void **state)
{
    struct rig *rig = *state;
    mkdir(rig->deep, 0755);
    FILE *file = fopen(rig->path, "w");
    assert_non_null(file);
    fclose(file);
    serial_watch_path(rig->watch, rig->path);
    assert_int_equal(chmod(rig->path, 0640), 0);
    wait_for_change(rig);
}

static void nothing_to_read_is_no_change(void **state)
{
    struct rig *rig = *state;
    while (serial_watch_read(rig->watch))
        ;
    assert_false(serial_watch_read(rig->watch));
}

#define MESSAGE(text) text, sizeof text

static void only_messages_of_serial_lines_concern_us(void **state)
{
    (void)state;
    assert_true(serial_watch_concerns(MESSAGE("add@/devices/x\0ACTION=add\0SUBSYSTEM=tty")));
    assert_true(serial_watch_concerns(MESSAGE("SUBSYSTEM=tty\0ACTION=add")));
    assert_false(serial_watch_concerns(MESSAGE("ACTION=add\0SUBSYSTEM=ttyx")));
    assert_false(serial_watch_concerns(MESSAGE("ACTION=add\0XSUBSYSTEM=tty")));
    assert_false(serial_watch_concerns(MESSAGE("ACTION=add\0SUBSYSTEM=usb")));
    assert_false(serial_watch_concerns("SUBSYSTEM=tty", strlen("SUBSYSTEM=tty")));
    assert_false(serial_watch_concerns("", 0));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_link_that_appears_is_heard),     TEST(a_folder_that_is_missing_is_waited_for),
        TEST(a_pattern_is_heard_in_its_folder), TEST(a_change_of_rights_is_heard),
        TEST(nothing_to_read_is_no_change),     TEST(only_messages_of_serial_lines_concern_us),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
