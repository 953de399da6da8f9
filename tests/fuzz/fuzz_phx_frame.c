/* fuzz_phx_frame.c - any bytes as a message: what decodes encodes to what decodes the same. */
#include "phx_frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void there_and_back(const struct phx_frame *frame, enum phx_vsn vsn)
{
    struct phx_frame_out out = {
        .join_ref = frame->join_ref,
        .ref = frame->ref,
        .topic = frame->topic,
        .event = frame->event,
        .payload = frame->payload,
    };
    size_t len = phx_frame_encode(vsn, &out, NULL, 0);
    char *text = malloc(len);
    struct phx_frame again;

    if (!text || phx_frame_encode(vsn, &out, text, len) != len)
        abort();
    if (!phx_frame_decode(text, len, &again) || again.ref != frame->ref ||
        again.join_ref != frame->join_ref || !phx_text_equal(again.topic, frame->topic) ||
        !phx_text_equal(again.event, frame->event) ||
        !phx_text_equal(again.payload, frame->payload))
        abort();
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1);
    struct phx_text status, response;
    struct phx_frame frame;

    if (size)
        memcpy(copy, data, size);
    if (phx_frame_decode(copy, size, &frame)) {
        there_and_back(&frame, PHX_V1);
        there_and_back(&frame, PHX_V2);
        if (phx_frame_reply(frame.payload, &status, &response)) {
            if (!phx_json_valid(response))
                abort();
            phx_frame_is_unmatched(response);
        }
    }
    free(copy);
    return 0;
}
