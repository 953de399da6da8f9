#ifndef PHXDEV_NERVES_H
#define PHXDEV_NERVES_H

#include "buf.h"
#include "http.h"
#include "json.h"
#include "log.h"

#include <stdbool.h>
#include <stdint.h>

/* NervesHub as its devices see it: keys, devices, firmware, updates. It opens nothing; the time
 * comes in. Built from the recordings of two servers, which differ: main of August 2026 and release
 * 2.4.0. */

enum nerves_like { NERVES_OFF, NERVES_MAIN, NERVES_240 };

enum {
    NERVES_MAX_KEYS = 64,
    NERVES_MAX_DEVICES = 4096, /* a further identifier is answered 503 */
    NERVES_MAX_FIRMWARES = 64,
    NERVES_IDENTIFIER_MAX = 255,
    NERVES_MAX_AGE_S = 90, /* of a signature */
    /* What devices said: the newest are kept, as many as fit into both. */
    NERVES_EVENTS_KEPT = 20000,
    NERVES_EVENTS_BYTES = 32 * 1024 * 1024,
    NERVES_PART_BYTES = 1024 * 1024,
    NERVES_ATTEMPTS = 3,
    NERVES_STORE_EVERY_MS = 15 * 1000, /* a progress of the same status */
    NERVES_EXPIRY_MS = 30 * 60 * 1000, /* of an update without a stored change */
    NERVES_EXPIRY_240_MS = 60 * 60 * 1000,
    NERVES_DOWNLOADS_KEPT = 1000, /* the first of them */
    NERVES_PENALTY_MS = 24 * 60 * 60 * 1000,
};

/* nhp_: of a product, any identifier; nhd_: of one device. */
struct nerves_key {
    struct slice name;
    struct slice secret;
    struct slice identifier; /* empty: any */
    bool refused;            /* deactivated: what is open stays, the next connect is 401 */
};

struct nerves_firmware {
    char *path;
    struct buf bytes;
    char *uuid;
    char *platform;
    char *architecture;
    struct buf meta;   /* firmware_meta as JSON */
    struct buf parts;  /* partials_checksums as JSON */
    char checksum[65]; /* SHA-256, upper-case hex */
    char etag[17];
};

enum nerves_validation { NERVES_UNKNOWN, NERVES_NOT_VALIDATED, NERVES_VALIDATED };

/* An update in flight, as the server's table holds it. */
struct nerves_row {
    bool present;
    bool deployment;    /* pushed by the release, not by a person */
    char uuid[40];      /* "": a phantom, made by a device that spoke of no update */
    const char *status; /* one of the ten */
    bool has_progress;
    long progress;
    int64_t stored_ms; /* the last change that was stored */
};

struct nerves_device {
    struct nerves_device *next;
    char *identifier;
    uint64_t number; /* from 1 */
    struct buf uuid; /* what it said of its firmware; empty: not all of it is known */
    struct buf product;
    struct buf architecture;
    struct buf version;
    struct buf platform;
    int api; /* major * 100 + minor */
    bool auto_revert;
    bool refused; /* deleted: what is open stays, the next connect is 401 */
    enum nerves_validation validation;
    struct nerves_row row;
    bool counted; /* this connection's attempt (2.4.0) */
    int attempts;
    int64_t blocked_until_ms; /* 0: not */
    uint64_t crashes;         /* of its channels */
    uint64_t pushes;          /* of updates */
    struct buf host;          /* it reached us by: "127.0.0.1:4000" */
    struct buf script_ref;    /* a script that waits for its answer; empty: none */
    struct buf script_output;
};

struct nerves_event {
    uint64_t id;
    uint64_t device;
    struct buf text; /* {"device":..,"event":..,"payload":..,"topic":..} without its braces */
};

/* What goes wrong with downloads. */
struct nerves_faults {
    long times;    /* downloads still to go wrong; 0: none */
    long cut_at;   /* bytes of the body after which the connection breaks; -1: not */
    long corrupt;  /* this byte of the file comes wrong; -1: none */
    long status;   /* answered instead; 0: not */
    long slow;     /* bytes a second; 0: as fast as it goes */
    bool stall;    /* the connection stays open where it would be cut */
    bool no_range; /* Range is ignored */
    char *redirect;
};

struct broadcast;

struct nerves {
    enum nerves_like like;
    /* To the channels joined to a topic: of this device, or of everybody (NULL). */
    void (*deliver)(void *ctx, const struct nerves_device *device, const struct broadcast *what);
    void *deliver_ctx;
    bool tls;
    bool logging; /* the server has analytics, and so offers that extension */
    struct nerves_key keys[NERVES_MAX_KEYS];
    size_t key_count;
    const char *firmware_key; /* the text of the organisation's public key; NULL: none */
    struct nerves_device *devices;
    uint64_t device_count;
    struct nerves_firmware *firmwares[NERVES_MAX_FIRMWARES];
    size_t firmware_count;
    const struct nerves_firmware *release; /* the deployment's; NULL: none */
    struct buf connecting_code;            /* a JSON string; empty: none */
    struct buf archive;                    /* a JSON object; empty: none */
    struct buf url;                        /* of firmware, with {uuid} in it; empty: our own */
    struct buf downloads; /* requests for firmware, as JSON objects with commas between */
    size_t download_count;
    struct nerves_event events[NERVES_EVENTS_KEPT];
    size_t event_first;
    size_t event_count;
    size_t event_bytes;
    uint64_t event_last;
    struct nerves_faults faults;
    const struct log *log;
    int64_t (*clock_ms)(void); /* since 1970 */
    int64_t ahead_ms;          /* what the server believes on top of it */
};

/* -- nerves.c: devices, firmware, what devices said */

/* The server's time, milliseconds since 1970. */
int64_t nerves_now(const struct nerves *n);
/* Adds KEY=SECRET[:IDENTIFIER], which stays the caller's. Returns 0, or -1: not of that form (an
 * nhd_ key needs the identifier, an nhp_ key has none), or too many. */
int nerves_keys_add(struct nerves *n, const char *option);
/* Finds a device by its identifier, or makes one. NULL: NERVES_MAX_DEVICES are there. */
struct nerves_device *nerves_device_get(struct nerves *n, struct slice identifier);
struct nerves_device *nerves_device_find(const struct nerves *n, struct slice identifier);
const struct nerves_firmware *nerves_firmware_find(const struct nerves *n, struct slice uuid);
/* Keeps what a device sent, or what befell it. */
void nerves_event(struct nerves *n, const struct nerves_device *d, const char *topic,
                  struct slice event, const struct json *payload);
/* Appends {"events":[...],"last":ID} with those kept whose id is above after. */
void nerves_events_write(const struct nerves *n, uint64_t after, struct buf *out);
/* Appends a device as an object; `connected` is the caller's to know. */
void nerves_device_write(struct nerves *n, struct nerves_device *d, bool connected,
                         const struct buf *topics, struct buf *out);
/* The payload of "update". */
void nerves_update_write(const struct nerves *n, const struct nerves_device *d,
                         const struct nerves_firmware *fw, bool deployment, struct buf *out);
void nerves_deinit(struct nerves *n);

/* -- nerves_auth.c: who connects */

struct nerves_auth {
    int status;        /* 101: let in, and identifier says who; otherwise the answer */
    const char *extra; /* header lines of it, or NULL */
    const char *body;  /* of it */
    struct buf identifier;
};

/* Judges the shared-secret headers of a request as the server does. */
void nerves_authenticate(const struct nerves *n, const struct http_request *request,
                         struct nerves_auth *auth);

/* -- nerves_rules.c: what a device's words do to the server's rows */

enum nerves_verdict { NERVES_TAKEN, NERVES_IGNORED, NERVES_CRASH, NERVES_REFUSED };

/* A join of "device". NERVES_REFUSED: "could not connect". */
enum nerves_verdict nerves_on_join(struct nerves *n, struct nerves_device *d,
                                   const struct json *payload);
enum nerves_verdict nerves_on_status(struct nerves *n, struct nerves_device *d,
                                     const struct json *payload);
enum nerves_verdict nerves_on_progress(struct nerves *n, struct nerves_device *d,
                                       const struct json *payload);
/* Is the release to be pushed to this device now? */
bool nerves_eligible(struct nerves *n, struct nerves_device *d);
/* An update was pushed: puts it into the rows. */
void nerves_pushed(struct nerves *n, struct nerves_device *d, const struct nerves_firmware *fw,
                   bool deployment);
/* The row, or NULL when there is none; an expired one is taken out first. */
struct nerves_row *nerves_row_of(struct nerves *n, struct nerves_device *d);

#endif
