/*
 * lane_hub.h - a lane's board as a device of NervesHub, beside or without its application.
 *
 * The lane tells what its board says and does, and is told nothing: what the server wants goes to
 * the board's port, or to a flasher that has its line for a while. Where an MCU is no device there
 * is no lane_hub, and every function takes NULL for that.
 */
#ifndef LANE_HUB_H
#define LANE_HUB_H

#include "lane.h"

#include <stdbool.h>
#include <stdint.h>

struct lane_hub;

/* NULL: the lane's MCU is no device, or it cannot be one, which the log has said. Goes on with an
 * update that was under way when the program ended. */
struct lane_hub *lane_hub_new(struct lane *lane);
/* At once; what is being flashed is ended. */
void lane_hub_free(struct lane_hub *hub);

/* The lane's board was claimed on lane_port, is gone. */
void lane_hub_board(struct lane_hub *hub, const struct mp_peer *peer,
                    const struct mp_description *description);
void lane_hub_gone(struct lane_hub *hub);
/* Its line is in a flasher's hands, or the board is to come back with a new image: that it goes is
 * expected. */
bool lane_hub_is_flashing(const struct lane_hub *hub);

void lane_hub_reading(struct lane_hub *hub, const struct mp_host_reading *reading);
void lane_hub_console(struct lane_hub *hub, const uint8_t *bytes, size_t n);
void lane_hub_log(struct lane_hub *hub, enum mp_level level, const char *text, size_t n);
/* Of any request of the lane's session. */
void lane_hub_result(struct lane_hub *hub, uint16_t request, enum mp_status status);

/* Does what is due; returns when it wants to be called again, in milliseconds of the loop. */
uint64_t lane_hub_tick(struct lane_hub *hub, uint64_t now_ms);

/* Begins nothing new, ends what is being flashed, and is stopped LANE_HUB_STOP_MS later at most,
 * while ticks go on. */
void lane_hub_stop(struct lane_hub *hub);
bool lane_hub_is_stopped(const struct lane_hub *hub, uint64_t now_ms);
#define LANE_HUB_STOP_MS 8000

/* Whether the lane's MCU is joined, or is to be no device. */
bool lane_hub_is_joined(const struct lane *lane);
/* Fills in what `out` has of NervesHub; it holds until the next such call. */
void lane_hub_watch(const struct lane *lane, struct watch_lane *out);

#endif
