#ifndef PHXDEV_SOCKET_PRIVATE_H
#define PHXDEV_SOCKET_PRIVATE_H

#include "socket.h"

/* What socket.c (frames, joins, the order of things) and channel.c (one channel's life and voice)
 * share; nobody else includes this. */

enum task_kind {
    TASK_IN,   /* a message for a channel */
    TASK_PUSH, /* a push made while joining */
    TASK_LATE, /* a reply that was to come later */
    TASK_SELF, /* a channel's message to itself */
    TASK_SEND, /* a finished frame, whether its channel lives or not */
};

struct task {
    struct task *next;
    enum task_kind kind;
    uint64_t channel_id;
    int64_t due_ms;
    size_t bytes;        /* counted in the socket's waiting_bytes */
    struct json_doc doc; /* TASK_IN: what msg points into */
    struct phx_msg msg;
    struct buf frame; /* otherwise: the frame to send */
};

struct channel {
    struct channel *next;
    struct socket *socket;
    const struct channel_app *app;
    uint64_t id;
    struct slice topic; /* decoded; owned */
    struct buf topic_json;
    struct buf join_ref;  /* JSON text */
    struct buf join_name; /* in a binary frame: a string without its quotes, null as nothing */
    int64_t busy_until_ms;
    bool joining;
    bool stopping;
    enum stop how;
    const struct phx_msg *current; /* the message being handled */
};

struct waiting_frame {
    struct waiting_frame *next;
    bool binary;
    int64_t due_ms;
    struct buf data;
};

struct socket {
    struct socket_config config;
    struct channel *channels;
    size_t channel_count;
    uint64_t next_id;
    struct task *tasks; /* in the order they are to be run */
    size_t waiting;     /* tasks and frames */
    size_t waiting_bytes;
    int64_t now_ms;
    bool ended;
    /* A join that takes its time: frames wait here meanwhile. */
    bool joining;
    int64_t join_done_ms;
    struct buf join_reply;
    struct waiting_frame *frames;
};

#define JSON_EMPTY     "{}"
#define JSON_NULL_TEXT "null"

/* -- socket.c */

void socket_send_frame(struct socket *s, const struct buf *frame);
void socket_send_binary(struct socket *s, const struct buf *frame);
/* A phx_reply to a message; response is JSON text. */
void socket_encode_reply(const struct socket *s, struct buf *out, struct slice join_ref,
                         const struct phx_msg *to, const char *status, struct slice response);
void socket_send_reply(struct socket *s, struct slice join_ref, const struct phx_msg *to,
                       const char *status, const char *response);
/* Behind all others; a late reply ahead of the messages that its channel has still to handle. NULL
 * when too many wait; the socket is then closed. */
struct task *socket_add_task(struct socket *s, enum task_kind kind, uint64_t channel_id);
/* The task holds this much memory; too much of it in all closes the socket. */
void socket_weigh_task(struct socket *s, struct task *t, size_t bytes);

/* -- channel.c */

struct channel *channel_new(struct socket *s, const struct channel_app *app,
                            const struct phx_msg *msg);
struct channel *channel_find(const struct socket *s, struct slice topic);
struct channel *channel_by_id(const struct socket *s, uint64_t id); /* NULL: it is gone */
void channel_remove(struct socket *s, struct channel *ch);
/* phx_close or phx_error: both carry the join_ref as their ref too. */
void channel_encode_end(const struct channel *ch, struct buf *out, enum stop how);

#endif
