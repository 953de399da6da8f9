/*
 * serial_latency.c - the timer of FTDI adapters, which collect bytes for 16 ms before they hand
 * them to the host. 1 ms is asked for in two ways: by the flag that needs no rights, and in sysfs,
 * which a udev rule may have opened. Lines without such a timer are left alone.
 */
#define _DEFAULT_SOURCE
#include "serial_backend.h"

#include <linux/serial.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define WANTED_MS  1
#define NOTE_BYTES 768

static void name_timer(const char *path, char *out, size_t cap)
{
    const char *slash = strrchr(path, '/');
    snprintf(out, cap, "/sys/class/tty/%s/device/latency_timer", slash ? slash + 1 : path);
}

/* The timer in ms, or -1: there is none. */
static long read_timer(const char *file_name)
{
    char text[16];
    long ms = -1;
    FILE *file = fopen(file_name, "re");
    if (file && fgets(text, sizeof text, file))
        ms = strtol(text, NULL, 10);
    if (file)
        fclose(file);
    return ms;
}

static void ask_driver(int fd)
{
    struct serial_struct settings;
    if (ioctl(fd, TIOCGSERIAL, &settings))
        return;
    settings.flags |= (int)ASYNC_LOW_LATENCY;
    (void)ioctl(fd, TIOCSSERIAL, &settings);
}

static void write_timer(const char *file_name)
{
    FILE *file = fopen(file_name, "we");
    if (!file)
        return;
    fprintf(file, "%d\n", WANTED_MS);
    fclose(file);
}

char *serial_latency(const char *path, int fd)
{
    char timer[256], note[NOTE_BYTES];
    name_timer(path, timer, sizeof timer);
    if (read_timer(timer) < 0)
        return NULL;
    ask_driver(fd);
    if (read_timer(timer) != WANTED_MS)
        write_timer(timer);
    long ms = read_timer(timer);
    if (ms <= WANTED_MS)
        return NULL;
    snprintf(note, sizeof note,
             "%s hands on bytes only every %ld ms, since its latency timer cannot be set: every "
             "control takes that much longer; as root: echo 1 > %s",
             path, ms, timer);
    return strdup(note);
}
