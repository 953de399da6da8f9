/*
 * A line in other hands: closed, given to another program, taken back. When a line is opened and
 * closed is port_life.c's, what the borrower does with it flasher.h's.
 */
#include "port_private.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LENT_WHY  "its port is lent to a flasher"
#define WHY_BYTES 768

void port_enter_lent(struct port *port)
{
    port->state = PORT_LENT;
    port->due_us = 0;
}

int port_lend(struct port *port, const struct port_borrower *borrower)
{
    if (port->loan != PORT_OURS)
        return -1;
    port->loan = PORT_TO_LEND;
    port->borrower = *borrower;
    switch (port->state) {
    case PORT_ASKING:
    case PORT_SERVING:
    case PORT_HELD:
        port_end_session(port, LENT_WHY);
        port_close_line(port);
        break;
    case PORT_CLOSED:
        port_enter_lent(port);
        break;
    case PORT_OPENING:
    case PORT_CLOSING:
    case PORT_LENT:
        break;
    }
    turn_wake(&port->turn);
    return 0;
}

void port_tell_lent(struct port *port)
{
    char path[PATH_MAX], why[WHY_BYTES];
    const struct serial_target target = port_target(port);
    port->due_us = UINT64_MAX;
    if (port->loan != PORT_TO_LEND)
        return;
    bool found = serial_find(&target, path, sizeof path, why, sizeof why) == SERIAL_OK;
    port->lent_path = found ? strdup(path) : NULL;
    if (port->lent_path != NULL) {
        port->loan = PORT_LOANED;
        port->borrower.lent(port->borrower.user, NULL);
        return;
    }
    port_take_back(port, 0);
    port->borrower.lent(port->borrower.user, found ? "out of memory" : why);
}

void port_take_back(struct port *port, uint32_t quiet_ms)
{
    if (port->loan == PORT_OURS)
        return;
    port->loan = PORT_OURS;
    port->quiet_ms = quiet_ms;
    free(port->lent_path);
    port->lent_path = NULL;
    if (port->state == PORT_LENT) {
        port->state = PORT_CLOSED;
        port->due_us = 0;
    }
    turn_wake(&port->turn);
}

void port_free_loan(struct port *port)
{
    if (port->loan != PORT_OURS)
        port->borrower.freed(port->borrower.user);
    free(port->lent_path);
}

bool port_is_there(const struct port *port)
{
    char path[PATH_MAX], why[WHY_BYTES];
    struct stat status;
    const struct serial_target target = port_target(port);
    if (port->serial != NULL)
        return true;
    enum serial_result found = serial_find(&target, path, sizeof path, why, sizeof why);
    /* A link may go before its line; a second line that fits takes nothing from the one lent. */
    if (port->lent_path != NULL)
        return stat(port->lent_path, &status) == 0 && found != SERIAL_ABSENT;
    return found == SERIAL_OK;
}
