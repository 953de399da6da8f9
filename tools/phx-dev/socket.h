#ifndef PHXDEV_SOCKET_H
#define PHXDEV_SOCKET_H

#include "buf.h"
#include "json.h"
#include "serializer.h"

#include <stdbool.h>
#include <stdint.h>

/* One Phoenix socket and its channels: text frames and time in, text frames and closes out. It
 * opens nothing and reads no clock. */

/* Which server's habits where the recordings differ. */
enum like {
    LIKE_18_BANDIT,
    LIKE_17_COWBOY,
    LIKE_185_BANDIT, /* 1.8.5 with Bandit 1.10.3, in NervesHub 2.4.0 */
};

struct socket;
struct channel;

/* What join said. JOIN_CRASH is a raising join. */
enum join_status { JOIN_OK, JOIN_ERROR, JOIN_CRASH };

/* How a channel ends by itself: phx_close, or phx_error. */
enum stop { STOP_NORMAL, STOP_CRASH };

struct join_result {
    enum join_status status;
    struct buf response; /* JSON object; empty = {} */
    int64_t block_ms;    /* a slow join: the whole socket waits this long, as on a real server */
};

/* A channel module: which topics it takes and what it does. pattern is a whole topic, or a prefix
 * ending in '*'. */
struct channel_app {
    const char *pattern;
    void (*join)(struct channel *ch, const struct json *payload, struct join_result *result);
    /* event is never NULL; an event that is not known must end in channel_stop(ch, STOP_CRASH). */
    void (*handle_in)(struct channel *ch, const struct json *event, const struct json *payload);
    /* A broadcast to this channel's topic that the channel wants to see first: true when it was
     * handled (with channel_push), false when it goes out as it is. May be NULL; not for bytes. */
    bool (*handle_out)(struct channel *ch, const char *event, struct slice payload);
    /* After channel_send_self. May be NULL. */
    void (*handle_info)(struct channel *ch);
    /* The channel ends, whatever the reason; it is not to speak any more. May be NULL. */
    void (*terminate)(struct channel *ch);
};

/* To all channels joined to a topic. */
struct broadcast {
    struct slice topic;
    const char *event;
    struct slice payload; /* JSON text, or bytes */
    bool binary;          /* bytes: only V2 sockets get them */
};

struct socket_io {
    void *ctx;
    void (*send)(void *ctx, bool binary, const char *data, size_t n);
    /* A close frame with this code, then the end. The socket does nothing after it. */
    void (*close)(void *ctx, int code);
    /* The end of the connection without a close frame. */
    void (*cut)(void *ctx);
    /* To every channel of the server joined to topic, except one (NULL = none). Returns how many.
     */
    size_t (*broadcast)(void *ctx, const struct broadcast *what, const struct channel *except);
};

struct socket_faults {
    bool hold_heartbeat; /* no heartbeat replies */
    long slow_ms;        /* each message from a client is handled so much later */
};

struct socket_config {
    struct socket_io io;
    enum vsn vsn;
    enum like like;
    const struct channel_app *const *apps; /* NULL-terminated */
    const struct socket_faults *faults;    /* read at every message; outlives the socket */
    void *app_ctx;                         /* the application's, see channel_app_ctx */
    struct slice info;                     /* connect info as JSON, outlives the socket */
};

enum {
    /* A join beyond these is refused. 1.7.7 has no limit; this one bounds our memory. */
    SOCKET_MAX_CHANNELS = 100,
    SOCKET_MAX_CHANNELS_17 = 10000,
    /* Frames that wait behind a slow join, messages that wait in channels, late replies: how many,
     * and
     * the memory they take. Full: the socket is closed with 1011, since a real server would not
     * lose
     * one silently either. */
    SOCKET_MAX_WAITING = 4000,
    SOCKET_MAX_WAITING_BYTES = 256 * 1024 * 1024,
};

struct socket *socket_open(const struct socket_config *config);
/* Frees it; channels end without a word. */
void socket_free(struct socket *s);

/* A text frame (n bytes of valid UTF-8). What channels answer comes with the next socket_run, as on
 * a real server: call it once all frames that arrived together were handed over. */
void socket_on_text(struct socket *s, const char *text, size_t n, int64_t now_ms);
/* A binary frame: V2's own form on a V2 socket, JSON on a V1 socket. */
void socket_on_binary(struct socket *s, const char *data, size_t n, int64_t now_ms);
void socket_run(struct socket *s, int64_t now_ms);
/* When socket_run wants to be called next, or -1. */
int64_t socket_deadline(const struct socket *s);

/* A broadcast reaches the channel joined to topic, if there is one other than except.
 * Returns whether it did. */
bool socket_deliver(struct socket *s, const struct broadcast *what, const struct channel *except);

/* The channel joined to topic crashes. False: there is none. */
bool socket_crash(struct socket *s, struct slice topic);
bool socket_is_joined(const struct socket *s, struct slice topic);
size_t socket_channels(const struct socket *s);
/* Appends the topics joined as a JSON array. */
void socket_write_topics(const struct socket *s, struct buf *out);
enum vsn socket_vsn(const struct socket *s);

/* -- what channel modules may call; payloads are JSON text */

void channel_reply(struct channel *ch, const char *status, const char *response);
/* A response of JSON_BYTES goes out as a binary frame. */
void channel_reply_json(struct channel *ch, const char *status, const struct json *response);
/* The reply to the present message, ms from now, unless the channel is gone by then. */
void channel_reply_after(struct channel *ch, int64_t ms, const char *status,
                         const struct json *response);
/* A blocking handler: the channel handles its next message ms from now. */
void channel_block(struct channel *ch, int64_t ms);
void channel_push(struct channel *ch, const char *event, const char *payload);
/* In the shape of a broadcast: without the channel's join_ref. Not while joining. */
void channel_push_plain(struct channel *ch, const char *event, const char *payload);
/* On a V2 socket only. */
void channel_push_bytes(struct channel *ch, const char *event, struct slice data);
void channel_broadcast(struct channel *ch, const char *event, const struct json *payload,
                       bool self);
/* The channel ends after the present message. */
void channel_stop(struct channel *ch, enum stop how);
/* The end of the transport, as if its process were killed. */
void channel_kill_transport(struct channel *ch);

struct slice channel_topic(const struct channel *ch);
struct slice channel_info(const struct channel *ch);
void *channel_app_ctx(const struct channel *ch);
/* Calls app->handle_info, once the present message or join has been answered. */
void channel_send_self(struct channel *ch);

#endif
