/*
 * Opens of a pseudo-terminal, heard of by inotify. What follows from them is line's.
 */
#define _GNU_SOURCE
#include "opens.h"

#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>

int opens_watch(const char *path)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

    if (fd >= 0 && inotify_add_watch(fd, path, IN_OPEN) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

bool opens_happened(int fd)
{
    char events[4096];
    bool happened = false;

    while (read(fd, events, sizeof events) > 0)
        happened = true;
    return happened;
}
