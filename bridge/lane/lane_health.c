/*
 * A board's health as JSON. When it is asked for, and what is done with it, is lane_hub.c's.
 */
#include "lane_health.h"

#include "watch/watch.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <time.h>

#define NAME_BYTES 160
#define TIME_BYTES 40
#define US_PER_S   1e6

void lane_health_begin(struct lane_health *health, const struct mp_peer *peer)
{
    *health = (struct lane_health){.max_body =
                                       peer->max_body < MP_BODY_MAX ? peer->max_body : MP_BODY_MAX,
                                   .reset_cause = peer->reset_cause,
                                   .epoch = peer->epoch};
}

void lane_health_reading(struct lane_health *health, const struct mp_host_reading *reading)
{
    health->newest[reading->slot] = reading->value;
    health->has[reading->slot] = true;
}

static void add_line(cJSON *metrics, const struct port *port)
{
    struct watch_port line;
    port_watch(port, &line);
    cJSON_AddNumberToObject(metrics, "link_frames_received", (double)line.frames_in);
    cJSON_AddNumberToObject(metrics, "link_frames_sent", (double)line.frames_out);
    cJSON_AddNumberToObject(metrics, "link_crc_failures", (double)line.bad_frames);
    cJSON_AddNumberToObject(metrics, "link_retransmits", (double)line.resent);
    cJSON_AddNumberToObject(metrics, "link_readings_lost", (double)line.lost);
    cJSON_AddNumberToObject(metrics, "link_sessions", (double)line.sessions);
    if (line.rtt_us != WATCH_NONE)
        cJSON_AddNumberToObject(metrics, "link_round_trip_ms", (double)line.rtt_us / 1000);
}

/* The device's clock begins with its start; while it is not known, neither is this. */
static void add_board(cJSON *metrics, const struct lane_health *health, const struct port *port,
                      uint64_t now_us)
{
    uint64_t started_us = port_host_us(port, 0);
    if (started_us < now_us)
        cJSON_AddNumberToObject(metrics, "uptime_s", (double)(now_us - started_us) / US_PER_S);
    cJSON_AddNumberToObject(metrics, "boot_epoch", health->epoch);
    cJSON_AddNumberToObject(metrics, "reset_cause", health->reset_cause);
}

static void add_sensors(cJSON *metrics, const struct lane_health *health,
                        const struct mp_description *description)
{
    char name[NAME_BYTES];
    for (size_t i = 0; description != NULL && i < description->sensor_count; i++) {
        if (!health->has[i])
            continue;
        snprintf(name, sizeof name, "sensor_%s_%s", description->sensors[i].name,
                 description->sensors[i].kind);
        if (!cJSON_HasObjectItem(metrics, name))
            cJSON_AddNumberToObject(metrics, name, health->newest[i]);
    }
}

static void add_time(cJSON *report)
{
    char text[TIME_BYTES], whole[TIME_BYTES + 8];
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", gmtime_r(&now.tv_sec, &utc));
    snprintf(whole, sizeof whole, "%s.%03uZ", text, (unsigned)(now.tv_nsec / 1000000) % 1000u);
    cJSON_AddStringToObject(report, "timestamp", whole);
}

char *lane_health_json(const struct lane_health *health, const struct port *port,
                       const struct mp_description *description, uint64_t now_us)
{
    cJSON *report = port != NULL ? cJSON_CreateObject() : NULL;
    if (report == NULL)
        return NULL;
    add_time(report);
    cJSON_AddObjectToObject(report, "metadata");
    cJSON_AddObjectToObject(report, "alarms");
    cJSON *metrics = cJSON_AddObjectToObject(report, "metrics");
    cJSON_AddObjectToObject(report, "checks");
    cJSON_AddObjectToObject(report, "connectivity");
    add_line(metrics, port);
    add_board(metrics, health, port, now_us);
    add_sensors(metrics, health, description);
    char *json = cJSON_PrintUnformatted(report);
    cJSON_Delete(report);
    return json;
}
