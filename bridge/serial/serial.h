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

/* DTR and RTS, which reset many boards and tell those with USB of their own that somebody reads.
 * The kernel turns both on for a moment when a line is first opened after plugging in. */
enum serial_dtr_rts {
    SERIAL_ON_OPEN,   /* on while the line is open, off after: boards with auto-reset start anew */
    SERIAL_NEVER,     /* off */
    SERIAL_ON_DEMAND, /* on, and left on when the line is closed: no reset unless `reset` is set */
};

struct serial_target {
    const char *path; /* a device, a link to one, a PTY, or a pattern with *, ? or [; or NULL */
    /* Without a path: what the USB device must have, each NULL where it may be anything. */
    const char *usb_serial; /* serial number */
    const char *usb_id;     /* vendor and product, "0403:6001" */
    const char *usb_path; /* the place: "pci-0000:00:14.0-usb-0:1.2:1.0", or the kernel's "1-1.2" */
    uint32_t baud;
    enum serial_dtr_rts dtr_rts;
    bool reset; /* DTR and RTS go off and on before the line is used; this takes 0.1 s */
};

/* The device that is meant, as it is called now, in `path`. Opens nothing. SERIAL_WRONG: several
 * fit, and `why` names them. */
enum serial_result serial_find(const struct serial_target *target, char *path, size_t path_cap,
                               char *why, size_t why_cap);

/* Opens 8N1, raw, no flow control, locked against other processes: flock(2), and on real ports
 * TIOCEXCL too; an FTDI adapter is told to hand on bytes at once. Waits for nothing but the device
 * itself, which may take seconds when it is sick. Any thread may do it. On SERIAL_OK *serial is the
 * caller's until serial_close; otherwise it is NULL and `why` says in one line what happened and
 * what to do. */
enum serial_result serial_open(struct serial **serial, const struct serial_target *target,
                               char *why, size_t why_cap);

/* Bytes that have not left yet may be lost. May take as long as serial_open. NULL is ignored. */
void serial_close(struct serial *serial);

/* Whether opening the line may have reset the board: by DTR and RTS, so with every real port. Its
 * boot loader may stay if it hears something; SERIAL_LISTEN_MS are enough for it to end. */
bool serial_may_reset(const struct serial *serial);
#define SERIAL_LISTEN_MS 2000

int serial_fd(const struct serial *serial);           /* non-blocking; for polling only */
const char *serial_path(const struct serial *serial); /* the device behind links */

/* What is not as it should be with a line that is open, for people; "" when nothing. */
const char *serial_note(const struct serial *serial);
/* Framing errors that the adapter has counted, where it does: many mean a wrong baud rate. */
uint32_t serial_framing_errors(const struct serial *serial);
/* Forgets what has come and was not read. */
void serial_forget_input(struct serial *serial);

/* Return bytes moved, which may be fewer than asked for, 0: none now, -1: the line is gone (close
 * it). */
ssize_t serial_read(struct serial *serial, void *out, size_t cap);
ssize_t serial_write(struct serial *serial, const void *bytes, size_t n);

/* One port of the machine; strings hold during the call, "" where unknown. */
struct serial_info {
    const char *path, *description, *by_id;
    const char *usb_id, *usb_serial, *usb_path; /* as in struct serial_target */
};
/* Calls `found` for every real port (no PTYs). Returns how many, or -1. */
int serial_list(void (*found)(void *user, const struct serial_info *info), void *user);

/* Whether a program of this name runs, such as "ModemManager" or "brltty", which open ports that
 * are none of theirs. */
bool serial_program_runs(const char *name);

#endif
