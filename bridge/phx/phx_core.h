/*
 * phx_core.h - what phx_machine.c (the socket), phx_heartbeat.c (its heartbeats), phx_channel.c
 * (its channels) and phx_push.c (their pushes) share, and nobody else.
 */
#ifndef PHX_CORE_H
#define PHX_CORE_H

#include "phx_backoff.h"
#include "phx_frame.h"
#include "phx_machine.h"

/*
 *         connect          due             opened           disconnect
 *  DOWN ----------> WAITING -----> OPENING --------> UP ------------------> LINGERING
 *   ^                  ^              |               |                        | queue empty,
 *   |                  |    failed    |    ended      |                        v or too long
 *   |                  +--------------+---------------+                     CLOSING
 *   |                                                                          |
 *   +------------------------------ closed, or not in time --------------------+
 *
 * disconnect in WAITING and OPENING goes to CLOSING with nothing left to wait for.
 */
enum phx_state {
    PHX_DOWN,
    PHX_WAITING,
    PHX_OPENING,
    PHX_UP,
    PHX_LINGERING,
    PHX_CLOSING,
};

/*
 * PAUSED holds, past its due time, while the server may still be at an unanswered join: two of one
 * topic would have it close the first for the second, and so on without end.
 *
 *            socket up            ok
 *  OFFLINE -----------> JOINING ------> JOINED
 *     ^                  ^  |             |
 *     |              due |  | refused,    | phx_close, phx_error,
 *     |                  |  v too late    v unmatched topic
 *     |                 PAUSED <----------+
 *     +---- from all, when the connection ends
 *
 * A late ok of a join that was given up for lost still leads from PAUSED to JOINED. phx_leave leads
 * from all to GONE, where a channel waits for the outermost input to return and free it, or before
 * that to LEAVING, if its caller wants to know when it is left: then it is nobody's but the
 * server's answer's.
 */
enum phx_channel_state {
    PHX_CH_OFFLINE,
    PHX_CH_JOINING,
    PHX_CH_JOINED,
    PHX_CH_PAUSED,
    PHX_CH_LEAVING,
    PHX_CH_GONE,
};

/* A push waiting for its reply, or held: then with what is to be sent, an encoded message's worth
 * of the queue promised to it. */
struct phx_push {
    struct phx_push *next;
    uint64_t ref, due;
    void *token;
    bool binary;
    size_t event_len, payload_len; /* of `text`, when held */
    char text[];
};

struct phx_pushes { /* oldest first */
    struct phx_push *first, **end;
};

struct phx_channel {
    struct phx_channel *next;
    struct phx_machine *machine;
    enum phx_channel_state state;
    struct phx_channel_events events;
    struct phx_backoff backoff;
    uint64_t join_ref; /* of the latest join; 0: the server knows of none */
    uint64_t leave_ref;
    uint64_t
        due; /* JOINING: the join is late; PAUSED: join again; LEAVING: no answer; else never */
    uint64_t joined_at;
    uint32_t timeout_ms;
    unsigned max_held, held_count;
    struct phx_pushes pushes, held;
    struct phx_text topic; /* in `text` */
    char *join_payload;
    char text[];
};

struct phx_machine {
    enum phx_state state;
    bool wanted;    /* the caller wants it up */
    bool was_up;    /* CLOSING: the connection had been open */
    bool has_turn;  /* WAITING: until its turn, which is at `due` */
    bool late;      /* the tick before this one came late and was let pass */
    unsigned depth; /* inputs under way, one inside the other */
    unsigned misshaped;
    unsigned pushes; /* held or waiting for replies, and with a token, over all channels */
    struct phx_machine_settings settings;
    struct phx_machine_io io;
    struct phx_socket_events events;
    struct phx_backoff backoff;
    uint64_t random;
    uint64_t last_ref; /* never used twice, not even over connections */
    uint64_t due;      /* the one timer of `state` */
    uint64_t deadline; /* not later than any timer of socket, channels and pushes */
    uint64_t up_since;
    uint64_t heartbeat_ref;    /* 0: none under way */
    uint64_t heartbeat_oldest; /* the first of those unanswered, if probes overtook some */
    uint64_t heartbeat_asked;  /* when that one went */
    uint64_t heartbeat_sent;   /* when the latest went */
    uint64_t heartbeat_limit;  /* its reply is late; see patience_ms */
    uint64_t heartbeat_covers; /* its reply says that the server had read all up to this ref */
    uint64_t heard_ref;        /* of this connection, the server has read all up to this ref */
    uint32_t patience_ms; /* how much later a reply may be while the server is at a slow join */
    struct phx_queue queue;
    struct phx_channel *channels;
};

/* phx_machine.c */
void phx_machine_enter(struct phx_machine *machine);
void phx_machine_exit(struct phx_machine *machine); /* frees what is GONE when the outermost */
void phx_machine_wake(struct phx_machine *machine, uint64_t at);
void phx_machine_set_state(struct phx_machine *machine, enum phx_state state, uint64_t due);
/* Ends the connection from our side, without ceremony. */
void phx_machine_give_up(struct phx_machine *machine, enum phx_cause cause, const char *text,
                         uint64_t now);
/* NULL: out of memory. */
struct phx_send *phx_machine_encode(const struct phx_machine *machine,
                                    const struct phx_frame_out *frame);

/* phx_heartbeat.c */
void phx_heartbeat_reply(struct phx_machine *machine, const struct phx_frame *frame, uint64_t now);
/* The time in UP has come: to send one, or to miss its reply. */
void phx_heartbeat_due(struct phx_machine *machine, uint64_t now);
/* Is the server at a join, or may it be? */
bool phx_machine_is_joining(const struct phx_machine *machine);
/* Asks for a proof of what the server has read, at no cost for its time to answer. */
void phx_machine_ask(struct phx_machine *machine, uint64_t now);
/* Encodes and queues. Returns PHX_OK, PHX_ERR_FULL (only if `limited`) or PHX_ERR_MEMORY. */
int phx_machine_send(struct phx_machine *machine, const struct phx_frame_out *frame, bool limited);

/* phx_channel.c, for phx_machine.c: what happens to one channel. */
struct phx_channel *phx_channel_find(struct phx_machine *machine, struct phx_text topic);
void phx_channel_online(struct phx_channel *channel, uint64_t now);
void phx_channel_offline(struct phx_channel *channel);
/* A heartbeat's reply moved heard_ref on. */
void phx_channel_heard(struct phx_channel *channel, uint64_t now);
/* Is this the answer to a leave? Then it has been dealt with. */
bool phx_channel_take_leave(struct phx_machine *machine, const struct phx_frame *frame);
/* Has a join been sent on this connection that may still be answered? */
bool phx_channel_is_asking(const struct phx_channel *channel);
void phx_channel_frame(struct phx_channel *channel, const struct phx_frame *frame, uint64_t now);
void phx_channel_tick(struct phx_channel *channel, uint64_t now);
uint64_t phx_channel_deadline(const struct phx_channel *channel);
void phx_channel_free(struct phx_channel *channel);

/* phx_push.c, for phx_channel.c */
void phx_pushes_init(struct phx_channel *channel);
/* The push of this ref, now the caller's for phx_push_end; NULL: none waits. */
struct phx_push *phx_push_take(struct phx_channel *channel, uint64_t ref);
void phx_push_end(struct phx_channel *channel, struct phx_push *push,
                  const struct phx_push_result *result);
void phx_pushes_lose(struct phx_channel *channel);      /* those that were sent */
void phx_pushes_lose_held(struct phx_channel *channel); /* the others */
void phx_pushes_flush(struct phx_channel *channel);     /* sends what is held */
void phx_pushes_expire(struct phx_channel *channel, uint64_t now);
uint64_t phx_pushes_deadline(const struct phx_channel *channel);
void phx_pushes_free(struct phx_channel *channel); /* without callbacks */

#endif
