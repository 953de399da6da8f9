/*
 * serial_watch.h - hears when serial lines come: the kernel's and udev's messages about devices,
 * and inotify on the folders in which links and PTYs appear. It says that something has changed,
 * never what: whoever waits for a line looks again.
 */
#ifndef SERIAL_WATCH_H
#define SERIAL_WATCH_H

#include <stdbool.h>
#include <stddef.h>

struct serial_watch;

/* NULL: the system lets us hear nothing; look from time to time. */
struct serial_watch *serial_watch_open(void);
void serial_watch_close(struct serial_watch *watch); /* NULL is ignored */
int serial_watch_fd(
    const struct serial_watch *watch); /* readable when there is something to read */

/* Hears of `path` (which may hold wildcards) from now on; while its folder is missing, of that: to
 * be called before each look. NULL: of new devices, where the kernel does not tell of them. */
void serial_watch_path(struct serial_watch *watch, const char *path);

/* Takes what has come. Returns whether a line may have appeared or become usable. */
bool serial_watch_read(struct serial_watch *watch);

/* Whether a message of the kernel or of udev is about a serial line. Any bytes are taken. */
bool serial_watch_concerns(const char *message, size_t n);

#endif
