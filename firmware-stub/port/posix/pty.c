/*
 * Opening and closing of a PTY and its link. Moving bytes is plain read and write on the master,
 * left to the callers.
 */
#define _GNU_SOURCE
#include "pty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* By rename, so that whoever watches the name sees it appear whole or change at once. */
static int put_link(const char *target, const char *link)
{
    char fresh[300];

    if (snprintf(fresh, sizeof fresh, "%s.%ld", link, (long)getpid()) >= (int)sizeof fresh) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (symlink(target, fresh) != 0)
        return -1;
    if (rename(fresh, link) != 0) {
        int error = errno;
        unlink(fresh);
        errno = error;
        return -1;
    }
    return 0;
}

/* A fresh PTY echoes, which would send the device's bytes back to it until a host sets it up. */
static int make_raw(int fd)
{
    struct termios settings;

    if (tcgetattr(fd, &settings) != 0)
        return -1;
    cfmakeraw(&settings);
    return tcsetattr(fd, TCSANOW, &settings);
}

static int open_ends(struct pty *pty)
{
    pty->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (pty->master < 0 || grantpt(pty->master) != 0 || unlockpt(pty->master) != 0)
        return -1;
    if ((errno = ptsname_r(pty->master, pty->path, sizeof pty->path)) != 0)
        return -1;
    pty->slave = open(pty->path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    return pty->slave < 0 ? -1 : make_raw(pty->slave);
}

int pty_open(struct pty *pty, const char *link)
{
    int error;

    *pty = (struct pty){.master = -1, .slave = -1};
    if (link && strlen(link) >= sizeof pty->link) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (open_ends(pty) == 0 && (link == NULL || put_link(pty->path, link) == 0)) {
        if (link)
            memcpy(pty->link, link, strlen(link) + 1);
        return 0;
    }
    error = errno;
    pty_close(pty);
    errno = error;
    return -1;
}

static void remove_link(const struct pty *pty)
{
    char target[sizeof pty->path];
    ssize_t n = readlink(pty->link, target, sizeof target - 1);

    if (n < 0)
        return;
    target[n] = '\0';
    if (strcmp(target, pty->path) == 0)
        unlink(pty->link);
}

void pty_close(struct pty *pty)
{
    if (pty->link[0])
        remove_link(pty);
    if (pty->slave >= 0)
        close(pty->slave);
    if (pty->master >= 0)
        close(pty->master);
    *pty = (struct pty){.master = -1, .slave = -1};
}

int pty_unread(const struct pty *pty)
{
    struct pollfd fd = {.fd = pty->slave, .events = POLLIN};
    int waiting;

    /* Written bytes reach the slave a little later, and only poll waits for that. */
    (void)poll(&fd, 1, 0);
    return pty->slave >= 0 && ioctl(pty->slave, FIONREAD, &waiting) == 0 ? waiting : -1;
}
