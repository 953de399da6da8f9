/*
 * nh_talk.h - what a device says to NervesHub beside its updates: console, log, extensions.
 * Payloads as JSON text, and how much of it may be said.
 *
 * Encoders return text that the caller frees, or NULL when out of memory. No I/O and no clock: the
 * time comes in, in milliseconds that only grow.
 */
#ifndef NH_TALK_H
#define NH_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* -- The extensions that a device takes part in. */

enum nh_extension { NH_HEALTH, NH_LOGGING };
#define NH_EXTENSIONS      2
#define NH_EXTENSIONS_JOIN "{\"health\":\"0.0.1\",\"logging\":\"0.0.1\"}"
const char *nh_extension_name(enum nh_extension extension);

/* The extensions that a text names: the array of the answer to the join, or the payload of attach
 * and detach ({"extensions":[...]} or "all"). A bit each; unknown names are passed over. */
unsigned nh_decode_extensions(const char *json, size_t length);

/* {"value":VALUE} of health:report; `value` is JSON, what is no UTF-8 in it is replaced. NULL too
 * when it is no JSON. */
char *nh_encode_health(const char *value);

/* logging:send. `level` is one of error, warning, info, debug. */
char *nh_encode_log(const char *level, const char *message, int64_t unix_us);

/* The server drops, without a word, what comes faster than five a second after a burst of ten. */
struct nh_log_limit {
    uint64_t since_ms;
    unsigned spent;
    uint64_t dropped; /* since the start */
};
/* Starts as {0}. False: not now; counted. */
bool nh_log_fits(struct nh_log_limit *limit, uint64_t now_ms);

/* -- Console: bytes of a board into few messages of valid UTF-8. */

#define NH_CONSOLE_BYTES   (16u * 1024u) /* of one message */
#define NH_CONSOLE_MS      50            /* what comes within it goes together */
#define NH_CONSOLE_REST_MS 1000          /* so long the rest of a character may take */

struct nh_console {
    unsigned char *bytes; /* NH_CONSOLE_BYTES while there are any, else NULL */
    size_t length;
    uint64_t first_ms; /* when the oldest of them came */
    uint64_t lost;     /* since the start */
};
/* Starts as {0}. Takes as many of n bytes as there is room for; returns how many, 0 too when out of
 * memory. */
size_t nh_console_add(struct nh_console *console, const char *bytes, size_t n, uint64_t now_ms);
/* Is there something to send now? */
bool nh_console_due(const struct nh_console *console, uint64_t now_ms);
/* When it is due: the payload of `up` with all that waits but the beginning of a character whose
 * rest may still come; what is no UTF-8 comes out as U+FFFD. NULL: nothing to send, or out of
 * memory. The bytes stay until nh_console_sent. */
char *nh_console_payload(const struct nh_console *console, size_t *taken);
void nh_console_sent(struct nh_console *console, size_t taken, uint64_t now_ms);
void nh_console_free(struct nh_console *console); /* and it is empty */

/* The bytes of `dn`: text that the caller frees, its length in *n; a NUL ends it. NULL: no such
 * payload. */
char *nh_decode_console(const char *payload, size_t length, size_t *n);
/* Of `window_size`. False: not two whole numbers from 1 to 1000. */
bool nh_decode_window(const char *payload, size_t length, unsigned *rows, unsigned *columns);

#endif
