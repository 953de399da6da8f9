/*
 * phx_rig.h - a Phoenix socket machine under a virtual clock. Everything it says and does is
 * written down as lines, which a test compares:
 *
 *   open | close CODE | drop                        what it asks of its transport
 *   > FRAME                                         what it sends
 *   connected | down CAUSE [in MS] | heartbeat      events of the socket
 *   stray TOPIC EVENT PAYLOAD
 *   TOPIC: joined RESPONSE | refused RESPONSE in MS | crashed in MS | closed in MS
 *   TOPIC: EVENT PAYLOAD
 *   TOPIC: left
 *   TOPIC: push N STATUS RESPONSE | push N timeout | push N lost
 *
 * What is binary is written as hex. Times that are drawn by lot are written as "soon".
 */
#ifndef PHX_RIG_H
#define PHX_RIG_H

#include "phx_machine.h"

#define RIG_CHANNELS 128

/* Payloads of a reply. */
#define OK        "{\"status\":\"ok\",\"response\":{}}"
#define UNMATCHED "{\"response\":{\"reason\":\"unmatched topic\"},\"status\":\"error\"}"

struct rig_channel {
    struct rig *rig;
    const char *topic;
    struct phx_channel *channel;
    struct phx_channel_events events;
};

struct rig {
    struct phx_machine *machine;
    struct phx_machine_settings settings;
    struct phx_socket_events events;
    struct rig_channel channels[RIG_CHANNELS];
    uint64_t now;
    bool refuse_open;    /* an attempt fails at once */
    uint32_t timeout_ms; /* of the pushes that follow; 0: the channel's */
    uint64_t last_ref;   /* of the push that ended last */
    bool tell_left;      /* of the channels joined next */
    unsigned max_held;   /* of the channels joined next */
    /* Written down as "retry? CAUSE"; NULL: not asked. */
    bool (*decide)(struct rig *rig, const struct phx_disconnect *why, uint32_t *wait_ms);
    bool is_open;          /* the transport's view: an attempt or connection exists */
    uint32_t last_wait_ms; /* of the latest event that says when it goes on */
    char log[65536];
    size_t log_len;
    /* Called inside events, before the line is written; NULL: nothing. */
    void (*inside)(struct rig *rig, const char *event);
};

void rig_init(struct rig *rig, enum phx_vsn vsn);
void rig_deinit(struct rig *rig);

/* Compares and forgets the lines so far, after writing down what is queued to be sent. */
void rig_expect(struct rig *rig, const char *lines);
void rig_forget(struct rig *rig);

void rig_connect(struct rig *rig);              /* up to "connected" */
void rig_connect_again(struct rig *rig);        /* the next attempt, after an end */
void rig_up(struct rig *rig, enum phx_vsn vsn); /* rig_init and connected */
void rig_up_and_joined(struct rig *rig); /* on V2, and channel 0, room:1, joined with ref 1 */
/* Joins as channel `index`, without waiting for the answer. Returns phx_machine_join's. */
int rig_join(struct rig *rig, unsigned index, const char *topic);
int rig_join_with(struct rig *rig, unsigned index, const char *topic, const char *payload);
int rig_push(struct rig *rig, unsigned index, const char *event, const char *payload,
             uintptr_t token);
int rig_push_binary(struct rig *rig, unsigned index, const char *event, struct phx_text bytes,
                    uintptr_t token);
void rig_server(struct rig *rig, const char *frame);
void rig_server_binary(struct rig *rig, const char *bytes, size_t len);
void rig_close(struct rig *rig, int code); /* the server ends the connection */
void rig_end(struct rig *rig, const struct phx_end *why);
void rig_fail(struct rig *rig, enum phx_cause cause, int status, uint32_t retry_after_ms);
/* Lets the time pass, in steps as the deadlines ask. */
void rig_pass(struct rig *rig, uint64_t ms);
void rig_drain(struct rig *rig); /* writes down what is queued */

#endif
