/*
 * The host's part of the link: asks for a session until one is given, and sees from NO_SESSION that
 * a device has restarted. mp_link.c has what both roles share, and the drawing of the whole.
 */
#include "mp_link_parts.h"

#include <string.h>

static uint32_t draw(struct mp_link *link)
{
    uint32_t x = link->random;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    link->random = x;
    return x;
}

/* The device makes the tag from the nonce's low byte: let it not be one in use here. */
static void ask_for_session(struct mp_link *link)
{
    do
        link->nonce = draw(link);
    while ((uint8_t)link->nonce == 0 || (uint8_t)link->nonce == link->tag);
    link->epoch_offer = draw(link);
    mp_link_call_at_once(link);
}

static bool same_device(const struct mp_link *link, const struct mp_hello_ack *ack)
{
    return link->epoch == ack->epoch && link->peer.device_len == ack->device_len &&
           memcmp(link->peer.device, ack->device, ack->device_len) == 0;
}

static void note_peer(struct mp_link *link, const struct mp_hello_ack *ack)
{
    struct mp_peer *peer = &link->peer;
    peer->version = ack->version;
    peer->reset_cause = ack->reset;
    peer->max_body = ack->max_body;
    peer->tick_us = ack->tick_us;
    peer->nonce = ack->nonce;
    peer->epoch = ack->epoch;
    peer->first = ack->first;
    peer->schema = ack->schema;
    peer->device_len = (uint8_t)ack->device_len;
    peer->image_len = (uint8_t)ack->image_len;
    memcpy(peer->device, ack->device, ack->device_len);
    memcpy(peer->image, ack->image, ack->image_len);
}

static bool hello_ack_ok(const struct mp_hello_ack *ack)
{
    return ack->epoch != 0 && ack->tick_us != 0 && ack->max_body >= MP_BODY_MIN &&
           ack->max_body <= MP_BODY_MAX && ack->device_len <= MP_DEVICE_ID_MAX &&
           ack->image_len <= MP_IMAGE_ID_MAX;
}

/* The device's window begins at `first`. What lies before the number expected here was delivered
 * before; a number that does not lie in the window belongs to no past of ours. */
static bool resumes(const struct mp_link *link, const struct mp_hello_ack *ack)
{
    return same_device(link, ack) && link->rx.next - ack->first <= MP_LINK_WINDOW;
}

static void on_hello_ack(struct mp_link *link, const uint8_t *frame, size_t len)
{
    struct mp_hello_ack ack;
    if (len > 0 && frame[MP_FRAME_BODY] != MP_VERSION) {
        if (link->phase == MP_LINK_DOWN)
            mp_link_other_version(link, frame[MP_FRAME_BODY]);
        return;
    }
    if (mp_decode_hello_ack(frame + MP_FRAME_BODY, len, &ack) != 0 || !hello_ack_ok(&ack) ||
        ack.nonce != link->nonce || frame[MP_FRAME_TAG] == 0)
        return;
    if (link->phase == MP_LINK_DOWN) {
        bool fresh = !resumes(link, &ack);
        note_peer(link, &ack);
        link->epoch = ack.epoch;
        if (fresh)
            mp_rx_begin_session(link, ack.first);
        mp_link_begin_session(link, frame[MP_FRAME_TAG], ack.credit, fresh);
    }
    link->due |= MP_DUE_ACK;
}

/* `number` of the frame is the tag that the device did not know, 0 when it calls by itself. */
static void on_no_session(struct mp_link *link, const uint8_t *frame, size_t len)
{
    struct mp_no_session m;
    if (len > 0 && frame[MP_FRAME_BODY] != MP_VERSION)
        return;
    if (mp_decode_no_session(frame + MP_FRAME_BODY, len, &m) != 0)
        return;
    if (link->phase == MP_LINK_DOWN)
        mp_link_call_at_once(link);
    else if (frame[MP_FRAME_NUMBER] == 0 || frame[MP_FRAME_NUMBER] == link->tag)
        mp_link_end_session(link,
                            m.epoch == link->peer.epoch ? MP_DOWN_REPLACED : MP_DOWN_RESTARTED);
}

static int build_hello(struct mp_link *link, uint8_t *frame)
{
    struct mp_hello hello = {.version = MP_VERSION,
                             .nonce = link->nonce,
                             .epoch_offer = link->epoch_offer,
                             .max_body = link->config.max_body,
                             .credit = link->rx.credit};
    mp_link_head(frame, MP_MSG_HELLO, 0, 0);
    return mp_encode_hello(frame + MP_FRAME_BODY, MP_OWN_MAX, &hello);
}

static void on_frame(struct mp_link *link, const uint8_t *frame, size_t len)
{
    if (frame[MP_FRAME_ID] == MP_MSG_HELLO_ACK)
        on_hello_ack(link, frame, len);
    else if (frame[MP_FRAME_ID] == MP_MSG_NO_SESSION)
        on_no_session(link, frame, len);
}

int mp_role_host(struct mp_link *link, int ask, uint8_t *frame, size_t len)
{
    switch ((enum mp_ask)ask) {
    case MP_ASK_KEEPS:
        return false;
    case MP_ASK_PREPARE:
        ask_for_session(link);
        break;
    case MP_ASK_CALL:
        link->due |= MP_DUE_HELLO;
        break;
    case MP_ASK_FRAME:
        on_frame(link, frame, len);
        break;
    case MP_ASK_FOREIGN:
        break; /* of an ended session, on its way when that ended */
    case MP_ASK_OWN:
        return mp_link_take_due(link, MP_DUE_HELLO) ? build_hello(link, frame) : -1;
    }
    return 0;
}
