#ifndef PHXDEV_FAULTS_H
#define PHXDEV_FAULTS_H

#include "socket.h"

#include <stdbool.h>

/* Which clients refuse and silent are for. */
enum fault_transport { FAULT_BOTH, FAULT_WEBSOCKET, FAULT_LONGPOLL };

/* What the server is told to do wrong, by POST /fault; README.md lists the members. */
struct faults {
    long refuse_status; /* 0: none */
    enum fault_transport transport;
    long refuse_count;  /* connects still to be refused */
    long retry_after_s; /* sent with a refusal when above 0 */
    bool silent;        /* connects are never answered */
    struct socket_faults socket;
    bool hold_replies; /* uploads are stored, their replies lost */
    long upload_error; /* uploads still to be answered with status error, not stored */
    long crash_upload; /* uploads still to crash their channel, not stored */
};

#endif
