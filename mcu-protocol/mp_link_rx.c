/*
 * What came: bytes to frames, reliable messages into their order, and the ack that tells about it.
 * A message that came too early waits in the queue; that queue is also the bitmap of the ack, so
 * the two cannot disagree.
 */
#include "mp_link_parts.h"

#include <string.h>

/* A message that came before its turn is kept as the frame was, its size in place of the code. */
#define RX_SIZE MP_FRAME_CODE
_Static_assert(MP_FRAME_BODY == MP_LINK_RX_BYTES(0), "what callers reckon with");

void mp_rx_begin_session(struct mp_link *link, uint32_t first)
{
    link->rx_next = first;
    link->rx_queue[0] = 0;
}

static void on_bad_frame(struct mp_link *link)
{
    MP_COUNT(link, bad_frames, 1);
    link->ack_flags |= MP_ACK_BAD_FRAME;
    link->due |= MP_DUE_ACK;
}

void mp_rx_deframed(struct mp_link *link, enum mp_deframed got)
{
    if (got == MP_DEFRAMED_BAD) {
        on_bad_frame(link);
    } else if (got == MP_DEFRAMED_FRAME) {
        MP_COUNT(link, frames_in, 1);
        mp_link_frame(link, link->deframer.mem, link->deframer.body_len);
    }
}

void mp_link_bytes(struct mp_link *link, const uint8_t *bytes, size_t n, uint32_t now_us)
{
    mp_link_at(link, now_us);
    MP_COUNT(link, bytes_in, (uint32_t)n);
    while (n-- > 0)
        mp_rx_deframed(link, mp_deframer_byte(&link->deframer, *bytes++));
}

static uint8_t *find(uint8_t *queue, uint8_t number)
{
    for (uint8_t *r = queue; *r != 0; r += *r)
        if (r[MP_FRAME_NUMBER] == number)
            return r;
    return NULL;
}

static void deliver(struct mp_link *link, const uint8_t *frame, size_t len, uint8_t gap)
{
    struct mp_message message = {.id = frame[MP_FRAME_ID] & (uint8_t)~MP_FRAME_RELIABLE,
                                 .reliable = frame[MP_FRAME_ID] >= MP_FRAME_RELIABLE,
                                 .gap = gap,
                                 .number = link->rx_next,
                                 .body = frame + MP_FRAME_BODY,
                                 .len = len};
    if (message.reliable)
        link->rx_next++;
    if (mp_is_host(link))
        mp_link_host_delivered(link);
    if (link->io->message != NULL)
        link->io->message(link->user, &message);
}

static void keep(struct mp_link *link, const uint8_t *frame, size_t len)
{
    uint8_t size = (uint8_t)(MP_FRAME_BODY + len);
    if (mp_queue_used(link->rx_queue) + size >= link->rx_cap) {
        MP_COUNT(link, no_room, 1);
        return;
    }
    uint8_t *record = mp_queue_put(link->rx_queue, size);
    memcpy(record + 1, frame + 1, (size_t)size - 1);
}

static void on_reliable(struct mp_link *link, const uint8_t *frame, size_t len)
{
    uint8_t number = frame[MP_FRAME_NUMBER];
    uint8_t ahead = (uint8_t)(number - link->rx_next);
    uint8_t *r;
    link->due |= MP_DUE_ACK;
    if (ahead >= MP_LINK_WINDOW || find(link->rx_queue, number) != NULL) {
        MP_COUNT(link, duplicates, 1);
    } else if (ahead > 0) {
        keep(link, frame, len);
    } else {
        deliver(link, frame, len, 0);
        while ((r = find(link->rx_queue, (uint8_t)link->rx_next)) != NULL) {
            deliver(link, r, (size_t)r[RX_SIZE] - MP_FRAME_BODY, 0);
            mp_queue_take(r);
        }
    }
}

static void on_best_effort(struct mp_link *link, const uint8_t *frame, size_t len)
{
    uint8_t gap = 0;
    if (frame[MP_FRAME_ID] >= MP_COUNTED) {
        gap = (uint8_t)(frame[MP_FRAME_NUMBER] - link->rx_once_next);
        if (gap > INT8_MAX) { /* older than another that came already */
            MP_COUNT(link, duplicates, 1);
            return;
        }
        link->rx_once_next = (uint8_t)(frame[MP_FRAME_NUMBER] + 1);
    }
    deliver(link, frame, len, gap);
}

void mp_rx_message(struct mp_link *link, const uint8_t *frame, size_t len)
{
    if (frame[MP_FRAME_ID] & MP_FRAME_RELIABLE)
        on_reliable(link, frame, len);
    else
        on_best_effort(link, frame, len);
}

/* Bytes of an ack whose last bit is that one. */
#define ACK_BYTES(bit) (MP_FRAME_BODY + MP_ACK_BITMAP + 1 + (bit) / 8)

uint8_t mp_rx_ack(struct mp_link *link, uint8_t *frame)
{
    uint8_t *body = frame + MP_FRAME_BODY, *bitmap = body + MP_ACK_BITMAP;
    uint8_t bytes = MP_FRAME_BODY + MP_ACK_BITMAP, next = (uint8_t)link->rx_next;
    frame[MP_FRAME_ID] = MP_MSG_ACK;
    frame[MP_FRAME_TAG] = link->tag;
    frame[MP_FRAME_NUMBER] = next;
    body[MP_ACK_SAFE] = mp_is_host(link) ? mp_link_host_safe(link) : next;
    mp_put_u16(body + MP_ACK_CREDIT, link->rx_credit);
    body[MP_ACK_FLAGS] = link->ack_flags;
    link->ack_flags = 0;
    memset(bitmap, 0, MP_LINK_WINDOW / 8);
    for (uint8_t *r = link->rx_queue; *r != 0; r += *r) {
        uint8_t bit = (uint8_t)(r[MP_FRAME_NUMBER] - next - 1);
        bitmap[bit / 8] = (uint8_t)(bitmap[bit / 8] | 1u << (bit % 8));
        if (bytes < ACK_BYTES(bit))
            bytes = (uint8_t)ACK_BYTES(bit);
    }
    return bytes;
}

void mp_link_credit(struct mp_link *link, uint16_t bytes)
{
    if (bytes == link->rx_credit)
        return;
    link->rx_credit = bytes;
    link->due |= MP_DUE_ACK;
}
