/*
 * mp_device.h - the firmware's side: describes the device, sends readings, applies commands that
 * are fresh and fit the description, and lets every control fall to its fail-safe value when the
 * host is gone.
 *
 * A port needs four things around it: bytes in, bytes out, a microsecond counter, and the callbacks
 * of struct mp_device_io. No interrupts are touched; call everything from one context.
 */
#ifndef MP_DEVICE_H
#define MP_DEVICE_H

#include "mp_link.h"
#include "mp_msg.h"
#include "mp_value.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One slot of the readings. Several slots may share a name (one chip, several kinds). */
struct mp_sensor {
    const char *name;        /* the sensor as the application calls it, such as "bme280" */
    uint8_t kind;            /* enum mp_kind */
    const char *custom_kind; /* with MP_KIND_CUSTOM, else NULL */
    const char *custom_unit; /* with MP_KIND_CUSTOM, else NULL */
    uint8_t type;            /* enum mp_type */
    int8_t exponent;         /* physical value = integer * 10^exponent; 0 for F32 */
};

struct mp_control {
    const char *name; /* what a control_update calls it */
    uint8_t type;
    int8_t exponent;
    union mp_value min, max, initial, failsafe; /* in wire units, by type */
};

struct mp_firmware {
    const char *product, *version, *architecture, *platform;
};

struct mp_device_io {
    void *user;
    /* Puts a checked value into effect. Returns MP_STATUS_DONE or MP_STATUS_FAILED. */
    enum mp_status (*apply)(void *user, uint8_t control, union mp_value value);
    /* Stores a new identity; it counts from the next start. NULL: unsupported. */
    enum mp_status (*set_id)(void *user, const uint8_t *id, uint8_t len);
    /* Restarts; called once the result has left, or after 100 ms. NULL: unsupported. */
    void (*reset)(void *user, enum mp_reset_mode mode);
    void (*identify)(void *user, uint16_t ms);                   /* NULL: unsupported */
    void (*console)(void *user, const uint8_t *bytes, size_t n); /* NULL: dropped */
    /* What the console's viewer sees of it, as the host says it. NULL: ignored. */
    void (*console_size)(void *user, uint16_t rows, uint16_t columns);
    /* A message of an upload: mp_bulk_device_message takes it. NULL: refused as unsupported. */
    void (*bulk)(void *user, const struct mp_message *message);
    void (*host)(void *user, bool present); /* session up, or dead-man timer ran out; may be NULL */
};

struct mp_device_config {
    struct mp_firmware firmware;
    const struct mp_sensor *sensors; /* kept by pointer, as are the controls and the identity */
    const struct mp_control *controls;
    uint8_t sensor_count;  /* at most MP_SENSORS_MAX */
    uint8_t control_count; /* at most MP_CONTROLS_MAX */
    const uint8_t *device_id;
    const uint8_t *image_id;
    uint8_t device_id_len;
    uint8_t image_id_len;
    uint8_t reset_cause; /* enum mp_reset_cause, with MP_RESET_TAKEN_BACK where that is so */
    uint16_t tick_us;    /* unit of reading times and deadlines: at least 100 */
    uint16_t deadman_ms; /* no valid frame of the session for so long: fail-safe */
    uint32_t baud;
    uint8_t *tx_mem, *rx_mem;
    uint16_t tx_bytes, rx_bytes;
    uint8_t max_body;
};

struct mp_device {
    struct mp_link link;
    struct mp_device_config config;
    struct mp_device_io io;
    struct mp_identity identity;
    uint32_t readings_dropped; /* no room: the oldest are kept, the new one is dropped; the host is
                                  told when there is room again */
    /* The rest is mp_device's own. */
    uint64_t clock_us;     /* extended from the wrapping counter */
    uint32_t ticks;        /* the same in ticks, ... */
    uint32_t tick_rest_us; /* ... and what is over */
    uint32_t last_us;      /* the counter when it was extended, ... */
    uint32_t asked_us;     /* ... and when the latest time question came */
    uint32_t dropped_told;
    uint32_t batch_last;   /* ticks of the newest reading in the batch */
    uint32_t failsafe_due; /* bit per control: its fail-safe is to be reported */
    uint32_t reset_at_us;
    struct mp_result result; /* the latest; due: there was no room for it */
    uint16_t describe_offset, describe_total;
    uint16_t last_request;
    uint8_t reset_mode;
    uint8_t batch_len, batch_count;
    bool host_present;
    bool describe_due, reset_due, result_due, request_seen, batch_reliable;
    uint8_t batch[MP_BODY_MAX];
};

/* Checks the tables (names neither empty nor twice among the controls, types known, exponents as
 * MP_EXPONENT_MAX says, bounds finite and in order, initial and fail-safe value between them) and
 * the lengths of both ids, puts every control to its initial value
 * by io.apply, and computes the hash of the description. Returns MP_OK or MP_ERR_BAD_VALUE.
 * `config` and `io` are copied. */
int mp_device_init(struct mp_device *device, const struct mp_device_config *config,
                   const struct mp_device_io *io, uint32_t now_us);

/* As the functions of mp_link with the same names. mp_device_poll also runs the dead-man timer:
 * call it at least every deadman_ms / 4. */
void mp_device_bytes(struct mp_device *device, const uint8_t *bytes, size_t n, uint32_t now_us);
uint32_t mp_device_poll(struct mp_device *device, uint32_t now_us);
size_t mp_device_output(struct mp_device *device, uint8_t *out, size_t cap, uint32_t now_us);

/* Adds a reading taken at `ticks` of the device clock (mp_device_ticks) to the batch; the batch
 * goes out by itself when it is full, and with mp_device_flush. A non-finite F32 is refused.
 * `reliable`: kept until safe; else best effort with counted gaps. Returns MP_OK, MP_ERR_BAD_VALUE,
 * or MP_ERR_FULL: dropped and counted in readings_dropped. */
int mp_device_reading(struct mp_device *device, uint8_t slot, union mp_value value, uint32_t ticks,
                      bool reliable);
int mp_device_flush(struct mp_device *device);

/* Sends one reading of each slot from `first` on, all taken at `ticks`, as one message, after what
 * is in the batch: the shortest way for several floats. Returns MP_OK, MP_ERR_BAD_VALUE,
 * MP_ERR_TOO_LONG, MP_ERR_NO_SESSION (best effort), or MP_ERR_FULL: dropped and counted in
 * readings_dropped. */
int mp_device_scan(struct mp_device *device, uint8_t first, const union mp_value *values,
                   uint8_t count, uint32_t ticks, bool reliable);

/* Sends one reading taken a moment ago, less than 8000 ticks, by itself and best effort: the
 * shortest way for a lone float. Returns as mp_device_scan. */
int mp_device_reading_now(struct mp_device *device, uint8_t slot, union mp_value value,
                          uint32_t ticks);

/* Log line, cut to what one message holds now. Returns as mp_link_send. */
int mp_device_log(struct mp_device *device, enum mp_level level, const char *text);

/* Bytes for the host's console. Returns as mp_link_send; all or nothing. */
int mp_device_console(struct mp_device *device, const uint8_t *bytes, size_t n);

/* The device itself changed a control (a button, an end stop): told to the host. */
int mp_device_control_changed(struct mp_device *device, uint8_t control, union mp_value value);

uint32_t mp_device_ticks(const struct mp_device *device); /* as of the latest poll or bytes */

#ifdef __cplusplus
}
#endif

#endif
