/*
 * phx_poll_body.h - what stands in the answers and requests of long polling. No I/O.
 */
#ifndef PHX_POLL_BODY_H
#define PHX_POLL_BODY_H

#include "phx_json.h"
#include "phx_queue.h"

#define PHX_POLL_LINES     100       /* a server drops the rest of a batch without a word */
#define PHX_POLL_BYTES     (1 << 18) /* a batch is closed when it has so many */
#define PHX_POLL_TOKEN_MAX 512

/* {"status":200,"token":"..","messages":[..]} */
struct phx_poll_answer {
    int status;                         /* the real one: HTTP's is nearly always 200 */
    char token[PHX_POLL_TOKEN_MAX + 1]; /* empty: none */
    struct phx_text messages;           /* an array, or empty */
};
/* False: not such an answer, an HTML page for one. It points into `body`. */
bool phx_poll_answer_read(struct phx_text body, struct phx_poll_answer *answer);

/* Walks over the messages, which are JSON texts in JSON strings; each is unescaped in place. */
struct phx_poll_messages {
    struct phx_json_walk walk;
};
bool phx_poll_messages_begin(struct phx_poll_messages *messages,
                             const struct phx_poll_answer *answer);
/* ITEM: *text is the next. BAD: not a string. */
enum phx_json_step phx_poll_messages_next(struct phx_poll_messages *messages, char **text,
                                          size_t *len);

/* The body of a POST, put together from messages that are no longer the caller's. */
struct phx_poll_batch {
    struct phx_queue messages;
    size_t count;
    bool full; /* take no more */
};
void phx_poll_batch_add(struct phx_poll_batch *batch, struct phx_send *message, enum phx_vsn vsn);
/* Empties the batch. *ndjson tells the content type: application/x-ndjson, or application/json for
 * one message of text, which servers without batches understand too. NULL: out of memory. */
struct phx_send *phx_poll_batch_body(struct phx_poll_batch *batch, bool *ndjson);

#endif
