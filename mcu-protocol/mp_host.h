/*
 * mp_host.h - the host's side: says hello until a device answers, fetches its description, keeps
 * its clock, takes readings, and sends commands that carry a deadline.
 *
 * No I/O and no memory of its own, like the link below it. `now_us` is a 64-bit monotonic clock.
 */
#ifndef MP_HOST_H
#define MP_HOST_H

#include "mp_clock.h"
#include "mp_fast.h"
#include "mp_link.h"
#include "mp_value.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MP_HOST_SENSORS_MAX     MP_SENSORS_MAX
#define MP_HOST_CONTROLS_MAX    MP_CONTROLS_MAX
#define MP_HOST_DESCRIPTION_MAX 4096
#define MP_HOST_ASKED           16 /* time questions that may be under way; a power of two */

/* Strings are inside the description's bytes, NUL-terminated by the host, valid UTF-8. */
struct mp_host_sensor {
    const char *name, *kind, *unit;
    uint8_t type;
    int8_t exponent;
};

struct mp_host_control {
    const char *name;
    uint8_t type;
    int8_t exponent;
    union mp_value min, max, initial, failsafe;
};

struct mp_description {
    const char *product, *version, *architecture, *platform;
    size_t sensor_count, control_count;
    const struct mp_host_sensor *sensors;
    const struct mp_host_control *controls;
    const uint8_t *sensor_types; /* for struct mp_readings_iter */
};

/* Tables for any description. */
struct mp_description_tables {
    struct mp_host_sensor sensors[MP_HOST_SENSORS_MAX];
    struct mp_host_control controls[MP_HOST_CONTROLS_MAX];
    uint8_t sensor_types[MP_HOST_SENSORS_MAX];
};

/* Memory for any description, 7 KiB of it; see struct mp_host_config. */
struct mp_host_space {
    uint8_t raw[MP_HOST_DESCRIPTION_MAX];
    struct mp_description_tables tables;
};

enum mp_host_room { MP_HOST_ROOM_RAW, MP_HOST_ROOM_TABLES, MP_HOST_ROOM_COUNT };

/* One reading as the host sees it. */
struct mp_host_reading {
    uint8_t slot;
    bool reliable;
    double value;       /* physical: the exponent is applied. Always finite. */
    uint32_t number;    /* of the message it came in */
    uint16_t index;     /* within that message */
    uint64_t device_us; /* device clock, unwrapped */
};

/* What a device and this host do not have in common, so that nothing can flow between them. */
enum mp_mismatch_of {
    MP_MISMATCH_NONE,
    MP_MISMATCH_PROTOCOL, /* MP_VERSION of both */
    MP_MISMATCH_FORMAT,   /* of the description: the device's, and the one that is read here */
    MP_MISMATCH_SCHEMA,   /* CRC-32 of the description: as its hello has it, and as it came */
};

struct mp_mismatch {
    enum mp_mismatch_of of;
    uint32_t device, host;
};

enum mp_host_state { MP_HOST_HELLO, MP_HOST_DESCRIBING, MP_HOST_READY };

struct mp_host_io {
    void *user;
    /* The device is known and described: readings and commands may flow. `fresh` as in mp_link_io.
     */
    void (*ready)(void *user, const struct mp_peer *peer, const struct mp_description *description,
                  bool fresh);
    /* Nothing will flow until one of the two is another; told again only when it changes or came
     * back, though the device is asked again all the time. `text` is mp_mismatch_text's. */
    void (*mismatch)(void *user, const struct mp_mismatch *mismatch, const char *text);
    /* A session has ended; commands without a result will get none. */
    void (*lost)(void *user, enum mp_down why);
    void (*reading)(void *user, const struct mp_host_reading *reading);
    /* All readings of message `number` were handed over; called for every reliable message, so that
     * mp_host_safe can follow. */
    void (*received)(void *user, uint32_t number);
    /* To a request of this session; what comes to one of an earlier session is dropped. */
    void (*result)(void *user, uint16_t request, enum mp_status status);
    void (*control_state)(void *user, uint8_t control, enum mp_cause cause, union mp_value value);
    /* The device has had no room for so many readings since it started. */
    void (*dropped)(void *user, uint32_t count);
    void (*log)(void *user, enum mp_level level, const char *text, size_t n); /* bytes as sent */
    void (*console)(void *user, const uint8_t *bytes, size_t n);
    /* A message of an upload: mp_bulk_host_message takes it. */
    void (*bulk)(void *user, const struct mp_message *message);
    /* Asked without config.space: memory for the description that is fetched, at least a byte, at
     * most as in struct mp_host_space, and aligned for any of it. What was given before for the
     * same is of no use any more. It must last until the next such call or the host's end. NULL:
     * there is none; the device is asked again, and told of as nonsense. */
    void *(*room)(void *user, enum mp_host_room what, size_t bytes);
    /* The bound of host.clock went above MP_CLOCK_POOR_US, or came below. It is poor, untold, when
     * a fresh session begins. */
    void (*clock)(void *user, const struct mp_clock *clock, bool poor);
    /* Something the device sent makes no sense (undecodable, undescribed); dropped and counted. */
    void (*nonsense)(void *user, const char *what);
    /* As trace in mp_link_io: every frame, for monitors. */
    void (*trace)(void *user, bool outgoing, const struct mp_message *message);
};

struct mp_host_config {
    uint8_t *tx_mem, *rx_mem;
    uint16_t tx_bytes, rx_bytes;
    struct mp_host_space *space; /* for the description; NULL: io.room is asked for as much as the
                                    one at hand takes */
    uint16_t credit;             /* bytes of messages taken beyond what is safe */
    uint32_t baud;
    uint32_t seed;         /* random, different in every process */
    uint16_t keepalive_ms; /* a time question at least so often, more often while the clock is
                              learnt; the device's dead-man timer waits a multiple */
    bool safe_at_once;     /* nobody will call mp_host_safe: monitors, tools */
};

struct mp_host {
    struct mp_link link;
    struct mp_link_host link_host;
    struct mp_link_stats stats;
    struct mp_fast fast;
    struct mp_host_io io;
    struct mp_host_config config;
    struct mp_description description;
    struct mp_clock clock;
    enum mp_host_state state;
    struct mp_mismatch mismatch; /* the latest, NONE again when the device is ready */
    uint32_t nonsense;           /* messages dropped as such */
    uint32_t readings_missing;   /* best-effort messages lost */
    /* The rest is mp_host's own. */
    uint64_t now_us;
    uint64_t ask_at_us;    /* when the next one is due */
    uint64_t describe_us;  /* when the description was last asked for */
    uint64_t line_free_us; /* when the line has taken what was given */
    uint64_t newest_ticks; /* latest time known of the device's clock, unwrapped */
    uint32_t schema;       /* of the description held; 0: none */
    uint16_t next_request;
    uint16_t total, have; /* bytes of the description */
    uint8_t time_ref;     /* of the latest time question; when each of the latest left, by the lower
                             bits of its own; 0: it has not, or was answered */
    uint64_t asked_us[MP_HOST_ASKED];
    uint8_t asks; /* time questions of this session, counted until the clock is learnt */
    bool fresh, ticks_known, clock_poor;
    bool line_full; /* there may be more for the line than it was given */
    uint32_t random;
    uint8_t *raw; /* the description, as far as it came; then the home of its strings */
};

/* Returns MP_OK or MP_ERR_BAD_VALUE (a member out of range, or neither space nor room). `config`
 * and `io` are copied. */
int mp_host_init(struct mp_host *host, const struct mp_host_config *config,
                 const struct mp_host_io *io, uint64_t now_us);
void mp_host_bytes(struct mp_host *host, const uint8_t *bytes, size_t n, uint64_t now_us);
/* Returns in how many microseconds it wants to be called again, as things stand: ask again after
 * mp_host_output has given something. */
uint32_t mp_host_poll(struct mp_host *host, uint64_t now_us);
/* As mp_link_output, but gives no more than the line takes in 20 ms at config.baud, what it gave
 * before included: a queue below delays commands and looks like a slow line. On an idle line that
 * is a frame of MP_BODY_MIN at least; all at once with baud 0, and when the line has shown itself
 * faster than its speed. */
size_t mp_host_output(struct mp_host *host, uint8_t *out, size_t cap, uint64_t now_us);
void mp_host_line_lost(struct mp_host *host);
/* As mp_link_listen. */
void mp_host_listen(struct mp_host *host, uint16_t ms);

/* Readings of messages before `number` are where the caller promised to put them. */
void mp_host_safe(struct mp_host *host, uint32_t number);

/* Sends `value` (wire units) for a control, to be applied within ttl_ms of now or never. *request
 * comes back in io.result. Returns MP_OK, MP_ERR_FULL, MP_ERR_NO_SESSION (not ready, or the
 * device's clock is not known yet), MP_ERR_BAD_VALUE (no such control, or out of its range). */
int mp_host_command(struct mp_host *host, uint8_t control, union mp_value value, uint32_t ttl_ms,
                    uint64_t now_us, uint16_t *request);
/* Requests that the device answers with io.result. All five return MP_OK, MP_ERR_FULL,
 * MP_ERR_TOO_LONG, MP_ERR_BAD_VALUE or MP_ERR_NO_SESSION (not ready). */
int mp_host_set_id(struct mp_host *host, const uint8_t *id, uint8_t len, uint16_t *request);
int mp_host_identify(struct mp_host *host, uint16_t ms, uint16_t *request);
int mp_host_reset(struct mp_host *host, enum mp_reset_mode mode, uint16_t *request);
int mp_host_console(struct mp_host *host, const uint8_t *bytes, size_t n);
/* How many rows and columns of the console its viewer sees; in order with the console's bytes. A
 * device without such a message ignores it: nothing answers. Returns MP_OK, MP_ERR_FULL,
 * MP_ERR_BAD_VALUE (one of them is 0) or MP_ERR_NO_SESSION (not ready). */
int mp_host_console_size(struct mp_host *host, uint16_t rows, uint16_t columns);
/* Any other message that begins with a request number, which is filled in. */
int mp_host_request(struct mp_host *host, uint8_t id, uint8_t *body, size_t len, uint16_t *request);

/* A physical value in the wire units of a control or sensor, and back. to_wire returns MP_OK or
 * MP_ERR_BAD_VALUE (not finite, not representable in the type; integers are rounded to nearest). */
int mp_value_to_wire(uint8_t type, int8_t exponent, double physical, union mp_value *value);
double mp_value_to_physical(uint8_t type, int8_t exponent, union mp_value value);

/* One line with both versions and what to do about it, NUL-terminated and cut off at `cap`; 160
 * bytes hold it. Returns `out`. */
const char *mp_mismatch_text(const struct mp_mismatch *mismatch, char *out, size_t cap);
const char *mp_status_text(enum mp_status status);
const char *mp_down_text(enum mp_down why);

#ifdef __cplusplus
}
#endif

#endif
