/*
 * Sessions, as far as both roles share them: beginning, ending, calling for one, and the timers.
 * Who says what to whom is in mp_link_host.c and mp_link_device.c; what is sent and resent is
 * mp_link_tx.c's, what arrives and in which order mp_link_rx.c's.
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
#define VERSION_CALL_US    5000000u
#define HOST_CALL_MAX_US   500000u
#define DEVICE_CALL_MAX_US 1000000u
#define HANDSHAKE_BYTES    100u /* of a HELLO and its HELLO_ACK on the line */
#define SOONER(a, b)       ((a) < (b) ? (a) : (b))

static void ask(struct mp_link *link, enum mp_ask what)
{
    link->config.role(link, (int)what, NULL, 0);
}

uint32_t mp_link_line_us(const struct mp_link *link, uint32_t bytes)
{
    return link->config.baud == 0 ? 0 : bytes * 10u * (1000000u / link->config.baud + 1);
}

static bool config_ok(const struct mp_link_config *config)
{
    return config->role != NULL &&
           (config->identity != NULL) == config->role(NULL, MP_ASK_KEEPS, NULL, 0) &&
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
    link->config = (struct mp_link_kept){.max_body = config->max_body,
                                         .safe_at_once = config->safe_at_once,
                                         .silence_ms = config->silence_ms,
                                         .role = config->role,
                                         .identity = config->identity,
                                         .baud = config->baud};
    link->io = *io;
    link->peer.max_body = MP_BODY_MAX;
    link->random = config->seed == 0 ? 1 : config->seed;
    mp_tx_init(link, config);
    mp_rx_init(link, config);
    return MP_OK;
}

/* -- Calling for a session. */

void mp_link_call_at_once(struct mp_link *link)
{
    uint32_t handshake = 2 * mp_link_line_us(link, HANDSHAKE_BYTES);
    link->call_us = link->now_us;
    link->call_wait_us = handshake > CALL_FIRST_US ? handshake : CALL_FIRST_US;
}

static void start(struct mp_link *link, uint32_t now_us)
{
    link->now_us = now_us;
    if (link->started)
        return;
    link->started = true;
    ask(link, MP_ASK_PREPARE);
}

static uint32_t poll_call(struct mp_link *link)
{
    uint32_t max = mp_link_keeps(link) ? DEVICE_CALL_MAX_US : HOST_CALL_MAX_US;
    int32_t left = (int32_t)(link->call_us - link->now_us);
    if (link->phase == MP_LINK_UP && link->offer.tag == 0)
        return MP_NEVER;
    if (left > 0)
        return (uint32_t)left;
    ask(link, MP_ASK_CALL);
    link->call_us = link->now_us + link->call_wait_us;
    if (link->call_wait_us >= max && link->phase == MP_LINK_UP)
        link->offer.tag = 0; /* nobody took it, and the standing session goes on */
    link->call_wait_us = 2 * link->call_wait_us < max ? 2 * link->call_wait_us : max;
    return link->call_us - link->now_us;
}

/* -- Beginning and ending. */

void mp_link_end_session(struct mp_link *link, enum mp_down why)
{
    bool was_up = link->phase == MP_LINK_UP;
    link->phase = MP_LINK_DOWN;
    link->due = 0;
    mp_tx_end_session(link);
    ask(link, MP_ASK_PREPARE);
    if ((was_up || why == MP_DOWN_VERSION) && link->io.down != NULL)
        link->io.down(link->io.user, why);
}

void mp_link_begin_session(struct mp_link *link, uint8_t tag, uint16_t credit, bool fresh)
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

void mp_link_other_version(struct mp_link *link, uint8_t version)
{
    link->peer.version = version;
    mp_link_end_session(link, MP_DOWN_VERSION);
    link->call_us = link->now_us + VERSION_CALL_US;
}

/* -- Frames in. */

static void on_ack(struct mp_link *link, const uint8_t *frame, size_t len)
{
    struct mp_ack ack;
    if (mp_decode_ack(frame + MP_FRAME_BODY, len, &ack) == 0)
        mp_tx_on_ack(link, frame[MP_FRAME_NUMBER], &ack);
}

static bool of_session(const struct mp_link *link, const uint8_t *frame)
{
    return link->phase == MP_LINK_UP && frame[MP_FRAME_TAG] == link->tag;
}

static void on_session_frame(struct mp_link *link, uint8_t *frame, size_t len)
{
    if (!of_session(link, frame))
        link->config.role(link, MP_ASK_FOREIGN, frame, len); /* may be what begins its session */
    if (!of_session(link, frame)) {
        link->stats.foreign++;
        return;
    }
    link->heard_us = link->now_us;
    if (frame[MP_FRAME_ID] == MP_MSG_ACK)
        on_ack(link, frame, len);
    else
        mp_rx_message(link, frame, len);
}

void mp_link_trace(struct mp_link *link, bool outgoing, const uint8_t *frame, size_t len)
{
    struct mp_message message = {.id = frame[MP_FRAME_ID] & (uint8_t)~MP_FRAME_RELIABLE,
                                 .reliable = (frame[MP_FRAME_ID] & MP_FRAME_RELIABLE) != 0,
                                 .number = frame[MP_FRAME_NUMBER],
                                 .body = frame + MP_FRAME_BODY,
                                 .len = len};
    if (link->io.trace != NULL)
        link->io.trace(link->io.user, outgoing, &message);
}

void mp_link_frame(struct mp_link *link, uint8_t *frame, size_t len)
{
    start(link, link->now_us);
    mp_link_trace(link, false, frame, len);
    switch (frame[MP_FRAME_ID] & ~MP_FRAME_RELIABLE) {
    case MP_MSG_HELLO:
    case MP_MSG_HELLO_ACK:
    case MP_MSG_NO_SESSION:
        link->config.role(link, MP_ASK_FRAME, frame, len);
        break;
    default:
        on_session_frame(link, frame, len);
        break;
    }
}

/* -- The link's own messages out. */

bool mp_link_take_due(struct mp_link *link, uint8_t bit)
{
    bool due = (link->due & bit) != 0;
    link->due &= (uint8_t)~bit;
    return due;
}

void mp_link_head(uint8_t *frame, uint8_t id, uint8_t tag, uint8_t number)
{
    frame[MP_FRAME_ID] = id;
    frame[MP_FRAME_TAG] = tag;
    frame[MP_FRAME_NUMBER] = number;
}

int mp_link_own(struct mp_link *link, uint8_t *frame)
{
    int len = link->config.role(link, MP_ASK_OWN, frame, 0);
    if (len >= 0)
        return len;
    if (mp_link_take_due(link, MP_DUE_ACK) && link->phase == MP_LINK_UP)
        return mp_rx_ack(link, frame);
    return -1;
}

/* -- Time. */

static uint32_t poll_silence(struct mp_link *link)
{
    uint32_t allowed = (uint32_t)link->config.silence_ms * 1000u;
    uint32_t silent = link->now_us - link->heard_us;
    if (link->phase == MP_LINK_DOWN || allowed == 0)
        return MP_NEVER;
    if (silent < allowed)
        return allowed - silent;
    mp_link_end_session(link, MP_DOWN_SILENT);
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
    mp_link_end_session(link, MP_DOWN_LINE);
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
