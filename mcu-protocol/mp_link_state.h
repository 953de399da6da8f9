/*
 * mp_link_state.h - the members of struct mp_link, so that it can be placed anywhere. All of them
 * are the link's own; read them through mp_link.h.
 */
#ifndef MP_LINK_STATE_H
#define MP_LINK_STATE_H

#include "mp_frame.h"
#include "mp_link.h" /* MP_LINK_HOST, on which the size depends */
#include "mp_queue.h"

enum mp_link_phase {
    MP_LINK_DOWN, /* host: says hello; device: says that it has no session */
    MP_LINK_UP
};

/* Each counts its ticks down and stays at 0. */
enum mp_link_timer {
    MP_TIMER_SILENCE, /* no valid frame of the session came for so long */
    MP_TIMER_CALL,    /* when to say hello, or that there is no session, again */
    MP_TIMER_ASK,     /* when to ask how far the peer is */
    MP_TIMER_COUNT
};

/* The smallest members stand first: there an instruction reaches them at once. */
struct mp_link {
    uint8_t phase;    /* enum mp_link_phase */
    uint8_t due;      /* what of the link's own has to leave: bits of mp_link_parts.h */
    uint8_t tag;      /* of the session, or of the latest one */
    uint8_t last_tag; /* of the one before */
    uint8_t refused_tag;
    uint8_t offer_tag; /* device: of the session that it offers, until the first frame with that tag
                          confirms it; 0: none is offered */
    uint8_t max_body;  /* longest taken ... */
    uint8_t peer_body; /* ... and sent */
    uint8_t tx_unsafe; /* messages that have a number and are not yet safe */
    uint8_t tx_once_next; /* numbers of the next best-effort message sent ... */
    uint8_t rx_once_next; /* ... and received */
    uint8_t ack_flags;    /* of the next ack */
    bool shared;  /* the last byte on the line was a delimiter, and the line was never idle since */
    uint16_t now; /* in ticks, as all times here */
    uint16_t timer[MP_TIMER_COUNT];
    uint16_t silence;
    uint16_t call_wait; /* how long after the next call to call again */
    uint16_t byte_us;   /* of the line, 0: unknown */
    uint16_t tx_credit;
    uint16_t rx_credit;
    uint16_t tx_cap; /* bytes of the queues, less the 0 behind the records */
    uint16_t rx_cap;
    uint16_t rtt8;     /* eight times the smoothed round trip in ticks; 0: not measured */
    uint16_t rtt_var4; /* four times its mean deviation */
    uint8_t *tx_queue; /* messages until they are safe: mp_link_tx.c */
    uint8_t *rx_queue; /* messages that came before their turn: mp_link_rx.c */
    const struct mp_link_io *io;
    void *user;
    uint32_t tx_safe; /* number of the first that is not yet safe */
    uint32_t rx_next; /* number expected */
    struct mp_framer framer;
    struct mp_deframer deframer;
    uint32_t nonce;    /* of the session; host: also of the one it asks for */
    uint8_t epoch[4];  /* device: its own, once it had a tag */
    uint8_t offer[11]; /* device: of the session that it offers, what mp_link_device.c says */
    const struct mp_identity *identity;
#if MP_LINK_HOST
    struct mp_link_host *host;
    struct mp_link_stats *stats;
#endif
};

#endif
