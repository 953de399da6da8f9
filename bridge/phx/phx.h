/*
 * phx.h - libphx, a Phoenix Channels client: the whole contract.
 *
 * A context sits on the caller's libuv loop. A socket is one connection to one Phoenix socket
 * endpoint, kept up until told otherwise; a channel is one topic on it, rejoined by itself. All
 * calls and all callbacks happen on the loop's thread. JSON goes in and comes out as text: a
 * payload given must be one valid JSON value, a payload received is one. Binary payloads, of V2
 * only, go in and come out as they are. Any function may be called
 * from inside any callback, those that free included.
 *
 * Waits between attempts double from a least to a most, with jitter: with d the doubled value, from
 * 2/3 d to 4/3 d, never below the least nor above the most. Only a connection that lived for
 * stable_ms starts over at the least; those that die young go on doubling. A server's Retry-After,
 * seconds or a date, up to an hour, makes the wait at least so long and at most a quarter longer.
 * Attempts go on for ever, after every end that was not asked for, close code 1000 included, unless
 * the caller decides otherwise.
 *
 * TLS is always verified, redirects are not followed. permessage-deflate is offered when asked for.
 * A proxy of the environment (http_proxy, https_proxy, all_proxy, no_proxy) is used unless the
 * options name one or none; this machine itself is always reached without it.
 *
 * Facts behind the rules are in docs of Phoenix 1.7 and 1.8 (Phoenix.Socket.V1/V2.JSONSerializer,
 * Phoenix.Channel) and in recordings of real servers under tests/vectors/transcripts.
 */
#ifndef PHX_H
#define PHX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct uv_loop_s uv_loop_t;

struct phx_context;
struct phx_socket;
struct phx_channel;

/* Bytes that belong to the caller of whatever function shows them, for the length of the call. */
struct phx_text {
    const char *at;
    size_t len;
};

enum phx_vsn { PHX_V2 = 0, PHX_V1 = 1 };

enum phx_error {
    PHX_OK = 0,
    PHX_ERR_DISCONNECTED = -1,   /* no connection: nothing was sent or kept */
    PHX_ERR_NOT_JOINED = -2,     /* connected, but the channel is not joined (yet, or any more) */
    PHX_ERR_ALREADY_JOINED = -3, /* the socket has a channel of that topic */
    PHX_ERR_FULL = -4,           /* too many bytes or pushes wait already: try after a reply */
    PHX_ERR_BAD_JSON = -5,       /* the payload is not one valid JSON value */
    PHX_ERR_BAD_OPTION = -6,     /* an option is missing or malformed; see phx_socket_error */
    PHX_ERR_MEMORY = -7,
    PHX_ERR_BINARY =
        -8, /* no binary message can carry it: V1, or a topic or event over 255 bytes */
};
const char *phx_error_text(enum phx_error error);

/* What ended a connection or an attempt, and so whether and when another one follows. */
enum phx_cause {
    PHX_CAUSE_ASKED,   /* phx_socket_disconnect: no retry */
    PHX_CAUSE_RESOLVE, /* the host name was not found */
    PHX_CAUSE_CONNECT, /* nothing listens, no route, time-out */
    PHX_CAUSE_TLS,     /* certificate not trusted, wrong host name, expired, handshake failed */
    PHX_CAUSE_REFUSED, /* HTTP 4xx on the upgrade (403: key refused, or its checker is down); after
                          it, and after a certificate not trusted, waits grow eightfold */
    PHX_CAUSE_LIMITED, /* HTTP 429 or 503 */
    PHX_CAUSE_SERVER,  /* HTTP 5xx or an answer that is no WebSocket upgrade, redirects included */
    PHX_CAUSE_CLOSED,  /* the server closed: kick, restart, idle time-out; any close code */
    PHX_CAUSE_HEARTBEAT,  /* no reply to a heartbeat in time */
    PHX_CAUSE_PROTOCOL,   /* a message over max_message, or too many that are no Phoenix messages: a
                             few in one connection are logged and ignored */
    PHX_CAUSE_CREDENTIAL, /* the credentials callback said no */
    PHX_CAUSE_CLOCK,      /* by this machine's clock no certificate is valid, yet: set it */
};

struct phx_disconnect {
    enum phx_cause cause;
    int http_status;    /* 0: none */
    int close_code;     /* 0: none; 1002 may stand for 1012 and others that the transport hides */
    bool was_connected; /* false: an attempt failed */
    bool retry;         /* another attempt follows by itself */
    uint32_t retry_ms;  /* in so many milliseconds */
    int64_t server_time_s; /* of an HTTP answer by its Date, seconds since 1970; 0: not told */
    char text[160];        /* one line for people; never holds a secret */
};

/* Collects the credentials of one attempt. */
struct phx_credentials;
/* Both copy. Return PHX_OK, or PHX_ERR_BAD_OPTION for a name or value with CR or LF, a header of
 * more than PHX_HEADER_MAX bytes, headers of more than 4096 or a path and query of more than 2000
 * bytes altogether. */
int phx_add_header(struct phx_credentials *credentials, const char *name, const char *value);
int phx_add_param(struct phx_credentials *credentials, const char *name, const char *value);
#define PHX_HEADER_MAX 2048
/* The authToken of Phoenix 1.8: a subprotocol of a WebSocket, a header of long polling. Returns
 * PHX_OK, or PHX_ERR_BAD_OPTION for an empty one, one of more than PHX_HEADER_MAX bytes or with
 * anything but printable ASCII in it. */
int phx_set_auth_token(struct phx_credentials *credentials, const char *token);

struct phx_context_options {
    unsigned max_sockets; /* descriptors to plan for; 0: 1024 */
    /* Of all sockets together, the first ten at once; the others wait for their turns, besides what
     * disconnected() says: a server that comes back is not run over. 0: as many as are due. */
    unsigned attempts_per_s;
    /* Attempts at one server that are under way at a time, each from its beginning until the
     * connection is open or the attempt has ended: more handshakes than a processor can do in time
     * would all be for nothing. The others wait. 0: no bound. */
    unsigned attempts_under_way;
    /* Log lines of the library and of libwebsockets, without secrets; NULL: silent. level as in
     * syslog(3). */
    void (*log)(void *user, int level, const char *text);
    void *user;
};

/* NULL: out of memory, or libwebsockets without its libuv plug-in (said in the log). */
struct phx_context *phx_context_open(uv_loop_t *loop, const struct phx_context_options *options);
/* Frees every socket, without callbacks, and then the context; `closed` is called from the loop
 * when nothing of it is left there. */
void phx_context_close(struct phx_context *context, void (*closed)(void *user), void *user);

/* How messages travel. */
enum phx_via {
    PHX_WEBSOCKET = 0,
    PHX_LONGPOLL = 1, /* HTTP; by the same url, with longpoll in place of websocket in its path */
    PHX_AUTO = 2,     /* a WebSocket where one works, and long polling otherwise */
};

/* A credential that is fetched for every attempt, besides what credentials() of the events adds. */
enum phx_secret_use {
    PHX_SECRET_NONE = 0,
    PHX_SECRET_AUTH_TOKEN, /* as phx_set_auth_token */
    PHX_SECRET_HEADER,     /* as phx_add_header, under `name` */
    PHX_SECRET_PARAM,      /* as phx_add_param, under `name` */
};
struct phx_secret {
    enum phx_secret_use use;
    const char *name;
    /* One of both. The file holds one line, and nobody but its owner may read it; it is read on the
     * loop's thread. The command is run without a shell, argv[0] found by PATH, and its output is
     * one line; white space around it is cut. */
    const char *file;
    const char *const *command; /* argv, NULL behind the last */
    uint32_t timeout_ms;        /* of the command, which is killed then; 0: 10000 */
};

struct phx_socket_options {
    const char *url; /* ws:// or wss://HOST[:PORT]/PATH[?query]; vsn is added. Copied. */
    enum phx_vsn vsn;
    /* PEM files, read again for the first attempt after they changed. ca_file NULL: the system's;
     * when given, nothing else is trusted. cert_file and key_file both or none. */
    const char *ca_file;
    const char *cert_file, *key_file;
    enum phx_via via;
    /* With PHX_AUTO: long polling is tried when no WebSocket is open so soon, or at once when it is
     * refused; attempts begin with it for fallback_memory_ms then, after which a WebSocket is tried
     * beside it, and taken if it opens; if not, that lasts twice as long the next time. */
    uint32_t fallback_ms;        /* 0: 2500 */
    uint32_t fallback_memory_ms; /* 0: 600000 */
    bool deflate;                /* offer permessage-deflate */
    /* http://[USER:PASSWORD@]HOST[:PORT], through which CONNECT must lead to the server. NULL: that
     * of the environment; "": none. */
    const char *proxy;
    struct phx_secret secret;      /* copied; use PHX_SECRET_NONE: none */
    const char *user_agent;        /* NULL: libphx/VERSION */
    uint32_t heartbeat_ms;         /* 0: 30000 */
    uint32_t heartbeat_timeout_ms; /* 0: 10000 */
    uint32_t connect_timeout_ms;   /* 0: 10000, for the name, and for each address of it */
    uint32_t backoff_min_ms;       /* 0: 1000; doubling with jitter to... */
    uint32_t backoff_max_ms;       /* 0: 60000 */
    uint32_t stable_ms; /* 0: 60000; a connection that lived so long resets the backoff */
    size_t max_message; /* 0: 1 MiB; a longer one from the server ends the connection */
    /* 0: 1 MiB waiting to be sent; a push beyond it gets PHX_ERR_FULL, one that is longer by itself
     * always. Heartbeats, joins and leaves always find room. */
    size_t max_queue;
};

/* A message for a topic that we have not joined (now), of either serializer's shape. */
struct phx_message {
    struct phx_text topic; /* unescaped */
    struct phx_text event; /* unescaped */
    struct phx_text payload;
    bool binary; /* the payload is bytes, not JSON */
};

struct phx_socket_events {
    void *user;
    /* Before every attempt; add headers and params. Return false: the attempt fails with
     * PHX_CAUSE_CREDENTIAL and is retried later. This one, like all of them, may be NULL. */
    bool (*credentials)(void *user, struct phx_credentials *credentials);
    void (*connected)(void *user);
    void (*disconnected)(void *user, const struct phx_disconnect *why);
    /* Decides, before disconnected(), about an end that was not asked for; `why` is what that will
     * be told if all stays as it is. Return true: the next attempt follows in *wait_ms, which may
     * be changed. False: none does until phx_socket_connect. NULL: true. */
    bool (*retry)(void *user, const struct phx_disconnect *why, uint32_t *wait_ms);
    void (*message)(void *user, const struct phx_message *message);
    void (*heartbeat)(void *user); /* a heartbeat's reply came: what follows is fresh */
};

/* NULL only when out of memory; wrong options are told by phx_socket_connect. `events` is
 * copied. */
struct phx_socket *phx_socket_new(struct phx_context *context,
                                  const struct phx_socket_options *options,
                                  const struct phx_socket_events *events);
/* Starts connecting, from the loop, and keeps at it. Returns PHX_OK or PHX_ERR_BAD_OPTION. Harmless
 * when started. */
int phx_socket_connect(struct phx_socket *socket);
/* Ends a wait between two attempts: the next one starts now. Nothing otherwise. */
void phx_socket_hurry(struct phx_socket *socket);
/* For the attempts that start from now on; what is connected stays so. Return PHX_OK,
 * PHX_ERR_MEMORY or PHX_ERR_BAD_OPTION, and then all is as it was. Parameters and headers are asked
 * for at every attempt anyway: see phx_socket_events. */
int phx_socket_set_url(struct phx_socket *socket, const char *url);
int phx_socket_set_tls(struct phx_socket *socket, const char *ca_file, const char *cert_file,
                       const char *key_file);
/* Closes with code 1000 after what is queued has left (at most linger_ms), and stays down until
 * phx_socket_connect; disconnected() with PHX_CAUSE_ASKED follows, later, unless it was down. */
void phx_socket_disconnect(struct phx_socket *socket, uint32_t linger_ms);
/* Frees the socket and its channels at once, without callbacks. */
void phx_socket_free(struct phx_socket *socket);
bool phx_socket_is_connected(const struct phx_socket *socket);
/* A heartbeat is unanswered, or not yet sent, for longer than a third of its time-out: nothing
 * heard is fresh. */
bool phx_socket_is_doubtful(const struct phx_socket *socket);
/* Sends a heartbeat now, which takes the place of one under way: the next heartbeat() of the events
 * says that what follows was sent after this call. The server's time-out still counts from the
 * oldest that it has not answered. Nothing when not connected. */
void phx_socket_probe(struct phx_socket *socket);
const char *phx_socket_error(const struct phx_socket *socket); /* text of the latest BAD_OPTION */

enum phx_push_end {
    PHX_PUSH_REPLY,   /* a reply came: `status` is "ok", "error" or the application's own */
    PHX_PUSH_TIMEOUT, /* none in time; a later one is ignored, and what was held is never sent */
    PHX_PUSH_LOST,    /* the channel or connection ended first: it may or may not have arrived */
};

struct phx_push_result {
    enum phx_push_end end;
    bool ok;      /* a reply with status "ok" */
    bool binary;  /* the response is bytes, not JSON */
    uint64_t ref; /* of the push, as it went over the wire; 0: it was never sent */
    struct phx_text status;
    struct phx_text response;
};

struct phx_channel_events {
    void *user;
    void (*joined)(void *user, struct phx_text response);
    /* The server said no, or {"reason":"timeout"}: nothing in time; retried in retry_ms. A late ok
     * may still join it. */
    void (*refused)(void *user, struct phx_text response, uint32_t retry_ms);
    /* The channel ended: phx_error (the server's process crashed) or phx_close; rejoined in
     * retry_ms. Not called when the connection ends: the socket says that. Pushes under way end
     * LOST first. */
    void (*ended)(void *user, bool crashed, uint32_t retry_ms);
    void (*message)(void *user, struct phx_text event, struct phx_text payload);
    void (*binary)(void *user, struct phx_text event, struct phx_text bytes);
    /* After phx_leave, once: the server has confirmed it, or cannot any more (nothing in
     * timeout_ms, or the connection is over). At once, inside phx_leave, if there was nothing to
     * tell the server. */
    void (*left)(void *user);
    /* Ends each phx_push that was given a token, exactly once. */
    void (*push_end)(void *user, void *token, const struct phx_push_result *result);
};

struct phx_channel_options {
    const char *topic;        /* copied */
    const char *join_payload; /* JSON, copied; NULL: {} */
    uint32_t timeout_ms;      /* of joins, and of pushes that name none; 0: 10000 */
    uint32_t rejoin_min_ms;   /* 0: 1000; doubling with jitter to... */
    uint32_t rejoin_max_ms;   /* 0: 10000 */
    /* Pushes kept while the channel is not joined, over any number of connections, and sent in
     * their order once it is. When full the new one is refused with PHX_ERR_FULL; their bytes count
     * for max_queue of the socket. 0: none is kept. */
    unsigned max_held;
};

/* Joins now or as soon as the socket is connected, and again after every reconnect, until
 * phx_leave. A join that is not answered in time is repeated only after the server showed, by the
 * reply to a later heartbeat, that it is not still at it. *channel belongs to the socket. Returns
 * PHX_OK, PHX_ERR_ALREADY_JOINED, PHX_ERR_BAD_JSON, PHX_ERR_BAD_OPTION (topic empty, not UTF-8, or
 * "phoenix") or PHX_ERR_MEMORY. */
int phx_join(struct phx_socket *socket, const struct phx_channel_options *options,
             const struct phx_channel_events *events, struct phx_channel **channel);
/* Leaves: the channel must not be used any more, and its topic may be joined anew at once. Pushes
 * under way end LOST inside this call; then no callback follows but left(). */
void phx_leave(struct phx_channel *channel);
bool phx_channel_is_joined(const struct phx_channel *channel);
/* What the next join carries. Returns PHX_OK, PHX_ERR_BAD_JSON or PHX_ERR_MEMORY; copied. */
int phx_channel_set_payload(struct phx_channel *channel, const char *join_payload);

#define PHX_PUSHES_MAX 1024

/* Sends an event on a joined channel, or holds it if the channel does that. `payload` is copied.
 * With a token other than NULL, push_end is called once with it, and at most PHX_PUSHES_MAX such
 * pushes of a socket wait at a time; without one, nobody waits for a reply. The time-out, 0 for the
 * channel's, counts from this call. Returns PHX_OK, PHX_ERR_DISCONNECTED, PHX_ERR_NOT_JOINED,
 * PHX_ERR_FULL, PHX_ERR_BAD_JSON, PHX_ERR_BAD_OPTION (event empty, not UTF-8, or one of the
 * protocol's own phx_...) or PHX_ERR_MEMORY. */
int phx_push(struct phx_channel *channel, const char *event, struct phx_text payload,
             uint32_t timeout_ms, void *token);
/* The same with any bytes; PHX_ERR_BINARY instead of PHX_ERR_BAD_JSON. */
int phx_push_binary(struct phx_channel *channel, const char *event, struct phx_text bytes,
                    uint32_t timeout_ms, void *token);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
