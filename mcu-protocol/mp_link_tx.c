/*
 * What leaves: messages kept until safe, which of them goes next, and which are lost and go again.
 *
 * A line keeps the order of its bytes, so a message is known to be lost as soon as one that left
 * after it has arrived; each transmission carries a running order for that. Where nothing left
 * after it, the peer's word of a damaged frame, and at last a time-out, stand in. Sessions and the
 * link's own messages are mp_link.c's.
 */
#include "mp_link_parts.h"

#include <string.h>

/* Beside the head of a record: the order of its latest transmission, and when that had left. */
#define EXTRA_ORDER 4
#define EXTRA_SENT  6
#define EXTRA_BYTES 6

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
#define COMMAND_NUMBERS 8  /* of the window, kept for commands' results */
#define RESERVE_MAX     96 /* bytes of memory kept for them and for best effort */

#define NOT_NOW UINT8_MAX

static uint32_t sent_us(const uint8_t *record)
{
    return mp_get_u32(record + EXTRA_SENT);
}

static bool in_flight(const struct mp_link_tx *tx, const uint8_t *record)
{
    uint8_t flags = record[MP_RECORD_FLAGS];
    return (flags & NUMBERED) && !(flags & (RECEIVED | LOST)) && record != tx->sending;
}

static uint8_t *next_record(const struct mp_link *link, uint8_t *record)
{
    return mp_queue_next(&link->tx.queue, record);
}

void mp_tx_init(struct mp_link *link)
{
    mp_queue_init(&link->tx.queue, link->config.tx_mem, link->config.tx_bytes, EXTRA_BYTES);
}

/* -- Taking messages in. */

static size_t reserve(const struct mp_link *link, uint8_t flags)
{
    size_t part = link->config.tx_bytes / 4;
    if ((flags & ONCE) || (flags & PRIO_MASK) == MP_PRIO_COMMAND)
        return 0;
    return part < RESERVE_MAX ? part : RESERVE_MAX;
}

static size_t longest(const struct mp_link *link, uint8_t flags)
{
    size_t memory =
        link->config.tx_bytes - reserve(link, flags) - mp_queue_need(&link->tx.queue, 0);
    size_t body = link->phase == MP_LINK_UP ? link->peer.max_body : MP_BODY_MAX;
    return memory < body ? memory : body;
}

static size_t room(const struct mp_link *link, uint8_t flags)
{
    const struct mp_queue *queue = &link->tx.queue;
    size_t taken = reserve(link, flags) + mp_queue_need(queue, 0);
    size_t left = queue->cap - queue->used;
    size_t max = longest(link, flags);
    left = left > taken ? left - taken : 0;
    return left < max ? left : max;
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
    if (len > longest(link, flags))
        return MP_ERR_TOO_LONG;
    if (len > room(link, flags))
        return MP_ERR_FULL;
    uint8_t *record = mp_queue_put(&link->tx.queue, id, body, len);
    if (record == NULL)
        return MP_ERR_FULL;
    record[MP_RECORD_FLAGS] = flags;
    return MP_OK;
}

int mp_link_send(struct mp_link *link, enum mp_priority priority, uint8_t id, const uint8_t *body,
                 size_t len)
{
    if (!link->config.role->keeps && link->phase != MP_LINK_UP)
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
    for (uint8_t *r = next_record(link, NULL); r != NULL; r = next_record(link, r)) {
        uint8_t flags = r[MP_RECORD_FLAGS];
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
    if (record == tx->sending) {
        record[MP_RECORD_FLAGS] = GONE;
        return next_record(link, record);
    }
    size_t size = mp_queue_take(&tx->queue, record);
    if (tx->sending > record) {
        tx->sending -= size;
        tx->framer.body -= size;
    }
    return mp_queue_here(&tx->queue, record);
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
    for (uint8_t *r = next_record(link, NULL); r != NULL; r = next_record(link, r)) {
        uint8_t flags = r[MP_RECORD_FLAGS];
        if (flags & NUMBERED)
            r[MP_RECORD_FLAGS] = (uint8_t)((flags & ~RECEIVED) | LOST | AGAIN);
    }
}

void mp_tx_end_session(struct mp_link *link)
{
    bool all = !link->config.role->keeps;
    uint8_t *record = next_record(link, NULL);
    while (record != NULL) {
        if (all || (record[MP_RECORD_FLAGS] & ONCE))
            record = drop(link, record);
        else
            record = next_record(link, record);
    }
    if (all) {
        link->tx.next = 0;
        link->tx.safe = 0;
        link->tx.beyond = 0;
    }
}

/* -- Choosing. */

static bool window_open(const struct mp_link *link, const uint8_t *record)
{
    const struct mp_link_tx *tx = &link->tx;
    uint32_t numbers = MP_LINK_WINDOW;
    if ((record[MP_RECORD_FLAGS] & PRIO_MASK) != MP_PRIO_COMMAND)
        numbers -= COMMAND_NUMBERS;
    if (tx->next - tx->safe >= numbers)
        return false;
    return tx->beyond == 0 || tx->beyond + record[MP_RECORD_LEN] + MP_CREDIT_EXTRA <= tx->credit;
}

/* The lower, the sooner: lost messages by number, then new ones by priority. */
static uint8_t rank(const struct mp_link *link, const uint8_t *record)
{
    uint8_t flags = record[MP_RECORD_FLAGS];
    uint8_t by_priority = (uint8_t)(MP_LINK_WINDOW + (flags & PRIO_MASK));
    if ((flags & GONE) || record[MP_RECORD_LEN] > link->peer.max_body)
        return NOT_NOW;
    if (flags & ONCE)
        return by_priority;
    /* What an earlier session was allowed to send, this one may not want yet. */
    if (link->tx.credit == 0)
        return NOT_NOW;
    if (flags & LOST)
        return (uint8_t)(record[MP_RECORD_NUMBER] - link->tx.safe);
    return !(flags & NUMBERED) && window_open(link, record) ? by_priority : NOT_NOW;
}

static uint8_t *choose(const struct mp_link *link)
{
    uint8_t best = NOT_NOW;
    uint8_t *chosen = NULL;
    for (uint8_t *r = next_record(link, NULL); r != NULL; r = next_record(link, r)) {
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
    uint8_t flags = record[MP_RECORD_FLAGS];
    if (flags & NUMBERED) {
        flags = (uint8_t)((flags & ~LOST) | AGAIN);
        link->stats.resent++;
    } else {
        flags |= NUMBERED;
        record[MP_RECORD_NUMBER] = (uint8_t)tx->next++;
        tx->beyond += (size_t)record[MP_RECORD_LEN] + MP_CREDIT_EXTRA;
    }
    record[MP_RECORD_FLAGS] = flags;
    mp_put_u16(record + EXTRA_ORDER, ++tx->order);
}

static void stamp_once(struct mp_link *link, uint8_t *record)
{
    if (record[MP_RECORD_ID] >= MP_COUNTED)
        record[MP_RECORD_NUMBER] = link->tx.once_next++;
    if (link->io.leaving != NULL)
        link->io.leaving(link->io.user, record[MP_RECORD_ID],
                         mp_queue_body(&link->tx.queue, record), record[MP_RECORD_LEN],
                         link->now_us);
}

static void begin_frame(struct mp_link *link, const struct mp_link_frame *frame)
{
    struct mp_message message = {.id = frame->id,
                                 .reliable = frame->reliable,
                                 .number = frame->number,
                                 .body = frame->body,
                                 .len = frame->len};
    uint8_t id = (uint8_t)(frame->id | (frame->reliable ? MP_FRAME_RELIABLE : 0));
    mp_framer_begin(&link->tx.framer, id, frame->tag, frame->number, frame->body, frame->len,
                    link->tx.shared);
    link->stats.frames_out++;
    if (link->io.trace != NULL)
        link->io.trace(link->io.user, true, &message);
}

static void begin_record(struct mp_link *link, uint8_t *record)
{
    bool reliable = !(record[MP_RECORD_FLAGS] & ONCE);
    if (reliable)
        stamp(link, record);
    else
        stamp_once(link, record);
    struct mp_link_frame frame = {.id = record[MP_RECORD_ID],
                                  .reliable = reliable,
                                  .tag = link->tag,
                                  .number = record[MP_RECORD_NUMBER],
                                  .body = mp_queue_body(&link->tx.queue, record),
                                  .len = record[MP_RECORD_LEN]};
    link->tx.sending = record;
    begin_frame(link, &frame);
}

static bool begin_next(struct mp_link *link)
{
    struct mp_link_frame own = {.body = link->tx.own};
    int len = mp_link_own(link, &own);
    if (len >= 0) {
        own.len = (size_t)len;
        begin_frame(link, &own);
        return true;
    }
    uint8_t *record = link->phase == MP_LINK_UP ? choose(link) : NULL;
    if (record != NULL)
        begin_record(link, record);
    return record != NULL;
}

static void frame_left(struct mp_link *link)
{
    uint8_t *record = link->tx.sending;
    link->tx.sending = NULL;
    link->tx.shared = true;
    if (record == NULL)
        return;
    if (record[MP_RECORD_FLAGS] & (ONCE | GONE))
        drop(link, record);
    else
        mp_put_u32(record + EXTRA_SENT, link->now_us);
}

size_t mp_link_output(struct mp_link *link, uint8_t *out, size_t cap, uint32_t now_us)
{
    struct mp_framer *framer = &link->tx.framer;
    size_t n = 0;
    link->now_us = now_us;
    while (n < cap) {
        if (mp_framer_idle(framer) && !begin_next(link)) {
            link->tx.shared = false;
            break;
        }
        n += mp_framer_read(framer, out + n, cap - n);
        if (mp_framer_idle(framer))
            frame_left(link);
    }
    link->stats.bytes_out += (uint32_t)n;
    return n;
}

/* -- Learning what arrived. */

static bool reported(const struct mp_link *link, const uint8_t *record, uint8_t ahead,
                     const struct mp_ack *ack)
{
    uint8_t number = (uint8_t)(record[MP_RECORD_NUMBER] - link->tx.safe);
    if (number < ahead)
        return true;
    size_t bit = (size_t)number - ahead - 1;
    return number > ahead && bit / 8 < ack->bitmap_len && (ack->bitmap[bit / 8] >> (bit % 8)) & 1;
}

/* Whether word of the latest transmission can be back already. */
static bool back_by_now(const struct mp_link *link, const uint8_t *record)
{
    return link->now_us - sent_us(record) >= link->tx.rtt_min_us / 2;
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

/* Marks what the ack reports; returns the record that left last among the news, NULL if there are
 * none that tell about others. */
static uint8_t *mark_received(struct mp_link *link, uint8_t ahead, const struct mp_ack *ack)
{
    uint8_t *newest = NULL;
    for (uint8_t *r = next_record(link, NULL); r != NULL; r = next_record(link, r)) {
        uint8_t flags = r[MP_RECORD_FLAGS];
        if (!(flags & NUMBERED) || (flags & RECEIVED) || !reported(link, r, ahead, ack))
            continue;
        r[MP_RECORD_FLAGS] = (uint8_t)((flags & ~LOST) | RECEIVED);
        link->tx.backoff = 0;
        if (r == link->tx.sending || ((flags & AGAIN) && !back_by_now(link, r)))
            continue;
        if (!(flags & AGAIN))
            measure(link, link->now_us - sent_us(r));
        if (newest == NULL ||
            (int16_t)(mp_get_u16(r + EXTRA_ORDER) - mp_get_u16(newest + EXTRA_ORDER)) > 0)
            newest = r;
    }
    return newest;
}

/* What left before `newest` and has not arrived never will. Returns whether there was any. */
static bool mark_overtaken(struct mp_link *link, const uint8_t *newest)
{
    bool any = false;
    for (uint8_t *r = next_record(link, NULL); r != NULL; r = next_record(link, r)) {
        if (!in_flight(&link->tx, r) ||
            (int16_t)(mp_get_u16(newest + EXTRA_ORDER) - mp_get_u16(r + EXTRA_ORDER)) <= 0)
            continue;
        r[MP_RECORD_FLAGS] |= LOST;
        any = true;
    }
    return any;
}

static uint8_t *oldest_in_flight(const struct mp_link *link)
{
    uint8_t *oldest = NULL;
    for (uint8_t *r = next_record(link, NULL); r != NULL; r = next_record(link, r))
        if (in_flight(&link->tx, r) &&
            (oldest == NULL ||
             (int16_t)(mp_get_u16(oldest + EXTRA_ORDER) - mp_get_u16(r + EXTRA_ORDER)) > 0))
            oldest = r;
    return oldest;
}

/* The peer saw a damaged frame: most likely the one after the newest that it reported. */
static void on_bad_frame(struct mp_link *link)
{
    uint8_t *record = oldest_in_flight(link);
    if (record != NULL && back_by_now(link, record))
        record[MP_RECORD_FLAGS] |= LOST;
}

static void release(struct mp_link *link, uint8_t count)
{
    struct mp_link_tx *tx = &link->tx;
    uint8_t *record = next_record(link, NULL);
    if (count == 0)
        return;
    while (record != NULL) {
        if ((record[MP_RECORD_FLAGS] & NUMBERED) &&
            (uint8_t)(record[MP_RECORD_NUMBER] - tx->safe) < count) {
            tx->beyond -= (size_t)record[MP_RECORD_LEN] + MP_CREDIT_EXTRA;
            record = drop(link, record);
        } else {
            record = next_record(link, record);
        }
    }
    tx->safe += count;
    if (link->io.safe != NULL)
        link->io.safe(link->io.user, tx->safe);
}

void mp_tx_on_ack(struct mp_link *link, uint8_t next, const struct mp_ack *ack)
{
    struct mp_link_tx *tx = &link->tx;
    uint8_t ahead = (uint8_t)(next - tx->safe);
    uint8_t unsafe = (uint8_t)(next - ack->safe);
    /* An ack that was overtaken by a later one reaches back before the safe mark: old news. */
    if (ahead > tx->next - tx->safe)
        return;
    tx->credit = ack->credit;
    tx->asked_us = link->now_us;
    uint8_t *newest = mark_received(link, ahead, ack);
    bool overtaken = newest != NULL && mark_overtaken(link, newest);
    if ((ack->flags & MP_ACK_BAD_FRAME) && !overtaken)
        on_bad_frame(link);
    /* The damaged frame may have been our ack, and nothing else would bring its news again. */
    if (ack->flags & (MP_ACK_BAD_FRAME | MP_ACK_ASK))
        link->due |= MP_DUE_ACK;
    if (unsafe < ahead)
        release(link, (uint8_t)(ahead - unsafe));
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
    if (!mp_link_pending(link, MP_PRIO_BULK) && link->tx.next == link->tx.safe)
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
    uint32_t waited = link->now_us - sent_us(record);
    uint32_t wait = timeout_us(link);
    if (waited < wait)
        return wait - waited;
    record[MP_RECORD_FLAGS] |= LOST;
    if (link->tx.backoff < BACKOFF_MAX)
        link->tx.backoff++;
    return timeout_us(link);
}
