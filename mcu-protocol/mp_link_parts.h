/*
 * mp_link_parts.h - what the files of the link know of each other: mp_link.c has what both roles
 * share of sessions, mp_link_host.c and mp_link_device.c what each does, mp_link_tx.c what leaves,
 * mp_link_rx.c what came. Not installed for others to use.
 */
#ifndef MP_LINK_PARTS_H
#define MP_LINK_PARTS_H

#include "mp_link.h"
#include "mp_msg.h"

#define MP_TICK_SHIFT    10 /* microseconds in a tick: a power of two, as an AVR does not divide */
#define MP_TICKS(us)     ((uint16_t)(((us) >> MP_TICK_SHIFT) + 1))
#define MP_TICKS_FOREVER INT16_MAX

/* Bits of mp_link.due, in the order in which they leave. */
#define MP_DUE_HELLO      0x01u
#define MP_DUE_HELLO_ACK  0x02u
#define MP_DUE_NO_SESSION 0x04u
#define MP_DUE_ACK        0x08u

/* What is only a host's or only to be watched costs a microcontroller nothing. */
#if MP_LINK_HOST
#define MP_COUNT(link, what, n) \
    ((link)->stats != NULL ? (void)((link)->stats->what += (n)) : (void)0)
#define MP_NOTE(link, what, v) ((link)->stats != NULL ? (void)((link)->stats->what = (v)) : (void)0)
static inline bool mp_is_host(const struct mp_link *link)
{
    return link->host != NULL;
}
void mp_link_trace(const struct mp_link *link, bool outgoing, const uint8_t *frame, size_t len);
#else
#define MP_COUNT(link, what, n) ((void)0)
#define MP_NOTE(link, what, v)  ((void)0)
static inline bool mp_is_host(const struct mp_link *link)
{
    (void)link;
    return false;
}
static inline void mp_link_trace(const struct mp_link *link, bool outgoing, const uint8_t *frame,
                                 size_t len)
{
    (void)link, (void)outgoing, (void)frame, (void)len;
}
#endif

/* Bytes of an ack. */
enum { MP_ACK_SAFE, MP_ACK_CREDIT, MP_ACK_FLAGS = 3, MP_ACK_BITMAP };

/* Frames are passed as they lie in memory (mp_frame.h), with the length of their body. */

/* -- mp_link.c */
/* Time goes on. */
void mp_link_at(struct mp_link *link, uint32_t now_us);
/* Ticks that `bytes` take on the line; 0 when its speed is unknown. */
unsigned mp_link_line_ticks(const struct mp_link *link, uint8_t bytes);
void mp_link_call_at_once(struct mp_link *link);
/* link->nonce and, of a host, link->host->peer are filled in by the caller. */
void mp_link_begin_session(struct mp_link *link, uint8_t tag, uint8_t max_body, uint16_t credit);
void mp_link_end_session(struct mp_link *link, enum mp_down why);
/* Acts on a valid frame. */
void mp_link_frame(struct mp_link *link, const uint8_t *frame, size_t len);
/* Makes the frame to leave next in link->framer.frame, stamped as leaving now. Returns how long it
 * is up to the end of its body, or 0 if there is none. */
uint8_t mp_link_next_frame(struct mp_link *link);

/* -- mp_link_device.c. What fills in a frame returns as mp_link_next_frame. */
void mp_link_device_call(struct mp_link *link); /* makes due what calls for a session */
void mp_link_device_hello(struct mp_link *link, const uint8_t *hello, size_t len);
/* A frame came that is not of the session. Returns whether it begins its own. */
bool mp_link_device_foreign(struct mp_link *link, uint8_t tag);
uint8_t mp_link_device_hello_ack(const struct mp_link *link, uint8_t *frame);
uint8_t mp_link_device_no_session(const struct mp_link *link, uint8_t *frame);

/* -- mp_link_host.c */
void mp_link_host_init(struct mp_link *link, const struct mp_link_config *config);
void mp_link_host_down(struct mp_link *link, bool was_up, enum mp_down why);
/* Returns whether it was one of those that begin and end sessions. */
bool mp_link_host_frame(struct mp_link *link, const uint8_t *frame, size_t len);
void mp_link_host_delivered(struct mp_link *link);
uint8_t mp_link_host_safe(const struct mp_link *link); /* for the ack */
void mp_link_host_called(struct mp_link *link); /* a hello is due, the timer for the next is set */
void mp_link_host_poll(struct mp_link *link);
uint8_t mp_link_host_hello(const struct mp_link *link, uint8_t *frame);

/* -- mp_link_tx.c */
/* A session began: what the peer has not made safe goes again, in the order of its numbers. */
void mp_tx_begin_session(struct mp_link *link, uint16_t credit);
/* Forgets all messages. */
void mp_tx_clear(struct mp_link *link);
void mp_tx_on_ack(struct mp_link *link, uint8_t next, const uint8_t *ack, size_t len);
unsigned mp_tx_poll(struct mp_link *link); /* in how many ticks again */
/* The most urgent message that may leave, as mp_link_next_frame. */
uint8_t mp_tx_next_message(struct mp_link *link);

/* -- mp_link_rx.c */
/* A session began, and the peer's messages count from `first`. */
void mp_rx_begin_session(struct mp_link *link, uint32_t first);
void mp_rx_message(struct mp_link *link, const uint8_t *frame, size_t len);
uint8_t mp_rx_ack(struct mp_link *link, uint8_t *frame);
/* The deframer said this. */
void mp_rx_deframed(struct mp_link *link, enum mp_deframed got);

#endif
