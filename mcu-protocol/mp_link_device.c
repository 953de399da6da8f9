/*
 * The device's part of the link: offers a session to whoever asks, changes to it when its first
 * frame comes, and tells those who speak of another that there is none. mp_link.c has what both
 * roles share, and the drawing of the whole.
 */
#include "mp_link_parts.h"

#define REFUSE_US 50000u

static void prepare(struct mp_link *link)
{
    link->refused_us = link->now_us - REFUSE_US;
    mp_link_call_at_once(link);
}

static void call(struct mp_link *link)
{
    if (link->offer.tag != 0) {
        link->due |= MP_DUE_HELLO_ACK;
    } else {
        link->due |= MP_DUE_NO_SESSION;
        link->refused_tag = 0;
    }
}

static uint8_t new_tag(const struct mp_link *link, uint32_t nonce)
{
    uint8_t tag = (uint8_t)nonce;
    while (tag == 0 || tag == link->tag || tag == link->last_tag || tag == link->offer.tag)
        tag++;
    return tag;
}

static void offer_session(struct mp_link *link, const struct mp_hello *hello)
{
    link->offer.tag = new_tag(link, hello->nonce);
    link->offer.nonce = hello->nonce;
    link->offer.epoch = link->epoch != 0 ? link->epoch : hello->epoch_offer;
    link->offer.credit = hello->credit;
    link->offer.max_body = hello->max_body;
    mp_link_call_at_once(link);
    link->call_us += link->call_wait_us;
}

/* The answer carries our version, the nonce if that still stands where we know it, and no tag. */
static void refuse_version(struct mp_link *link, const uint8_t *body, size_t len)
{
    link->offer.tag = 0;
    link->offer.nonce = len < 5 ? 0 : mp_get_u32(body + 1);
    if (link->phase == MP_LINK_DOWN)
        mp_link_other_version(link, body[0]);
    link->due |= MP_DUE_HELLO_ACK;
}

static void on_hello(struct mp_link *link, const uint8_t *body, size_t len)
{
    struct mp_hello hello;
    if (len > 0 && body[0] != MP_VERSION) {
        refuse_version(link, body, len);
        return;
    }
    if (mp_decode_hello(body, len, &hello) != 0 || hello.nonce == 0 || hello.epoch_offer == 0 ||
        hello.max_body < MP_BODY_MIN)
        return;
    if (link->phase == MP_LINK_UP && hello.nonce == link->peer.nonce)
        return; /* late: its session stands */
    if (link->offer.tag == 0 || hello.nonce != link->offer.nonce)
        offer_session(link, &hello);
    link->due = (uint8_t)((link->due | MP_DUE_HELLO_ACK) & ~MP_DUE_NO_SESSION);
}

static void take_offer(struct mp_link *link)
{
    struct mp_link_offer offer = link->offer;
    bool fresh = link->epoch == 0;
    if (link->phase == MP_LINK_UP)
        mp_link_end_session(link, MP_DOWN_REPLACED);
    link->offer.tag = 0;
    link->epoch = offer.epoch;
    link->peer.version = MP_VERSION;
    link->peer.nonce = offer.nonce;
    link->peer.epoch = offer.epoch;
    link->peer.max_body = offer.max_body < MP_BODY_MAX ? offer.max_body : MP_BODY_MAX;
    mp_rx_begin_session(link, 0);
    mp_link_begin_session(link, offer.tag, offer.credit, fresh);
}

static void refuse(struct mp_link *link, uint8_t tag)
{
    if (link->now_us - link->refused_us < REFUSE_US)
        return;
    link->refused_us = link->now_us;
    link->refused_tag = tag;
    link->due |= MP_DUE_NO_SESSION;
}

static int build_hello_ack(struct mp_link *link, uint8_t *frame)
{
    const struct mp_identity *identity = link->config.identity;
    struct mp_hello_ack ack = {.version = MP_VERSION,
                               .nonce = link->offer.nonce,
                               .epoch = link->offer.epoch,
                               .first = link->tx.safe,
                               .reset = identity->reset_cause,
                               .max_body = link->config.max_body,
                               .credit = link->rx.credit,
                               .tick_us = identity->tick_us,
                               .schema = identity->schema,
                               .device = identity->device,
                               .device_len = identity->device_len,
                               .image = identity->image,
                               .image_len = identity->image_len};
    mp_link_head(frame, MP_MSG_HELLO_ACK, link->offer.tag, 0);
    return mp_encode_hello_ack(frame + MP_FRAME_BODY, MP_OWN_MAX, &ack);
}

static int build_no_session(struct mp_link *link, uint8_t *frame)
{
    struct mp_no_session m = {.version = MP_VERSION, .epoch = link->epoch};
    mp_link_head(frame, MP_MSG_NO_SESSION, 0, link->refused_tag);
    return mp_encode_no_session(frame + MP_FRAME_BODY, MP_OWN_MAX, &m);
}

static void on_foreign(struct mp_link *link, uint8_t tag)
{
    if (link->offer.tag != 0 && tag == link->offer.tag)
        take_offer(link);
    else
        refuse(link, tag);
}

static int own(struct mp_link *link, uint8_t *frame)
{
    if (mp_link_take_due(link, MP_DUE_HELLO_ACK))
        return build_hello_ack(link, frame);
    if (mp_link_take_due(link, MP_DUE_NO_SESSION))
        return build_no_session(link, frame);
    return -1;
}

int mp_role_device(struct mp_link *link, int ask, uint8_t *frame, size_t len)
{
    switch ((enum mp_ask)ask) {
    case MP_ASK_KEEPS:
        return true;
    case MP_ASK_PREPARE:
        prepare(link);
        break;
    case MP_ASK_CALL:
        call(link);
        break;
    case MP_ASK_FRAME:
        if (frame[MP_FRAME_ID] == MP_MSG_HELLO)
            on_hello(link, frame + MP_FRAME_BODY, len);
        break;
    case MP_ASK_FOREIGN:
        on_foreign(link, frame[MP_FRAME_TAG]);
        break;
    case MP_ASK_OWN:
        return own(link, frame);
    }
    return 0;
}
