/*
 * Two links with the fuzzer as the wire between them: it decides when bytes move, which are
 * dropped, changed, repeated or held back, when time passes, and who restarts. No message may come
 * twice, out of order, or be called safe before it was delivered.
 *
 * The input is a program: one byte says what happens, some take another as how much.
 */
#include "mp_link.h"
#include "mp_msg.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DEVICE, HOST };

struct world {
    struct mp_link link[2];
    struct mp_link_host host;
    uint8_t tx[2][800], rx[2][1200];
    uint8_t wire[2][512], held[2][64];
    size_t on_wire[2], on_hold[2];
    uint32_t now_us, life, sent, host_next, stored, host_life;
    uint32_t device_nonce, host_nonce, command_seq, command_next;
    bool host_knows;
};

static void must(int holds)
{
    if (!holds)
        abort();
}

static void on_host_up(void *user, const struct mp_peer *peer, bool fresh)
{
    struct world *w = user;
    w->host_nonce = peer->nonce;
    w->command_seq = 0;
    if (fresh) {
        w->host_knows = false;
        w->host_next = peer->first;
    }
}

static void on_reading(void *user, const struct mp_message *m)
{
    struct world *w = user;
    if (!m->reliable || m->len != 8)
        return;
    uint32_t life = mp_get_u32(m->body);
    uint32_t seq = mp_get_u32(m->body + 4);
    must(seq == m->number && seq == w->host_next);
    must(!w->host_knows || life == w->host_life);
    w->host_knows = true;
    w->host_life = life;
    w->host_next = seq + 1;
    if (life == w->life && seq >= w->stored)
        w->stored = seq + 1;
}

static void on_device_up(void *user, const struct mp_peer *peer, bool fresh)
{
    struct world *w = user;
    (void)peer;
    (void)fresh;
    w->device_nonce = w->link[DEVICE].nonce;
    w->command_next = 0;
}

static void on_command(void *user, const struct mp_message *m)
{
    struct world *w = user;
    if (!m->reliable)
        return;
    must(m->len == 8 && mp_get_u32(m->body) == w->device_nonce);
    must(mp_get_u32(m->body + 4) == w->command_next++);
}

static void on_safe(void *user, uint32_t number)
{
    struct world *w = user;
    must(number <= w->stored);
}

static void start(struct world *w, int end)
{
    static const uint8_t id[] = "fuzz";
    static const struct mp_identity identity = {
        .device = id, .image = id, .device_len = 4, .image_len = 4, .tick_us = 1000};
    struct mp_link_config config = {.host = end == HOST ? &w->host : NULL,
                                    .user = w,
                                    .tx_mem = w->tx[end],
                                    .tx_bytes = sizeof w->tx[end],
                                    .rx_mem = w->rx[end],
                                    .rx_bytes = sizeof w->rx[end],
                                    .max_body = MP_BODY_MAX,
                                    .byte_us = MP_LINK_BYTE_US(115200),
                                    .seed = 1 + w->now_us,
                                    .silence_ms = 1000,
                                    .identity = end == HOST ? NULL : &identity};
    static const struct mp_link_io host = {.up = on_host_up, .message = on_reading};
    static const struct mp_link_io device = {
        .up = on_device_up, .message = on_command, .safe = on_safe};
    must(mp_link_init(&w->link[end], &config, end == HOST ? &host : &device) == MP_OK);
}

static void restart(struct world *w, int end)
{
    if (end == DEVICE) {
        w->life++;
        w->sent = 0;
        w->stored = 0;
    } else {
        w->host_knows = false;
    }
    w->now_us++; /* another seed */
    start(w, end);
}

static void send_message(struct world *w, int end)
{
    uint8_t body[8];
    mp_put_u32(body, end == DEVICE ? w->life : w->host_nonce);
    mp_put_u32(body + 4, end == DEVICE ? w->sent : w->command_seq);
    if (mp_link_send(&w->link[end], MP_PRIO_READING, 0x20, body, sizeof body) == MP_OK)
        *(end == DEVICE ? &w->sent : &w->command_seq) += 1;
}

static void output(struct world *w, int end, size_t n)
{
    size_t room = sizeof w->wire[end] - w->on_wire[end];
    w->on_wire[end] += mp_link_output(&w->link[end], w->wire[end] + w->on_wire[end],
                                      n < room ? n : room, w->now_us);
}

static void deliver(struct world *w, int end, size_t n)
{
    if (n > w->on_wire[end])
        n = w->on_wire[end];
    mp_link_bytes(&w->link[1 - end], w->wire[end], n, w->now_us);
    memmove(w->wire[end], w->wire[end] + n, w->on_wire[end] - n);
    w->on_wire[end] -= n;
}

/* Bytes set aside now come again later, whole or not. */
static void hold(struct world *w, int end, size_t n)
{
    n = n < sizeof w->held[end] ? n : sizeof w->held[end];
    w->on_hold[end] = n < w->on_wire[end] ? n : w->on_wire[end];
    memcpy(w->held[end], w->wire[end], w->on_hold[end]);
}

static void step(struct world *w, uint8_t what, uint8_t arg)
{
    int end = what & 1;
    switch ((what >> 1) % 12) {
    case 0:
        send_message(w, end);
        break;
    case 1:
        output(w, end, arg);
        break;
    case 2:
        deliver(w, end, arg);
        break;
    case 3:
        if (w->on_wire[end] > 0)
            w->wire[end][arg % w->on_wire[end]] ^= (uint8_t)(1u << (arg % 8));
        break;
    case 4:
        if (w->on_wire[end] > arg)
            w->on_wire[end] = arg;
        break;
    case 5:
        hold(w, end, arg);
        break;
    case 6:
        mp_link_bytes(&w->link[1 - end], w->held[end], w->on_hold[end], w->now_us);
        break;
    case 7:
        w->now_us += arg * 1000u;
        mp_link_poll(&w->link[0], w->now_us);
        mp_link_poll(&w->link[1], w->now_us);
        break;
    case 8:
        if (w->host_knows && w->host_life == w->life)
            mp_link_safe(&w->link[HOST], w->host_next);
        break;
    case 9:
        mp_link_credit(&w->link[end], (uint16_t)(arg * 16));
        break;
    case 10:
        mp_link_line_lost(&w->link[end]);
        break;
    default:
        if (arg == 0)
            restart(w, end);
        /* else: both lines carry what they have, as most do */
        for (int i = 0; i < 2; i++) {
            output(w, i, 256);
            deliver(w, i, 256);
        }
        break;
    }
}

/* A frame held back over 192 others would be taken for a new one (PROTOCOL.md, "Limits"): no
 * program is long enough for that. */
#define STEPS_MAX 190

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    memset(&world, 0, sizeof world);
    start(&world, DEVICE);
    start(&world, HOST);
    for (size_t i = 0; i + 1 < size && i < 2 * STEPS_MAX; i += 2)
        step(&world, data[i], data[i + 1]);
    return 0;
}
