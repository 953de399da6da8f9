/*
 * phx_resolve.h - host names to numeric addresses without holding up the loop.
 */
#ifndef PHX_RESOLVE_H
#define PHX_RESOLVE_H

#include <stdbool.h>

typedef struct uv_loop_s uv_loop_t;

#define PHX_ADDRESSES_MAX 8 /* of one name; more are left out */

struct phx_addresses {
    unsigned count;
    char text[PHX_ADDRESSES_MAX][46];
};

struct phx_resolve;

/* Is `host` an address already? Then it becomes the only one. */
bool phx_resolve_numeric(const char *host, struct phx_addresses *addresses);

/* Calls `done` later from the loop: with the addresses in the order to try them, or with error, a
 * text for people, when there are none. NULL: out of memory. */
struct phx_resolve *phx_resolve_start(
    uv_loop_t *loop, const char *host,
    void (*done)(void *user, const struct phx_addresses *addresses, const char *error), void *user);
/* `done` will not be called. The look-up itself may stay on the loop until it ends by itself;
 * `over` is called then. */
void phx_resolve_cancel(struct phx_resolve *resolve, void (*over)(void *user), void *user);

#endif
