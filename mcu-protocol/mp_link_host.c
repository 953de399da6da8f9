/*
 * The host's part of the link: asks for a session until one is given, sees from NO_SESSION that a
 * device has restarted, says what is safe; and what watches a link. Firmware has none of it.
 * mp_link.c has what both roles share, and the drawing of the whole.
 */
#include "mp_link_parts.h"

#include <string.h>

#if MP_LINK_HOST

#define VERSION_CALL MP_TICKS(5000000u)

/* The boot loader of an Arduino Mega (stk500v2) starts the firmware once nothing came for 5 s. */
#define CALLS_BEFORE_REST 10
#define RESTS             4 /* of different lengths, each twice the one before */
#define REST              MP_TICKS(7000000u)

static uint32_t draw(struct mp_link *link)
{
    uint32_t x = link->host->random;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    link->host->random = x;
    return x;
}

/* The device makes the tag from the nonce's low byte: let it not be one in use here. */
static void ask_for_session(struct mp_link *link)
{
    do
        link->nonce = draw(link);
    while ((uint8_t)link->nonce == 0 || (uint8_t)link->nonce == link->tag);
    link->host->epoch_offer = draw(link);
    link->host->calls = 0;
    link->host->rests = false;
    mp_link_call_at_once(link);
}

static void rest(struct mp_link *link, uint16_t ticks)
{
    link->host->rests = true;
    link->timer[MP_TIMER_CALL] = ticks;
}

void mp_link_host_called(struct mp_link *link)
{
    uint8_t *calls = &link->host->calls;
    link->host->rests = false;
    if (*calls == RESTS * CALLS_BEFORE_REST)
        *calls = (uint8_t)(*calls - CALLS_BEFORE_REST);
    if (++*calls % CALLS_BEFORE_REST == 0)
        rest(link, (uint16_t)(REST << (*calls / CALLS_BEFORE_REST - 1)));
}

/* Whoever sends valid frames is no boot loader. */
static void end_rest(struct mp_link *link)
{
    if (!link->host->rests)
        return;
    link->host->rests = false;
    link->host->calls = 0;
    mp_link_call_at_once(link);
}

void mp_link_listen(struct mp_link *link, uint16_t ms)
{
    if (link->phase == MP_LINK_DOWN)
        rest(link, MP_TICKS(ms * 1000u));
}

void mp_link_host_init(struct mp_link *link, const struct mp_link_config *config)
{
    memset(link->host, 0, sizeof *link->host);
    link->host->peer.max_body = MP_BODY_MAX;
    link->host->random = config->seed == 0 ? 1 : config->seed;
    link->host->safe_at_once = config->safe_at_once;
    ask_for_session(link);
}

void mp_link_host_down(struct mp_link *link, bool was_up, enum mp_down why)
{
    mp_tx_clear(link);
    ask_for_session(link);
    if ((was_up || why == MP_DOWN_VERSION) && link->io->down != NULL)
        link->io->down(link->user, why);
}

void mp_link_host_poll(struct mp_link *link)
{
    if (link->phase == MP_LINK_UP && link->silence != 0 && link->timer[MP_TIMER_SILENCE] == 0)
        mp_link_end_session(link, MP_DOWN_SILENT);
}

/* -- What is safe. */

void mp_link_host_delivered(struct mp_link *link)
{
    if (link->host->safe_at_once)
        link->host->safe = (uint8_t)link->rx_next;
}

uint8_t mp_link_host_safe(const struct mp_link *link)
{
    return link->host->safe;
}

void mp_link_safe(struct mp_link *link, uint32_t number)
{
    uint32_t behind = link->rx_next - number;
    if (behind >= (uint8_t)(link->rx_next - link->host->safe))
        return;
    link->host->safe = (uint8_t)number;
    link->due |= MP_DUE_ACK;
}

/* -- Frames. */

static bool same_device(const struct mp_link *link, const struct mp_hello_ack *ack)
{
    const struct mp_peer *peer = &link->host->peer;
    return link->host->epoch == ack->epoch && peer->device_len == ack->device_len &&
           memcmp(peer->device, ack->device, ack->device_len) == 0;
}

static void note_peer(struct mp_peer *peer, const struct mp_hello_ack *ack)
{
    peer->version = ack->version;
    peer->reset_cause = ack->reset & (uint8_t)~MP_RESET_TAKEN_BACK;
    peer->taken_back = (ack->reset & MP_RESET_TAKEN_BACK) != 0;
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
    return same_device(link, ack) && link->rx_next - ack->first <= MP_LINK_WINDOW;
}

static void on_other_version(struct mp_link *link, uint8_t version)
{
    link->host->peer.version = version;
    mp_link_end_session(link, MP_DOWN_VERSION);
    link->timer[MP_TIMER_CALL] = VERSION_CALL;
}

static void begin(struct mp_link *link, uint8_t tag, const struct mp_hello_ack *ack)
{
    bool fresh = !resumes(link, ack);
    note_peer(&link->host->peer, ack);
    link->host->epoch = ack->epoch;
    if (fresh) {
        mp_rx_begin_session(link, ack->first);
        link->host->safe = (uint8_t)ack->first;
    }
    mp_link_begin_session(link, tag, ack->max_body, ack->credit);
    if (link->io->up != NULL)
        link->io->up(link->user, &link->host->peer, fresh);
}

static void on_hello_ack(struct mp_link *link, const uint8_t *frame, size_t len)
{
    struct mp_hello_ack ack;
    if (len > 0 && frame[MP_FRAME_BODY] != MP_VERSION) {
        if (link->phase == MP_LINK_DOWN)
            on_other_version(link, frame[MP_FRAME_BODY]);
        return;
    }
    if (mp_decode_hello_ack(frame + MP_FRAME_BODY, len, &ack) != 0 || !hello_ack_ok(&ack) ||
        ack.nonce != link->nonce || frame[MP_FRAME_TAG] == 0)
        return;
    if (link->phase == MP_LINK_DOWN)
        begin(link, frame[MP_FRAME_TAG], &ack);
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
        mp_link_end_session(link, m.epoch == link->host->peer.epoch ? MP_DOWN_REPLACED
                                                                    : MP_DOWN_RESTARTED);
}

bool mp_link_host_frame(struct mp_link *link, const uint8_t *frame, size_t len)
{
    if (frame[MP_FRAME_ID] == MP_MSG_HELLO)
        return true; /* of another host */
    end_rest(link);
    switch (frame[MP_FRAME_ID]) {
    case MP_MSG_HELLO_ACK:
        on_hello_ack(link, frame, len);
        return true;
    case MP_MSG_NO_SESSION:
        on_no_session(link, frame, len);
        return true;
    default:
        return false;
    }
}

uint8_t mp_link_host_hello(const struct mp_link *link, uint8_t *frame)
{
    struct mp_hello hello = {.version = MP_VERSION,
                             .nonce = link->nonce,
                             .epoch_offer = link->host->epoch_offer,
                             .max_body = link->max_body,
                             .credit = link->rx_credit};
    frame[MP_FRAME_ID] = MP_MSG_HELLO;
    frame[MP_FRAME_TAG] = 0;
    return (uint8_t)(MP_FRAME_BODY + mp_encode_hello(frame + MP_FRAME_BODY, MP_BODY_MIN, &hello));
}

/* -- To be watched. */

void mp_link_trace(const struct mp_link *link, bool outgoing, const uint8_t *frame, size_t len)
{
    struct mp_message message = {.id = frame[MP_FRAME_ID] & (uint8_t)~MP_FRAME_RELIABLE,
                                 .reliable = (frame[MP_FRAME_ID] & MP_FRAME_RELIABLE) != 0,
                                 .number = frame[MP_FRAME_NUMBER],
                                 .body = frame + MP_FRAME_BODY,
                                 .len = len};
    if (link->io->trace != NULL)
        link->io->trace(link->user, outgoing, &message);
}

const struct mp_peer *mp_link_peer(const struct mp_link *link)
{
    return &link->host->peer;
}

const struct mp_link_stats *mp_link_stats(const struct mp_link *link)
{
    return link->stats;
}

#endif
