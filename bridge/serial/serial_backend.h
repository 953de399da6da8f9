/*
 * serial_backend.h - what the files of this folder know of each other.
 */
#ifndef SERIAL_BACKEND_H
#define SERIAL_BACKEND_H

#include "serial.h"

/* What differs between real ports and PTYs. */
struct serial_backend {
    /* Opens `path` (no link), already known to be free, sets it up and locks it. Fills serial->fd
     * and serial->handle, or `why`. */
    enum serial_result (*open)(struct serial *serial, const struct serial_target *target, char *why,
                               size_t why_cap);
    void (*close)(struct serial *serial);
};
extern const struct serial_backend serial_port_backend, serial_pty_backend;

struct serial {
    const struct serial_backend *backend;
    char *path;
    char *note;   /* NULL: nothing to say */
    void *handle; /* of libserialport */
    int fd;
};

/* The result and text for `errno` after an open of `path` failed. */
enum serial_result serial_explain(const char *path, int error, char *why, size_t why_cap);

/* "another process", or its name and number where that can be found out. */
void serial_holder(const char *path, char *out, size_t cap);

/* Tells the driver of the open line to hand on bytes as they come. Returns what to say when it does
 * not, to be freed, or NULL. */
char *serial_latency(const char *path, int fd);

#endif
