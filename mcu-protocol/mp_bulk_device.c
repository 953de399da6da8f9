/*
 * The firmware's side of an upload. Order, repeats and losses are the link's; flow is kept by the
 * window that each BULK_STATE gives: never so much that the link's credit is used up, so that a
 * command always finds room beside it. Where the bytes go is the port's.
 *
 *   IDLE --BEGIN--> STORING --COMMIT of a whole image--> CHECKING --hash right or not--> ENDED
 *
 * A BEGIN starts anew from everywhere; another session leads to IDLE. Data in another phase, or
 * that does not go on where the last ended, is left of an upload that has ended and is dropped. A
 * COMMIT again is answered again: BULK_STATE is sent once, so that readings nobody makes safe
 * cannot hold it back, and may be lost.
 */
#include "mp_bulk_device.h"

#include "mp_msg.h"

#include <string.h>

#define DATA_HEAD       4
#define COMMAND_CREDIT  32 /* kept free for a command */
#define WINDOW_MESSAGES 32

void mp_bulk_device_init(struct mp_bulk_device *bulk, struct mp_device *device,
                         const struct mp_bulk_store *store)
{
    memset(bulk, 0, sizeof *bulk);
    bulk->device = device;
    bulk->store = *store;
}

/* Bytes of the image that may be under way, in messages of the longest size. */
static uint16_t window(const struct mp_bulk_device *bulk)
{
    uint16_t body = bulk->device->config.max_body;
    uint16_t credit = bulk->device->link.rx_credit;
    uint16_t messages = 1;
    if (credit > COMMAND_CREDIT)
        messages = (uint16_t)((credit - COMMAND_CREDIT) / (body + MP_CREDIT_EXTRA));
    if (messages == 0)
        messages = 1;
    if (messages > WINDOW_MESSAGES)
        messages = WINDOW_MESSAGES;
    return (uint16_t)(messages * (body - DATA_HEAD));
}

static void send_state(struct mp_bulk_device *bulk)
{
    uint8_t body[9];
    struct mp_bulk_state state = {.request = bulk->request,
                                  .status = bulk->status,
                                  .offset = bulk->stored,
                                  .window = window(bulk)};
    int len = mp_encode_bulk_state(body, sizeof body, &state);
    bulk->due =
        mp_link_send_once(&bulk->device->link, MP_MSG_BULK_STATE, body, (size_t)len) == MP_ERR_FULL;
    if (!bulk->due)
        bulk->told = bulk->stored;
}

static void tell(struct mp_bulk_device *bulk, enum mp_status status)
{
    bulk->status = (uint8_t)status;
    send_state(bulk);
}

static void end(struct mp_bulk_device *bulk, enum mp_status status)
{
    bulk->phase = MP_BULK_ENDED;
    tell(bulk, status);
}

static void on_begin(struct mp_bulk_device *bulk, const struct mp_message *message)
{
    struct mp_bulk_begin m;
    if (mp_decode_bulk_begin(message->body, message->len, &m) != 0 || m.hash_len != MP_SHA256_BYTES)
        return;
    bulk->request = m.request;
    bulk->nonce = bulk->device->link.nonce;
    bulk->size = m.size;
    bulk->stored = 0;
    memcpy(bulk->hash, m.hash, MP_SHA256_BYTES);
    if (m.size == 0) { /* a hash of nothing would be right at once */
        end(bulk, MP_STATUS_MISMATCH);
        return;
    }
    enum mp_status status =
        bulk->store.begin(bulk->store.user, bulk->size, bulk->hash, &bulk->stored);
    bulk->phase = status == MP_STATUS_DONE ? MP_BULK_STORING : MP_BULK_ENDED;
    tell(bulk, status);
}

static void on_data(struct mp_bulk_device *bulk, const struct mp_message *message)
{
    struct mp_bulk_data m;
    if (bulk->phase != MP_BULK_STORING ||
        mp_decode_bulk_data(message->body, message->len, &m) != 0 || m.offset != bulk->stored ||
        m.bytes_len == 0)
        return;
    if (m.bytes_len > bulk->size - bulk->stored) {
        end(bulk, MP_STATUS_MISMATCH);
        return;
    }
    enum mp_status status = bulk->store.write(bulk->store.user, m.offset, m.bytes, m.bytes_len);
    if (status != MP_STATUS_DONE) {
        end(bulk, status);
        return;
    }
    bulk->stored += (uint32_t)m.bytes_len;
    if (bulk->stored == bulk->size || bulk->stored - bulk->told >= window(bulk) / 2u)
        tell(bulk, MP_STATUS_DONE);
}

static void on_commit(struct mp_bulk_device *bulk, const struct mp_message *message)
{
    struct mp_bulk_commit m;
    if (mp_decode_bulk_commit(message->body, message->len, &m) != 0)
        return;
    bulk->request = m.request;
    switch (bulk->phase) {
    case MP_BULK_IDLE:
        end(bulk, MP_STATUS_MISMATCH);
        break;
    case MP_BULK_STORING:
        if (bulk->stored != bulk->size) {
            end(bulk, MP_STATUS_MISMATCH);
            break;
        }
        bulk->phase = MP_BULK_CHECKING;
        mp_sha256_begin(&bulk->sha);
        break;
    case MP_BULK_CHECKING:
        break;
    case MP_BULK_ENDED:
        send_state(bulk);
        break;
    }
}

void mp_bulk_device_message(struct mp_bulk_device *bulk, const struct mp_message *message)
{
    if (bulk->phase != MP_BULK_IDLE && bulk->nonce != bulk->device->link.nonce) {
        bulk->phase = MP_BULK_IDLE;
        bulk->due = false;
    }
    if (message->id == MP_MSG_BULK_BEGIN)
        on_begin(bulk, message);
    else if (message->id == MP_MSG_BULK_DATA)
        on_data(bulk, message);
    else if (message->id == MP_MSG_BULK_COMMIT)
        on_commit(bulk, message);
}

/* -- Checking. */

static void finish(struct mp_bulk_device *bulk)
{
    uint8_t hash[MP_SHA256_BYTES];
    mp_sha256_end(&bulk->sha, hash);
    if (memcmp(hash, bulk->hash, sizeof hash) == 0) {
        end(bulk, bulk->store.commit(bulk->store.user));
        return;
    }
    bulk->store.drop(bulk->store.user);
    bulk->stored = 0;
    end(bulk, MP_STATUS_MISMATCH);
}

static void check_block(struct mp_bulk_device *bulk)
{
    uint8_t bytes[MP_SHA256_BLOCK];
    uint32_t at = bulk->sha.length;
    size_t n = bulk->size - at < sizeof bytes ? (size_t)(bulk->size - at) : sizeof bytes;
    if (n == 0)
        finish(bulk);
    else if (bulk->store.read(bulk->store.user, at, bytes, n))
        mp_sha256_add(&bulk->sha, bytes, n);
    else
        end(bulk, MP_STATUS_FAILED);
}

uint32_t mp_bulk_device_poll(struct mp_bulk_device *bulk)
{
    if (bulk->due)
        send_state(bulk);
    if (bulk->phase != MP_BULK_CHECKING)
        return UINT32_MAX;
    check_block(bulk);
    return 0;
}
