/*
 * serial_pty.c - PTYs, and whatever else is a terminal without modem lines: raw by the kernel's
 * termios2, which takes any speed and lets the other end of the PTY see it. Locked by flock alone:
 * TIOCEXCL would stay on a PTY whose user was killed, as long as its master holds it.
 */
#include "serial_backend.h"

#include <asm/termbits.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void make_raw(struct termios2 *settings, uint32_t baud)
{
    settings->c_iflag = IGNPAR;
    settings->c_oflag = 0;
    settings->c_lflag = 0;
    settings->c_cflag = BOTHER | CS8 | CREAD | CLOCAL;
    settings->c_ispeed = settings->c_ospeed = baud;
    settings->c_cc[VMIN] = 1;
    settings->c_cc[VTIME] = 0;
}

/* The descriptor that found the line free holds its lock and stays. */
static enum serial_result pty_open(struct serial *serial, const struct serial_target *target,
                                   char *why, size_t why_cap)
{
    struct termios2 settings, taken;
    uint32_t baud = target->baud;
    if (ioctl(serial->fd, TCGETS2, &settings))
        return serial_explain(serial->path, errno, why, why_cap);
    make_raw(&settings, baud);
    if (ioctl(serial->fd, TCSETS2, &settings) || ioctl(serial->fd, TCGETS2, &taken))
        return serial_explain(serial->path, errno, why, why_cap);
    if (taken.c_ospeed != baud || taken.c_lflag != 0 || (taken.c_cflag & CSIZE) != CS8) {
        snprintf(why, why_cap, "%s does not take raw 8N1 at %u baud", serial->path, baud);
        return SERIAL_WRONG;
    }
    return SERIAL_OK;
}

static void pty_close(struct serial *serial)
{
    close(serial->fd);
}

const struct serial_backend serial_pty_backend = {pty_open, pty_close};
