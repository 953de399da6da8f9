/*
 * pty.h - a pseudo-terminal that stands for a serial port: raw from the start, found under a link
 * of a fixed name, and hung up only when pty_close says so.
 */
#ifndef PTY_H
#define PTY_H

#include <stddef.h>

struct pty {
    int master; /* non-blocking: the device's end of the line; -1: not open */
    int slave;  /* kept open, so that a host may come and go without a hang-up or lost bytes */
    char path[64];
    char link[256]; /* "" : none */
};

/* Opens one, and puts a symbolic link to it in place by rename; `link` may be NULL. Returns 0, or
 * -1 with errno set, and then nothing is left behind. */
int pty_open(struct pty *pty, const char *link);

/* Removes the link if it is still ours, then hangs up: whoever has the port open sees it go, and
 * what it has not read yet is lost. Does nothing when not open. */
void pty_close(struct pty *pty);

/* Bytes for the host that it has not read yet; -1 when unknown. */
int pty_unread(const struct pty *pty);

#endif
