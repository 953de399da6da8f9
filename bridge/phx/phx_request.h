/*
 * phx_request.h - a copy of a request, for whoever needs it again.
 */
#ifndef PHX_REQUEST_H
#define PHX_REQUEST_H

#include "phx_transport.h"

/* NULL: out of memory. `fallback` stays the caller's. */
struct phx_request *phx_request_copy(const struct phx_request *request);
/* What was to be kept secret is wiped; NULL is fine. */
void phx_request_free(struct phx_request *request);

#endif
