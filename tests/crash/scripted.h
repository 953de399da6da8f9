/*
 * scripted.h - one MCU and one server in place of ports, sockets and the loop, for a real lane
 * under a virtual clock. They do what the world that includes this says, turn by turn; which turns
 * those are, and what is right, is the world's (crash_world.c, day_test.c).
 *
 * Message n of the MCU has the readings n * sensors to n * sensors + sensors - 1, one of each
 * sensor, with these numbers as their values.
 */
#ifndef SCRIPTED_H
#define SCRIPTED_H

#include "lane/lane.h"
#include "lane/lane_private.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCRIPTED_EPOCH    4711u
#define SCRIPTED_WIRE_MAX 8

struct phx_socket {
    struct phx_socket_events events;
    bool wanted, up;
};

struct phx_channel {
    struct phx_channel_events events;
    bool asked, joined;
};

struct port {
    struct port_client client;
    bool claimed;
};

enum scripted_stage { SCRIPTED_ON_THE_WAY, SCRIPTED_TAKEN, SCRIPTED_REFUSED };

struct scripted_upload {
    char *payload;
    void *token;
    uint64_t pushed_us;
    enum scripted_stage stage;
};

/* All of it; the world sets what is above the line before the first turn. */
struct scripted {
    const struct mp_description *description;
    void (*point)(void); /* something outside of the lane is about to change; NULL: nobody asks */
    void (*reply_lost)(void);      /* of an upload that the server had taken */
    void (*safe)(uint32_t number); /* the MCU need not hold messages before it */
    uint64_t now_us;
    /* -- */
    struct port port;
    struct phx_socket socket;
    struct phx_channel channel;
    struct scripted_upload wire[SCRIPTED_WIRE_MAX]; /* in the order of pushing */
    size_t wire_count;
    unsigned stopped; /* lanes that said so */
};
extern struct scripted scripted;

/* A new folder in memory, or where there is none in /tmp, with a file `key` in it; at least 32
 * bytes of `folder` are written. Returns 0 or -1. */
int scripted_make_folder(char *folder);
/* Removes those of its files whose names begin so; all of them, and the folder. */
void scripted_remove_files(const char *folder, const char *begin);
void scripted_remove_folder(const char *folder);

/* A lane with the microcontrollers profile, on the spool `spool.db` of the folder, for as long as
 * `live` takes. `vfs` may be NULL. Returns 0, or -1 when there is no such spool, which is told. */
int scripted_run(const char *folder, const char *vfs, const struct config *config,
                 void (*live)(struct lane *lane, struct spool *spool));

/* The MCU comes to the lane; it holds messages from `first` on. */
void scripted_claim(struct lane *lane, uint32_t first);
void scripted_send(uint32_t number);
void scripted_pull_cable(void);

/* The server accepts the connection and says which controller it is; answers the join; ends the
 * connection; ends the channel by an error of its own. */
void scripted_greet(void);
void scripted_join(void);
void scripted_hang_up(void);
void scripted_crash_channel(void);
/* One upload ends, and leaves the wire. */
void scripted_end_upload(size_t i, enum phx_push_end end);
/* Each reading of a payload; `foreign`: nobody sent it, or under another identity. Without
 * `identity` none is asked for. */
void scripted_each_reading(const char *payload, bool identity,
                           void (*found)(uint32_t value, bool foreign));

#endif
