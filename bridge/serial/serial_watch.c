/*
 * serial_watch.c - three ears in one descriptor: uevents by netlink, which need no udev; udev's own
 * by the same socket, which come when it has set groups and links; inotify for PTYs, for links and
 * for systems that give no netlink. What a change means is left to the caller, so that a lost,
 * false or forged message costs one look.
 */
#define _GNU_SOURCE
#include "serial_watch.h"

#include <errno.h>
#include <limits.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#define KERNEL_GROUP  1u
#define UDEV_GROUP    2u
#define MESSAGE_BYTES 8192
#define FOLDER_EVENTS (IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR)
#define DEVICES       "/dev"

struct serial_watch {
    int epoll, uevents, folders;
};

static int open_uevents(void)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP | UDEV_GROUP};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address)) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool listen_to(const struct serial_watch *watch, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return fd >= 0 && epoll_ctl(watch->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

struct serial_watch *serial_watch_open(void)
{
    struct serial_watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return NULL;
    watch->epoll = epoll_create1(EPOLL_CLOEXEC);
    watch->uevents = open_uevents();
    watch->folders = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    bool hears = watch->epoll >= 0 && listen_to(watch, watch->uevents);
    hears |= watch->epoll >= 0 && listen_to(watch, watch->folders);
    if (hears)
        return watch;
    serial_watch_close(watch);
    return NULL;
}

void serial_watch_close(struct serial_watch *watch)
{
    if (!watch)
        return;
    const int all[] = {watch->folders, watch->uevents, watch->epoll};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i] >= 0)
            close(all[i]);
    free(watch);
}

int serial_watch_fd(const struct serial_watch *watch)
{
    return watch->epoll;
}

/* -- Folders. */

/* Cuts the last part off; what is left of a bare name is the working directory. */
static void to_parent(char *path, size_t cap)
{
    char *slash = strrchr(path, '/');
    if (slash)
        slash[slash == path] = '\0';
    else
        snprintf(path, cap, ".");
}

void serial_watch_path(struct serial_watch *watch, const char *path)
{
    char folder[PATH_MAX];
    if (!path && watch->uevents >= 0)
        return;
    snprintf(folder, sizeof folder, "%s", path ? path : DEVICES "/");
    folder[strcspn(folder, "*?[")] = '\0';
    do
        to_parent(folder, sizeof folder);
    while (inotify_add_watch(watch->folders, folder, FOLDER_EVENTS) < 0 && errno == ENOENT &&
           strcmp(folder, "/") != 0 && strcmp(folder, ".") != 0);
}

/* -- What has come. */

bool serial_watch_concerns(const char *message, size_t n)
{
    static const char wanted[] = "SUBSYSTEM=tty";
    for (size_t at = 0; at + sizeof wanted <= n; at++) {
        const char *next = memchr(message + at, wanted[0], n - at);
        if (!next)
            return false;
        at = (size_t)(next - message);
        bool begins = at == 0 || message[at - 1] == '\0';
        if (begins && n - at >= sizeof wanted && memcmp(next, wanted, sizeof wanted) == 0)
            return true;
    }
    return false;
}

/* Messages were lost (ENOBUFS) when there were too many: any of them may have concerned us. */
static bool read_uevents(int fd)
{
    char message[MESSAGE_BYTES];
    bool changed = false;
    for (;;) {
        ssize_t n = recv(fd, message, sizeof message, 0);
        if (n > 0)
            changed |= serial_watch_concerns(message, (size_t)n);
        else if (n < 0 && errno == ENOBUFS)
            changed = true;
        else if (n == 0 || errno != EINTR)
            return changed;
    }
}

static bool read_folders(int fd)
{
    char events[MESSAGE_BYTES];
    bool changed = false;
    while (read(fd, events, sizeof events) > 0)
        changed = true;
    return changed;
}

bool serial_watch_read(struct serial_watch *watch)
{
    bool changed = watch->uevents >= 0 && read_uevents(watch->uevents);
    return (watch->folders >= 0 && read_folders(watch->folders)) || changed;
}
