/*
 * Sessions: who says hello to whom, what a restart on either side means, and the link's own
 * messages. What is sent and resent is mp_link_tx.c's, what arrives and in which order
 * mp_link_rx.c's.
 *
 *   host    DOWN --HELLO_ACK to my nonce--> UP     calls HELLO until answered
 *           UP --NO_SESSION, silence, line lost--> DOWN
 *   device  any --HELLO with a new nonce--> offers a session: HELLO_ACK, tag
 *           any --first frame with the offered tag--> UP in that session
 *           UP --silence, line lost--> DOWN        calls NO_SESSION, or its offer again
 *
 * A device keeps its session until the offered one is confirmed, so that a HELLO that was late or
 * sent twice ends nothing.
 */
#include "mp_link_parts.h"

#include <string.h>

#define CALL_FIRST_US      20000u
#define HOST_CALL_MAX_US   500000u
#define DEVICE_CALL_MAX_US 1000000u
#define VERSION_CALL_US    5000000u
#define REFUSE_US          50000u
#define HANDSHAKE_BYTES    100u /* of a HELLO and its HELLO_ACK on the line */
#define SOONER(a, b)       ((a) < (b) ? (a) : (b))

uint32_t mp_link_line_us(const struct mp_link *link, uint32_t bytes)
{
    return link->config.baud == 0 ? 0 : bytes * 10u * (1000000u / link->config.baud + 1);
}

static bool config_ok(const struct mp_link_config *config)
{
    return (config->role == MP_HOST || (config->role == MP_DEVICE && config->identity != NULL)) &&
           config->max_body >= MP_BODY_MIN && config->max_body <= MP_BODY_MAX &&
           config->tx_mem != NULL && config->tx_bytes >= MP_LINK_TX_MIN && config->rx_mem != NULL &&
           config->rx_bytes >= MP_LINK_RX_MIN(config->max_body);
}

static bool identity_ok(const struct mp_identity *identity)
{
    return identity == NULL ||
           (identity->device_len <= MP_DEVICE_ID_MAX && identity->image_len <= MP_IMAGE_ID_MAX);
}

int mp_link_init(struct mp_link *link, const struct mp_link_config *config,
                 const struct mp_link_io *io)
{
    memset(link, 0, sizeof *link);
    if (!config_ok(config) || !identity_ok(config->identity))
        return MP_ERR_BAD_VALUE;
    link->config = *config;
    link->io = *io;
    link->peer.max_body = MP_BODY_MAX;
    link->random = config->seed == 0 ? 1 : config->seed;
    mp_tx_init(link);
    mp_rx_init(link);
    return MP_OK;
}

/* -- Calling for a session. */

static void call_at_once(struct mp_link *link)
{
    uint32_t handshake = 2 * mp_link_line_us(link, HANDSHAKE_BYTES);
    link->call_us = link->now_us;
    link->call_wait_us = handshake > CALL_FIRST_US ? handshake : CALL_FIRST_US;
}

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
    call_at_once(link);
}

static void start(struct mp_link *link, uint32_t now_us)
{
    link->now_us = now_us;
    if (link->started)
        return;
    link->started = true;
    link->refused_us = now_us - REFUSE_US;
    if (link->config.role == MP_HOST)
        ask_for_session(link);
    else
        call_at_once(link);
}

static void call(struct mp_link *link)
{
    if (link->config.role == MP_HOST) {
        link->due |= MP_DUE_HELLO;
    } else if (link->offer.tag != 0) {
        link->due |= MP_DUE_HELLO_ACK;
    } else {
        link->due |= MP_DUE_NO_SESSION;
        link->refused_tag = 0;
    }
}

static uint32_t poll_call(struct mp_link *link)
{
    uint32_t max = link->config.role == MP_HOST ? HOST_CALL_MAX_US : DEVICE_CALL_MAX_US;
    int32_t left = (int32_t)(link->call_us - link->now_us);
    if (link->phase == MP_LINK_UP && link->offer.tag == 0)
        return MP_NEVER;
    if (left > 0)
        return (uint32_t)left;
    call(link);
    link->call_us = link->now_us + link->call_wait_us;
    if (link->call_wait_us >= max && link->phase == MP_LINK_UP)
        link->offer.tag = 0; /* nobody took it, and the standing session goes on */
    link->call_wait_us = 2 * link->call_wait_us < max ? 2 * link->call_wait_us : max;
    return link->call_us - link->now_us;
}

/* -- Beginning and ending. */

static void end_session(struct mp_link *link, enum mp_down why)
{
    bool was_up = link->phase == MP_LINK_UP;
    link->phase = MP_LINK_DOWN;
    link->due = 0;
    mp_tx_end_session(link);
    if (link->config.role == MP_HOST)
        ask_for_session(link);
    else
        call_at_once(link);
    if ((was_up || why == MP_DOWN_VERSION) && link->io.down != NULL)
        link->io.down(link->io.user, why);
}

static void begin_session(struct mp_link *link, uint8_t tag, uint16_t credit, bool fresh)
{
    link->last_tag = link->tag;
    link->tag = tag;
    link->phase = MP_LINK_UP;
    link->due = 0;
    link->heard_us = link->now_us;
    link->rx.once_next = 0;
    link->rx.bad = false;
    link->stats.sessions++;
    mp_tx_begin_session(link, credit);
    if (link->io.up != NULL)
        link->io.up(link->io.user, &link->peer, fresh);
}

static void on_other_version(struct mp_link *link, uint8_t version)
{
    link->peer.version = version;
    end_session(link, MP_DOWN_VERSION);
    link->call_us = link->now_us + VERSION_CALL_US;
}

/* -- Host. */

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

static void on_hello_ack(struct mp_link *link, const struct mp_link_frame *frame)
{
    struct mp_hello_ack ack;
    if (frame->len > 0 && frame->body[0] != MP_VERSION) {
        if (link->phase == MP_LINK_DOWN)
            on_other_version(link, frame->body[0]);
        return;
    }
    if (mp_decode_hello_ack(frame->body, frame->len, &ack) != 0 || !hello_ack_ok(&ack) ||
        ack.nonce != link->nonce || frame->tag == 0)
        return;
    if (link->phase == MP_LINK_DOWN) {
        bool fresh = !resumes(link, &ack);
        note_peer(link, &ack);
        link->epoch = ack.epoch;
        if (fresh)
            mp_rx_begin_session(link, ack.first);
        begin_session(link, frame->tag, ack.credit, fresh);
    }
    link->due |= MP_DUE_ACK;
}

/* `number` of the frame is the tag that the device did not know, 0 when it calls by itself. */
static void on_no_session(struct mp_link *link, const struct mp_link_frame *frame)
{
    struct mp_no_session m;
    if (frame->len > 0 && frame->body[0] != MP_VERSION)
        return;
    if (mp_decode_no_session(frame->body, frame->len, &m) != 0)
        return;
    if (link->phase == MP_LINK_DOWN)
        call_at_once(link);
    else if (frame->number == 0 || frame->number == link->tag)
        end_session(link, m.epoch == link->peer.epoch ? MP_DOWN_REPLACED : MP_DOWN_RESTARTED);
}

/* -- Device. */

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
    call_at_once(link);
    link->call_us += link->call_wait_us;
}

/* The answer carries our version, the nonce if that still stands where we know it, and no tag. */
static void refuse_version(struct mp_link *link, const struct mp_link_frame *frame)
{
    link->offer.tag = 0;
    link->offer.nonce = frame->len < 5 ? 0 : mp_get_u32(frame->body + 1);
    if (link->phase == MP_LINK_DOWN)
        on_other_version(link, frame->body[0]);
    link->due |= MP_DUE_HELLO_ACK;
}

static void on_hello(struct mp_link *link, const struct mp_link_frame *frame)
{
    struct mp_hello hello;
    if (frame->len > 0 && frame->body[0] != MP_VERSION) {
        refuse_version(link, frame);
        return;
    }
    if (mp_decode_hello(frame->body, frame->len, &hello) != 0 || hello.nonce == 0 ||
        hello.epoch_offer == 0 || hello.max_body < MP_BODY_MIN)
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
        end_session(link, MP_DOWN_REPLACED);
    link->offer.tag = 0;
    link->epoch = offer.epoch;
    link->peer.version = MP_VERSION;
    link->peer.nonce = offer.nonce;
    link->peer.epoch = offer.epoch;
    link->peer.max_body = offer.max_body;
    mp_rx_begin_session(link, 0);
    begin_session(link, offer.tag, offer.credit, fresh);
}

static void refuse(struct mp_link *link, uint8_t tag)
{
    link->stats.foreign++;
    if (link->config.role == MP_HOST || link->now_us - link->refused_us < REFUSE_US)
        return;
    link->refused_us = link->now_us;
    link->refused_tag = tag;
    link->due |= MP_DUE_NO_SESSION;
}

/* -- Frames in. */

static void on_ack(struct mp_link *link, const struct mp_link_frame *frame)
{
    struct mp_ack ack;
    if (mp_decode_ack(frame->body, frame->len, &ack) == 0)
        mp_tx_on_ack(link, frame->number, &ack);
}

static void on_session_frame(struct mp_link *link, const struct mp_link_frame *frame)
{
    if (link->offer.tag != 0 && frame->tag == link->offer.tag)
        take_offer(link);
    if (link->phase == MP_LINK_DOWN || frame->tag != link->tag) {
        refuse(link, frame->tag);
        return;
    }
    link->heard_us = link->now_us;
    if (frame->id == MP_MSG_ACK && !frame->reliable)
        on_ack(link, frame);
    else
        mp_rx_message(link, frame);
}

static void trace_in(struct mp_link *link, const struct mp_link_frame *frame)
{
    struct mp_message message = {.id = frame->id,
                                 .reliable = frame->reliable,
                                 .number = frame->number,
                                 .body = frame->body,
                                 .len = frame->len};
    if (link->io.trace != NULL)
        link->io.trace(link->io.user, false, &message);
}

void mp_link_frame(struct mp_link *link, const struct mp_link_frame *frame)
{
    bool host = link->config.role == MP_HOST;
    start(link, link->now_us);
    trace_in(link, frame);
    switch (frame->id) {
    case MP_MSG_HELLO:
        if (!host)
            on_hello(link, frame);
        break;
    case MP_MSG_HELLO_ACK:
        if (host)
            on_hello_ack(link, frame);
        break;
    case MP_MSG_NO_SESSION:
        if (host)
            on_no_session(link, frame);
        break;
    default:
        on_session_frame(link, frame);
        break;
    }
}

/* -- The link's own messages out. */

static int build_hello(struct mp_link *link, struct mp_link_frame *frame)
{
    struct mp_hello hello = {.version = MP_VERSION,
                             .nonce = link->nonce,
                             .epoch_offer = link->epoch_offer,
                             .max_body = link->config.max_body,
                             .credit = link->rx.credit};
    frame->id = MP_MSG_HELLO;
    return mp_encode_hello(link->tx.own, sizeof link->tx.own, &hello);
}

static int build_hello_ack(struct mp_link *link, struct mp_link_frame *frame)
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
    frame->id = MP_MSG_HELLO_ACK;
    frame->tag = link->offer.tag;
    return mp_encode_hello_ack(link->tx.own, sizeof link->tx.own, &ack);
}

static int build_no_session(struct mp_link *link, struct mp_link_frame *frame)
{
    struct mp_no_session m = {.version = MP_VERSION, .epoch = link->epoch};
    frame->id = MP_MSG_NO_SESSION;
    frame->number = link->refused_tag;
    return mp_encode_no_session(link->tx.own, sizeof link->tx.own, &m);
}

static bool take_due(struct mp_link *link, uint8_t bit)
{
    bool due = (link->due & bit) != 0;
    link->due &= (uint8_t)~bit;
    return due;
}

int mp_link_own(struct mp_link *link, struct mp_link_frame *frame)
{
    if (take_due(link, MP_DUE_HELLO))
        return build_hello(link, frame);
    if (take_due(link, MP_DUE_HELLO_ACK))
        return build_hello_ack(link, frame);
    if (take_due(link, MP_DUE_NO_SESSION))
        return build_no_session(link, frame);
    if (take_due(link, MP_DUE_ACK) && link->phase == MP_LINK_UP)
        return mp_rx_ack(link, frame);
    return -1;
}

/* -- Time. */

static uint32_t poll_silence(struct mp_link *link)
{
    uint32_t allowed = link->config.silence_ms * 1000u;
    uint32_t silent = link->now_us - link->heard_us;
    if (link->phase == MP_LINK_DOWN || allowed == 0)
        return MP_NEVER;
    if (silent < allowed)
        return allowed - silent;
    end_session(link, MP_DOWN_SILENT);
    return 0;
}

uint32_t mp_link_poll(struct mp_link *link, uint32_t now_us)
{
    start(link, now_us);
    uint32_t wait = poll_silence(link);
    wait = SOONER(wait, poll_call(link));
    if (link->phase == MP_LINK_UP)
        wait = SOONER(wait, mp_tx_poll(link));
    return wait;
}

void mp_link_line_lost(struct mp_link *link)
{
    mp_deframer_reset(&link->rx.deframer);
    link->tx.shared = false;
    link->offer.tag = 0;
    end_session(link, MP_DOWN_LINE);
}

bool mp_link_is_up(const struct mp_link *link)
{
    return link->phase == MP_LINK_UP;
}

const struct mp_peer *mp_link_peer(const struct mp_link *link)
{
    return &link->peer;
}

const struct mp_link_stats *mp_link_stats(const struct mp_link *link)
{
    return &link->stats;
}
