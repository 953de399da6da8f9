/*
 * lane_private.h - what lane.c (the board's side, and what is due), lane_up.c
 * (readings to the spool and the server) and lane_server.c (the socket
 * and its channel) share of a lane. Nobody else includes it.
 */
#ifndef LANE_PRIVATE_H
#define LANE_PRIVATE_H

#include "commands/commands.h"
#include "commands/commands_fresh.h"
#include "lane.h"
#include "lane_hub.h"
#include "lane_log.h"
#include "mp_sha256.h"
#include "spool/spool.h"
#include "uplink/uplink.h"

#define NEVER                UINT64_MAX
/* Slot, ticks and value take three bytes at least. */
#define READINGS_PER_MESSAGE (MP_BODY_MAX / 3)

enum lane_state {
    LANE_IDLE,
    LANE_CONNECTING,
    LANE_GREETING,
    LANE_JOINING,
    LANE_JOINED,
    LANE_STOPPING,
};

/* Of the lane's life; what its parts count themselves is not here. */
struct lane_counts {
    uint64_t pushed;     /* readings in uploads that were sent */
    uint64_t uploads_ok; /* replied ok, after reply_ms altogether */
    uint64_t reply_ms;
    uint64_t unsent; /* readings taken where there is no server */
    uint64_t connects, disconnects, joins, boards;
};

struct lane {
    const struct lane_shared *shared;
    const struct config_mcu *config;
    struct turn turn;
    enum lane_state state;
    struct port *port; /* NULL: the board is not there */
    const struct mp_description *description;
    struct uplink uplink;
    struct spool_stream *stream;  /* NULL: no spool, or the key is not known */
    uint8_t key[SPOOL_KEY_BYTES]; /* of the stream: the beginning of key_hash */
    int binds;                    /* the spool is asked whose readings these are */
    int settles;                  /* the spool is to forget what was delivered */
    uint64_t had;                 /* readings in the spool when it was asked last */
    uint64_t expire_ms;           /* when to look for readings that are too old */
    int64_t boot_minus_mono_us;
    struct commands commands;
    struct seat *seat;         /* NULL: neither connected nor connecting */
    struct phx_socket *socket; /* of the seat */
    struct phx_channel *channel;
    char topic[PROFILE_TOPIC_MAX];
    uint8_t device[CONFIG_DEVICE_MAX]; /* of the board that is, or was, there */
    uint8_t device_len;
    uint64_t gone_ms;     /* since when the board is not there */
    uint64_t greeting_ms; /* when the metadata is missing for too long; NEVER: it is here */
    bool greeting_missed; /* that was said of this connection */
    uint64_t again_ms;    /* when to connect anew; NEVER: libphx sees to it */
    uint32_t names;       /* that the server has given it in this connection */
    uint64_t stop_ms;     /* stopping: not to wait longer for the upload, then for the close */
    uint64_t commands_ms; /* when commands wants to be called */
    uint64_t pushed_ms[UPLINK_FLIGHT_MAX]; /* when the uploads in flight were; NEVER: none */
    uint32_t gaps;                         /* of the loop, as far as they were dealt with */
    struct commands_fresh fresh;
    struct lane_hub *hub;              /* NULL: it is no device of NervesHub */
    bool closing;                      /* stopping: the socket was asked to close */
    bool closed;                       /* and has done so */
    uint8_t key_hash[MP_SHA256_BYTES]; /* of the API key of the last attempt */
    struct lane_log log;
    struct lane_counts counts;
    uint16_t message_count; /* readings of the message at hand */
    struct uplink_reading message[READINGS_PER_MESSAGE];
};

uint64_t lane_now_ms(const struct lane *lane);
bool lane_has_server(const struct lane *lane);
struct profile_board lane_board(const struct lane *lane);
/* Finds the topic of the board that the configuration names, for what waits on disk before any
 * board has spoken. False: the board has to come first. */
bool lane_own_topic(struct lane *lane);

/* lane.c: gives the board, if it is there, its credit and what has become safe. */
void lane_tell_safe(struct lane *lane);
/* lane.c: readings in the spool wait for the server: connects, if IDLE. */
void lane_readings_wait(struct lane *lane);

/* lane_up.c */
extern const struct uplink_io lane_uplink_io;
/* By how much the clock that goes on during suspend is ahead of the loop's. */
int64_t lane_boot_minus_mono_us(const struct lane *lane);
/* The key that stands for the controller was read just now: lane->key_hash. */
void lane_up_credential(struct lane *lane);
/* The server has named the controller: lane->topic. Returns false: out of memory. */
bool lane_up_topic(struct lane *lane);
/* A board begins to speak; before its session. */
void lane_up_board(struct lane *lane, const struct mp_peer *peer);
void lane_up_on_push_end(struct lane *lane, void *token, const struct phx_push_result *result);
void lane_up_tick(struct lane *lane, uint64_t now);
/* When lane_up_tick will have something to do. */
uint64_t lane_up_next_ms(const struct lane *lane);
/* No more readings come: what there is goes to the spool. */
void lane_up_stop(struct lane *lane);
/* For watchers: readings that wait, and the age of the oldest in memory; NEVER: there is none. */
uint64_t lane_up_waiting(const struct lane *lane);
uint64_t lane_up_oldest_age_us(const struct lane *lane);
void lane_up_close(struct lane *lane);

/* lane_server.c */
/* Tells lane_up whose key it is, before the first connection. */
void lane_read_key(struct lane *lane);
void lane_connect(struct lane *lane);
/* Ends the connection, or the attempt, and begins another. */
void lane_reconnect(struct lane *lane);
/* Gives up the connection; its channel was left before. */
void lane_stand_up(struct lane *lane);
/* The board, and with it the topic, is another one on the same connection. */
void lane_join_own(struct lane *lane);
/* Ends the channel, if there is one; the next metadata brings another. */
void lane_leave(struct lane *lane);
/* The loop has counted so many gaps: to be told before acting on what the server sent. */
void lane_on_gaps(struct lane *lane, uint32_t gaps);
/* Tells the server how a control of its own ended, where the profile and the configuration want
 * it. Best effort: nobody waits for a reply. */
void lane_report_command(struct lane *lane, const struct commands_report *report);
/* Asks the server for a sign of life when the freshness of controls needs one. */
void lane_probe(struct lane *lane, uint64_t now_ms);

#endif
