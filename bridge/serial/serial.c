/*
 * serial.c - from a name to an open line: follows links, asks whether the line is free before
 * anything is changed on it, picks who drives it. Settings are the backends', reconnecting the
 * caller's.
 */
#define _DEFAULT_SOURCE
#include "serial.h"

#include "serial_backend.h"
#include "serial_usb.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <limits.h>
#include <linux/serial.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define SYSFS       "/sys"
#define GROUP_BYTES 1024

/* -- What went wrong, for people. */

static void explain_denied(const char *path, char *why, size_t why_cap)
{
    struct stat status;
    struct group entry, *group = NULL;
    char names[GROUP_BYTES];
    if (stat(path, &status) == 0 && (status.st_mode & S_IRGRP) && status.st_gid != 0)
        getgrgid_r(status.st_gid, &entry, names, sizeof names, &group);
    if (group)
        snprintf(
            why, why_cap,
            "no permission for %s: add yourself to the group %s (sudo adduser $USER %s), then log "
            "in anew",
            path, group->gr_name, group->gr_name);
    else
        snprintf(why, why_cap, "no permission for %s: its owner alone may use it", path);
}

static void explain_busy(const char *path, char *why, size_t why_cap)
{
    char holder[128];
    serial_holder(path, holder, sizeof holder);
    const char *hint = "";
    if (strstr(holder, "ModemManager"))
        hint = "; it looks for modems, wait a moment or: sudo systemctl disable --now ModemManager";
    else if (strstr(holder, "brltty"))
        hint = "; it takes the adapter for a braille display: sudo apt-get remove brltty";
    snprintf(why, why_cap, "%s is in use by %s%s", path, holder, hint);
}

enum serial_result serial_explain(const char *path, int error, char *why, size_t why_cap)
{
    switch (error) {
    case EACCES:
    case EPERM:
        explain_denied(path, why, why_cap);
        return SERIAL_DENIED;
    case EBUSY:
    case EWOULDBLOCK:
        explain_busy(path, why, why_cap);
        return SERIAL_BUSY;
    case ENOENT:
    case ENOTDIR:
        snprintf(why, why_cap, "%s is not there: plug it in, or look with `mcu-tool list`", path);
        return SERIAL_ABSENT;
    case ENXIO:
    case ENODEV:
    case EIO:
        snprintf(why, why_cap, "%s has no device behind it (any more)", path);
        return SERIAL_ABSENT;
    default:
        snprintf(why, why_cap, "cannot open %s: %s", path, strerror(error));
        return SERIAL_FAILED;
    }
}

/* -- Which device, and is it free? */

/* The one path that fits a pattern; a path without wildcards stands for itself. */
static enum serial_result match(const char *pattern, char *path, size_t cap, char *why,
                                size_t why_cap)
{
    glob_t found;
    enum serial_result result = SERIAL_OK;
    if (!pattern[strcspn(pattern, "*?[")]) {
        snprintf(path, cap, "%s", pattern);
        return SERIAL_OK;
    }
    int error = glob(pattern, GLOB_NOSORT, NULL, &found);
    if (error == GLOB_NOMATCH || (!error && found.gl_pathc == 0)) {
        snprintf(why, why_cap, "nothing is called %s: plug it in, or look with `mcu-tool list`",
                 pattern);
        result = SERIAL_ABSENT;
    } else if (error) {
        snprintf(why, why_cap, "cannot look for %s", pattern);
        return SERIAL_FAILED;
    } else if (found.gl_pathc > 1) {
        snprintf(why, why_cap, "%zu ports are called %s, such as %s and %s: say which",
                 (size_t)found.gl_pathc, pattern, found.gl_pathv[0], found.gl_pathv[1]);
        result = SERIAL_WRONG;
    } else {
        snprintf(path, cap, "%s", found.gl_pathv[0]);
    }
    globfree(&found);
    return result;
}

enum serial_result serial_find(const struct serial_target *target, char *path, size_t path_cap,
                               char *why, size_t why_cap)
{
    char name[PATH_MAX], real[PATH_MAX];
    enum serial_result result =
        target->path ? match(target->path, name, sizeof name, why, why_cap)
                     : serial_usb_find(SYSFS, target, name, sizeof name, why, why_cap);
    if (result)
        return result;
    if (!realpath(name, real))
        return serial_explain(name, errno, why, why_cap);
    snprintf(path, path_cap, "%s", real);
    return SERIAL_OK;
}

static bool is_pty(const char *path, int fd)
{
    int lines;
    return strncmp(path, "/dev/pts/", 9) == 0 || ioctl(fd, TIOCMGET, &lines) != 0;
}

/* Locks an `fd` of its own for a moment, so that a line in use is left as it is, and picks the
 * backend. */
static enum serial_result look(struct serial *serial, char *why, size_t why_cap)
{
    struct stat status;
    if (stat(serial->path, &status))
        return serial_explain(serial->path, errno, why, why_cap);
    if (!S_ISCHR(status.st_mode)) {
        snprintf(why, why_cap, "%s is no serial line", serial->path);
        return SERIAL_WRONG;
    }
    int fd = open(serial->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return serial_explain(serial->path, errno, why, why_cap);
    enum serial_result result = SERIAL_OK;
    struct termios settings;
    if (tcgetattr(fd, &settings)) {
        bool gone = errno == EIO;
        result = gone ? serial_explain(serial->path, EIO, why, why_cap) : SERIAL_WRONG;
        if (!gone)
            snprintf(why, why_cap, "%s is no serial line", serial->path);
    } else if (flock(fd, LOCK_EX | LOCK_NB)) {
        result = serial_explain(serial->path, errno, why, why_cap);
    } else {
        serial->backend = is_pty(serial->path, fd) ? &serial_pty_backend : &serial_port_backend;
    }
    serial->fd = fd;
    return result;
}

static void release(struct serial *serial)
{
    free(serial->note);
    free(serial->path);
    free(serial);
}

enum serial_result serial_open(struct serial **serial, const struct serial_target *target,
                               char *why, size_t why_cap)
{
    char path[PATH_MAX];
    *serial = NULL;
    enum serial_result result = serial_find(target, path, sizeof path, why, why_cap);
    if (result)
        return result;
    struct serial *line = calloc(1, sizeof *line);
    if (!line || !(line->path = strdup(path))) {
        free(line);
        snprintf(why, why_cap, "out of memory");
        return SERIAL_FAILED;
    }
    line->fd = -1;
    result = look(line, why, why_cap);
    if (result == SERIAL_OK)
        result = line->backend->open(line, target, why, why_cap);
    if (result) {
        if (line->fd >= 0)
            close(line->fd);
        release(line);
        return result;
    }
    *serial = line;
    return SERIAL_OK;
}

void serial_close(struct serial *serial)
{
    if (!serial)
        return;
    serial->backend->close(serial);
    release(serial);
}

bool serial_may_reset(const struct serial *serial)
{
    return serial->backend == &serial_port_backend;
}

int serial_fd(const struct serial *serial)
{
    return serial->fd;
}

const char *serial_path(const struct serial *serial)
{
    return serial->path;
}

const char *serial_note(const struct serial *serial)
{
    return serial->note ? serial->note : "";
}

uint32_t serial_framing_errors(const struct serial *serial)
{
    struct serial_icounter_struct counts;
    return ioctl(serial->fd, TIOCGICOUNT, &counts) || counts.frame < 0 ? 0 : (uint32_t)counts.frame;
}

void serial_forget_input(struct serial *serial)
{
    tcflush(serial->fd, TCIFLUSH);
}

/* -- Bytes. VMIN is 1, so that "none now" is EAGAIN and 0 means hung up. */

static ssize_t moved(ssize_t n)
{
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

ssize_t serial_read(struct serial *serial, void *out, size_t cap)
{
    ssize_t n = read(serial->fd, out, cap);
    return n == 0 && cap ? -1 : moved(n);
}

ssize_t serial_write(struct serial *serial, const void *bytes, size_t n)
{
    return moved(write(serial->fd, bytes, n));
}
