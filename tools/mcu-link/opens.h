/*
 * opens.h - tells when somebody has opened the port. A PTY carries no DTR, by which an Arduino is
 * reset whenever its port is opened; mcu-link resets the MCU when this says so.
 */
#ifndef OPENS_H
#define OPENS_H

#include <stdbool.h>

/* Watches the device at `path`, from now on. Returns a non-blocking descriptor, readable after an
 * open, to be closed by the caller; -1 with errno set. */
int opens_watch(const char *path);

/* Whether the device was opened since the last call, once or more often. */
bool opens_happened(int fd);

#endif
