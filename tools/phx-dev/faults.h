#ifndef PHXDEV_FAULTS_H
#define PHXDEV_FAULTS_H

#include "socket.h"

#include <stdbool.h>

/* What the server is told to do wrong, by POST /fault; README.md lists the members. */
struct faults {
    long refuse_status; /* 0: none */
    long refuse_count;  /* upgrades still to be refused */
    long retry_after_s; /* sent with a refusal when above 0 */
    bool silent;        /* upgrades are never answered */
    struct socket_faults socket;
    bool hold_replies; /* uploads are stored, their replies lost */
    long upload_error; /* uploads still to be answered with status error, not stored */
    long crash_upload; /* uploads still to crash their channel, not stored */
};

#endif
