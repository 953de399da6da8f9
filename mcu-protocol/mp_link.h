/*
 * mp_link.h - the link: sessions, and messages in order without loss or repeat, over a line that
 * loses, damages and repeats bytes.
 *
 * No I/O, no clock, no memory of its own. Bytes and time go in (mp_link_bytes, mp_link_poll),
 * events come out by struct mp_link_io, and bytes for the line are pulled (mp_link_output), so that
 * a UART with one byte of room and a PTY with 4096 are served by the same code and the most urgent
 * message is chosen only when the line has room for it. One link is one serial line; a program may
 * have any number.
 *
 * `now_us` everywhere: a free-running microsecond counter that may wrap. Inside, time runs in ticks
 * of 1.024 ms, so that a timer is two bytes; call mp_link_poll at least every 30 s.
 */
#ifndef MP_LINK_H
#define MP_LINK_H

#include "mp_schema.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whether the link can be a host's too, and count and trace: what only firmware needs is about half
 * of it. Where there is no operating system it cannot, unless -DMP_LINK_HOST=1 says so. */
#ifndef MP_LINK_HOST
#if defined __unix__ || defined __APPLE__ || defined _WIN32
#define MP_LINK_HOST 1
#else
#define MP_LINK_HOST 0
#endif
#endif

/* Which message leaves first. Messages of one priority leave in the order they were sent. */
enum mp_priority { MP_PRIO_COMMAND, MP_PRIO_READING, MP_PRIO_LOG, MP_PRIO_BULK, MP_PRIO_COUNT };

enum mp_error {
    MP_OK = 0,
    MP_ERR_FULL = -1,       /* no room until messages become safe: try again later */
    MP_ERR_TOO_LONG = -2,   /* longer than the peer's max_body, or than any memory here holds */
    MP_ERR_NO_SESSION = -3, /* a host's reliable message needs a session; nothing was kept */
    MP_ERR_BAD_VALUE = -4,  /* an argument that no message can carry */
};

/* Why a host's session ended. */
enum mp_down {
    MP_DOWN_SILENT,    /* nothing valid came for `silence_ms` */
    MP_DOWN_RESTARTED, /* the device started anew; its readings so far are complete or counted */
    MP_DOWN_VERSION,   /* the device speaks another MP_VERSION: peer.version says which; told
                          again at every attempt, with no session between */
    MP_DOWN_LINE,      /* mp_link_line_lost was called */
    MP_DOWN_REPLACED,  /* the device, without a restart, no longer holds this session */
};

/* What the device said in its hello. */
struct mp_peer {
    uint8_t version;
    uint8_t reset_cause; /* enum mp_reset_cause */
    bool taken_back;     /* it runs what ran before its latest update, which did not work */
    uint8_t max_body;
    uint8_t device_len;
    uint8_t image_len;
    uint16_t tick_us;
    uint32_t nonce; /* of the session */
    uint32_t epoch; /* of the device */
    uint32_t first; /* number of the oldest message that the device still holds */
    uint32_t schema;
    uint8_t device[MP_DEVICE_ID_MAX];
    uint8_t image[MP_IMAGE_ID_MAX];
};

struct mp_message {
    uint8_t id; /* enum mp_msg_id; an id that this version does not know is passed on too */
    bool reliable;
    uint16_t gap;    /* best effort: messages lost just before this one */
    uint32_t number; /* reliable: a device's counts from 0 in each epoch, over sessions; a host's
                        in each session */
    const uint8_t *body; /* valid during the call */
    size_t len;
};

/* Outputs, with config.user first. Called from within mp_link_bytes, mp_link_poll and
 * mp_link_output; but for `leaving` and `trace` they may call mp_link_send and mp_link_safe. Unused
 * ones may be NULL. */
struct mp_link_io {
    /* A session stands. Hosts: `peer` says with whom (a device gets NULL), and `fresh` that the
     * device has no memory of an earlier session in this epoch (it restarted, or this host meets it
     * for the first time). */
    void (*up)(void *user, const struct mp_peer *peer, bool fresh);
    /* Hosts: it ended. */
    void (*down)(void *user, enum mp_down why);
    /* Each reliable message once, in order; best-effort ones as they come. */
    void (*message)(void *user, const struct mp_message *message);
    /* Every reliable message sent here before `number` is safe with the peer. */
    void (*safe)(void *user, uint32_t number);
    /* A best-effort message begins to leave: a last chance to write times into its body. Returns
     * whether its time on the line is to be known: both delimiters are its own then. */
    bool (*leaving)(void *user, uint8_t id, uint8_t *body, size_t len);
    /* Every valid frame that came and every frame that leaves, the link's own and repeated ones
     * among them; `number` is the byte of the frame. For monitors; only with MP_LINK_HOST. */
    void (*trace)(void *user, bool outgoing, const struct mp_message *message);
};

/* What a device says of itself in its hello. Kept by pointer; the lengths are the caller's to keep
 * within MP_DEVICE_ID_MAX and MP_IMAGE_ID_MAX. */
struct mp_identity {
    const uint8_t *device;
    const uint8_t *image;
    uint8_t device_len;
    uint8_t image_len;
    uint8_t reset_cause; /* enum mp_reset_cause, with MP_RESET_TAKEN_BACK where that is so */
    uint16_t tick_us;
    uint32_t schema;
};

/* What a host's link needs beside; nothing to fill in. */
struct mp_link_host {
    struct mp_peer peer;
    uint32_t random;
    uint32_t epoch_offer;
    uint32_t epoch; /* of the device it knows; 0: none */
    uint8_t safe;   /* low byte of the first number received that is not yet safe */
    uint8_t calls;  /* hellos in vain, up to a number from which it goes back */
    bool rests;     /* says nothing until a valid frame comes, or its time is over */
    bool safe_at_once;
};

struct mp_link_config {
    uint8_t *tx_mem;   /* a frame that leaves, and messages until they are safe; the caller's */
    uint8_t *rx_mem;   /* a frame that comes, and messages that came before their turn */
    uint16_t tx_bytes; /* at least MP_LINK_TX_MIN(max_body) */
    uint16_t rx_bytes; /* at least MP_LINK_RX_MIN(max_body); what is beyond a frame is the credit
                          given to the peer: bytes of messages beyond what is safe, each counted as
                          its body and MP_CREDIT_EXTRA */
    uint8_t max_body;  /* longest body taken or sent: MP_BODY_MIN to MP_BODY_MAX. A host's should be
                          MP_BODY_MAX: a device's longer messages wait for a host that takes them */
    uint16_t byte_us;  /* MP_LINK_BYTE_US(baud) of the line, for time-outs before a round trip is
                          measured; 0: no limit */
    uint16_t silence_ms; /* host: end the session after this long without a valid frame; 0: never.
                            device: mp_link_silence_us counts down from here */
    const struct mp_identity *identity; /* of a device */
    struct mp_link_host *host;          /* of a host, the caller's memory; NULL: a device */
    struct mp_link_stats *stats; /* counted here, from what stands there; only with MP_LINK_HOST */
    uint32_t seed;     /* host: random, different in every process; draws nonces and epochs */
    bool safe_at_once; /* host: a delivered message is safe: nothing beyond delivery is promised. A
                          device never promises more */
    void *user;        /* for the callbacks */
};

/* From 300 to 10000000 baud, ten bits to a byte. */
#define MP_LINK_BYTE_US(baud) ((uint16_t)(10000000u / (baud) + 1))

/* What a body of `len` bytes takes of the memory for sending, and of that for receiving while it
 * waits for its turn. */
#define MP_LINK_TX_BYTES(len) ((len) + 6u)
#define MP_LINK_RX_BYTES(len) ((len) + 4u)

/* Least memory for receiving: one frame, and one message out of turn. For sending: one frame, and
 * two messages, of which the second is for answers when readings have taken all they may. */
#define MP_LINK_RX_MIN(max_body) (MP_FRAME_AROUND + 1u + (max_body) + MP_LINK_RX_BYTES(max_body))
#define MP_LINK_TX_MIN(max_body) \
    (MP_FRAME_AROUND + 1u + (max_body) + 2u * MP_LINK_TX_BYTES(max_body))

#define MP_LINK_WINDOW 64 /* at most so many reliable messages are not yet safe */

/* Counted; they wrap. */
struct mp_link_stats {
    uint32_t frames_in;
    uint32_t frames_out;
    uint32_t bytes_in;
    uint32_t bytes_out;
    uint32_t bad_frames; /* failed CRC, cut short, too long, or no frame at all */
    uint32_t resent;     /* frames sent a second time or more */
    uint32_t duplicates; /* arrived a second time or more, dropped */
    uint32_t foreign;    /* valid, of another session, dropped */
    uint32_t no_room;    /* arrived out of turn with no memory left, dropped, resent later */
    uint32_t sessions;
    uint32_t rtt_us; /* smoothed round trip, to the tick, 1 if shorter; 0: not yet measured */
};

#include "mp_link_state.h" /* struct mp_link: sized here, its members are the link's own */
struct mp_link;            /* also where that file was included first */

/* Prepares `link`; the host starts saying hello at the first poll. Returns MP_OK, or
 * MP_ERR_BAD_VALUE when the memory is too small or a member out of range. `config` is copied; `io`
 * is kept by pointer, and may lie in flash. */
int mp_link_init(struct mp_link *link, const struct mp_link_config *config,
                 const struct mp_link_io *io);

/* Bytes from the line, in any pieces. */
void mp_link_bytes(struct mp_link *link, const uint8_t *bytes, size_t n, uint32_t now_us);

/* Drives timers. Returns in how many microseconds it wants to be called again; calling earlier is
 * harmless. */
uint32_t mp_link_poll(struct mp_link *link, uint32_t now_us);

/* Writes up to `cap` bytes for the line to `out` and returns how many; 0: nothing to send now. What
 * is returned must reach the line in order, or be reported by mp_link_line_lost. Round trips are
 * measured from here: ask for no more than the line takes within some 20 ms, or what waits in a
 * queue behind this looks like a slow line, and urgent messages wait there too. */
size_t mp_link_output(struct mp_link *link, uint8_t *out, size_t cap, uint32_t now_us);

/* Keeps a copy of the message until it is safe with the peer and sends it as often as needed.
 * Returns MP_OK, MP_ERR_FULL, MP_ERR_TOO_LONG, MP_ERR_BAD_VALUE (no such id), or MP_ERR_NO_SESSION
 * (hosts: commands never wait for a session; a device's messages do). A part of the memory is kept
 * for MP_PRIO_COMMAND and for mp_link_send_once, so that a queue of readings stops neither. */
int mp_link_send(struct mp_link *link, enum mp_priority priority, uint8_t id, const uint8_t *body,
                 size_t len);

/* Sends once. From MP_COUNTED on the receiver counts gaps, and it leaves as MP_PRIO_READING; lower
 * ids are questions and answers, not counted, and leave as MP_PRIO_COMMAND. Returns MP_OK,
 * MP_ERR_FULL (drop it: best effort never waits; the receiver will see the gap), MP_ERR_TOO_LONG,
 * MP_ERR_BAD_VALUE or MP_ERR_NO_SESSION. */
int mp_link_send_once(struct mp_link *link, uint8_t id, const uint8_t *body, size_t len);

/* Host: every message received before `number` is safe: the device may forget it. Not with
 * safe_at_once. */
void mp_link_safe(struct mp_link *link, uint32_t number);

/* New credit, told to the peer with the next ack. 0 stops the peer's reliable messages; with less
 * than one message it sends one at a time. */
void mp_link_credit(struct mp_link *link, uint16_t bytes);

/* Host without a session: says no hello for so long (at most 30 s), or until a valid frame comes.
 * For a line whose opening has reset the board: its boot loader may take a hello for its own. */
void mp_link_listen(struct mp_link *link, uint16_t ms);

/* The line was cut or the port closed: ends the session, forgets half a frame, and (host) starts
 * saying hello again at the next poll. What the peer has not made safe is kept by a device, dropped
 * by a host. */
void mp_link_line_lost(struct mp_link *link);

bool mp_link_is_up(const struct mp_link *link);
/* Device: how much is left of silence_ms; 0 when it has run out. */
uint32_t mp_link_silence_us(const struct mp_link *link);
/* Host: what the device said in the latest hello. */
const struct mp_peer *mp_link_peer(const struct mp_link *link);
const struct mp_link_stats *mp_link_stats(const struct mp_link *link); /* as configured */
/* Longest body that mp_link_send takes now for a reading, a log or bulk. */
size_t mp_link_room(const struct mp_link *link);
/* Longest body that mp_link_send_once takes now. */
size_t mp_link_room_once(const struct mp_link *link);
/* Whether a reliable message of this priority or a more urgent one has not yet reached the peer. */
bool mp_link_pending(const struct mp_link *link, enum mp_priority priority);

#ifdef __cplusplus
}
#endif

#endif
