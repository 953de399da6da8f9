/*
 * The host's side of an upload. The device says how far it is and how much may be under way beyond
 * that; this sends just so much, at the lowest priority, and begins anew with every session. Losses
 * on the line are the link's, but for BULK_STATE: when none comes, this asks again.
 *
 *   WAITING --ready--> BEGINNING --state--> SENDING --all stored--> COMMITTING --state--> IDLE
 *
 * A lost session leads back to WAITING, a silence in SENDING to BEGINNING, a refusal to IDLE. An
 * answer to any BULK_BEGIN of this session will do: what was asked again meanwhile comes in order.
 */
#include "mp_bulk_host.h"

#include "mp_msg.h"

#include <string.h>

#define DATA_HEAD 4
#define AGAIN_US  500000u /* doubled each time, since a slow line may just need longer, ... */
#define AGAIN_MAX 4u      /* ... so often */
#define AHEAD_US  3000u   /* of the line: what is queued below us delays commands */

static void end(struct mp_bulk_host *bulk, enum mp_status status)
{
    bulk->phase = MP_BULK_HOST_IDLE;
    if (bulk->io.done != NULL)
        bulk->io.done(bulk->io.user, status);
}

/* After an ask: `phase` waits for its answer. Another ask of the same kind leaves the first one's
 * answer good. */
static void asked(struct mp_bulk_host *bulk, enum mp_bulk_host_phase phase, bool anew)
{
    if (anew)
        bulk->first_request = bulk->request;
    bulk->asks = anew ? 1 : (uint8_t)(bulk->asks + (bulk->asks < UINT8_MAX));
    bulk->phase = phase;
}

static bool answers_us(const struct mp_bulk_host *bulk, uint16_t request)
{
    return (uint16_t)(request - bulk->first_request) <=
           (uint16_t)(bulk->request - bulk->first_request);
}

static bool is_under_way(const struct mp_bulk_host *bulk)
{
    return bulk->phase != MP_BULK_HOST_IDLE && bulk->host != NULL;
}

static uint32_t again_us(const struct mp_bulk_host *bulk)
{
    unsigned more = bulk->asks > 0 ? bulk->asks - 1u : 0;
    return AGAIN_US << (more < AGAIN_MAX ? more : AGAIN_MAX);
}

static void begin(struct mp_bulk_host *bulk)
{
    uint8_t body[6 + MP_SHA256_BYTES];
    struct mp_bulk_begin m = {
        .size = bulk->size, .hash = bulk->hash, .hash_len = sizeof bulk->hash};
    int len = mp_encode_bulk_begin(body, sizeof body, &m);
    bulk->heard_us = bulk->host->now_us;
    if (mp_host_request(bulk->host, MP_MSG_BULK_BEGIN, body, (size_t)len, &bulk->request) == MP_OK)
        asked(bulk, MP_BULK_HOST_BEGINNING, bulk->phase == MP_BULK_HOST_WAITING);
}

static void commit(struct mp_bulk_host *bulk)
{
    uint8_t body[2] = {0};
    bulk->heard_us = bulk->host->now_us;
    if (mp_host_request(bulk->host, MP_MSG_BULK_COMMIT, body, sizeof body, &bulk->request) == MP_OK)
        asked(bulk, MP_BULK_HOST_COMMITTING, bulk->phase == MP_BULK_HOST_SENDING);
}

/* Microseconds until the line wants the next piece. A line faster than its speed wants it at once.
 */
static uint32_t line_wait(const struct mp_bulk_host *bulk)
{
    uint64_t ready_us = bulk->host->now_us + AHEAD_US;
    if (bulk->host->clock.line_unreal || bulk->line_free_us <= ready_us)
        return 0;
    return (uint32_t)(bulk->line_free_us - ready_us);
}

static void fill_line(struct mp_bulk_host *bulk, uint32_t body)
{
    uint64_t now_us = bulk->host->now_us;
    uint32_t baud = bulk->host->config.baud;
    if (bulk->line_free_us < now_us)
        bulk->line_free_us = now_us;
    if (baud > 0)
        bulk->line_free_us += (body + MP_FRAME_OVERHEAD) * 10000000ull / baud;
}

/* Returns whether there may be more to send at once. */
static bool send_piece(struct mp_bulk_host *bulk)
{
    uint8_t bytes[MP_BODY_MAX], body[MP_BODY_MAX];
    uint32_t n = (uint32_t)mp_link_peer(&bulk->host->link)->max_body - DATA_HEAD;
    uint32_t left = bulk->size - bulk->sent;
    n = n < left ? n : left;
    if (n == 0 || bulk->sent - bulk->stored + n > bulk->window || line_wait(bulk) > 0)
        return false;
    if (!bulk->io.read(bulk->io.user, bulk->sent, bytes, n)) {
        end(bulk, MP_STATUS_FAILED);
        return false;
    }
    struct mp_bulk_data m = {.offset = bulk->sent, .bytes = bytes, .bytes_len = n};
    int len = mp_encode_bulk_data(body, sizeof body, &m);
    if (mp_link_send(&bulk->host->link, MP_PRIO_BULK, MP_MSG_BULK_DATA, body, (size_t)len) != MP_OK)
        return false;
    bulk->sent += n;
    fill_line(bulk, (uint32_t)len);
    return true;
}

/* Until the line wants a piece, or the device was silent for too long. */
static uint32_t wait_of(const struct mp_bulk_host *bulk)
{
    if (bulk->phase == MP_BULK_HOST_IDLE || bulk->host->state != MP_HOST_READY)
        return UINT32_MAX;
    uint64_t silent_us = bulk->host->now_us - bulk->heard_us;
    uint32_t again = silent_us < again_us(bulk) ? (uint32_t)(again_us(bulk) - silent_us) : 0;
    uint32_t line = bulk->phase == MP_BULK_HOST_SENDING ? line_wait(bulk) : 0;
    return line > 0 && line < again ? line : again;
}

/* What can be done now. */
static void go_on(struct mp_bulk_host *bulk)
{
    if (!is_under_way(bulk))
        return;
    bool silent = bulk->host->now_us - bulk->heard_us >= again_us(bulk);
    switch (bulk->phase) {
    case MP_BULK_HOST_WAITING:
        if (bulk->host->state == MP_HOST_READY)
            begin(bulk);
        break;
    case MP_BULK_HOST_SENDING:
        if (bulk->stored == bulk->size)
            commit(bulk);
        else if (silent)
            begin(bulk);
        else
            while (send_piece(bulk))
                ;
        break;
    case MP_BULK_HOST_BEGINNING:
        if (silent)
            begin(bulk);
        break;
    case MP_BULK_HOST_COMMITTING:
        if (silent)
            commit(bulk);
        break;
    case MP_BULK_HOST_IDLE:
        break;
    }
}

uint32_t mp_bulk_host_poll(struct mp_bulk_host *bulk, uint64_t now_us)
{
    if (!is_under_way(bulk))
        return UINT32_MAX;
    bulk->host->now_us = now_us;
    go_on(bulk);
    return wait_of(bulk);
}

int mp_bulk_host_start(struct mp_bulk_host *bulk, struct mp_host *host, uint32_t size,
                       const uint8_t hash[MP_SHA256_BYTES], const struct mp_bulk_host_io *io)
{
    if (size == 0)
        return MP_ERR_BAD_VALUE;
    *bulk =
        (struct mp_bulk_host){.phase = MP_BULK_HOST_WAITING, .size = size, .host = host, .io = *io};
    memcpy(bulk->hash, hash, sizeof bulk->hash);
    go_on(bulk);
    return MP_OK;
}

void mp_bulk_host_move(struct mp_bulk_host *bulk, struct mp_host *host)
{
    mp_bulk_host_lost(bulk);
    bulk->host = host;
    bulk->line_free_us = 0;
    go_on(bulk);
}

void mp_bulk_host_ready(struct mp_bulk_host *bulk)
{
    go_on(bulk);
}

void mp_bulk_host_lost(struct mp_bulk_host *bulk)
{
    if (bulk->phase != MP_BULK_HOST_IDLE)
        bulk->phase = MP_BULK_HOST_WAITING;
}

static void on_stored(struct mp_bulk_host *bulk, const struct mp_bulk_state *state)
{
    if (state->offset > bulk->size || state->window == 0) {
        end(bulk, MP_STATUS_FAILED);
        return;
    }
    if (bulk->phase == MP_BULK_HOST_BEGINNING)
        bulk->sent = state->offset;
    bulk->phase = MP_BULK_HOST_SENDING;
    bulk->stored = state->offset;
    bulk->window = state->window;
    if (bulk->io.progress != NULL)
        bulk->io.progress(bulk->io.user, bulk->stored, bulk->size);
    go_on(bulk);
}

void mp_bulk_host_message(struct mp_bulk_host *bulk, const struct mp_message *message)
{
    struct mp_bulk_state state;
    if (!is_under_way(bulk) || message->id != MP_MSG_BULK_STATE ||
        mp_decode_bulk_state(message->body, message->len, &state) != 0 ||
        state.status >= MP_STATUS_COUNT || !answers_us(bulk, state.request))
        return;
    bulk->heard_us = bulk->host->now_us;
    bulk->asks = 0;
    if (state.status == MP_STATUS_TOO_LARGE)
        bulk->limit = state.offset;
    switch (bulk->phase) {
    case MP_BULK_HOST_BEGINNING:
    case MP_BULK_HOST_SENDING:
        if (state.status == MP_STATUS_DONE)
            on_stored(bulk, &state);
        else
            end(bulk, (enum mp_status)state.status);
        break;
    case MP_BULK_HOST_COMMITTING:
        end(bulk, (enum mp_status)state.status);
        break;
    case MP_BULK_HOST_IDLE:
    case MP_BULK_HOST_WAITING:
        break;
    }
}

bool mp_bulk_host_result(struct mp_bulk_host *bulk, uint16_t request, enum mp_status status)
{
    bool ours = answers_us(bulk, request) &&
                (bulk->phase == MP_BULK_HOST_BEGINNING || bulk->phase == MP_BULK_HOST_COMMITTING);
    if (ours && status != MP_STATUS_DONE) /* which only a BULK_STATE tells */
        end(bulk, status);
    return ours;
}
