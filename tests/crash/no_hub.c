/*
 * The worlds' MCUs are no devices of NervesHub: what lane_hub.h promises for that case.
 */
#include "lane/lane_hub.h"

struct lane_hub *lane_hub_new(struct lane *lane)
{
    (void)lane;
    return NULL;
}

void lane_hub_free(struct lane_hub *hub)
{
    (void)hub;
}

void lane_hub_board(struct lane_hub *hub, const struct mp_peer *peer,
                    const struct mp_description *description)
{
    (void)hub;
    (void)peer;
    (void)description;
}

void lane_hub_gone(struct lane_hub *hub)
{
    (void)hub;
}

bool lane_hub_is_flashing(const struct lane_hub *hub)
{
    (void)hub;
    return false;
}

void lane_hub_reading(struct lane_hub *hub, const struct mp_host_reading *reading)
{
    (void)hub;
    (void)reading;
}

void lane_hub_console(struct lane_hub *hub, const uint8_t *bytes, size_t n)
{
    (void)hub;
    (void)bytes;
    (void)n;
}

void lane_hub_log(struct lane_hub *hub, enum mp_level level, const char *text, size_t n)
{
    (void)hub;
    (void)level;
    (void)text;
    (void)n;
}

void lane_hub_result(struct lane_hub *hub, uint16_t request, enum mp_status status)
{
    (void)hub;
    (void)request;
    (void)status;
}

uint64_t lane_hub_tick(struct lane_hub *hub, uint64_t now_ms)
{
    (void)hub;
    (void)now_ms;
    return UINT64_MAX;
}

void lane_hub_stop(struct lane_hub *hub)
{
    (void)hub;
}

bool lane_hub_is_stopped(const struct lane_hub *hub, uint64_t now_ms)
{
    (void)hub;
    (void)now_ms;
    return true;
}
