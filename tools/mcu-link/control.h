/*
 * control.h - the control socket: lines in, one answer each. Up to CONTROL_LINE_MAX bytes a line; a
 * client that sends a longer one is hung up on. Any number of clients.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include "line.h"

#define CONTROL_LINE_MAX 512

struct client;

/* All zero: not open. */
struct control {
    uv_pipe_t server;
    struct line *line;
    struct client *clients;
};

/* Listens on a UNIX socket at `path`; a socket left over there is replaced. Returns 0, or -1 with
 * one line in `why`. */
int control_open(struct control *control, struct line *line, const char *path, char *why,
                 size_t why_cap);

/* Hangs up on all clients and removes the socket; they are freed by the loop. */
void control_close(struct control *control);

#endif
