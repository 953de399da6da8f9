/*
 * phx_presence.h - who is there: the presences of one channel, kept from the server's
 * presence_state and presence_diff as the official JavaScript client keeps them.
 *
 * A presence is JSON: {"metas":[{"phx_ref":"..",...},...],...}, a meta for each process that is
 * there under its key. Feed it from the channel's own events: phx_presence_joined from joined(),
 * phx_presence_message from message(). All happens inside those calls. From inside its callbacks
 * everything but phx_presence_message may be called, phx_presence_free included.
 *
 * Memory: keys and presences of at most max_bytes are kept, and as many bytes of diffs that came
 * before their state. What would be beyond is left out, neither kept nor told, and counted.
 */
#ifndef PHX_PRESENCE_H
#define PHX_PRESENCE_H

#include "phx.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct phx_presence;

struct phx_presence_options {
    const char *state_event; /* NULL: presence_state; as the next, it must outlive all calls */
    const char *diff_event;  /* NULL: presence_diff */
    size_t max_bytes;        /* 0: 256 KiB */
};

/* Any may be NULL. All texts are the presence's, for the length of the call. */
struct phx_presence_events {
    void *user;
    /* `current` is what was there before, empty: nobody; `joined` has the metas that came. */
    void (*join)(void *user, struct phx_text key, struct phx_text current, struct phx_text joined);
    /* `current` is what is left, with metas [] when nobody is; `left` has the metas that went. */
    void (*leave)(void *user, struct phx_text key, struct phx_text current, struct phx_text left);
    void (*sync)(void *user); /* after each state and each diff */
};

/* NULL: out of memory. */
struct phx_presence *phx_presence_new(const struct phx_presence_options *options,
                                      const struct phx_presence_events *events);
void phx_presence_free(struct phx_presence *presence);

/* The channel was joined, again or for the first time: diffs wait for the state that follows. What
 * was there before stays until then, and the state tells who came and went meanwhile. */
void phx_presence_joined(struct phx_presence *presence);
/* Returns true if this is one of its two events. */
bool phx_presence_message(struct phx_presence *presence, struct phx_text event,
                          struct phx_text payload);

size_t phx_presence_count(const struct phx_presence *presence);
/* The presence of a key; empty: none. Good until the next call that may change it. */
struct phx_text phx_presence_get(const struct phx_presence *presence, struct phx_text key);
/* Calls `each` for every one, the longest there first. */
void phx_presence_list(const struct phx_presence *presence,
                       void (*each)(void *user, struct phx_text key, struct phx_text presence),
                       void *user);
/* How many presences and diffs did not fit, since phx_presence_new. */
size_t phx_presence_left_out(const struct phx_presence *presence);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
