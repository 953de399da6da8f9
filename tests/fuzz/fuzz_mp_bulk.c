/*
 * An upload with the fuzzer as the wire between host and device, as an evil host that sends
 * messages of an upload as it likes, and as an evil device that claims any state. What the device
 * puts to use has the announced hash; what it writes goes on where the last ended, within the
 * announced size; what the host reads lies in the image; and where nobody is evil, a host that is
 * told DONE has its image in use.
 *
 * The input is a program: one byte says what happens, the next how much.
 */
#include "mp_bulk_device.h"
#include "mp_bulk_host.h"
#include "mp_msg.h"

#include <stdlib.h>
#include <string.h>

#define STORE     1024
#define IMAGE     700
#define WIRE      1024
#define STEPS_MAX 400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DEVICE, HOST };

struct world {
    struct mp_device device;
    struct mp_bulk_device bulk_device;
    struct mp_host host;
    struct mp_host_space space;
    struct mp_bulk_host bulk_host;
    uint8_t tx[2][1200], rx[2][1200];
    uint8_t wire[2][WIRE];
    size_t on_wire[2];
    uint64_t now_us;
    bool evil;
    /* The store, which outlives restarts. */
    uint8_t stored[STORE], hash[MP_SHA256_BYTES];
    uint32_t stored_bytes, announced;
    bool fails, committed;
    /* The image. */
    uint8_t image[IMAGE], image_hash[MP_SHA256_BYTES];
};

static void must(int holds)
{
    if (!holds)
        abort();
}

static void hash_of(const uint8_t *bytes, size_t n, uint8_t *hash)
{
    struct mp_sha256 sha;
    mp_sha256_begin(&sha);
    mp_sha256_add(&sha, bytes, n);
    mp_sha256_end(&sha, hash);
}

/* -- The store. */

static enum mp_status store_begin(void *user, uint32_t size, const uint8_t *hash, uint32_t *have)
{
    struct world *w = user;
    if (size > STORE)
        return MP_STATUS_TOO_LARGE;
    if (size != w->announced || memcmp(hash, w->hash, sizeof w->hash) != 0)
        w->stored_bytes = 0;
    memcpy(w->hash, hash, sizeof w->hash);
    w->announced = size;
    w->committed = false;
    *have = w->stored_bytes;
    return MP_STATUS_DONE;
}

static enum mp_status store_write(void *user, uint32_t offset, const uint8_t *bytes, size_t n)
{
    struct world *w = user;
    must(offset == w->stored_bytes && n > 0 && n <= w->announced - offset);
    if (w->fails)
        return MP_STATUS_FAILED;
    memcpy(w->stored + offset, bytes, n);
    w->stored_bytes += (uint32_t)n;
    return MP_STATUS_DONE;
}

static bool store_read(void *user, uint32_t offset, uint8_t *out, size_t n)
{
    struct world *w = user;
    must(offset <= w->stored_bytes && n <= w->stored_bytes - offset);
    memcpy(out, w->stored + offset, n);
    return !w->fails;
}

static enum mp_status store_commit(void *user)
{
    struct world *w = user;
    uint8_t hash[MP_SHA256_BYTES];
    must(w->stored_bytes == w->announced);
    hash_of(w->stored, w->stored_bytes, hash);
    must(memcmp(hash, w->hash, sizeof hash) == 0);
    w->committed = true;
    return MP_STATUS_DONE;
}

static void store_drop(void *user)
{
    struct world *w = user;
    w->stored_bytes = 0;
}

/* -- The image. */

static bool image_read(void *user, uint32_t offset, uint8_t *out, size_t n)
{
    struct world *w = user;
    must(n <= MP_BODY_MAX && offset <= IMAGE && n <= IMAGE - offset);
    memcpy(out, w->image + offset, n);
    return true;
}

static void image_progress(void *user, uint32_t stored, uint32_t size)
{
    (void)user;
    must(stored <= size && size == IMAGE);
}

static void image_done(void *user, enum mp_status status)
{
    struct world *w = user;
    if (status == MP_STATUS_DONE && !w->evil)
        must(w->committed && w->stored_bytes == IMAGE && memcmp(w->stored, w->image, IMAGE) == 0);
}

static void upload(struct world *w)
{
    struct mp_bulk_host_io io = {
        .user = w, .read = image_read, .progress = image_progress, .done = image_done};
    must(mp_bulk_host_start(&w->bulk_host, &w->host, IMAGE, w->image_hash, &io) == MP_OK);
}

/* -- Both ends. */

static void on_bulk(void *user, const struct mp_message *message)
{
    struct world *w = user;
    mp_bulk_device_message(&w->bulk_device, message);
}

static void start_device(struct world *w)
{
    static const struct mp_bulk_store store = {.begin = store_begin,
                                               .write = store_write,
                                               .read = store_read,
                                               .commit = store_commit,
                                               .drop = store_drop};
    struct mp_bulk_store mine = store;
    struct mp_device_config config = {.firmware = {"f", "1", "a", "p"},
                                      .tick_us = 1000,
                                      .deadman_ms = 1500,
                                      .tx_mem = w->tx[DEVICE],
                                      .rx_mem = w->rx[DEVICE],
                                      .tx_bytes = sizeof w->tx[DEVICE],
                                      .rx_bytes = sizeof w->rx[DEVICE],
                                      .max_body = 128};
    struct mp_device_io io = {.user = w, .bulk = on_bulk};
    must(mp_device_init(&w->device, &config, &io, (uint32_t)w->now_us) == MP_OK);
    mine.user = w;
    mp_bulk_device_init(&w->bulk_device, &w->device, &mine);
}

static void on_ready(void *user, const struct mp_peer *peer,
                     const struct mp_description *description, bool fresh)
{
    struct world *w = user;
    (void)peer;
    (void)description;
    (void)fresh;
    mp_bulk_host_ready(&w->bulk_host);
}

static void on_lost(void *user, enum mp_down why)
{
    struct world *w = user;
    (void)why;
    mp_bulk_host_lost(&w->bulk_host);
}

static void on_state(void *user, const struct mp_message *message)
{
    struct world *w = user;
    mp_bulk_host_message(&w->bulk_host, message);
}

static void on_result(void *user, uint16_t request, enum mp_status status)
{
    struct world *w = user;
    (void)mp_bulk_host_result(&w->bulk_host, request, status);
}

static void start_host(struct world *w)
{
    struct mp_host_config config = {.tx_mem = w->tx[HOST],
                                    .rx_mem = w->rx[HOST],
                                    .tx_bytes = sizeof w->tx[HOST],
                                    .rx_bytes = sizeof w->rx[HOST],
                                    .space = &w->space,
                                    .credit = 400,
                                    .seed = (uint32_t)w->now_us | 1,
                                    .keepalive_ms = 400};
    struct mp_host_io io = {
        .user = w, .ready = on_ready, .lost = on_lost, .result = on_result, .bulk = on_state};
    must(mp_host_init(&w->host, &config, &io, w->now_us) == MP_OK);
    mp_bulk_host_lost(&w->bulk_host);
}

static void poll(struct world *w, uint32_t later_us)
{
    w->now_us += later_us;
    (void)mp_bulk_host_poll(&w->bulk_host, w->now_us);
    (void)mp_host_poll(&w->host, w->now_us);
    (void)mp_device_poll(&w->device, (uint32_t)w->now_us);
    (void)mp_bulk_device_poll(&w->bulk_device);
}

static void output(struct world *w, int end, size_t n)
{
    uint8_t *at = w->wire[end] + w->on_wire[end];
    size_t room = WIRE - w->on_wire[end];
    n = n < room ? n : room;
    w->on_wire[end] += end == HOST ? mp_host_output(&w->host, at, n, w->now_us)
                                   : mp_device_output(&w->device, at, n, (uint32_t)w->now_us);
}

static void deliver(struct world *w, int from, size_t n)
{
    n = n < w->on_wire[from] ? n : w->on_wire[from];
    if (from == HOST)
        mp_device_bytes(&w->device, w->wire[from], n, (uint32_t)w->now_us);
    else
        mp_host_bytes(&w->host, w->wire[from], n, w->now_us);
    memmove(w->wire[from], w->wire[from] + n, w->on_wire[from] - n);
    w->on_wire[from] -= n;
}

static void carry(struct world *w, unsigned rounds)
{
    while (rounds-- > 0) {
        poll(w, 1000);
        for (int end = 0; end < 2; end++) {
            output(w, end, WIRE);
            deliver(w, end, WIRE);
        }
    }
}

/* -- The program. */

static void evil_host(struct world *w, uint8_t arg)
{
    static const uint8_t ids[] = {MP_MSG_BULK_BEGIN, MP_MSG_BULK_DATA, MP_MSG_BULK_COMMIT};
    uint8_t body[64];
    uint8_t id = ids[arg % 3];
    size_t n = 6 + arg % 33;
    w->evil = true;
    memset(body, arg, sizeof body);
    mp_put_u16(body, arg);
    if (id == MP_MSG_BULK_BEGIN) {
        n = 6 + MP_SHA256_BYTES;
        mp_put_u32(body + 2, arg & 0x80 ? arg * 16u : IMAGE);
        memcpy(body + 6, w->image_hash, MP_SHA256_BYTES);
    } else if (id == MP_MSG_BULK_DATA) {
        mp_put_u32(body, arg & 0x40 ? w->stored_bytes : arg * 8u);
    } else {
        n = 2;
    }
    (void)mp_link_send(&w->host.link, MP_PRIO_BULK, id, body, n);
}

static void evil_device(struct world *w, uint8_t arg)
{
    uint8_t body[9];
    struct mp_bulk_state state = {.request = (uint16_t)(w->bulk_host.request + (arg & 1)),
                                  .status = arg & 0x80 ? arg % MP_STATUS_COUNT : MP_STATUS_DONE,
                                  .offset = arg & 0x40 ? UINT32_MAX - arg : arg * 8u,
                                  .window = arg & 0x20 ? UINT16_MAX : arg};
    w->evil = true;
    int len = mp_encode_bulk_state(body, sizeof body, &state);
    (void)mp_link_send_once(&w->device.link, MP_MSG_BULK_STATE, body, (size_t)len);
}

static void damage(struct world *w, int end, uint8_t arg)
{
    if (w->on_wire[end] > 0)
        w->wire[end][arg % w->on_wire[end]] ^= (uint8_t)(1u << (arg % 8));
}

static void restart(struct world *w, int end)
{
    w->on_wire[end] = 0;
    w->now_us++;
    if (end == DEVICE)
        start_device(w);
    else
        start_host(w);
}

static void step(struct world *w, uint8_t what, uint8_t arg)
{
    int end = what & 1;
    switch ((what >> 1) % 10) {
    case 0:
        output(w, end, arg);
        break;
    case 1:
        deliver(w, end, arg);
        break;
    case 2:
        damage(w, end, arg);
        break;
    case 3:
        w->on_wire[end] = w->on_wire[end] > arg ? arg : w->on_wire[end];
        break;
    case 4:
        poll(w, arg * 4000u);
        break;
    case 5:
        if (arg < 8)
            restart(w, end);
        else
            carry(w, arg % 8);
        break;
    case 6:
        w->fails = end && arg < 64;
        break;
    case 7:
        if (arg < 16)
            upload(w);
        else if (arg < 32)
            mp_bulk_host_move(&w->bulk_host, arg & 1 ? &w->host : NULL);
        else
            carry(w, 2);
        break;
    case 8:
        evil_host(w, arg);
        break;
    default:
        evil_device(w, arg);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    static uint8_t hash[MP_SHA256_BYTES];
    memset(&w, 0, sizeof w);
    for (size_t i = 0; i < IMAGE; i++)
        w.image[i] = (uint8_t)(i * i >> 3);
    if (hash[0] == 0)
        hash_of(w.image, IMAGE, hash);
    memcpy(w.image_hash, hash, sizeof hash);
    start_device(&w);
    start_host(&w);
    upload(&w);
    for (int i = 0; i < 20 && w.host.state != MP_HOST_READY; i++)
        carry(&w, 1);
    for (size_t i = 0; i + 1 < size && i < 2 * STEPS_MAX; i += 2)
        step(&w, data[i], data[i + 1]);
    return 0;
}
