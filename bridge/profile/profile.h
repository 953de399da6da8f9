/*
 * profile.h - what one kind of server calls things: where a socket's topic comes from, how an
 * upload is written, how a control update is read, and which kinds of reading the server knows.
 *
 * No I/O and no clock. An event that a profile does not name is never pushed: on a real server it
 * crashes the channel.
 */
#ifndef PROFILE_H
#define PROFILE_H

#include "mp_value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROFILE_TOPIC_MAX 160 /* bytes of a topic, the terminating NUL included */

/* Bytes of somebody else, valid during the call; not NUL-terminated. */
struct profile_text {
    const char *at;
    size_t len;
};

/* One described sensor that waits in an uplink. */
struct profile_sensor {
    const char *name; /* valid UTF-8 */
    const char *kind; /* one that the profile knows */
    uint8_t type;     /* enum mp_type */
    int8_t exponent;
    uint16_t group; /* the first entry of the table that has the same name */
};

/* One reading that waits in an uplink. */
struct profile_reading {
    uint64_t at_us;       /* of the host's monotonic clock */
    uint32_t epoch;       /* of the device */
    uint32_t number;      /* of the message in that epoch */
    union mp_value value; /* wire units of the sensor */
    uint16_t index;       /* within the message; PROFILE_ONCE: best effort, without an identity */
    uint16_t sensor;      /* index in the table of sensors */
};
#define PROFILE_ONCE UINT16_MAX

/* One upload, in the order in which the readings were taken. */
struct profile_upload {
    const struct profile_sensor *sensors;
    size_t sensor_count; /* at most PROFILE_SENSORS_MAX */
    const struct profile_reading *readings;
    size_t reading_count;
    bool values_as_strings;     /* "value":"21.5" */
    bool identity;              /* "at" and "seq" beside each value */
    int64_t unix_minus_mono_us; /* for "at": wall clock minus monotonic clock, now */
};
#define PROFILE_SENSORS_MAX 256

enum profile_value_kind { PROFILE_NUMBER, PROFILE_BOOL, PROFILE_OTHER };

/* One element of a control update. PROFILE_OTHER: the value is neither number nor boolean. */
struct profile_control {
    const char *name; /* NUL-terminated, valid during the call */
    enum profile_value_kind kind;
    double number; /* 0 or 1 for a boolean; may be infinite (1e400) */
};

struct profile_control_io {
    void *user;
    void (*element)(void *user, const struct profile_control *control);
    /* A part of the update makes no sense; what follows it is still read. `why` is constant text.
     */
    void (*bad)(void *user, const char *why);
};

/* How a secret goes to the server. */
enum profile_credential {
    PROFILE_HEADER,     /* a request header, `credential_name` */
    PROFILE_PARAM,      /* a parameter of the URL, `credential_name` */
    PROFILE_AUTH_TOKEN, /* Phoenix 1.8's auth_token */
    PROFILE_NONE,       /* none is sent */
};

/* Whose topic it is: one MCU of the configuration, and what it says it is. */
struct profile_board {
    const char *name;      /* in the configuration */
    const uint8_t *device; /* its identity; valid during the call */
    size_t device_len;
};

struct profile {
    const char *name;
    enum profile_credential credential;
    const char *credential_name;
    const char *upload_event;  /* NULL: readings go nowhere */
    const char *control_event; /* NULL: no controls come */
    bool command_events; /* its server takes an event, of the configuration's choice, with the end
                            of a control; false: none is ever pushed */
    bool identity;       /* readings can carry `at` and `seq` */
    /* NULL, or what is wrong with this secret, in words that do not repeat it. */
    const char *(*check_credential)(const struct profile *self, const char *secret);
    /* A message outside any channel: writes the topic to join and returns true, or returns false
     * with the reason (constant text), or with NULL when the message is about something else. */
    bool (*topic)(const struct profile *self, struct profile_text topic, struct profile_text event,
                  struct profile_text payload, char out[PROFILE_TOPIC_MAX], const char **why);
    /* Where no message names the topic: that of this board. False with the reason. NULL: the server
     * names it, see `topic`. */
    bool (*topic_of)(const struct profile *self, const struct profile_board *board,
                     char out[PROFILE_TOPIC_MAX], const char **why);
    /* The join payload of this board, JSON that the caller frees; NULL: out of memory. */
    char *(*join_payload)(const struct profile *self, const struct profile_board *board);
    bool (*knows_kind)(const struct profile *self, const char *kind);
    /* How many of the readings, from the first on, one upload can hold; at least 1. NULL: all. */
    size_t (*fits)(const struct profile *self, const struct profile_upload *upload);
    /* Bytes that write_upload needs at most. */
    size_t (*upload_bound)(const struct profile *self, const struct profile_upload *upload);
    /* Writes one JSON object and returns its length, or 0: `cap` is too small, or a value is not
     * finite. Not NUL-terminated. */
    size_t (*write_upload)(const struct profile *self, const struct profile_upload *upload,
                           char *out, size_t cap);
    void (*read_control)(const struct profile *self, struct profile_text payload,
                         const struct profile_control_io *io);
};

/* The server of microcontrollers: X-API-Key, object-shaped metadata, upload_readings,
 * control_update. */
extern const struct profile profile_microcontrollers;
/* No application at all: knows no kind of reading and no topic, and is never connected with. */
extern const struct profile profile_nerveshub;

#endif
