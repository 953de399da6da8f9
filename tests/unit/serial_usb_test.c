/*
 * A sysfs made of folders and files: which line belongs to the USB device that is asked for, and
 * what is said when that is none or not one.
 */
#define _GNU_SOURCE
#include "serial/serial_usb.h"

#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define UART   "devices/pci0000:00/0000:00:14.0/usb1/1-1"
#define HUBBED "devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2.3"
#define SOC    "devices/platform/soc/3f980000.usb/usb1/1-1"

static char sysfs[64];

static void make(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A folder and all above it. */
static void make(const char *format, ...)
{
    char path[PATH_MAX];
    va_list arguments;
    int n = snprintf(path, sizeof path, "%s/", sysfs);
    va_start(arguments, format);
    vsnprintf(path + n, sizeof path - (size_t)n, format, arguments);
    va_end(arguments);
    for (char *at = path + n; (at = strchr(at, '/')); *at++ = '/') {
        *at = '\0';
        mkdir(path, 0755);
    }
    mkdir(path, 0755);
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s/%s", sysfs, folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "%s\n", text);
    fclose(file);
}

static void link_tty(const char *tty, const char *interface)
{
    char from[PATH_MAX], to[PATH_MAX];
    make("class/tty/%s", tty);
    make("%s", interface);
    snprintf(from, sizeof from, "%s/class/tty/%s/device", sysfs, tty);
    snprintf(to, sizeof to, "%s/%s", sysfs, interface);
    assert_int_equal(symlink(to, from), 0);
}

/* An FTDI adapter as the kernel shows it: its tty has a folder below the interface. */
static void plug(const char *device, const char *kernel_name, const char *tty,
                 const char *usb_serial)
{
    char interface[PATH_MAX];
    make("%s", device);
    write_file(device, "idVendor", "0403");
    write_file(device, "idProduct", "6001");
    if (usb_serial)
        write_file(device, "serial", usb_serial);
    snprintf(interface, sizeof interface, "%s/%s:1.0/%s", device, kernel_name, tty);
    link_tty(tty, interface);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(sysfs, sizeof sysfs, "/tmp/sysfs-XXXXXX");
    assert_non_null(mkdtemp(sysfs));
    make("class/tty/tty0");
    link_tty("ttyS0", "devices/platform/serial8250");
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status;
    (void)type;
    (void)at;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(sysfs, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static enum serial_result find(const struct serial_target *target, char *path, char *why)
{
    return serial_usb_find(sysfs, target, path, 64, why, 512);
}

static void a_device_is_described_in_the_words_of_udev(void **state)
{
    struct serial_usb usb;
    (void)state;
    plug(HUBBED, "1-2.3", "ttyUSB0", "FT1");
    assert_true(serial_usb_read(sysfs, "ttyUSB0", &usb));
    assert_string_equal(usb.id, "0403:6001");
    assert_string_equal(usb.usb_serial, "FT1");
    assert_string_equal(usb.place, "pci-0000:00:14.0-usb-0:2.3:1.0");
    assert_string_equal(usb.kernel_name, "1-2.3");
}

static void a_controller_without_pci_is_a_platform(void **state)
{
    struct serial_usb usb;
    (void)state;
    plug(SOC, "1-1", "ttyUSB0", NULL);
    assert_true(serial_usb_read(sysfs, "ttyUSB0", &usb));
    assert_string_equal(usb.place, "platform-3f980000.usb-usb-0:1:1.0");
    assert_string_equal(usb.usb_serial, "");
}

static void what_is_not_usb_is_none(void **state)
{
    struct serial_usb usb;
    (void)state;
    assert_false(serial_usb_read(sysfs, "ttyS0", &usb));
    assert_false(serial_usb_read(sysfs, "tty0", &usb));
    assert_false(serial_usb_read(sysfs, "ttyUSB9", &usb));
}

static void each_way_of_asking_finds_it(void **state)
{
    const struct serial_target targets[] = {
        {.usb_serial = "FT2"},
        {.usb_path = "1-2.3"},
        {.usb_path = "pci-0000:00:14.0-usb-0:2.3:1.0"},
        {.usb_path = "/dev/serial/by-path/pci-0000:00:14.0-usb-0:2.3:1.0-port0"},
        {.usb_serial = "FT2", .usb_id = "0403:6001", .usb_path = "1-2.3"},
    };
    char path[64], why[512];
    (void)state;
    plug(UART, "1-1", "ttyUSB0", "FT1");
    plug(HUBBED, "1-2.3", "ttyUSB1", "FT2");
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        assert_int_equal(find(&targets[i], path, why), SERIAL_OK);
        assert_string_equal(path, "/dev/ttyUSB1");
    }
}

static void all_that_is_asked_for_must_fit(void **state)
{
    const struct serial_target targets[] = {
        {.usb_serial = "FT2", .usb_path = "1-1"},
        {.usb_serial = "FT1", .usb_id = "10c4:ea60"},
        {.usb_path = "pci-0000:00:14.0-usb-0:1:1"},
        {.usb_serial = "FT"},
    };
    char path[64], why[512];
    (void)state;
    plug(UART, "1-1", "ttyUSB0", "FT1");
    plug(HUBBED, "1-2.3", "ttyUSB1", "FT2");
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        assert_int_equal(find(&targets[i], path, why), SERIAL_ABSENT);
}

static void none_is_said_with_what_was_looked_for(void **state)
{
    const struct serial_target target = {.usb_serial = "FT9", .usb_id = "0403:6001"};
    char path[64], why[512];
    (void)state;
    assert_int_equal(find(&target, path, why), SERIAL_ABSENT);
    assert_non_null(strstr(why, "the USB serial number FT9 and the USB id 0403:6001"));
    assert_non_null(strstr(why, "mcu-tool list"));
}

static void two_that_fit_are_both_named_and_neither_is_taken(void **state)
{
    const struct serial_target target = {.usb_serial = "SAME"};
    const struct serial_target pinned = {.usb_serial = "SAME", .usb_path = "1-1"};
    char path[64], why[512];
    (void)state;
    plug(UART, "1-1", "ttyUSB0", "SAME");
    plug(HUBBED, "1-2.3", "ttyUSB1", "SAME");
    assert_int_equal(find(&target, path, why), SERIAL_WRONG);
    assert_non_null(strstr(why, "2 ports have the USB serial number SAME"));
    assert_non_null(strstr(why, "/dev/ttyUSB0 (usb_path pci-0000:00:14.0-usb-0:1:1.0)"));
    assert_non_null(strstr(why, "/dev/ttyUSB1 (usb_path pci-0000:00:14.0-usb-0:2.3:1.0)"));
    assert_int_equal(find(&pinned, path, why), SERIAL_OK);
    assert_string_equal(path, "/dev/ttyUSB0");
}

static void without_a_sysfs_that_is_said(void **state)
{
    const struct serial_target target = {.usb_serial = "FT1"};
    char path[64], why[512];
    (void)state;
    assert_int_equal(serial_usb_find("/nowhere", &target, path, sizeof path, why, sizeof why),
                     SERIAL_FAILED);
    assert_non_null(strstr(why, "/nowhere"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_device_is_described_in_the_words_of_udev),
        TEST(a_controller_without_pci_is_a_platform),
        TEST(what_is_not_usb_is_none),
        TEST(each_way_of_asking_finds_it),
        TEST(all_that_is_asked_for_must_fit),
        TEST(none_is_said_with_what_was_looked_for),
        TEST(two_that_fit_are_both_named_and_neither_is_taken),
        TEST(without_a_sysfs_that_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
