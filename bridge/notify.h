/*
 * notify.h - what a service manager is told (sd_notify(3)): ready, reloading, stopping, a line of
 * status, and that the event loop is alive. Everything is nothing when nobody manages us.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct notify {
    int fd; /* -1: nobody listens */
    char address[108];
    unsigned address_len;
    uint64_t watchdog_us; /* between two signs of life; 0: none is wanted */
    uint64_t fed_us;
};

/* Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID from the environment, and removes them from
 * it. */
void notify_open(struct notify *notify);
void notify_close(struct notify *notify);

/* State lines such as "READY=1\nSTATUS=...". Lost when the manager does not take them. */
void notify_send(struct notify *notify, const char *state);
/* "RELOADING=1" with the time that the protocol asks for; "READY=1" follows when it is done. */
void notify_reloading(struct notify *notify);
/* A turn of the loop is done. Says so often enough, and not oftener. */
void notify_alive(struct notify *notify, uint64_t now_us);

#endif
