/*
 * lane.h - one MCU of the configuration on its way to the server: its board (when it is there), its
 * readings, its controls, and its own socket and channel; and as a device of NervesHub.
 */
#ifndef LANE_H
#define LANE_H

#include "config/config.h"
#include "loop/loop.h"
#include "loop/turn.h"
#include "phx/phx.h"
#include "port/port.h"
#include "profile/profile.h"
#include "seat.h"
#include "spool/spool.h"
#include "watch/watch.h"

#include <stdbool.h>
#include <stdint.h>

struct hub;
struct lane;

/* What the lanes of a bridge share; holds until the last lane is freed. */
struct lane_shared {
    struct loop *loop;
    struct turns *turns; /* each lane takes its turns among these */
    struct seats *seats;
    const struct config *config;
    const struct profile *profile;
    struct spool *spool; /* NULL: readings stay in memory */
    struct hub *hub;     /* NULL: no section nerveshub */
    void *user;
    /* The port of that name, where no lane has its board there; NULL: none. */
    struct port *(*free_port)(void *user, const char *name);
    void (*freed)(void *user); /* the board of a lane is gone: another may be it now */
    /* A lane has finished after lane_stop; it may be freed after the callback. */
    void (*stopped)(void *user, struct lane *lane);
};

/* Opens nothing: the socket follows the board. NULL: out of memory. */
struct lane *lane_new(const struct lane_shared *shared, const struct config_mcu *config);
void lane_free(struct lane *lane);

/* The port that its board is on; NULL: it is not there. */
struct port *lane_port(const struct lane *lane);

/* The board has answered on `port` and belongs to this lane, which must have none. Fills `client`.
 * Returns false when the lane cannot serve it now (said in the log). */
bool lane_claim(struct lane *lane, struct port *port, const struct mp_peer *peer,
                const struct mp_description *description, struct port_client *client);

/* The port of its board is about to go: as if the board had gone. */
void lane_board_lost(struct lane *lane, const char *why);
/* When its API key is another one than at the last attempt, connects anew with it. */
void lane_refresh_key(struct lane *lane);

/* Does what is due; returns when it wants to be called again (microseconds of the loop). Its turn,
 * see turn.h. */
uint64_t lane_tick(struct lane *lane, uint64_t now_us);

/* Its board is there, and joined with whom it is for. */
bool lane_is_up(const struct lane *lane);
/* Fills in everything; what it points at holds until the lane is next called. */
void lane_watch(const struct lane *lane, struct watch_lane *out);

/* Takes no more readings, waits for the reply to the upload in flight and for the disk (at most
 * LANE_STOP_MS) and for a flasher to end (LANE_HUB_STOP_MS), leaves, closes with 1000, and calls
 * shared->stopped once, perhaps from within. */
void lane_stop(struct lane *lane);
#define LANE_STOP_MS 3000

#endif
