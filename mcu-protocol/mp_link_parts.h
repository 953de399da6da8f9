/*
 * mp_link_parts.h - what the files of the link know of each other: mp_link.c has what both roles
 * share of sessions, mp_link_host.c and mp_link_device.c what each does, mp_link_tx.c what leaves,
 * mp_link_rx.c what came. Not installed for others to use.
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

/* Frames are passed as they lie in memory (mp_frame.h), with the length of their body. */

/* What the link asks of a role. */
enum mp_ask {
    MP_ASK_KEEPS,   /* whether its messages wait for a session and outlive it; asked before all */
    MP_ASK_PREPARE, /* a session is wanted from now on */
    MP_ASK_CALL,    /* make due what calls for one */
    MP_ASK_FRAME,   /* HELLO, HELLO_ACK or NO_SESSION came */
    MP_ASK_FOREIGN, /* a frame that is not of the session came */
    MP_ASK_OWN,     /* as mp_link_own */
};

/* Whether messages wait for a session and outlive it: the device's do. */
static inline bool mp_link_keeps(const struct mp_link *link)
{
    return link->config.identity != NULL;
}

/* -- mp_link.c */
/* Makes a frame of the most urgent of the link's own messages that are due, and takes it off;
 * returns the length of its body, or -1 if none is due. */
int mp_link_own(struct mp_link *link, uint8_t *frame);
bool mp_link_take_due(struct mp_link *link, uint8_t bit);
void mp_link_head(uint8_t *frame, uint8_t id, uint8_t tag, uint8_t number);
/* Acts on a valid frame. */
void mp_link_frame(struct mp_link *link, uint8_t *frame, size_t len);
void mp_link_trace(struct mp_link *link, bool outgoing, const uint8_t *frame, size_t len);
/* Microseconds that `bytes` take on the line; 0 when its speed is unknown. */
uint32_t mp_link_line_us(const struct mp_link *link, uint32_t bytes);
void mp_link_call_at_once(struct mp_link *link);
/* link->peer is filled in by the caller. */
void mp_link_begin_session(struct mp_link *link, uint8_t tag, uint16_t credit, bool fresh);
void mp_link_end_session(struct mp_link *link, enum mp_down why);
void mp_link_other_version(struct mp_link *link, uint8_t version);

/* -- mp_link_tx.c */
void mp_tx_init(struct mp_link *link, const struct mp_link_config *config);
/* A session began: what the peer has not made safe goes again, in the order of its numbers. */
void mp_tx_begin_session(struct mp_link *link, uint16_t credit);
void mp_tx_end_session(struct mp_link *link);
void mp_tx_on_ack(struct mp_link *link, uint8_t next, const struct mp_ack *ack);
uint32_t mp_tx_poll(struct mp_link *link); /* in how many microseconds again */
/* The frame to leave next, stamped as leaving now, and the length of its body; NULL: none. */
uint8_t *mp_tx_next_frame(struct mp_link *link, size_t *len);
/* The frame has left. */
void mp_tx_frame_left(struct mp_link *link);

/* -- mp_link_rx.c */
void mp_rx_init(struct mp_link *link, const struct mp_link_config *config);
/* A session began, and the peer's messages count from `first`. */
void mp_rx_begin_session(struct mp_link *link, uint32_t first);
void mp_rx_message(struct mp_link *link, const uint8_t *frame, size_t len);
int mp_rx_ack(struct mp_link *link, uint8_t *frame); /* as mp_link_own */
/* The deframer said this. */
void mp_rx_deframed(struct mp_link *link, enum mp_deframed got);

#endif
