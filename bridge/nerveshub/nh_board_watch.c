/*
 * What is shown of a board at NervesHub.
 */
#include "nh_board_private.h"

#include <stdio.h>
#include <string.h>

void nh_board_watch(const struct nh_board *b, struct nh_board_picture *out)
{
    const struct nh_update *u = &b->update;
    *out = (struct nh_board_picture){
        .joined = nh_device_is_joined(b->device),
        .stage = u->record.stage,
        .percent = u->percent,
        .running = &u->running,
        .updated = u->updated,
        .failed = u->failed,
        .console_lost = b->console_lost,
        .log_lost = nh_device_log_dropped(b->device),
    };
    memcpy(out->coming, u->record.uuid, sizeof(out->coming));
    if (u->waiting_ms != 0)
        snprintf(out->trouble, sizeof(out->trouble), "waiting to flash the board: %.200s",
                 b->ended_why);
    else
        snprintf(out->trouble, sizeof(out->trouble), "%s",
                 b->trouble[0] != '\0' ? b->trouble : u->failed_why);
}

const char *nh_stage_text(enum nh_stage stage)
{
    switch (stage) {
    case NH_IDLE:
        return "idle";
    case NH_FETCHING:
        return "fetching";
    case NH_CHECKING:
        return "checking";
    case NH_FLASHING:
        return "flashing";
    case NH_AWAITING:
        return "awaiting";
    case NH_RESTORING:
        return "restoring";
    }
    return "?";
}
