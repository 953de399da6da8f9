/*
 * flash_claim.h - one flasher at a time on a port, among all processes of this machine.
 *
 * A claim is a descriptor; whoever inherits it holds the port too. So a flasher that outlives a
 * killed bridge keeps its port claimed until it has ended, and a bridge that starts anew sees it.
 */
#ifndef FLASH_CLAIM_H
#define FLASH_CLAIM_H

#include <stdbool.h>
#include <stddef.h>

/* Claims the port at this path, symbolic links followed. Returns a descriptor, closed on exec, to
 * be given back by close(2); or -1 with one line in `why`: no such port, or it is claimed. Does
 * not open the port. */
int flash_claim(const char *port, char *why, size_t why_cap);

/* Whether a flasher is at it. To be asked before the port is opened. */
bool flash_claimed(const char *port);

#endif
