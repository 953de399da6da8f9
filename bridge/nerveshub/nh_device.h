/*
 * nh_device.h - one identity at a NervesHub: its socket and its channels, kept up on libphx.
 *
 * `device` is joined only once the board's firmware is known, and joined anew when it is another;
 * `console` and `extensions` go with it. Shared-secret headers are signed for every attempt, and
 * after a 401 by the server's own clock; a certificate is used instead where files are named. No
 * text of a server reaches a shell: a script is answered `not supported`; an archive and files are
 * passed over with a line in the log. What an update does is nh_update.h's.
 *
 * One loop, one thread; callbacks come from the loop. Nothing of an update is said but by
 * nh_device_status, nh_device_progress and nh_device_rebooting, and only while joined.
 */
#ifndef NH_DEVICE_H
#define NH_DEVICE_H

#include "nh_message.h"
#include "nh_talk.h"

struct phx_context;
struct nh_device;

struct nh_device_options {
    const char *url;        /* wss://HOST/device-socket/websocket, or /socket/ with a certificate */
    const char *identifier; /* ignored with a certificate, whose common name it is */
    const char *key, *secret;
    const char *cert_file, *key_file;                       /* PEM; both or none */
    const char *ca_file;                                    /* NULL: the system's */
    const char *proxy;                                      /* as in phx.h */
    uint32_t backoff_min_ms, backoff_max_ms, rejoin_min_ms; /* 0: libphx's own */
    bool at_rest;                                           /* connects only with nh_device_wake */
};

/* Any may be NULL but unix_us. */
struct nh_device_io {
    void *user;
    int64_t (*unix_us)(void *user);
    /* In place of options.secret: the secret for this one attempt to connect, NUL-terminated within
     * NH_SECRET_MAX bytes; wiped after use. False: there is none now, and the attempt fails, to be
     * repeated like any other. */
    bool (*secret)(void *user, char out[NH_SECRET_MAX]);
    /* For the next join: the uuid of an update that goes on, or NULL. Asked again for every one. */
    const char *(*downloading)(void *user);
    void (*joined)(void *user);
    void (*left)(void *user);
    void (*offer)(void *user, const struct nh_offer *offer); /* good ones; valid during the call */
    void (*reboot)(void *user);
    void (*identify)(void *user);
    void (*typed)(void *user, const char *bytes, size_t n);
    void (*window)(void *user, unsigned rows, unsigned columns);
    char *(*health)(void *user); /* JSON that is freed here; NULL: none now */
    void (*say)(void *user, bool bad, const char *text); /* never holds a secret or a URL's query */
};

/* Copies what it is given. NULL: out of memory, or the options make no sense, which is said. */
struct nh_device *nh_device_new(struct phx_context *context,
                                const struct nh_device_options *options,
                                const struct nh_device_io *io);
void nh_device_free(struct nh_device *device); /* without callbacks; NULL is fine */

/* What the board runs, as it said itself. Joins, or joins anew if it is another firmware; one that
 * is not wholly known is not joined with. `auto_reverted`: the latest update was taken back. */
void nh_device_board(struct nh_device *device, const struct nh_firmware *firmware,
                     bool auto_reverted);
void nh_device_rejoin(struct nh_device *device);

/* Closes the connection, after what waits has left, and stays away until nh_device_wake. */
void nh_device_rest(struct nh_device *device);
/* Returns NULL, or why no connection can begin, such as a certificate that cannot be read: it may
 * just be being replaced, and this is to be called again. Valid until the next call. */
const char *nh_device_wake(struct nh_device *device);
bool nh_device_is_joined(const struct nh_device *device);

/* To the server. True: on its way. False: not joined, or no room; nothing was said. */
bool nh_device_status(struct nh_device *device, enum nh_server server, enum nh_status status,
                      const char *reason);
bool nh_device_progress(struct nh_device *device, unsigned percent, enum nh_status stage);
bool nh_device_rebooting(struct nh_device *device);

/* A line of the board's log; beyond the server's limit it is counted and dropped. */
bool nh_device_log(struct nh_device *device, const char *level, const char *message,
                   uint64_t now_ms);
uint64_t nh_device_log_dropped(const struct nh_device *device);
/* Bytes of the board's console: gathered. Returns how many were taken; the rest has no room now,
 * keep it. Without a console on the server's side all are taken and dropped. */
size_t nh_device_print(struct nh_device *device, const char *bytes, size_t n, uint64_t now_ms);
/* Sends what was gathered; call it every NH_CONSOLE_MS while there may be something. */
void nh_device_poll(struct nh_device *device, uint64_t now_ms);
/* Whether something gathered can be sent. */
bool nh_device_is_printing(const struct nh_device *device);

#endif
