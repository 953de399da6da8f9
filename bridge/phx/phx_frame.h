/*
 * phx_frame.h - Phoenix messages as bytes: the serializers of vsn 1.0.0 and 2.0.0.
 *
 * V1:        {"topic":..,"event":..,"payload":..,"ref":"2","join_ref":"1"}
 * V2:        ["1","2",topic,event,payload]
 * V2 binary: a kind, a length for each name, the names, and the payload
 *     0 push from us         join_ref, ref, topic, event
 *     0 push from the server join_ref, topic, event
 *     1 reply                join_ref, ref, topic, status
 *     2 broadcast            topic, event
 *
 * Our own refs are always strings of decimal digits, on both serializers, in the join, every push
 * and the leave, because servers drop a push whose join_ref differs from the join's, even by JSON
 * type.
 */
#ifndef PHX_FRAME_H
#define PHX_FRAME_H

#include "phx_json.h"

#define PHX_BINARY_NAME_MAX 255 /* bytes of each name in a binary message */

/* A message to send. `topic` and `event` are plain valid UTF-8, `payload` is valid JSON unless
 * `binary`, which phx_frame_fits_binary allows. */
struct phx_frame_out {
    uint64_t join_ref; /* 0: null */
    uint64_t ref;
    struct phx_text topic, event, payload;
    bool binary;
};
bool phx_frame_fits_binary(enum phx_vsn vsn, struct phx_text topic, struct phx_text event);
/* Writes what fits into `cap` bytes of `out`. Returns the length of the whole frame. */
size_t phx_frame_encode(enum phx_vsn vsn, const struct phx_frame_out *frame, char *out, size_t cap);

/* A received message. `topic` and `event` are unescaped, `payload` is JSON unless `binary`. The
 * refs are 0 where they are null, absent or none of ours; `has_join_ref` tells null and absent from
 * foreign. `status` is that of a binary reply. */
struct phx_frame {
    uint64_t join_ref, ref;
    bool has_join_ref, binary;
    struct phx_text topic, event, payload, status;
};
/* Decodes an array or an object, whatever the vsn asked for: servers send objects on V2 sockets
 * too. Unescapes in place: `text` may be changed, and the frame points into it. Returns false, with
 * nothing to rely on in `text`, unless it is valid JSON of one of the two shapes; in an object a
 * missing payload reads as {}. */
bool phx_frame_decode(char *text, size_t len, struct phx_frame *frame);
/* The same for a binary message, which may be text all the same. */
bool phx_frame_decode_binary(char *bytes, size_t len, struct phx_frame *frame);

/* Splits the payload of a phx_reply. Returns false if it has no status that is a string. A missing
 * response reads as {}. `status` is without its quotes, escapes as they came. */
bool phx_frame_reply(struct phx_text payload, struct phx_text *status, struct phx_text *response);

/* Is `response` what a server answers to a push on a topic that is not joined there? */
bool phx_frame_is_unmatched(struct phx_text response);

#endif
