/*
 * mp_world.h - a whole device and a whole host on a simulated line, and a record of what they told.
 */
#ifndef MP_WORLD_H
#define MP_WORLD_H

#include "mp_device.h"
#include "mp_host.h"
#include "mp_sim.h"

#define WORLD_CONTROLS 3
#define WORLD_READINGS 4096

enum { WORLD_DEVICE, WORLD_HOST }; /* ends of the line */

struct world {
    struct sim sim;
    struct mp_device device;
    struct mp_host host;
    struct mp_device_config device_config;
    struct mp_host_config host_config;
    uint8_t device_tx[2048], device_rx[1024], host_tx[4096], host_rx[8192];
    /* What the device did. */
    union mp_value applied[WORLD_CONTROLS];
    unsigned applies;
    bool host_present;
    unsigned resets, identified_ms;
    uint8_t new_id[MP_DEVICE_ID_MAX];
    uint8_t new_id_len;
    /* What the host was told. */
    unsigned readies, losts, nonsenses, results, states, logs, consoles;
    bool fresh;
    enum mp_down why;
    char last_nonsense[80];
    struct mp_host_reading readings[WORLD_READINGS];
    size_t reading_count;
    uint16_t last_request;
    enum mp_status last_status;
    uint8_t state_control;
    enum mp_cause state_cause;
    union mp_value state_value;
    char last_log[MP_BODY_MAX + 1];
    uint8_t last_console[MP_BODY_MAX];
    size_t last_console_len;
    bool hold_safe; /* the host does not say safe by itself */
    uint32_t received_next;
};

/* Both ends are started; nothing has been sent yet. */
void world_init(struct world *world, uint64_t seed, uint32_t baud, uint32_t latency_us);
void world_free(struct world *world);

/* Power off and on: the device forgets everything, silently. So does the host. */
void world_restart_device(struct world *world);
void world_restart_host(struct world *world);

bool world_ready(void *world); /* for sim_until */

/* A reading of slot 0, which is an i16. */
int world_read(struct world *world, int32_t value, bool reliable);

extern const struct mp_sensor world_sensors[4];
extern const struct mp_control world_controls[WORLD_CONTROLS];

#endif
