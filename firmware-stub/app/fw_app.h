/*
 * fw_app.h - the sample device: four sensors and two controls around a simulated plant, put on the
 * line by mcu-protocol. It is what a user's own firmware looks like, with the plant in place of the
 * hardware.
 *
 * Sensors are read every FW_SAMPLE_US and sent in batches every FW_FLUSH_US, kept until they are
 * safe. When the host stays away, FW_TX_BYTES of them are kept: the oldest; newer ones are dropped
 * and counted. When it has been silent for FW_DEADMAN_MS, both controls go to zero.
 *
 * An uploaded image that was committed is started FW_RESTART_US later. One on trial stays when it
 * has met a host.
 *
 * What stands under #ifndef is for a board with little memory to set otherwise.
 */
#ifndef FW_APP_H
#define FW_APP_H

#include "fw_console.h"
#include "fw_plant.h"
#include "mp_bulk_device.h"
#include "mp_device.h"

#ifndef FW_SAMPLE_US
#define FW_SAMPLE_US 100000u
#endif
#define FW_FLUSH_US   500000u
#define FW_DEADMAN_MS 1500u
#define FW_TICK_US    1000u
#define FW_BAUD       115200u
#ifndef FW_MAX_BODY
#define FW_MAX_BODY 128u
#endif
#ifndef FW_TX_BYTES
#define FW_TX_BYTES 8192u
#endif
#ifndef FW_RX_BYTES
#define FW_RX_BYTES 1024u
#endif
#ifndef FW_CHUNK /* bytes given to the UART at once: the less, the sooner a command's result */
#define FW_CHUNK 32u
#endif

#ifndef FW_IMAGES
#define FW_IMAGES 0 /* 1: the port has port_image_store */
#endif
#define FW_RESTART_US 1500000u  /* after a commit: the host may have to ask again how it went */
#define FW_TRIAL_US   60000000u /* an image on trial that has met no host by then starts anew */

enum fw_sensor { FW_TEMPERATURE, FW_PRESSURE, FW_HUMIDITY, FW_ILLUMINANCE, FW_SENSOR_COUNT };
enum fw_control { FW_MOTOR, FW_VALVE, FW_CONTROL_COUNT };

extern const struct mp_sensor fw_sensors[FW_SENSOR_COUNT];
extern const struct mp_control fw_controls[FW_CONTROL_COUNT];

struct fw_app {
    struct mp_device device;
    struct fw_plant plant;
    struct fw_console console;
    union mp_value controls[FW_CONTROL_COUNT]; /* in effect now */
    struct fw_plant_reading latest;
    uint32_t now_us;                            /* of this step */
    uint32_t plant_us, sample_us, flush_us;     /* when each last ran */
    uint32_t identify_from_us, identify_for_us; /* for 0: not identifying */
#if FW_IMAGES
    struct mp_bulk_device images;
    uint32_t started_us, committed_us;
    bool on_trial, committed;
#endif
    uint8_t out[FW_CHUNK]; /* given by the link, not yet taken by the UART */
    uint8_t out_at, out_len;
    uint8_t device_id[MP_DEVICE_ID_MAX];
    uint8_t image_id[MP_IMAGE_ID_MAX];
    uint8_t tx_mem[FW_TX_BYTES];
    uint8_t rx_mem[FW_RX_BYTES];
};

/* Returns as mp_device_init. */
int fw_app_init(struct fw_app *app, uint32_t now_us);

/* Does all that is due, the UART both ways included. Returns for how many microseconds the port may
 * idle. */
uint32_t fw_app_step(struct fw_app *app, uint32_t now_us);

/* A change at the device itself, told to the host. False: no such control or out of its range. */
bool fw_app_set_locally(struct fw_app *app, uint8_t control, union mp_value value);

/* The whole firmware: returns only when port_running says so, with fw_app_init's result. */
int fw_main(void);

#endif
