/*
 * What leaves: messages kept until safe, which of them goes next, and which are lost and go again.
 *
 * A line keeps the order of its bytes, so a message is known to be lost as soon as one that left
 * after it has arrived; for that no two transmissions have the same time of leaving. Where nothing
 * left after it, the peer's word of a damaged frame, and at last a time-out, stand in. Sessions and
 * the link's own messages are mp_link.c's.
 */
#include "mp_link_parts.h"

#include <string.h>

/* A record: its flags, when its latest transmission had left, and the frame. */
enum tx_field { TX_SIZE, TX_FLAGS, TX_SENT, TX_FRAME = TX_SENT + 4 };
#define TX_AROUND (TX_FRAME + MP_FRAME_AROUND) /* bytes beside the body */
_Static_assert(TX_AROUND == MP_LINK_TX_BYTES(0), "what callers reckon with");

/* A message's flags: its priority in the low bits, and what has happened to it. */
#define PRIO_MASK 0x03u
#define ONCE      0x04u /* best effort */
#define NUMBERED  0x08u /* left at least once */
#define RECEIVED  0x10u /* the peer has it, not yet safe */
#define LOST      0x20u /* has to go again */
#define AGAIN     0x40u /* went more than once, so an ack does not tell which of them it means */
#define GONE      0x80u /* taken out as soon as its frame has left */

#define RTO_FIRST_US    100000u
#define RTO_GRAIN_US    1000u
#define RTO_MAX_US      250000u
#define BACKOFF_MAX     2
#define ASK_US          500000u
#define AHEAD_MAX_US    10000u /* frames that leave in one moment are fewer */
#define COMMAND_NUMBERS 8      /* of the window, kept for commands' results */
#define RESERVE_MAX     96     /* bytes of memory kept for them and for best effort */

#define NOT_NOW UINT8_MAX

static uint8_t *frame_of(uint8_t *record)
{
    return record + TX_FRAME;
}

static uint8_t number_of(const uint8_t *record)
{
    return record[TX_FRAME + MP_FRAME_NUMBER];
}

static size_t body_len(const uint8_t *record)
{
    return (size_t)record[TX_SIZE] - TX_AROUND;
}

static size_t credit_of(const uint8_t *record)
{
    return body_len(record) + MP_CREDIT_EXTRA;
}

static uint32_t sent_us(const uint8_t *record)
{
    return mp_get_u32(record + TX_SENT);
}

/* How long ago the latest transmission left; those of one moment are dated apart, into the future.
 */
static uint32_t waited_us(const struct mp_link *link, const uint8_t *record)
{
    uint32_t waited = link->now_us - sent_us(record);
    return waited > INT32_MAX ? 0 : waited;
}

static bool left_before(const uint8_t *record, uint32_t us)
{
    return (int32_t)(sent_us(record) - us) < 0;
}

static bool in_flight(const struct mp_link_tx *tx, const uint8_t *record)
{
    return (record[TX_FLAGS] & (NUMBERED | RECEIVED | LOST)) == NUMBERED && record != tx->sending;
}

void mp_tx_init(struct mp_link *link, const struct mp_link_config *config)
{
    mp_queue_init(&link->tx.queue, config->tx_mem, config->tx_bytes);
}

/* -- Taking messages in. */

static size_t tx_bytes(const struct mp_link *link)
{
    return (size_t)(link->tx.queue.stop - link->tx.queue.mem);
}

static size_t reserve(const struct mp_link *link, uint8_t flags)
{
    size_t part = tx_bytes(link) / 4;
    if ((flags & ONCE) || (flags & PRIO_MASK) == MP_PRIO_COMMAND)
        return 0;
    return part < RESERVE_MAX ? part : RESERVE_MAX;
}

/* Longest body that `bytes` of memory hold now, or ever hold. */
static size_t fits(const struct mp_link *link, uint8_t flags, size_t bytes)
{
    size_t taken = reserve(link, flags) + TX_AROUND;
    size_t body = link->phase == MP_LINK_UP ? link->peer.max_body : MP_BODY_MAX;
    size_t room = bytes > taken ? bytes - taken : 0;
    return room < body ? room : body;
}

static size_t room(const struct mp_link *link, uint8_t flags)
{
    const struct mp_queue *queue = &link->tx.queue;
    return fits(link, flags, (size_t)(queue->stop - queue->end));
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
    if (len > fits(link, flags, tx_bytes(link)))
        return MP_ERR_TOO_LONG;
    uint8_t *record =
        len > room(link, flags) ? NULL : mp_queue_put(&link->tx.queue, TX_AROUND + len);
    if (record == NULL)
        return MP_ERR_FULL;
    record[TX_FLAGS] = flags;
    record[TX_FRAME + MP_FRAME_ID] = (uint8_t)(id | (flags & ONCE ? 0 : MP_FRAME_RELIABLE));
    if (len > 0)
        memcpy(record + TX_FRAME + MP_FRAME_BODY, body, len);
    return MP_OK;
}

int mp_link_send(struct mp_link *link, enum mp_priority priority, uint8_t id, const uint8_t *body,
                 size_t len)
{
    if (!mp_link_keeps(link) && link->phase != MP_LINK_UP)
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
        link->tx.once_next++;
    return error;
}

bool mp_link_pending(const struct mp_link *link, enum mp_priority priority)
{
    for (const uint8_t *r = link->tx.queue.mem; r != link->tx.queue.end; r += *r) {
        uint8_t flags = r[TX_FLAGS];
        if (!(flags & (ONCE | RECEIVED | GONE)) && (flags & PRIO_MASK) <= (uint8_t)priority)
            return true;
    }
    return false;
}

/* -- Letting them go. */

/* Takes a record out and returns what stands at its place, for a walk to go on with. One whose
 * frame is on its way stays until that has left. */
static uint8_t *drop(struct mp_link *link, uint8_t *record)
{
    struct mp_link_tx *tx = &link->tx;
    size_t size = record[TX_SIZE];
    if (record == tx->sending) {
        record[TX_FLAGS] = GONE;
        return record + size;
    }
    mp_queue_take(&tx->queue, record);
    if (tx->sending > record) {
        tx->sending -= size;
        mp_framer_moved(&tx->framer, size);
    }
    return record;
}

void mp_tx_begin_session(struct mp_link *link, uint16_t credit)
{
    struct mp_link_tx *tx = &link->tx;
    tx->credit = credit;
    tx->rtt_us = 0;
    tx->rtt_min_us = 0;
    tx->backoff = 0;
    tx->once_next = 0;
    tx->asked_us = link->now_us;
    for (uint8_t *r = tx->queue.mem; r != tx->queue.end; r += *r)
        if (r[TX_FLAGS] & NUMBERED)
            r[TX_FLAGS] = (uint8_t)((r[TX_FLAGS] & ~RECEIVED) | LOST | AGAIN);
}

void mp_tx_end_session(struct mp_link *link)
{
    struct mp_link_tx *tx = &link->tx;
    bool all = !mp_link_keeps(link);
    uint8_t *r = tx->queue.mem;
    while (r != tx->queue.end)
        r = all || (r[TX_FLAGS] & ONCE) ? drop(link, r) : r + *r;
    if (all) {
        tx->unsafe = 0;
        tx->safe = 0;
        tx->beyond = 0;
    }
}

/* -- Choosing. */

static bool window_open(const struct mp_link *link, const uint8_t *record)
{
    const struct mp_link_tx *tx = &link->tx;
    bool command = (record[TX_FLAGS] & PRIO_MASK) == MP_PRIO_COMMAND;
    if (tx->unsafe >= (command ? MP_LINK_WINDOW : MP_LINK_WINDOW - COMMAND_NUMBERS))
        return false;
    return tx->beyond == 0 || tx->beyond + credit_of(record) <= tx->credit;
}

/* The lower, the sooner: lost messages by number, then new ones by priority. */
static uint8_t rank(const struct mp_link *link, const uint8_t *record)
{
    uint8_t flags = record[TX_FLAGS];
    uint8_t by_priority = (uint8_t)(MP_LINK_WINDOW + (flags & PRIO_MASK));
    if ((flags & GONE) || body_len(record) > link->peer.max_body)
        return NOT_NOW;
    if (flags & ONCE)
        return by_priority;
    /* What an earlier session was allowed to send, this one may not want yet. */
    if (link->tx.credit == 0)
        return NOT_NOW;
    if (flags & LOST)
        return (uint8_t)(number_of(record) - link->tx.safe);
    return !(flags & NUMBERED) && window_open(link, record) ? by_priority : NOT_NOW;
}

static uint8_t *choose(const struct mp_link *link)
{
    uint8_t best = NOT_NOW;
    uint8_t *chosen = NULL;
    for (uint8_t *r = link->tx.queue.mem; r != link->tx.queue.end; r += *r) {
        uint8_t here = rank(link, r);
        if (here < best) {
            best = here;
            chosen = r;
        }
    }
    return chosen;
}

static void stamp(struct mp_link *link, uint8_t *record)
{
    struct mp_link_tx *tx = &link->tx;
    uint8_t flags = record[TX_FLAGS];
    if (flags & NUMBERED) {
        record[TX_FLAGS] = (uint8_t)((flags & ~LOST) | AGAIN);
        link->stats.resent++;
    } else {
        record[TX_FLAGS] = flags | NUMBERED;
        record[TX_FRAME + MP_FRAME_NUMBER] = (uint8_t)(tx->safe + tx->unsafe++);
        tx->beyond += credit_of(record);
    }
}

static void stamp_once(struct mp_link *link, uint8_t *frame, size_t len)
{
    if (frame[MP_FRAME_ID] >= MP_COUNTED)
        frame[MP_FRAME_NUMBER] = link->tx.once_next++;
    if (link->io.leaving != NULL)
        link->io.leaving(link->io.user, frame[MP_FRAME_ID], frame + MP_FRAME_BODY, len,
                         link->now_us);
}

static uint8_t *next_message(struct mp_link *link, size_t *len)
{
    uint8_t *record = choose(link);
    if (record == NULL)
        return NULL;
    uint8_t *frame = frame_of(record);
    *len = body_len(record);
    frame[MP_FRAME_TAG] = link->tag;
    if (record[TX_FLAGS] & ONCE)
        stamp_once(link, frame, *len);
    else
        stamp(link, record);
    link->tx.sending = record;
    link->tx.sending_number = number_of(record);
    return frame;
}

uint8_t *mp_tx_next_frame(struct mp_link *link, size_t *len)
{
    uint8_t *frame = link->tx.own;
    int own = mp_link_own(link, frame);
    if (own >= 0)
        *len = (size_t)own;
    else if (link->phase == MP_LINK_UP)
        frame = next_message(link, len);
    else
        frame = NULL;
    link->tx.shared = link->tx.shared && frame != NULL;
    if (frame == NULL)
        return NULL;
    link->stats.frames_out++;
    mp_link_trace(link, true, frame, *len);
    return frame;
}

void mp_tx_frame_left(struct mp_link *link)
{
    struct mp_link_tx *tx = &link->tx;
    uint8_t *record = tx->sending;
    tx->sending = NULL;
    tx->shared = true;
    if (record == NULL)
        return;
    if (record[TX_FLAGS] & (ONCE | GONE)) {
        drop(link, record);
        return;
    }
    uint32_t ahead = tx->left_us - link->now_us;
    tx->left_us = ahead < AHEAD_MAX_US ? tx->left_us + 1 : link->now_us;
    mp_put_u32(record + TX_SENT, tx->left_us);
}

size_t mp_link_output(struct mp_link *link, uint8_t *out, size_t cap, uint32_t now_us)
{
    struct mp_link_tx *tx = &link->tx;
    size_t n = 0, len = 0;
    link->now_us = now_us;
    while (n < cap) {
        if (mp_framer_idle(&tx->framer)) {
            uint8_t *frame = mp_tx_next_frame(link, &len);
            if (frame == NULL)
                break;
            mp_framer_begin(&tx->framer, frame, len, tx->shared);
        }
        n += mp_framer_read(&tx->framer, out + n, cap - n);
        if (mp_framer_idle(&tx->framer))
            mp_tx_frame_left(link);
    }
    link->stats.bytes_out += (uint32_t)n;
    return n;
}

/* -- Learning what arrived. */

/* Whether word of the latest transmission can be back already. */
static bool back_by_now(const struct mp_link *link, const uint8_t *record)
{
    return waited_us(link, record) >= link->tx.rtt_min_us / 2;
}

/* Each message counts, not only the newest of an ack: where bytes come in lumps (a USB adapter with
 * a latency timer) the first of a lump has waited longest, and its time-out must allow for that. */
static void measure(struct mp_link *link, uint32_t rtt_us)
{
    struct mp_link_tx *tx = &link->tx;
    if (tx->rtt_us == 0) {
        tx->rtt_us = rtt_us;
        tx->rtt_var_us = rtt_us / 2;
        tx->rtt_min_us = rtt_us;
    }
    uint32_t off = rtt_us > tx->rtt_us ? rtt_us - tx->rtt_us : tx->rtt_us - rtt_us;
    tx->rtt_var_us += off / 4 - tx->rtt_var_us / 4;
    tx->rtt_us += rtt_us / 8 - tx->rtt_us / 8 + 1;
    if (rtt_us < tx->rtt_min_us)
        tx->rtt_min_us = rtt_us;
    link->stats.rtt_us = tx->rtt_us;
}

static bool reported(uint8_t number, uint8_t ahead, const struct mp_ack *ack)
{
    if (number < ahead)
        return true;
    size_t bit = (size_t)number - ahead - 1;
    return number > ahead && bit / 8 < ack->bitmap_len && (ack->bitmap[bit / 8] >> (bit % 8)) & 1;
}

/* The peer has it. Returns whether that tells about what left before. */
static bool mark_received(struct mp_link *link, uint8_t *record)
{
    uint8_t flags = record[TX_FLAGS];
    record[TX_FLAGS] = (uint8_t)((flags & ~LOST) | RECEIVED);
    link->tx.backoff = 0;
    if (record == link->tx.sending || ((flags & AGAIN) && !back_by_now(link, record)))
        return false;
    if (!(flags & AGAIN))
        measure(link, waited_us(link, record));
    return true;
}

static uint8_t *oldest_in_flight(const struct mp_link *link)
{
    const struct mp_link_tx *tx = &link->tx;
    uint8_t *oldest = NULL;
    for (uint8_t *r = tx->queue.mem; r != tx->queue.end; r += *r)
        if (in_flight(tx, r) && (oldest == NULL || left_before(r, sent_us(oldest))))
            oldest = r;
    return oldest;
}

/* Marks what the ack reports and lets go what is safe; returns whether anything is found lost:
 * what left before the newest that has arrived, and has not arrived, never will. */
static bool take_report(struct mp_link *link, uint8_t ahead, uint8_t safe, const struct mp_ack *ack)
{
    struct mp_link_tx *tx = &link->tx;
    uint32_t newest_us = 0;
    bool news = false, lost = false;
    uint8_t *r = tx->queue.mem;
    while (r != tx->queue.end) {
        /* In a frame that is leaving, a number that is its veil is a code. */
        uint8_t low = r == tx->sending ? tx->sending_number : number_of(r);
        uint8_t number = (uint8_t)(low - tx->safe);
        bool numbered = (r[TX_FLAGS] & NUMBERED) != 0;
        if (numbered && !(r[TX_FLAGS] & RECEIVED) && reported(number, ahead, ack) &&
            mark_received(link, r) && (!news || !left_before(r, newest_us))) {
            newest_us = sent_us(r);
            news = true;
        }
        if (numbered && number < safe) {
            tx->beyond -= credit_of(r);
            r = drop(link, r);
        } else {
            r += *r;
        }
    }
    while (news && (r = oldest_in_flight(link)) != NULL && left_before(r, newest_us)) {
        r[TX_FLAGS] |= LOST;
        lost = true;
    }
    return lost;
}

/* The peer saw a damaged frame: most likely the one after the newest that it reported. */
static void on_bad_frame(struct mp_link *link)
{
    uint8_t *record = oldest_in_flight(link);
    if (record != NULL && back_by_now(link, record))
        record[TX_FLAGS] |= LOST;
}

void mp_tx_on_ack(struct mp_link *link, uint8_t next, const struct mp_ack *ack)
{
    struct mp_link_tx *tx = &link->tx;
    uint8_t ahead = (uint8_t)(next - tx->safe);
    uint8_t safe = (uint8_t)(ack->safe - tx->safe);
    /* An ack that was overtaken by a later one reaches back before the safe mark: old news. */
    if (ahead > tx->unsafe)
        return;
    if (safe > ahead)
        safe = 0;
    tx->credit = ack->credit;
    tx->asked_us = link->now_us;
    bool lost = take_report(link, ahead, safe, ack);
    if ((ack->flags & MP_ACK_BAD_FRAME) && !lost)
        on_bad_frame(link);
    /* The damaged frame may have been our ack, and nothing else would bring its news again. */
    if (ack->flags & (MP_ACK_BAD_FRAME | MP_ACK_ASK))
        link->due |= MP_DUE_ACK;
    tx->safe += safe;
    tx->unsafe = (uint8_t)(tx->unsafe - safe);
    if (safe > 0 && link->io.safe != NULL)
        link->io.safe(link->io.user, tx->safe);
}

/* -- Time. */

static uint32_t timeout_us(const struct mp_link *link)
{
    const struct mp_link_tx *tx = &link->tx;
    uint32_t base = tx->rtt_us + 4 * tx->rtt_var_us + RTO_GRAIN_US;
    if (tx->rtt_us == 0)
        base = RTO_FIRST_US + 2 * mp_link_line_us(link, MP_FRAME_MAX);
    uint32_t wait = base << tx->backoff;
    uint32_t max = base > RTO_MAX_US ? base : RTO_MAX_US;
    return wait < max ? wait : max;
}

/* Nothing is under way, but messages wait for the peer's memory or for its safe mark: its last ack
 * may have been lost, so ask for another. */
static uint32_t poll_ask(struct mp_link *link)
{
    uint32_t waited = link->now_us - link->tx.asked_us;
    if (!mp_link_pending(link, MP_PRIO_BULK) && link->tx.unsafe == 0)
        return MP_NEVER;
    if (waited < ASK_US)
        return ASK_US - waited;
    link->tx.asked_us = link->now_us;
    link->tx.ask = true;
    link->due |= MP_DUE_ACK;
    return ASK_US;
}

uint32_t mp_tx_poll(struct mp_link *link)
{
    uint8_t *record = oldest_in_flight(link);
    if (record == NULL)
        return poll_ask(link);
    uint32_t waited = waited_us(link, record);
    /* A long frame after short ones takes longer than any round trip measured so far. */
    uint32_t wait = timeout_us(link) + mp_link_line_us(link, record[TX_SIZE]);
    if (waited < wait)
        return wait - waited;
    record[TX_FLAGS] |= LOST;
    if (link->tx.backoff < BACKOFF_MAX)
        link->tx.backoff++;
    return timeout_us(link);
}
