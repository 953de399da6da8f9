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

struct mp_link_frame {
    uint8_t id; /* without MP_FRAME_RELIABLE */
    bool reliable;
    uint8_t tag;
    uint8_t number;
    const uint8_t *body;
    size_t len;
};

struct mp_role {
    bool keeps; /* messages wait for a session and outlive it: the device's */
    uint32_t call_max_us;
    void (*prepare)(struct mp_link *link); /* a session is wanted from now on */
    void (*call)(struct mp_link *link);    /* makes due what calls for one */
    void (*on_frame)(struct mp_link *link, const struct mp_link_frame *frame); /* HELLO and such */
    void (*on_foreign)(struct mp_link *link, const struct mp_link_frame *frame);
    int (*own)(struct mp_link *link, struct mp_link_frame *frame); /* as mp_link_own */
};

/* -- mp_link.c */
/* Writes the most urgent of the link's own messages that are due into tx.own and takes it off;
 * returns its length, or -1 if none is due. */
int mp_link_own(struct mp_link *link, struct mp_link_frame *frame);
bool mp_link_take_due(struct mp_link *link, uint8_t bit);
/* Acts on a valid frame. */
void mp_link_frame(struct mp_link *link, const struct mp_link_frame *frame);
/* Microseconds that `bytes` take on the line; 0 when its speed is unknown. */
uint32_t mp_link_line_us(const struct mp_link *link, uint32_t bytes);
void mp_link_call_at_once(struct mp_link *link);
/* link->peer is filled in by the caller. */
void mp_link_begin_session(struct mp_link *link, uint8_t tag, uint16_t credit, bool fresh);
void mp_link_end_session(struct mp_link *link, enum mp_down why);
void mp_link_other_version(struct mp_link *link, uint8_t version);

/* -- mp_link_tx.c */
void mp_tx_init(struct mp_link *link);
/* A session began: what the peer has not made safe goes again, in the order of its numbers. */
void mp_tx_begin_session(struct mp_link *link, uint16_t credit);
void mp_tx_end_session(struct mp_link *link);
void mp_tx_on_ack(struct mp_link *link, uint8_t next, const struct mp_ack *ack);
uint32_t mp_tx_poll(struct mp_link *link); /* in how many microseconds again */

/* -- mp_link_rx.c */
void mp_rx_init(struct mp_link *link);
/* A session began, and the peer's messages count from `first`. */
void mp_rx_begin_session(struct mp_link *link, uint32_t first);
void mp_rx_message(struct mp_link *link, const struct mp_link_frame *frame);
int mp_rx_ack(struct mp_link *link, struct mp_link_frame *frame); /* as mp_link_own */

#endif
