/*
 * fuzz_phx_binary.c - any bytes as a binary message: what decodes keeps within its bytes, and as a
 * push of ours carries the same names and payload.
 */
#include "phx_frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void must_be_inside(struct phx_text text, const char *bytes, size_t size)
{
    must(text.len == 0 || (text.at >= bytes && text.at + text.len <= bytes + size));
}

/* Where each name starts in a push of ours: after the kind and four lengths, one after the other.
 */
static void as_push(const struct phx_frame *frame)
{
    struct phx_frame_out out = {.join_ref = frame->join_ref,
                                .ref = frame->ref,
                                .topic = frame->topic,
                                .event = frame->event,
                                .payload = frame->payload,
                                .binary = true};
    size_t len = phx_frame_encode(PHX_V2, &out, NULL, 0), at = 5;
    unsigned char *bytes = malloc(len);

    must(bytes && phx_frame_encode(PHX_V2, &out, (char *)bytes, len) == len);
    must(bytes[0] == 0 && bytes[3] == frame->topic.len && bytes[4] == frame->event.len);
    at += (size_t)bytes[1] + bytes[2];
    must(phx_text_equal((struct phx_text){(char *)bytes + at, bytes[3]}, frame->topic));
    at += bytes[3];
    must(phx_text_equal((struct phx_text){(char *)bytes + at, bytes[4]}, frame->event));
    at += bytes[4];
    must(phx_text_equal((struct phx_text){(char *)bytes + at, len - at}, frame->payload));
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1);
    struct phx_frame frame;

    must(copy != NULL);
    if (size)
        memcpy(copy, data, size);
    if (phx_frame_decode_binary(copy, size, &frame)) {
        must(phx_utf8_valid(frame.topic) && phx_utf8_valid(frame.event));
        must(frame.binary || phx_json_valid(frame.payload));
        if (frame.binary) {
            must_be_inside(frame.topic, copy, size);
            must_be_inside(frame.payload, copy, size);
            must_be_inside(frame.status, copy, size);
            as_push(&frame);
        }
    }
    free(copy);
    return 0;
}
