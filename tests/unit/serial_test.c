/*
 * Serial lines on real PTYs: raw both ways, ours alone, and an end that is noticed. The master side
 * stands for the device.
 */
#define _GNU_SOURCE
#include "serial/serial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 20000

struct line {
    int master;
    char path[64];
    struct serial *serial;
};

static enum serial_result open_path(struct serial **serial, const char *path, char *why, size_t cap)
{
    struct serial_target target = {.path = path, .baud = 115200};
    return serial_open(serial, &target, why, cap);
}

static int set_up(void **state)
{
    static struct line line;
    int slave;
    char why[512];
    if (openpty(&line.master, &slave, line.path, NULL, NULL))
        return -1;
    fcntl(line.master, F_SETFL, O_NONBLOCK);
    int result = open_path(&line.serial, line.path, why, sizeof why);
    close(slave);
    *state = &line;
    return result;
}

static int tear_down(void **state)
{
    struct line *line = *state;
    serial_close(line->serial);
    if (line->master >= 0)
        close(line->master);
    return 0;
}

static void wait_for(int fd, short events)
{
    struct pollfd polled = {.fd = fd, .events = events};
    assert_int_equal(poll(&polled, 1, PATIENCE_MS), 1);
}

static void every_byte_passes_unchanged_both_ways(void **state)
{
    struct line *line = *state;
    uint8_t bytes[256], got[256];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(write(line->master, bytes, sizeof bytes), sizeof bytes);
    for (size_t n = 0; n < sizeof got;) {
        wait_for(serial_fd(line->serial), POLLIN);
        ssize_t more = serial_read(line->serial, got + n, sizeof got - n);
        assert_true(more > 0);
        n += (size_t)more;
    }
    assert_memory_equal(got, bytes, sizeof bytes);
    memset(got, 0, sizeof got);
    assert_int_equal(serial_write(line->serial, bytes, sizeof bytes), sizeof bytes);
    for (size_t n = 0; n < sizeof got;) {
        wait_for(line->master, POLLIN);
        ssize_t more = read(line->master, got + n, sizeof got - n);
        assert_true(more > 0);
        n += (size_t)more;
    }
    assert_memory_equal(got, bytes, sizeof bytes);
}

static void no_bytes_now_is_zero_and_never_waits(void **state)
{
    struct line *line = *state;
    uint8_t byte;
    assert_int_equal(serial_read(line->serial, &byte, 1), 0);
}

static void a_full_line_takes_a_part_and_then_nothing(void **state)
{
    struct line *line = *state;
    static const uint8_t bytes[1 << 20];
    ssize_t first = serial_write(line->serial, bytes, sizeof bytes), n = first;
    assert_true(first > 0 && first < (ssize_t)sizeof bytes);
    while (n > 0)
        n = serial_write(line->serial, bytes, sizeof bytes);
    assert_int_equal(n, 0);
}

static void a_device_that_went_away_is_minus_one(void **state)
{
    struct line *line = *state;
    uint8_t byte = 0;
    close(line->master);
    line->master = -1;
    wait_for(serial_fd(line->serial), POLLIN);
    assert_int_equal(serial_read(line->serial, &byte, 1), -1);
    assert_int_equal(serial_read(line->serial, &byte, 1), -1);
    assert_int_equal(serial_write(line->serial, &byte, 1), -1);
}

static void a_second_opening_is_refused_and_harms_nothing(void **state)
{
    struct line *line = *state;
    struct serial *second;
    char why[512];
    assert_int_equal(open_path(&second, line->path, why, sizeof why), SERIAL_BUSY);
    assert_null(second);
    assert_non_null(strstr(why, "in use by this program itself"));
    assert_int_equal(write(line->master, "a\n", 2), 2);
    char got[4];
    wait_for(serial_fd(line->serial), POLLIN);
    assert_int_equal(serial_read(line->serial, got, sizeof got), 2);
}

static void another_process_that_has_it_is_named(void **state)
{
    struct line *line = *state;
    char why[512], number[32];
    int ready[2];
    serial_close(line->serial);
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct serial *held;
        if (open_path(&held, line->path, why, sizeof why) == SERIAL_OK)
            (void)!write(ready[1], "1", 1);
        for (;;)
            pause();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], number, 1), 1);
    assert_int_equal(open_path(&line->serial, line->path, why, sizeof why), SERIAL_BUSY);
    snprintf(number, sizeof number, "(process %d)", (int)child);
    assert_non_null(strstr(why, number));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ready[0]);
    /* Killed without a word, it leaves no lock behind. */
    assert_int_equal(open_path(&line->serial, line->path, why, sizeof why), SERIAL_OK);
}

static void closed_it_is_free_again(void **state)
{
    struct line *line = *state;
    char why[512];
    serial_close(line->serial);
    assert_int_equal(open_path(&line->serial, line->path, why, sizeof why), SERIAL_OK);
}

static void a_link_is_followed(void **state)
{
    struct line *line = *state;
    char why[512], folder[] = "/tmp/serial-test-XXXXXX", link[64];
    assert_non_null(mkdtemp(folder));
    snprintf(link, sizeof link, "%s/ttyMCU0", folder);
    assert_int_equal(symlink(line->path, link), 0);
    serial_close(line->serial);
    enum serial_result result = open_path(&line->serial, link, why, sizeof why);
    unlink(link);
    rmdir(folder);
    assert_int_equal(result, SERIAL_OK);
    assert_string_equal(serial_path(line->serial), line->path);
}

/* As in asm/termbits.h, which does not go together with termios.h. */
struct kernel_termios2 {
    uint32_t iflag, oflag, cflag, lflag;
    uint8_t line, cc[19];
    uint32_t ispeed, ospeed;
};
#define KERNEL_TCGETS2 _IOR('T', 0x2A, struct kernel_termios2)

static void the_other_end_sees_any_speed_and_a_raw_line(void **state)
{
    struct line *line = *state;
    static const uint32_t speeds[] = {300, 115200, 250000, 4000000};
    for (size_t i = 0; i < sizeof speeds / sizeof speeds[0]; i++) {
        struct kernel_termios2 settings;
        struct serial_target target = {.path = line->path, .baud = speeds[i]};
        char why[512];
        serial_close(line->serial);
        assert_int_equal(serial_open(&line->serial, &target, why, sizeof why), SERIAL_OK);
        assert_int_equal(ioctl(line->master, KERNEL_TCGETS2, &settings), 0);
        assert_int_equal(settings.ospeed, speeds[i]);
        assert_int_equal(settings.lflag, 0);
        assert_int_equal(settings.oflag, 0);
    }
}

static void what_is_not_there_is_absent(void **state)
{
    (void)state;
    struct serial *serial;
    char why[512];
    assert_int_equal(open_path(&serial, "/dev/no-such-port", why, sizeof why), SERIAL_ABSENT);
    assert_non_null(strstr(why, "/dev/no-such-port is not there"));
    assert_int_equal(open_path(&serial, "/dev/null/x", why, sizeof why), SERIAL_ABSENT);
    assert_int_equal(open_path(&serial, "", why, sizeof why), SERIAL_ABSENT);
    struct serial_target target = {.usb_serial = "no-such-serial-number", .baud = 115200};
    assert_int_equal(serial_open(&serial, &target, why, sizeof why), SERIAL_ABSENT);
    assert_non_null(strstr(why, "no-such-serial-number"));
    assert_null(serial);
}

static void what_is_no_serial_line_is_wrong(void **state)
{
    (void)state;
    static const char *const paths[] = {"/dev/null", "/dev/zero", "/tmp", "/proc/self/exe"};
    struct serial *serial;
    char why[512];
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(open_path(&serial, paths[i], why, sizeof why), SERIAL_WRONG);
        assert_non_null(strstr(why, "is no serial line"));
    }
}

/* Root may open everything, so a child gives that up first. */
static void without_permission_the_group_is_named(void **state)
{
    struct line *line = *state;
    char why[512] = "";
    int answer[2];
    serial_close(line->serial);
    line->serial = NULL;
    if (chown(line->path, 0, 20) || chmod(line->path, 0660))
        skip();
    assert_int_equal(pipe(answer), 0);
    pid_t child = fork();
    if (child == 0) {
        struct serial *serial;
        enum serial_result result = SERIAL_FAILED;
        if (setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0)
            result = open_path(&serial, line->path, why, sizeof why);
        (void)!write(answer[1], why, sizeof why);
        _exit(result == SERIAL_DENIED ? 0 : 1);
    }
    int status;
    assert_int_equal(read(answer[0], why, sizeof why), sizeof why);
    assert_int_equal(waitpid(child, &status, 0), child);
    close(answer[0]);
    close(answer[1]);
    assert_int_equal(status, 0);
    assert_non_null(strstr(why, "add yourself to the group dialout"));
}

static void count_ports(void *user, const struct serial_info *info)
{
    int *count = user;
    assert_int_equal(info->path[0], '/');
    assert_non_null(info->description);
    assert_non_null(info->by_id);
    ++*count;
}

static void the_list_tells_as_many_as_it_counts(void **state)
{
    (void)state;
    int count = 0, told = serial_list(count_ports, &count);
    assert_int_equal(told, count);
}

static void running_programs_are_found_by_name(void **state)
{
    (void)state;
    assert_true(serial_program_runs("serial_test"));
    assert_false(serial_program_runs("no-such-program"));
}

#define WITH_LINE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LINE(every_byte_passes_unchanged_both_ways),
        WITH_LINE(no_bytes_now_is_zero_and_never_waits),
        WITH_LINE(a_full_line_takes_a_part_and_then_nothing),
        WITH_LINE(a_device_that_went_away_is_minus_one),
        WITH_LINE(a_second_opening_is_refused_and_harms_nothing),
        WITH_LINE(another_process_that_has_it_is_named),
        WITH_LINE(closed_it_is_free_again),
        WITH_LINE(a_link_is_followed),
        WITH_LINE(the_other_end_sees_any_speed_and_a_raw_line),
        WITH_LINE(without_permission_the_group_is_named),
        cmocka_unit_test(what_is_not_there_is_absent),
        cmocka_unit_test(what_is_no_serial_line_is_wrong),
        cmocka_unit_test(the_list_tells_as_many_as_it_counts),
        cmocka_unit_test(running_programs_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
