/*
 * port_line.h - opening and closing a line on a thread of its own: a sick USB device holds either
 * for seconds, and no other board may wait for it.
 */
#ifndef PORT_LINE_H
#define PORT_LINE_H

#include "loop/loop.h"
#include "serial/serial.h"

/* Under way; freed by itself when done or forgotten. */
struct port_line;

/* Opens target->path, which is copied. `done` is called once from the loop: the line is the
 * callee's then, or it is NULL and `why` (valid during the call) says why. NULL: out of memory. */
typedef void port_line_opened(void *user, enum serial_result result, struct serial *serial,
                              const char *why);
struct port_line *port_line_open(struct loop *loop, const struct serial_target *target,
                                 port_line_opened *done, void *user);

/* Closes it; `done` is called once from the loop. NULL: out of memory; it was closed here. */
struct port_line *port_line_close(struct loop *loop, struct serial *serial,
                                  void (*done)(void *user), void *user);

/* Nobody waits for it any more: `done` is not called, and what it opens is closed. */
void port_line_forget(struct port_line *line);

#endif
