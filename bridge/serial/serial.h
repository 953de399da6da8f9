/*
 * serial.h - serial lines: find one, open it for ourselves alone, read and write without blocking.
 *
 * Real ports go through libserialport (serial_port.c), PTYs through termios (serial_pty.c), because
 * libserialport asks for modem lines and PTYs have none. Nothing else in the program knows which.
 */
#ifndef SERIAL_H
#define SERIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct serial;

enum serial_result {
    SERIAL_OK = 0,
    SERIAL_ABSENT = -1, /* not there (yet): try again */
    SERIAL_BUSY = -2,   /* another process has it */
    SERIAL_DENIED = -3, /* no permission */
    SERIAL_WRONG = -4, /* no serial line, it does not take the settings, or the name is ambiguous */
    SERIAL_FAILED = -5, /* any other error of the system */
};

struct serial_target {
    const char *path;       /* a device, a link to one, or a PTY; or NULL */
    const char *usb_serial; /* serial number of the USB device; used when path is NULL */
    uint32_t baud;
};

/* Opens 8N1, raw, no flow control, locked against other processes: flock(2), and on real ports
 * TIOCEXCL too. Does not wait. On SERIAL_OK *serial is the caller's until serial_close; otherwise
 * it is NULL and `why` says in one line what happened and what to do. */
enum serial_result serial_open(struct serial **serial, const struct serial_target *target,
                               char *why, size_t why_cap);

/* Bytes that have not left yet may be lost. NULL is ignored. */
void serial_close(struct serial *serial);

int serial_fd(const struct serial *serial);           /* non-blocking; for polling only */
const char *serial_path(const struct serial *serial); /* the device behind links */

/* Return bytes moved, which may be fewer than asked for, 0: none now, -1: the line is gone (close
 * it). */
ssize_t serial_read(struct serial *serial, void *out, size_t cap);
ssize_t serial_write(struct serial *serial, const void *bytes, size_t n);

/* One port of the machine; strings hold during the call, "" where unknown. */
struct serial_info {
    const char *path, *description, *usb_serial, *by_id;
    int usb_vid, usb_pid; /* -1: not USB */
};
/* Calls `found` for every real port (no PTYs). Returns how many, or -1. */
int serial_list(void (*found)(void *user, const struct serial_info *info), void *user);

/* Whether a program of this name runs, such as "ModemManager" or "brltty", which open ports that
 * are none of theirs. */
bool serial_program_runs(const char *name);

#endif
