/*
 * What leaves: messages kept until safe, which of them goes next, and which are lost and go again.
 *
 * A line keeps the order of its bytes, so a message is known to be lost as soon as one that left
 * after it has arrived. For that a message goes to the end of the queue whenever it leaves: those
 * in flight stand in the order of their latest leaving. Where nothing left after it, the peer's
 * word of a damaged frame, and at last a time-out, stand in. Sessions and the link's own messages
 * are mp_link.c's.
 *
 * What leaves is copied to the frame of the framer, which is coded where it lies; the record in the
 * queue may be gone before that has left.
 */
#include "mp_link_parts.h"

#include <string.h>

/* A record: when its latest transmission had left, and the frame from its id on. The flags stand
 * where the frame has its tag, which is the session's. */
enum tx_field { TX_SIZE, TX_LEFT, TX_ID = TX_LEFT + 2, TX_FLAGS, TX_NUMBER, TX_BODY };
_Static_assert(TX_BODY == MP_LINK_TX_BYTES(0), "what callers reckon with");
_Static_assert(TX_BODY - TX_ID == MP_FRAME_BODY - MP_FRAME_ID, "copied in one piece");

/* A message's flags: its priority in the low bits, and what has happened to it. */
#define PRIO_MASK 0x03u
#define ONCE      0x04u /* best effort */
#define AGAIN     0x10u /* was lost before, so an ack does not tell which leaving of it it means */
#define NUMBERED  0x20u /* left at least once */
#define RECEIVED  0x40u /* the peer has it, not yet safe */
#define LOST      0x80u /* has to go again */

#define RTO_FIRST       MP_TICKS(100000u)
#define RTO_GRAIN       1u
#define RTO_MAX         MP_TICKS(250000u)
#define RTT_MAX         (UINT16_MAX / 8)
#define ASK             MP_TICKS(500000u)
#define COMMAND_NUMBERS 8  /* of the window, kept for commands' results */
#define RESERVE         64 /* bytes of memory kept for them and for best effort, ... */
#define RESERVE_ONCE    24 /* ... of that for best effort, which must not wait for credit: a TIME */

#define NOT_NOW UINT8_MAX

static bool in_flight(const uint8_t *record)
{
    return record[TX_FLAGS] / NUMBERED == 1;
}

static size_t credit_of(const uint8_t *record)
{
    return record[TX_SIZE] - (size_t)TX_BODY + MP_CREDIT_EXTRA;
}

/* Ticks since its latest transmission began to leave. */
static uint16_t waited(const struct mp_link *link, const uint8_t *record)
{
    return (uint16_t)(link->now - mp_get_u16(record + TX_LEFT));
}

/* -- Taking messages in. */

/* Bytes of memory that a message without a body would leave taken. */
static size_t taken(const struct mp_link *link, uint8_t flags)
{
    uint8_t kept = flags == MP_PRIO_COMMAND ? RESERVE_ONCE : RESERVE;
    return TX_BODY + 1u + mp_queue_used(link->tx_queue) + (flags & ONCE ? 0u : kept);
}

static size_t room(const struct mp_link *link, uint8_t flags)
{
    size_t now = taken(link, flags);
    size_t left = link->tx_cap > now ? link->tx_cap - now : 0;
    return left < link->peer_body ? left : link->peer_body;
}

size_t mp_link_room(const struct mp_link *link)
{
    return room(link, MP_PRIO_READING);
}

size_t mp_link_room_once(const struct mp_link *link)
{
    return room(link, ONCE);
}

static int add(struct mp_link *link, uint8_t flags, uint8_t id, const uint8_t *body, size_t len)
{
    if (id == 0 || id >= MP_FRAME_RELIABLE)
        return MP_ERR_BAD_VALUE;
    if (len > link->peer_body)
        return MP_ERR_TOO_LONG;
    if (taken(link, flags) + len > link->tx_cap)
        return MP_ERR_FULL;
    uint8_t *record = mp_queue_put(link->tx_queue, (uint8_t)(TX_BODY + len));
    record[TX_FLAGS] = flags;
    record[TX_NUMBER] = 0;
    record[TX_ID] = flags & ONCE ? id : (uint8_t)(id | MP_FRAME_RELIABLE);
    if (len > 0)
        memcpy(record + TX_BODY, body, len);
    return MP_OK;
}

int mp_link_send(struct mp_link *link, enum mp_priority priority, uint8_t id, const uint8_t *body,
                 size_t len)
{
    if (mp_is_host(link) && link->phase != MP_LINK_UP)
        return MP_ERR_NO_SESSION;
    return add(link, (uint8_t)priority, id, body, len);
}

int mp_link_send_once(struct mp_link *link, uint8_t id, const uint8_t *body, size_t len)
{
    bool counted = id >= MP_COUNTED;
    uint8_t priority = counted ? MP_PRIO_READING : MP_PRIO_COMMAND;
    if (link->phase != MP_LINK_UP)
        return MP_ERR_NO_SESSION;
    int error = add(link, (uint8_t)(ONCE | priority), id, body, len);
    if (error == MP_ERR_FULL && counted)
        link->tx_once_next++;
    return error;
}

bool mp_link_pending(const struct mp_link *link, enum mp_priority priority)
{
    for (const uint8_t *r = link->tx_queue; *r != 0; r += *r)
        if (!(r[TX_FLAGS] & (ONCE | RECEIVED)) && (r[TX_FLAGS] & PRIO_MASK) <= (uint8_t)priority)
            return true;
    return false;
}

/* -- Sessions. */

void mp_tx_begin_session(struct mp_link *link, uint16_t credit)
{
    uint8_t *r = link->tx_queue;
    link->tx_credit = credit;
    link->rtt8 = 0;
    link->rtt_var4 = (uint16_t)(RTO_FIRST + 2 * mp_link_line_ticks(link, MP_FRAME_MAX));
    link->tx_once_next = 0;
    link->timer[MP_TIMER_ASK] = ASK;
    while (*r != 0) {
        if (r[TX_FLAGS] & ONCE) {
            mp_queue_take(r); /* of an earlier session */
            continue;
        }
        if (r[TX_FLAGS] & NUMBERED)
            r[TX_FLAGS] = (uint8_t)((r[TX_FLAGS] & ~RECEIVED) | LOST | AGAIN);
        r += *r;
    }
}

void mp_tx_clear(struct mp_link *link)
{
    link->tx_unsafe = 0;
    link->tx_safe = 0;
    link->tx_queue[0] = 0;
}

/* -- Choosing. */

/* Bytes of messages beyond the safe mark, as credit counts them. */
static size_t beyond(const struct mp_link *link)
{
    size_t sum = 0;
    for (const uint8_t *r = link->tx_queue; *r != 0; r += *r)
        if (r[TX_FLAGS] & NUMBERED)
            sum += credit_of(r);
    return sum;
}

/* Whether the peer takes one more message; `under_way` are already. */
static bool window_open(const struct mp_link *link, const uint8_t *record, size_t under_way)
{
    bool command = (record[TX_FLAGS] & PRIO_MASK) == MP_PRIO_COMMAND;
    if (link->tx_unsafe >= (command ? MP_LINK_WINDOW : MP_LINK_WINDOW - COMMAND_NUMBERS))
        return false;
    return under_way == 0 || under_way + credit_of(record) <= link->tx_credit;
}

/* The lower, the sooner: lost messages by number, then new ones by priority. */
static uint8_t rank(const struct mp_link *link, const uint8_t *record, size_t under_way)
{
    uint8_t flags = record[TX_FLAGS];
    if (!(flags & ONCE)) {
        if (link->tx_credit == 0)
            return NOT_NOW; /* even for what an earlier session was allowed to send */
        if (flags & LOST)
            return (uint8_t)(record[TX_NUMBER] - link->tx_safe);
        if ((flags & NUMBERED) || !window_open(link, record, under_way))
            return NOT_NOW;
    }
    return (uint8_t)(MP_LINK_WINDOW + (flags & PRIO_MASK));
}

static uint8_t *choose(const struct mp_link *link)
{
    size_t under_way = beyond(link);
    uint8_t best = NOT_NOW;
    uint8_t *chosen = NULL;
    for (uint8_t *r = link->tx_queue; *r != 0; r += *r) {
        uint8_t here = rank(link, r, under_way);
        if (here < best) {
            best = here;
            chosen = r;
        }
    }
    return chosen;
}

static void stamp_once(struct mp_link *link, uint8_t bytes)
{
    uint8_t *frame = link->framer.frame;
    if (frame[MP_FRAME_ID] >= MP_COUNTED)
        frame[MP_FRAME_NUMBER] = link->tx_once_next++;
    if (link->io->leaving != NULL &&
        link->io->leaving(link->user, frame[MP_FRAME_ID], frame + MP_FRAME_BODY,
                          (size_t)bytes - MP_FRAME_BODY))
        link->shared = false;
}

/* It goes to the end of the queue, behind all that left before. */
static void stamp(struct mp_link *link, uint8_t bytes, uint8_t flags)
{
    uint8_t *frame = link->framer.frame;
    uint8_t size = (uint8_t)(bytes + TX_BODY - MP_FRAME_BODY);
    uint8_t *record = mp_queue_put(link->tx_queue, size);
    if (flags & NUMBERED)
        MP_COUNT(link, resent, 1);
    else
        frame[MP_FRAME_NUMBER] = (uint8_t)(link->tx_safe + link->tx_unsafe++);
    memcpy(record + TX_ID, frame + MP_FRAME_ID, (size_t)bytes - MP_FRAME_ID);
    record[TX_FLAGS] = (uint8_t)((flags & ~LOST) | NUMBERED);
    mp_put_u16(record + TX_LEFT, link->now);
}

uint8_t mp_tx_next_message(struct mp_link *link)
{
    uint8_t *frame = link->framer.frame, *record = choose(link);
    if (record == NULL)
        return 0;
    uint8_t bytes = (uint8_t)(record[TX_SIZE] - TX_BODY + MP_FRAME_BODY);
    memcpy(frame + MP_FRAME_ID, record + TX_ID, (size_t)bytes - MP_FRAME_ID);
    uint8_t flags = record[TX_FLAGS];
    frame[MP_FRAME_TAG] = link->tag;
    mp_queue_take(record);
    if (flags & ONCE)
        stamp_once(link, bytes);
    else
        stamp(link, bytes, flags);
    return bytes;
}

/* -- Learning what arrived. */

/* Each message counts, not only the newest of an ack: where bytes come in lumps (a USB adapter with
 * a latency timer) the first of a lump has waited longest, and its time-out must allow for that. */
static void measure(struct mp_link *link, uint16_t rtt)
{
    if (rtt > RTT_MAX)
        rtt = RTT_MAX;
    unsigned mean = link->rtt8 / 8u;
    unsigned off = rtt > mean ? rtt - mean : mean - rtt;
    link->rtt8 = (uint16_t)(link->rtt8 + rtt - mean);
    link->rtt_var4 = (uint16_t)(link->rtt_var4 + off - link->rtt_var4 / 4);
    MP_NOTE(link, rtt_us, (uint32_t)link->rtt8 << (MP_TICK_SHIFT - 3) | 1u);
}

/* Whether word of the latest transmission can be back already. */
static bool back_by_now(const struct mp_link *link, const uint8_t *record)
{
    return waited(link, record) >= link->rtt8 / 16;
}

static bool reported(uint8_t number, uint8_t ahead, const uint8_t *ack, size_t len)
{
    uint8_t bit = (uint8_t)(number - ahead - 1);
    size_t at = (size_t)MP_ACK_BITMAP + bit / 8;
    if (number <= ahead)
        return number < ahead;
    return at < len && (ack[at] >> (bit % 8)) & 1;
}

/* The peer has it, and its priority matters no more. Returns whether that tells about what left
 * before. */
static bool mark_received(struct mp_link *link, uint8_t *record)
{
    bool again = (record[TX_FLAGS] & AGAIN) != 0;
    record[TX_FLAGS] = NUMBERED | RECEIVED;
    if (again)
        return back_by_now(link, record);
    measure(link, waited(link, record));
    return true;
}

/* Marks what the ack reports; returns the latest to leave of those that this tells of. */
static uint8_t *take_report(struct mp_link *link, uint8_t ahead, const uint8_t *ack, size_t len)
{
    uint8_t *newest = link->tx_queue;
    for (uint8_t *r = newest; *r != 0; r += *r)
        if ((r[TX_FLAGS] & (NUMBERED | RECEIVED)) == NUMBERED &&
            reported((uint8_t)(r[TX_NUMBER] - link->tx_safe), ahead, ack, len) &&
            mark_received(link, r))
            newest = r;
    return newest;
}

/* Lets go what is safe and marks what is lost: what left before `newest` and has not arrived never
 * will; and where that finds nothing, a damaged frame (`bad`) was most likely the next in flight.
 */
static void sort_out(struct mp_link *link, uint8_t safe, const uint8_t *newest, bool bad)
{
    uint8_t *r = link->tx_queue;
    while (*r != 0) {
        if (in_flight(r) && (r < newest || (bad && back_by_now(link, r)))) {
            r[TX_FLAGS] |= LOST | AGAIN;
            bad = false;
        }
        if ((r[TX_FLAGS] & NUMBERED) && (uint8_t)(r[TX_NUMBER] - link->tx_safe) < safe) {
            if (r < newest)
                newest -= *r;
            mp_queue_take(r);
        } else {
            r += *r;
        }
    }
}

void mp_tx_on_ack(struct mp_link *link, uint8_t next, const uint8_t *ack, size_t len)
{
    uint8_t ahead = (uint8_t)(next - link->tx_safe);
    uint8_t safe = (uint8_t)(ack[MP_ACK_SAFE] - link->tx_safe);
    /* An ack that was overtaken by a later one reaches back before the safe mark: old news. */
    if (len < MP_ACK_BITMAP || ahead > link->tx_unsafe)
        return;
    if (safe > ahead)
        safe = 0;
    link->tx_credit = mp_get_u16(ack + MP_ACK_CREDIT);
    link->timer[MP_TIMER_ASK] = ASK;
    sort_out(link, safe, take_report(link, ahead, ack, len), ack[MP_ACK_FLAGS] & MP_ACK_BAD_FRAME);
    /* The damaged frame may have been our ack, and nothing else would bring its news again. */
    if (ack[MP_ACK_FLAGS] != 0)
        link->due |= MP_DUE_ACK;
    link->tx_safe += safe;
    link->tx_unsafe = (uint8_t)(link->tx_unsafe - safe);
    if (safe > 0 && link->io->safe != NULL)
        link->io->safe(link->user, link->tx_safe);
}

/* -- Time. */

/* Nothing is in flight, but messages wait for the peer's memory or for its safe mark, and the ack
 * that told may have been lost. */
static void poll_ask(struct mp_link *link)
{
    if (link->timer[MP_TIMER_ASK] != 0)
        return;
    link->timer[MP_TIMER_ASK] = ASK;
    link->ack_flags |= MP_ACK_ASK;
    link->due |= MP_DUE_ACK;
}

/* Best effort waits for neither: an idle line has one exchange for each time question, not two. */
unsigned mp_tx_poll(struct mp_link *link)
{
    unsigned wait = link->rtt8 / 8u + link->rtt_var4 + RTO_GRAIN;
    uint8_t *r = link->tx_queue;
    uint8_t all_once = ONCE;
    while (*r != 0 && !in_flight(r)) {
        all_once &= r[TX_FLAGS];
        r += *r;
    }
    if (*r == 0) {
        if (all_once == 0)
            poll_ask(link);
        return MP_TICKS_FOREVER;
    }
    /* A long frame after short ones takes longer than any round trip measured so far. */
    wait += mp_link_line_ticks(link, *r);
    unsigned so_far = waited(link, r);
    if (so_far < wait)
        return wait - so_far;
    r[TX_FLAGS] |= LOST | AGAIN;
    if (link->rtt_var4 < RTO_MAX / 2)
        link->rtt_var4 = (uint16_t)(2 * link->rtt_var4 + 1);
    return wait;
}
