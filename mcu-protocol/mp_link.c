/*
 * Sessions, as far as both roles share them: beginning, ending, calling for one, the timers, and
 * which frame leaves next. Who says what to whom is in mp_link_host.c and mp_link_device.c; what is
 * sent and resent is mp_link_tx.c's, what arrives and in which order mp_link_rx.c's.
 *
 *   host    DOWN --HELLO_ACK to my nonce--> UP     calls HELLO until answered
 *           UP --NO_SESSION, silence, line lost--> DOWN
 *   device  any --HELLO with a new nonce--> offers a session: HELLO_ACK, tag
 *           any --first frame with the offered tag--> UP in that session
 *           UP --line lost--> DOWN                 calls NO_SESSION, or its offer again
 *
 * A device keeps its session until the offered one is confirmed, so that a HELLO that was late or
 * sent twice ends nothing.
 */
#include "mp_link_parts.h"

#include <string.h>

#define CALL_FIRST      MP_TICKS(20000u)
#define HOST_CALL_MAX   MP_TICKS(500000u)
#define DEVICE_CALL_MAX MP_TICKS(1000000u)
#define BACKWARDS       0xff00u /* callers' clocks may differ by up to 0.25 s */
#define HANDSHAKE_BYTES 100u    /* of a HELLO and its HELLO_ACK on the line */

static bool config_ok(const struct mp_link_config *config)
{
    return config->max_body >= MP_BODY_MIN && config->max_body <= MP_BODY_MAX &&
           config->tx_bytes >= MP_LINK_TX_MIN(config->max_body) &&
           config->rx_bytes >= MP_LINK_RX_MIN(config->max_body);
}

int mp_link_init(struct mp_link *link, const struct mp_link_config *config,
                 const struct mp_link_io *io)
{
    uint16_t frame = (uint16_t)(MP_FRAME_AROUND + config->max_body);
    if (!config_ok(config))
        return MP_ERR_BAD_VALUE;
    memset(link, 0, sizeof *link);
    link->max_body = config->max_body;
    link->peer_body = config->max_body;
    link->silence = (uint16_t)(config->silence_ms - config->silence_ms / 128 * 3);
    link->byte_us = config->byte_us;
    link->identity = config->identity;
    link->io = io;
    link->user = config->user;
    link->framer.frame = config->tx_mem;
    link->tx_queue = config->tx_mem + frame;
    link->tx_cap = (uint16_t)(config->tx_bytes - frame);
    link->tx_queue[0] = 0;
    mp_deframer_init(&link->deframer, config->rx_mem, config->max_body);
    link->rx_queue = config->rx_mem + frame;
    link->rx_cap = (uint16_t)(config->rx_bytes - frame);
    link->rx_credit = link->rx_cap;
    link->rx_queue[0] = 0;
    mp_link_call_at_once(link);
#if MP_LINK_HOST
    link->host = config->host;
    link->stats = config->stats;
#endif
    if (mp_is_host(link))
        mp_link_host_init(link, config);
    return MP_OK;
}

/* -- Time. */

unsigned mp_link_line_ticks(const struct mp_link *link, uint8_t bytes)
{
    return (unsigned)(((uint32_t)link->byte_us * bytes) >> MP_TICK_SHIFT);
}

void mp_link_at(struct mp_link *link, uint32_t now_us)
{
    uint16_t now = (uint16_t)(now_us >> MP_TICK_SHIFT);
    uint16_t passed = (uint16_t)(now - link->now);
    if (passed >= BACKWARDS)
        return;
    link->now = now;
    for (uint8_t i = 0; i < MP_TIMER_COUNT; i++)
        link->timer[i] = link->timer[i] > passed ? (uint16_t)(link->timer[i] - passed) : 0;
}

/* -- Calling for a session. */

void mp_link_call_at_once(struct mp_link *link)
{
    link->timer[MP_TIMER_CALL] = 0;
    link->call_wait = (uint16_t)(CALL_FIRST + 2 * mp_link_line_ticks(link, HANDSHAKE_BYTES));
}

static void call(struct mp_link *link)
{
    uint16_t max = mp_is_host(link) ? HOST_CALL_MAX : DEVICE_CALL_MAX;
    if (mp_is_host(link))
        link->due |= MP_DUE_HELLO;
    else
        mp_link_device_call(link);
    link->timer[MP_TIMER_CALL] = link->call_wait;
    if (mp_is_host(link))
        mp_link_host_called(link);
    link->call_wait = (uint16_t)(2 * link->call_wait);
    if (link->call_wait > max) {
        link->call_wait = max;
        link->offer_tag = 0; /* nobody took it */
    }
}

/* -- Beginning and ending. */

void mp_link_begin_session(struct mp_link *link, uint8_t tag, uint8_t max_body, uint16_t credit)
{
    link->last_tag = link->tag;
    link->tag = tag;
    link->phase = MP_LINK_UP;
    link->due = 0;
    link->peer_body = max_body < link->max_body ? max_body : link->max_body;
    link->timer[MP_TIMER_SILENCE] = link->silence;
    link->rx_once_next = 0;
    link->ack_flags = 0;
    MP_COUNT(link, sessions, 1);
    mp_tx_begin_session(link, credit);
}

void mp_link_end_session(struct mp_link *link, enum mp_down why)
{
    bool was_up = link->phase == MP_LINK_UP;
    link->phase = MP_LINK_DOWN;
    link->due = 0;
    mp_link_call_at_once(link);
    if (mp_is_host(link))
        mp_link_host_down(link, was_up, why);
}

void mp_link_line_lost(struct mp_link *link)
{
    mp_deframer_reset(&link->deframer);
    link->shared = false;
    link->offer_tag = 0;
    mp_link_end_session(link, MP_DOWN_LINE);
}

bool mp_link_is_up(const struct mp_link *link)
{
    return link->phase == MP_LINK_UP;
}

/* -- Frames in. */

static bool of_session(struct mp_link *link, uint8_t tag)
{
    if (link->phase == MP_LINK_UP && tag == link->tag)
        return true;
    return !mp_is_host(link) && mp_link_device_foreign(link, tag);
}

static void on_session_frame(struct mp_link *link, const uint8_t *frame, size_t len)
{
    if (!of_session(link, frame[MP_FRAME_TAG])) {
        MP_COUNT(link, foreign, 1);
        return;
    }
    link->timer[MP_TIMER_SILENCE] = link->silence;
    if (frame[MP_FRAME_ID] == MP_MSG_ACK)
        mp_tx_on_ack(link, frame[MP_FRAME_NUMBER], frame + MP_FRAME_BODY, len);
    else
        mp_rx_message(link, frame, len);
}

void mp_link_frame(struct mp_link *link, const uint8_t *frame, size_t len)
{
    mp_link_trace(link, false, frame, len);
    if (mp_is_host(link) && mp_link_host_frame(link, frame, len))
        return;
    if (!mp_is_host(link) && frame[MP_FRAME_ID] == MP_MSG_HELLO)
        mp_link_device_hello(link, frame + MP_FRAME_BODY, len);
    else
        on_session_frame(link, frame, len);
}

/* -- Frames out. */

static bool take_due(struct mp_link *link, uint8_t bit)
{
    bool due = (link->due & bit) != 0;
    link->due &= (uint8_t)~bit;
    return due;
}

uint8_t mp_link_next_frame(struct mp_link *link)
{
    uint8_t *frame = link->framer.frame, bytes = 0;
    frame[MP_FRAME_NUMBER] = 0;
    if (mp_is_host(link) && take_due(link, MP_DUE_HELLO))
        bytes = mp_link_host_hello(link, frame);
    else if (take_due(link, MP_DUE_HELLO_ACK))
        bytes = mp_link_device_hello_ack(link, frame);
    else if (take_due(link, MP_DUE_NO_SESSION))
        bytes = mp_link_device_no_session(link, frame);
    else if (link->phase == MP_LINK_UP)
        bytes = take_due(link, MP_DUE_ACK) ? mp_rx_ack(link, frame) : mp_tx_next_message(link);
    if (bytes == 0) {
        link->shared = false;
        return 0;
    }
    MP_COUNT(link, frames_out, 1);
    mp_link_trace(link, true, frame, (size_t)bytes - MP_FRAME_BODY);
    return bytes;
}

size_t mp_link_output(struct mp_link *link, uint8_t *out, size_t cap, uint32_t now_us)
{
    size_t n = 0;
    mp_link_at(link, now_us);
    while (n < cap) {
        if (mp_framer_idle(&link->framer)) {
            uint8_t bytes = mp_link_next_frame(link);
            if (bytes == 0)
                break;
            mp_framer_begin(&link->framer, link->framer.frame, (size_t)bytes - MP_FRAME_BODY,
                            link->shared);
            link->shared = true;
        }
        out[n++] = mp_framer_byte(&link->framer);
    }
    MP_COUNT(link, bytes_out, (uint32_t)n);
    return n;
}

/* -- The timers. */

uint32_t mp_link_poll(struct mp_link *link, uint32_t now_us)
{
    mp_link_at(link, now_us);
    if (mp_is_host(link))
        mp_link_host_poll(link);
    if (link->timer[MP_TIMER_CALL] == 0 && (link->phase == MP_LINK_DOWN || link->offer_tag != 0))
        call(link);
    unsigned wait = mp_tx_poll(link);
    for (uint8_t i = 0; i < MP_TIMER_COUNT; i++)
        if (link->timer[i] != 0 && link->timer[i] < wait)
            wait = link->timer[i];
    return (uint32_t)wait << MP_TICK_SHIFT;
}

uint32_t mp_link_silence_us(const struct mp_link *link)
{
    return (uint32_t)link->timer[MP_TIMER_SILENCE] << MP_TICK_SHIFT;
}
