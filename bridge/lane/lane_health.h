/*
 * lane_health.h - what a board's health is made of: the newest value of each of its sensors, how
 * its line is, and what its hello said.
 */
#ifndef LANE_HEALTH_H
#define LANE_HEALTH_H

#include "mp_host.h"
#include "port/port.h"

struct lane_health {
    uint8_t max_body; /* longest message body that the board takes */
    uint8_t reset_cause;
    uint32_t epoch;
    bool has[MP_HOST_SENSORS_MAX];
    double newest[MP_HOST_SENSORS_MAX];
};

/* A board begins to speak: nothing is known of its sensors. */
void lane_health_begin(struct lane_health *health, const struct mp_peer *peer);
void lane_health_reading(struct lane_health *health, const struct mp_host_reading *reading);

/* The value of a health:report, JSON that the caller frees: metrics are numbers only. NULL: no
 * board (`port` NULL), or out of memory. `now_us` is of the loop. */
char *lane_health_json(const struct lane_health *health, const struct port *port,
                       const struct mp_description *description, uint64_t now_us);

#endif
