/*
 * request.h - what send, set-id, identify, reset, upload and console share: meet a device, ask one
 * thing, wait for the answer.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include "mp_bulk_host.h"
#include "options.h"
#include "session.h"

struct request {
    struct session session;
    bool ready, refused; /* refused: by what the two have not in common */
    bool asked, answered, lost;
    uint16_t number;
    enum mp_status status;
    struct mp_bulk_host *bulk; /* an upload that gets the events too; NULL: none */
    void (*console)(const uint8_t *bytes, size_t n); /* NULL: dropped */
};

/* Opens the port and waits for a device on it. Returns TOOL_OK, or TOOL_NO_DEVICE after telling
 * why, with the port closed. */
int request_open(struct request *request, const char *port, const struct options *options);

/* Waits for the answer to what was just asked; `error` is what mp_host_... returned. Tells how it
 * went wrong as "WHAT: ...". Returns TOOL_OK or TOOL_REFUSED. */
int request_finish(struct request *request, const char *what, int error);

#endif
