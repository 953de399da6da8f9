/*
 * mp_world.h - a whole device and a whole host on a simulated line, and a record of what they told.
 */
#ifndef MP_WORLD_H
#define MP_WORLD_H

#include "mp_bulk_device.h"
#include "mp_bulk_host.h"
#include "mp_device.h"
#include "mp_host.h"
#include "mp_sim.h"

#define WORLD_CONTROLS 3
#define WORLD_READINGS 4096
#define WORLD_IMAGE    65536 /* the device's place for an image */

enum { WORLD_DEVICE, WORLD_HOST }; /* ends of the line */

struct world {
    struct sim sim;
    struct mp_device device;
    struct mp_host host;
    struct mp_host_space space;
    struct mp_device_config device_config;
    struct mp_host_config host_config;
    uint8_t device_tx[2048], device_rx[1024], host_tx[4096], host_rx[8192];
    /* What the device did. */
    union mp_value applied[WORLD_CONTROLS];
    unsigned applies;
    bool host_present;
    unsigned resets, identified_ms;
    enum mp_reset_mode reset_mode; /* of the last one */
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
    uint32_t dropped;
    enum mp_cause state_cause;
    union mp_value state_value;
    char last_log[MP_BODY_MAX + 1];
    uint8_t last_console[MP_BODY_MAX];
    size_t last_console_len;
    uint16_t console_rows, console_columns;
    /* An upload. What the device has stored outlives its restarts. */
    struct mp_bulk_device bulk_device;
    struct mp_bulk_host bulk_host;
    bool no_store; /* from the device's next restart on: it cannot store images */
    uint8_t image[WORLD_IMAGE + 1], stored[WORLD_IMAGE];
    uint8_t stored_hash[MP_SHA256_BYTES];
    uint32_t stored_bytes;
    bool foreign;       /* the store finds the image to be for another board */
    int writes_to_fail; /* the so-many-th write fails; 0: none */
    unsigned commits, drops, uploads_done;
    enum mp_status upload_status;
    uint64_t written; /* bytes, over all uploads */
    bool hold_safe;   /* the host does not say safe by itself */
    uint32_t received_next;
    /* Told at once, beside being written down above; may be NULL. */
    void *watcher;
    void (*on_applied)(void *watcher, uint8_t control, union mp_value value);
    void (*on_answered)(void *watcher, uint16_t request, enum mp_status status);
};

/* Both ends are started; nothing has been sent yet. */
void world_init(struct world *world, uint64_t seed, uint32_t baud, uint32_t latency_us);
void world_free(struct world *world);

/* Power off and on: the device forgets everything, silently. So does the host. */
void world_restart_device(struct world *world);
void world_restart_host(struct world *world);

bool world_ready(void *world);    /* for sim_until */
bool world_uploaded(void *world); /* the same */

/* Begins to upload `size` bytes that the seed makes up. */
void world_upload(struct world *world, uint32_t size, uint64_t seed);

/* A reading of slot 0, which is an i16. */
int world_read(struct world *world, int32_t value, bool reliable);

extern const struct mp_sensor world_sensors[4];
extern const struct mp_control world_controls[WORLD_CONTROLS];
/* What the device describes, and nothing else. */
extern const struct mp_device_config world_described;

#endif
