/*
 * The device's part of the link: offers a session to whoever asks, changes to it when its first
 * frame comes, and tells those who speak of another that there is none. mp_link.c has what both
 * roles share, and the drawing of the whole. Bodies are read and written by hand: the codec of
 * mp_msg.c takes more flash than all of this.
 */
#include "mp_link_parts.h"

#include <string.h>

/* Bytes of a HELLO. What is offered is kept as they came, but for the version. */
enum { HELLO_VERSION, HELLO_NONCE, HELLO_EPOCH = 5, HELLO_BODY = 9, HELLO_CREDIT, HELLO_LEN = 12 };
#define OFFERED(field) (link->offer + (field)-HELLO_NONCE)

void mp_link_device_call(struct mp_link *link)
{
    if (link->offer_tag != 0) {
        link->due |= MP_DUE_HELLO_ACK;
    } else {
        link->due |= MP_DUE_NO_SESSION;
        link->refused_tag = 0;
    }
}

static uint8_t new_tag(const struct mp_link *link, uint8_t tag)
{
    while (tag == 0 || tag == link->tag || tag == link->last_tag || tag == link->offer_tag)
        tag++;
    return tag;
}

static void offer_session(struct mp_link *link, const uint8_t *hello, uint8_t tag)
{
    link->offer_tag = tag;
    memcpy(link->offer, hello + HELLO_NONCE, sizeof link->offer);
    if (link->tag != 0)
        memcpy(OFFERED(HELLO_EPOCH), link->epoch, sizeof link->epoch);
    mp_link_call_at_once(link);
    link->timer[MP_TIMER_CALL] = link->call_wait; /* the first answer is due without a call */
}

/* The answer to another version carries ours and no tag; the rest of it is as good as can be. */
void mp_link_device_hello(struct mp_link *link, const uint8_t *hello, size_t len)
{
    uint32_t nonce = mp_get_u32(hello + HELLO_NONCE);
    if (hello[HELLO_VERSION] != MP_VERSION)
        offer_session(link, hello, 0);
    else if (len != HELLO_LEN || nonce == link->nonce)
        return; /* late: its session stands */
    else if (link->offer_tag == 0 || nonce != mp_get_u32(OFFERED(HELLO_NONCE)))
        offer_session(link, hello, new_tag(link, (uint8_t)nonce));
    link->due = (uint8_t)((link->due | MP_DUE_HELLO_ACK) & ~MP_DUE_NO_SESSION);
}

static void take_offer(struct mp_link *link)
{
    link->nonce = mp_get_u32(OFFERED(HELLO_NONCE));
    memcpy(link->epoch, OFFERED(HELLO_EPOCH), sizeof link->epoch);
    mp_rx_begin_session(link, 0);
    mp_link_begin_session(link, link->offer_tag, *OFFERED(HELLO_BODY),
                          mp_get_u16(OFFERED(HELLO_CREDIT)));
    link->offer_tag = 0;
    if (link->io->up != NULL)
        link->io->up(link->user, NULL, false);
}

bool mp_link_device_foreign(struct mp_link *link, uint8_t tag)
{
    if (tag != 0 && tag == link->offer_tag) {
        take_offer(link);
        return true;
    }
    link->refused_tag = tag;
    link->due |= MP_DUE_NO_SESSION;
    return false;
}

static uint8_t *put_str(uint8_t *at, const uint8_t *bytes, uint8_t len)
{
    *at++ = len;
    if (len > 0)
        memcpy(at, bytes, len);
    return at + len;
}

uint8_t mp_link_device_hello_ack(const struct mp_link *link, uint8_t *frame)
{
    const struct mp_identity *identity = link->identity;
    uint8_t *body = frame + MP_FRAME_BODY;
    frame[MP_FRAME_ID] = MP_MSG_HELLO_ACK;
    frame[MP_FRAME_TAG] = link->offer_tag;
    body[0] = MP_VERSION;
    memcpy(body + 1, link->offer, 8); /* nonce and epoch */
    mp_put_u32(body + 9, link->tx_safe);
    body[13] = identity->reset_cause;
    body[14] = link->max_body;
    mp_put_u16(body + 15, link->rx_credit);
    mp_put_u16(body + 17, identity->tick_us);
    mp_put_u32(body + 19, identity->schema);
    body = put_str(body + 23, identity->device, identity->device_len);
    body = put_str(body, identity->image, identity->image_len);
    return (uint8_t)(body - frame);
}

uint8_t mp_link_device_no_session(const struct mp_link *link, uint8_t *frame)
{
    frame[MP_FRAME_ID] = MP_MSG_NO_SESSION;
    frame[MP_FRAME_TAG] = 0;
    frame[MP_FRAME_NUMBER] = link->refused_tag;
    frame[MP_FRAME_BODY] = MP_VERSION;
    memcpy(frame + MP_FRAME_BODY + 1, link->epoch, sizeof link->epoch);
    return MP_FRAME_BODY + 1 + sizeof link->epoch;
}
