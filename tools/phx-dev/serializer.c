/*
 * The shapes of Phoenix's messages, V1 and V2, on top of the JSON scanner. What a message means is
 * socket.c's business.
 */
#include "serializer.h"

static const struct json null_value = {.type = JSON_NULL};

static int decode_v1(const struct json *root, struct phx_msg *msg)
{
    msg->join_ref = json_get(root, "join_ref");
    msg->ref = json_get(root, "ref");
    msg->topic = json_get(root, "topic");
    msg->event = json_get(root, "event");
    msg->payload = json_get(root, "payload");
    if (msg->join_ref == NULL) {
        msg->join_ref = &null_value;
    }
    return msg->ref && msg->topic && msg->event && msg->payload ? 0 : -1;
}

static int decode_v2(const struct json *root, struct phx_msg *msg)
{
    msg->join_ref = json_at(root, 0);
    msg->ref = json_at(root, 1);
    msg->topic = json_at(root, 2);
    msg->event = json_at(root, 3);
    msg->payload = json_at(root, 4);
    return msg->payload != NULL ? 0 : -1;
}

int serializer_decode(enum vsn vsn, struct json_doc *doc, const char *text, size_t n,
                      struct phx_msg *msg)
{
    if (json_parse(doc, text, n) != 0) {
        return -1;
    }
    return vsn == VSN_1 ? decode_v1(doc->root, msg) : decode_v2(doc->root, msg);
}

void serializer_encode(enum vsn vsn, struct buf *out, const struct phx_out *msg)
{
    if (vsn == VSN_2) {
        buf_str(out, "[");
        buf_slice(out, msg->join_ref);
        buf_str(out, ",");
        buf_slice(out, msg->ref);
        buf_str(out, ",");
        buf_slice(out, msg->topic);
        buf_printf(out, ",\"%s\",", msg->event);
        buf_slice(out, msg->payload);
        buf_str(out, "]");
        return;
    }
    buf_printf(out, "{\"event\":\"%s\",\"payload\":", msg->event);
    buf_slice(out, msg->payload);
    buf_str(out, ",\"ref\":");
    buf_slice(out, msg->ref);
    buf_str(out, ",\"topic\":");
    buf_slice(out, msg->topic);
    buf_str(out, "}");
}

int serializer_decode_binary(struct json_doc *doc, const char *data, size_t n, struct phx_msg *msg)
{
    const struct json **const fields[] = {&msg->join_ref, &msg->ref, &msg->topic, &msg->event};
    enum { FIELDS = 4 };
    const unsigned char *p = (const unsigned char *)data;
    size_t at = 1 + FIELDS;
    bool incomplete;
    json_wrap_bytes(doc, data, n);
    if (n < at || p[0] != BINARY_PUSH) {
        return -1;
    }
    for (size_t i = 0; i < FIELDS; i++) {
        size_t len = p[1 + i];
        if (n - at < len || utf8_valid_prefix(data + at, len, &incomplete) != len) {
            return -1;
        }
        *fields[i] = json_wrap(doc, JSON_STRING, at, len);
        at += len;
    }
    msg->payload = json_wrap(doc, JSON_BYTES, at, n - at);
    return 0;
}

bool serializer_encode_binary(struct buf *out, enum binary_kind kind, const struct slice *names,
                              size_t count, struct slice data)
{
    for (size_t i = 0; i < count; i++) {
        if (names[i].len > 255) {
            return false;
        }
    }
    buf_add(out, &(unsigned char){(unsigned char)kind}, 1);
    for (size_t i = 0; i < count; i++) {
        buf_add(out, &(unsigned char){(unsigned char)names[i].len}, 1);
    }
    for (size_t i = 0; i < count; i++) {
        buf_slice(out, names[i]);
    }
    buf_slice(out, data);
    return true;
}
