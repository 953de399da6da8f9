/*
 * mp_link_parts.h - what the three files of the link know of each other: mp_link.c has sessions and
 * timers, mp_link_tx.c what leaves, mp_link_rx.c what came. Not installed for others to use.
 */
#ifndef MP_LINK_PARTS_H
#define MP_LINK_PARTS_H

#include "mp_link.h"
#include "mp_msg.h"

#define MP_NEVER UINT32_MAX

/* Bits of mp_link.due, in the order in which they leave. */
#define MP_DUE_HELLO      0x01u
#define MP_DUE_HELLO_ACK  0x02u
#define MP_DUE_NO_SESSION 0x04u
#define MP_DUE_ACK        0x08u

struct mp_link_frame {
    uint8_t id; /* without MP_FRAME_RELIABLE */
    bool reliable;
    uint8_t tag;
    uint8_t number;
    const uint8_t *body;
    size_t len;
};

/* mp_link.c. Writes the most urgent of the link's own messages that are due into tx.own and takes
 * it off; returns its length, or -1 if none is due. */
int mp_link_own(struct mp_link *link, struct mp_link_frame *frame);
/* mp_link.c. Acts on a valid frame. */
void mp_link_frame(struct mp_link *link, const struct mp_link_frame *frame);
/* mp_link.c. Microseconds that `bytes` take on the line; 0 when its speed is unknown. */
uint32_t mp_link_line_us(const struct mp_link *link, uint32_t bytes);

void mp_tx_init(struct mp_link *link);
/* A session began: what the peer has not made safe goes again, in the order of its numbers. */
void mp_tx_begin_session(struct mp_link *link, uint16_t credit);
void mp_tx_end_session(struct mp_link *link);
void mp_tx_on_ack(struct mp_link *link, uint8_t next, const struct mp_ack *ack);
uint32_t mp_tx_poll(struct mp_link *link); /* in how many microseconds again */

void mp_rx_init(struct mp_link *link);
/* A session began, and the peer's messages count from `first`. */
void mp_rx_begin_session(struct mp_link *link, uint32_t first);
void mp_rx_message(struct mp_link *link, const struct mp_link_frame *frame);
int mp_rx_ack(struct mp_link *link, struct mp_link_frame *frame); /* as mp_link_own */

#endif
