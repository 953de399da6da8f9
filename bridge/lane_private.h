/*
 * lane_private.h - what lane.c (the board's side, and what is due) and lane_server.c (the socket
 * and its channel) share of a lane. Nobody else includes it.
 */
#ifndef LANE_PRIVATE_H
#define LANE_PRIVATE_H

#include "commands.h"
#include "commands_fresh.h"
#include "lane.h"
#include "lane_log.h"
#include "mp_sha256.h"
#include "uplink.h"

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
    uint64_t connects, disconnects, joins, boards;
};

struct lane {
    const struct lane_shared *shared;
    const struct config_mcu *config;
    enum lane_state state;
    struct port *port; /* NULL: the board is not there */
    const struct mp_description *description;
    struct uplink uplink;
    struct commands commands;
    struct phx_socket *socket;
    struct phx_channel *channel;
    char topic[PROFILE_TOPIC_MAX];
    uint8_t device[CONFIG_DEVICE_MAX]; /* of the board that is, or was, there */
    uint8_t device_len;
    uint64_t gone_ms;     /* since when the board is not there */
    uint64_t greeting_ms; /* when the metadata is missing for too long; NEVER: it is here */
    bool greeting_missed; /* that was said of this connection */
    uint64_t stop_ms;     /* stopping: not to wait longer for the upload, then for the close */
    uint64_t commands_ms; /* when commands wants to be called */
    uint64_t pushed_ms;   /* when the upload in flight was */
    uint32_t gaps;        /* of the loop, as far as they were dealt with */
    struct commands_fresh fresh;
    bool closing;                      /* stopping: the socket was asked to close */
    bool closed;                       /* and has done so */
    uint8_t key_hash[MP_SHA256_BYTES]; /* of the API key of the last attempt */
    struct lane_log log;
    struct lane_counts counts;
    uint16_t message_count; /* readings of the message at hand */
    struct uplink_reading message[READINGS_PER_MESSAGE];
};

uint64_t lane_now_ms(const struct lane *lane);
struct profile_board lane_board(const struct lane *lane);

/* lane.c: gives the board, if it is there, its credit and what has become safe. */
void lane_tell_safe(struct lane *lane);

/* lane_server.c */
void lane_connect(struct lane *lane);
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
