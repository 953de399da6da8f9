/*
 * mp_link_state.h - the members of struct mp_link, so that it can be placed anywhere. All of them
 * are the link's own; read them through mp_link.h.
 */
#ifndef MP_LINK_STATE_H
#define MP_LINK_STATE_H

#include "mp_frame.h"
#include "mp_queue.h"

#define MP_OWN_MAX 61 /* body of the longest message of the link itself, a HELLO_ACK */

enum mp_link_phase {
    MP_LINK_DOWN, /* host: says hello; device: says that it has no session */
    MP_LINK_UP
};

/* Device: the session that it offers, until the first frame with the tag confirms it. */
struct mp_link_offer {
    uint32_t nonce;
    uint32_t epoch;
    uint16_t credit;
    uint8_t max_body;
    uint8_t tag; /* 0: none is offered */
};

/* What is not kept anywhere else of struct mp_link_config, under the same names. */
struct mp_link_kept {
    uint8_t max_body;
    bool safe_at_once;
    uint16_t silence_ms;
    mp_role *role;
    const struct mp_identity *identity;
    uint32_t baud;
};

/* Sending: mp_link_tx.c. */
struct mp_link_tx {
    uint8_t sending_number; /* of that record */
    uint8_t unsafe;         /* messages that have a number and are not yet safe */
    uint8_t backoff;        /* time-outs in a row */
    uint8_t once_next;
    bool shared; /* the last byte on the line was a delimiter, and the line was never idle since */
    bool ask;
    uint16_t credit;
    struct mp_queue queue;
    struct mp_framer framer;
    uint8_t *sending; /* the record that the framer reads; NULL: one of the link's own, or none */
    uint32_t safe;    /* number of the first that is not yet safe */
    size_t beyond;    /* bytes of messages beyond the safe mark, as credit counts them */
    uint32_t left_us; /* date of the latest transmission */
    uint32_t rtt_us;  /* smoothed; 0: not measured */
    uint32_t rtt_var_us;
    uint32_t rtt_min_us;
    uint32_t asked_us; /* last heard, or asked, how far the peer is */
    uint8_t own[MP_FRAME_AROUND + MP_OWN_MAX];
};

/* Receiving: mp_link_rx.c. */
struct mp_link_rx {
    uint8_t once_next;
    bool bad; /* a damaged frame came since the last ack */
    uint16_t credit;
    uint32_t next; /* number expected */
    uint32_t safe;
    struct mp_queue queue; /* came before their turn */
    struct mp_deframer deframer;
};

/* What is used most stands first, where an AVR reaches it with one instruction. */
struct mp_link {
    uint8_t phase;    /* enum mp_link_phase */
    uint8_t due;      /* what of the link's own has to leave: bits of mp_link_parts.h */
    uint8_t tag;      /* of the session, or of the latest one */
    uint8_t last_tag; /* of the one before */
    uint8_t refused_tag;
    bool started; /* the clock has been seen */
    uint32_t now_us;
    uint32_t heard_us;     /* last valid frame of the session */
    uint32_t call_us;      /* when to say hello, or that there is no session, again */
    uint32_t call_wait_us; /* and how long after that */
    uint32_t refused_us;   /* when a foreign frame was last answered */
    struct mp_link_tx tx;
    struct mp_link_rx rx;
    struct mp_link_kept config;
    struct mp_link_io io;
    struct mp_link_stats stats;
    struct mp_link_offer offer;
    struct mp_peer peer;
    uint32_t random;
    uint32_t nonce;       /* host: of the session it asks for or has */
    uint32_t epoch_offer; /* host */
    uint32_t epoch;       /* device: its own, 0: none yet; host: of the device it knows, 0: none */
};

#endif
