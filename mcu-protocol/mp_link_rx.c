/*
 * What came: bytes to frames, reliable messages into their order, and the ack that tells about it.
 * A message that came too early waits in the queue; that queue is also the bitmap of the ack, so
 * the two cannot disagree.
 */
#include "mp_link_parts.h"

#include <string.h>

/* A message that came before its turn. */
enum rx_field { RX_SIZE, RX_ID, RX_NUMBER, RX_BODY };
_Static_assert(RX_BODY == MP_LINK_RX_BYTES(0), "what callers reckon with");

void mp_rx_init(struct mp_link *link, const struct mp_link_config *config)
{
    struct mp_link_rx *rx = &link->rx;
    size_t frame = (size_t)MP_FRAME_AROUND + config->max_body;
    mp_deframer_init(&rx->deframer, config->rx_mem, config->max_body);
    mp_queue_init(&rx->queue, config->rx_mem + frame, config->rx_bytes - frame);
    rx->credit = config->credit;
    size_t room = config->rx_bytes - frame;
    if (rx->credit == 0)
        rx->credit = room > UINT16_MAX ? UINT16_MAX : (uint16_t)room;
}

void mp_rx_begin_session(struct mp_link *link, uint32_t first)
{
    struct mp_link_rx *rx = &link->rx;
    rx->queue.end = rx->queue.mem;
    rx->next = first;
    rx->safe = first;
}

static void on_bad_frame(struct mp_link *link)
{
    link->stats.bad_frames++;
    if (link->phase == MP_LINK_UP) {
        link->rx.bad = true;
        link->due |= MP_DUE_ACK;
    }
}

void mp_rx_deframed(struct mp_link *link, enum mp_deframed got)
{
    switch (got) {
    case MP_DEFRAMED_MORE:
        break;
    case MP_DEFRAMED_BAD:
        on_bad_frame(link);
        break;
    case MP_DEFRAMED_FRAME:
        link->stats.frames_in++;
        mp_link_frame(link, link->rx.deframer.mem, link->rx.deframer.body_len);
        break;
    }
}

void mp_link_bytes(struct mp_link *link, const uint8_t *bytes, size_t n, uint32_t now_us)
{
    link->now_us = now_us;
    link->stats.bytes_in += (uint32_t)n;
    while (n-- > 0)
        mp_rx_deframed(link, mp_deframer_byte(&link->rx.deframer, *bytes++));
}

static uint8_t *find(const struct mp_queue *queue, uint8_t number)
{
    for (uint8_t *r = queue->mem; r != queue->end; r += *r)
        if (r[RX_NUMBER] == number)
            return r;
    return NULL;
}

static void deliver(struct mp_link *link, uint8_t id, const uint8_t *body, size_t len)
{
    struct mp_message message = {
        .id = id, .reliable = true, .number = link->rx.next, .body = body, .len = len};
    link->rx.next++;
    if (link->config.safe_at_once)
        link->rx.safe = link->rx.next;
    if (link->io.message != NULL)
        link->io.message(link->io.user, &message);
}

static void deliver_waiting(struct mp_link *link)
{
    struct mp_queue *queue = &link->rx.queue;
    uint8_t *r;
    while ((r = find(queue, (uint8_t)link->rx.next)) != NULL) {
        deliver(link, r[RX_ID], r + RX_BODY, (size_t)r[RX_SIZE] - RX_BODY);
        mp_queue_take(queue, r);
    }
}

static void keep(struct mp_link *link, const uint8_t *frame, size_t len)
{
    uint8_t *record = mp_queue_put(&link->rx.queue, RX_BODY + len);
    if (record == NULL) {
        link->stats.no_room++;
        return;
    }
    record[RX_ID] = frame[MP_FRAME_ID] & (uint8_t)~MP_FRAME_RELIABLE;
    record[RX_NUMBER] = frame[MP_FRAME_NUMBER];
    memcpy(record + RX_BODY, frame + MP_FRAME_BODY, len);
}

static void on_reliable(struct mp_link *link, const uint8_t *frame, size_t len)
{
    uint8_t number = frame[MP_FRAME_NUMBER];
    uint8_t ahead = (uint8_t)(number - link->rx.next);
    link->due |= MP_DUE_ACK;
    if (ahead >= MP_LINK_WINDOW || find(&link->rx.queue, number) != NULL) {
        link->stats.duplicates++;
    } else if (ahead > 0) {
        keep(link, frame, len);
    } else {
        deliver(link, frame[MP_FRAME_ID] & (uint8_t)~MP_FRAME_RELIABLE, frame + MP_FRAME_BODY, len);
        deliver_waiting(link);
    }
}

/* Returns false for one that is older than another that came already. */
static bool count_gap(struct mp_link_rx *rx, uint8_t number, uint8_t *gap)
{
    *gap = (uint8_t)(number - rx->once_next);
    if (*gap > INT8_MAX)
        return false;
    rx->once_next = (uint8_t)(number + 1);
    return true;
}

static void on_best_effort(struct mp_link *link, const uint8_t *frame, size_t len)
{
    uint8_t gap = 0;
    uint8_t id = frame[MP_FRAME_ID], number = frame[MP_FRAME_NUMBER];
    if (id >= MP_COUNTED && !count_gap(&link->rx, number, &gap)) {
        link->stats.duplicates++;
        return;
    }
    struct mp_message message = {
        .id = id, .gap = gap, .number = number, .body = frame + MP_FRAME_BODY, .len = len};
    if (link->io.message != NULL)
        link->io.message(link->io.user, &message);
}

void mp_rx_message(struct mp_link *link, const uint8_t *frame, size_t len)
{
    if (frame[MP_FRAME_ID] & MP_FRAME_RELIABLE)
        on_reliable(link, frame, len);
    else
        on_best_effort(link, frame, len);
}

/* Returns how many bytes of the bitmap are used. */
static size_t fill_bitmap(const struct mp_link_rx *rx, uint8_t bitmap[MP_LINK_WINDOW / 8])
{
    size_t used = 0;
    memset(bitmap, 0, MP_LINK_WINDOW / 8);
    for (uint8_t *r = rx->queue.mem; r != rx->queue.end; r += *r) {
        uint8_t bit = (uint8_t)(r[RX_NUMBER] - rx->next - 1);
        bitmap[bit / 8] = (uint8_t)(bitmap[bit / 8] | 1u << (bit % 8));
        if (used <= bit / 8u)
            used = bit / 8u + 1;
    }
    return used;
}

int mp_rx_ack(struct mp_link *link, uint8_t *frame)
{
    struct mp_link_rx *rx = &link->rx;
    uint8_t bitmap[MP_LINK_WINDOW / 8];
    struct mp_ack ack = {
        .safe = (uint8_t)rx->safe,
        .credit = rx->credit,
        .flags = (uint8_t)((rx->bad ? MP_ACK_BAD_FRAME : 0) | (link->tx.ask ? MP_ACK_ASK : 0)),
        .bitmap = bitmap,
        .bitmap_len = fill_bitmap(rx, bitmap),
    };
    mp_link_head(frame, MP_MSG_ACK, link->tag, (uint8_t)rx->next);
    rx->bad = false;
    link->tx.ask = false;
    return mp_encode_ack(frame + MP_FRAME_BODY, MP_OWN_MAX, &ack);
}

void mp_link_safe(struct mp_link *link, uint32_t number)
{
    struct mp_link_rx *rx = &link->rx;
    if (number - rx->safe - 1 >= rx->next - rx->safe)
        return;
    rx->safe = number;
    link->due |= MP_DUE_ACK;
}

void mp_link_credit(struct mp_link *link, uint16_t bytes)
{
    if (bytes == link->rx.credit)
        return;
    link->rx.credit = bytes;
    link->due |= MP_DUE_ACK;
}
