#ifndef PHXDEV_SERIALIZER_H
#define PHXDEV_SERIALIZER_H

#include "buf.h"
#include "json.h"

/* Phoenix's two message shapes: V1 an object, V2 an array. */
enum vsn { VSN_1, VSN_2 };

/* One message from a client. The values live in the document it was decoded into. join_ref is never
 * NULL: a V1 message without it has JSON null there. */
struct phx_msg {
    const struct json *join_ref;
    const struct json *ref;
    const struct json *topic;
    const struct json *event;
    const struct json *payload;
};

/* Decodes a text frame. Returns 0, or -1: not JSON, or not this version's shape; a real server then
 * closes the socket with 1011. doc must be deinited either way. */
int serializer_decode(enum vsn vsn, struct json_doc *doc, const char *text, size_t n,
                      struct phx_msg *msg);

/* Decodes a V2 binary frame: a push whose payload is JSON_BYTES. Returns as serializer_decode. */
int serializer_decode_binary(struct json_doc *doc, const char *data, size_t n, struct phx_msg *msg);

/* One message to a client, every part already JSON text. */
struct phx_out {
    struct slice join_ref; /* not part of V1 */
    struct slice ref;
    struct slice topic;
    const char *event; /* plain text, needs no escaping */
    struct slice payload;
};

/* The kinds of V2 binary frame; a client sends pushes only. */
enum binary_kind { BINARY_PUSH = 0, BINARY_REPLY = 1, BINARY_BROADCAST = 2 };

/* Appends kind, the lengths of count names, the names, the data. False, and nothing appended: a
 * name has more than 255 bytes. */
bool serializer_encode_binary(struct buf *out, enum binary_kind kind, const struct slice *names,
                              size_t count, struct slice data);

void serializer_encode(enum vsn vsn, struct buf *out, const struct phx_out *msg);

#endif
