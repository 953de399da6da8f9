#ifndef PHXDEV_APP_MC_H
#define PHXDEV_APP_MC_H

#include "faults.h"
#include "log.h"
#include "presence.h"
#include "readings.h"
#include "socket.h"

/* The /microcontrollers application: API keys, the metadata message, uploads and controls. */

struct mc_identity {
    long controller_id;
    long location_id;
    long user_id;
};

enum { MC_MAX_KEYS = 4096, MC_KEY_MAX = 200 };

struct mc_key {
    char text[MC_KEY_MAX + 1];
    struct mc_identity identity;
};

struct mc_keys {
    struct mc_key *keys;
    size_t count;
    bool closed; /* only the keys given count; otherwise a new well-formed key gets the next free id
                  */
};

/* Adds KEY=CONTROLLER_ID[:LOCATION[:USER]] (location 2 and user 1 when left out) and closes the
 * set. Returns 0, or -1: not of that form, or too many. */
int mc_keys_add(struct mc_keys *keys, const char *option);
/* Who has this key. False: refused (unknown, ill-formed, or MC_MAX_KEYS are taken). */
bool mc_keys_find(struct mc_keys *keys, struct slice text, struct mc_identity *out);
void mc_keys_deinit(struct mc_keys *keys);

/* The application, and one socket's part of it: a socket's app_ctx is its mc_client. */
struct mc_app {
    struct readings *readings;
    struct faults *faults;
    struct presence *presence; /* of the experiment channels */
    const struct log *log;
};

struct mc_client {
    struct mc_app *app;
    struct mc_identity identity;
    uint64_t uploads; /* accepted */
};

extern const struct channel_app *const mc_channel_apps[];

/* Appends the message sent on connect, V1-shaped whatever the version. */
void mc_write_metadata(const struct mc_client *client, struct buf *out);

#endif
