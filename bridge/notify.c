/*
 * The protocol of sd_notify(3): datagrams to a UNIX socket. Written here instead of linking
 * libsystemd, which is many times this program's size for thirty lines. What is worth telling is
 * bridge.c's.
 */
#include "notify.h"

#include <stddef.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SIGNS_PER_TIMEOUT 4

static uint64_t number_of(const char *text)
{
    char *end;
    if (text == NULL || text[0] < '0' || text[0] > '9')
        return 0;
    uint64_t number = strtoull(text, &end, 10);
    return *end == '\0' ? number : 0;
}

static void find_watchdog(struct notify *notify)
{
    const char *pid = getenv("WATCHDOG_PID");
    if (pid == NULL || number_of(pid) == (uint64_t)getpid())
        notify->watchdog_us = number_of(getenv("WATCHDOG_USEC")) / SIGNS_PER_TIMEOUT;
}

void notify_open(struct notify *notify)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t n = path != NULL ? strlen(path) : 0;
    *notify = (struct notify){.fd = -1};
    if (n > 1 && n < sizeof notify->address && (path[0] == '/' || path[0] == '@')) {
        memcpy(notify->address, path, n);
        if (path[0] == '@')
            notify->address[0] = '\0'; /* an abstract address */
        notify->address_len = (unsigned)n;
        notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        find_watchdog(notify);
    }
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void notify_close(struct notify *notify)
{
    if (notify->fd >= 0)
        close(notify->fd);
    notify->fd = -1;
}

void notify_send(struct notify *notify, const char *state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (notify->fd < 0)
        return;
    memcpy(address.sun_path, notify->address, notify->address_len);
    sendto(notify->fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + notify->address_len));
}

void notify_reloading(struct notify *notify)
{
    struct timespec now;
    char state[64];
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%llu",
             (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
    notify_send(notify, state);
}

void notify_alive(struct notify *notify, uint64_t now_us)
{
    if (notify->watchdog_us == 0 || now_us - notify->fed_us < notify->watchdog_us)
        return;
    notify->fed_us = now_us;
    notify_send(notify, "WATCHDOG=1");
}
