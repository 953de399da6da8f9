/*
 * The generator and the judge of two links. Each message carries who sent it and which it is, so
 * every delivery can be checked against what must come next.
 */
#include "mp_pair.h"

#include "mp_msg.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_UP      0x20
#define ID_DOWN    0x30
#define ID_ONCE    0x23
#define SETTLE_US  20000000u
#define MARK_BYTES 16

__attribute__((format(printf, 2, 3))) static void broke(struct pair *pair, const char *format, ...)
{
    va_list args;
    if (pair->broken[0] != '\0')
        return;
    va_start(args, format);
    vsnprintf(pair->broken, sizeof pair->broken, format, args);
    va_end(args);
}

/* -- Messages. */

static void fill(struct pair *pair, uint8_t *body, uint32_t who, uint32_t seq)
{
    for (size_t i = MARK_BYTES; i < pair->options.body; i++) {
        switch (pair->options.payload) {
        case PAIR_RANDOM:
            body[i] = (uint8_t)sim_random(&pair->sim);
            break;
        case PAIR_ZEROS:
            body[i] = 0;
            break;
        case PAIR_ONES:
            body[i] = 1;
            break;
        case PAIR_SAW:
            body[i] = (uint8_t)(i % 3);
            break;
        }
    }
    mp_put_u32(body, who);
    mp_put_u32(body + 4, seq);
    mp_put_u32(body + 8, (uint32_t)sim_now_us(&pair->sim));
    mp_put_u32(body + 12, ~seq);
}

static void check_shape(struct pair *pair, const struct mp_message *m)
{
    if (m->len != pair->options.body || mp_get_u32(m->body + 4) != ~mp_get_u32(m->body + 12))
        broke(pair, "a damaged message was delivered");
}

static void generate_up(struct pair *pair)
{
    uint8_t body[MP_BODY_MAX];
    uint32_t *seq = &pair->sent[pair->life];
    fill(pair, body, pair->life, *seq);
    int error =
        mp_link_send(&pair->link[PAIR_DEVICE], MP_PRIO_READING, ID_UP, body, pair->options.body);
    if (error == MP_OK)
        (*seq)++;
    else if (error != MP_ERR_FULL)
        broke(pair, "mp_link_send of a device returned %d", error);
}

static void generate_down(struct pair *pair)
{
    uint8_t body[MP_BODY_MAX];
    fill(pair, body, pair->host_nonce, pair->command_seq);
    if (mp_link_send(&pair->link[PAIR_HOST], MP_PRIO_COMMAND, ID_DOWN, body, pair->options.body) ==
        MP_OK)
        pair->command_seq++;
}

static void generate_once(struct pair *pair)
{
    uint8_t body[MP_BODY_MAX];
    fill(pair, body, pair->device_nonce, pair->once_sent++);
    mp_link_send_once(&pair->link[PAIR_DEVICE], ID_ONCE, body, pair->options.body);
}

/* Calls `generate` once if its time has come. Returns whether it did. */
static bool on_time(struct pair *pair, uint64_t *next_us, uint32_t interval_us)
{
    if (interval_us == UINT32_MAX || sim_now_us(&pair->sim) < *next_us)
        return false;
    *next_us += interval_us;
    return true;
}

static void generate(struct pair *pair, int end)
{
    const struct pair_options *o = &pair->options;
    if (pair->quiet)
        return;
    if (end == PAIR_HOST) {
        if (on_time(pair, &pair->next_down_us, o->down_interval_us))
            generate_down(pair);
        return;
    }
    if (o->up_interval_us == 0)
        while (mp_link_room(&pair->link[PAIR_DEVICE]) >= o->body)
            generate_up(pair);
    else if (on_time(pair, &pair->next_up_us, o->up_interval_us))
        generate_up(pair);
    if (on_time(pair, &pair->next_once_us, o->once_interval_us))
        generate_once(pair);
}

/* -- The host's side. */

static void on_host_up(void *user, const struct mp_peer *peer, bool fresh)
{
    struct pair *pair = user;
    pair->ups++;
    pair->last_up_us = sim_now_us(&pair->sim);
    pair->host_nonce = peer->nonce;
    pair->command_seq = 0;
    pair->once_next = 0;
    if (fresh) {
        pair->host_knows = false;
        pair->host_next = peer->first;
    }
}

static void on_host_down(void *user, enum mp_down why)
{
    struct pair *pair = user;
    pair->downs[why]++;
}

static void note_latency(struct pair *pair, uint32_t sent_us)
{
    if (pair->latency_count == pair->latency_cap) {
        pair->latency_cap = pair->latency_cap == 0 ? 1024 : 2 * pair->latency_cap;
        pair->latency_us = realloc(pair->latency_us, pair->latency_cap * sizeof *pair->latency_us);
        if (pair->latency_us == NULL)
            abort();
    }
    pair->latency_us[pair->latency_count++] = (uint32_t)sim_now_us(&pair->sim) - sent_us;
}

static void on_reading(struct pair *pair, const struct mp_message *m)
{
    uint32_t life = mp_get_u32(m->body);
    uint32_t seq = mp_get_u32(m->body + 4);
    if (life > pair->life || (pair->host_knows && life != pair->host_life))
        broke(pair, "a reading of life %u after one of %u without a restart", life,
              pair->host_life);
    else if (seq != m->number)
        broke(pair, "reading %u came as number %u", seq, m->number);
    else if (seq != pair->host_next)
        broke(pair, "reading %u came where %u was expected", seq, pair->host_next);
    else if (seq > pair->stored[life] && !pair->host_knows)
        broke(pair, "reading %u was lost over a restart of the host", pair->stored[life]);
    pair->host_knows = true;
    pair->host_life = life < PAIR_LIVES ? life : 0;
    pair->host_next = seq + 1;
    pair->delivered++;
    pair->bytes_delivered += m->len;
    note_latency(pair, mp_get_u32(m->body + 8));
    if (pair->options.safe_us == 0 && pair->stored[pair->host_life] <= seq)
        pair->stored[pair->host_life] = seq + 1;
}

static void on_host_message(void *user, const struct mp_message *m)
{
    struct pair *pair = user;
    check_shape(pair, m);
    if (m->reliable) {
        on_reading(pair, m);
        return;
    }
    uint32_t seq = mp_get_u32(m->body + 4);
    if (seq < pair->once_next)
        broke(pair, "best-effort message %u came again", seq);
    pair->once_next = seq + 1;
    pair->onces++;
}

static void commit(struct pair *pair)
{
    if (pair->options.safe_us == 0 || sim_now_us(&pair->sim) < pair->commit_us)
        return;
    pair->commit_us = sim_now_us(&pair->sim) + pair->options.safe_us;
    if (!pair->host_knows)
        return;
    if (pair->stored[pair->host_life] < pair->host_next)
        pair->stored[pair->host_life] = pair->host_next;
    mp_link_safe(&pair->link[PAIR_HOST], pair->host_next);
}

/* -- The device's side. */

static void on_device_up(void *user, const struct mp_peer *peer, bool fresh)
{
    struct pair *pair = user;
    (void)peer;
    (void)fresh;
    pair->device_nonce = pair->link[PAIR_DEVICE].nonce;
    pair->command_next = 0;
}

static void on_device_message(void *user, const struct mp_message *m)
{
    struct pair *pair = user;
    check_shape(pair, m);
    if (mp_get_u32(m->body) != pair->device_nonce)
        broke(pair, "a command of another session was delivered");
    if (m->number != pair->command_next || mp_get_u32(m->body + 4) != pair->command_next)
        broke(pair, "command %u came where %u was expected", m->number, pair->command_next);
    pair->command_next++;
    pair->commands++;
}

static void on_device_safe(void *user, uint32_t number)
{
    struct pair *pair = user;
    if (number < pair->told_safe[pair->life])
        broke(pair, "safe went back to %u", number);
    if (number > pair->stored[pair->life])
        broke(pair, "%u was called safe when %u was stored", number, pair->stored[pair->life]);
    pair->told_safe[pair->life] = number;
}

/* -- The ends. */

static uint32_t end_poll(struct pair *pair, int end, uint64_t now_us)
{
    uint32_t wait = 100000;
    generate(pair, end);
    if (end == PAIR_HOST)
        commit(pair);
    uint32_t link = mp_link_poll(&pair->link[end], (uint32_t)now_us);
    uint64_t next[] = {end == PAIR_HOST ? pair->next_down_us : pair->next_up_us,
                       end == PAIR_HOST ? pair->commit_us : pair->next_once_us};
    for (int i = 0; i < 2; i++)
        if (next[i] > now_us && next[i] - now_us < wait)
            wait = (uint32_t)(next[i] - now_us);
    return link < wait ? link : wait;
}

static void device_bytes(void *user, const uint8_t *bytes, size_t n, uint64_t now_us)
{
    struct pair *pair = user;
    mp_link_bytes(&pair->link[PAIR_DEVICE], bytes, n, (uint32_t)now_us);
}

static uint32_t device_poll(void *user, uint64_t now_us)
{
    return end_poll(user, PAIR_DEVICE, now_us);
}

static size_t device_output(void *user, uint8_t *out, size_t cap, uint64_t now_us)
{
    struct pair *pair = user;
    if (pair->options.up_interval_us == 0)
        generate(pair, PAIR_DEVICE);
    return mp_link_output(&pair->link[PAIR_DEVICE], out, cap, (uint32_t)now_us);
}

static void host_bytes(void *user, const uint8_t *bytes, size_t n, uint64_t now_us)
{
    struct pair *pair = user;
    mp_fast_bytes(&pair->fast, &pair->link[PAIR_HOST], bytes, n, (uint32_t)now_us);
}

static uint32_t host_poll(void *user, uint64_t now_us)
{
    return end_poll(user, PAIR_HOST, now_us);
}

static size_t host_output(void *user, uint8_t *out, size_t cap, uint64_t now_us)
{
    struct pair *pair = user;
    return mp_fast_output(&pair->link[PAIR_HOST], out, cap, (uint32_t)now_us);
}

static void start(struct pair *pair, int end)
{
    static const uint8_t id[] = "pair";
    static const struct mp_identity identity = {
        .device = id, .image = id, .device_len = 4, .image_len = 4, .tick_us = 1000};
    size_t tx = pair->options.device_tx == 0 ? 4096 : pair->options.device_tx;
    struct mp_link_config config = {
        .host = end == PAIR_HOST ? &pair->host : NULL,
        .stats = &pair->stats[end],
        .user = pair,
        .tx_mem = pair->tx[end],
        .tx_bytes = end == PAIR_HOST ? sizeof pair->tx[end] : (uint16_t)tx,
        .rx_mem = pair->rx[end],
        .rx_bytes = pair->options.rx == 0 ? 8192 : (uint16_t)pair->options.rx,
        .max_body = MP_BODY_MAX,
        .safe_at_once = pair->options.safe_us == 0,
        .byte_us = MP_LINK_BYTE_US(pair->sim.line[0].baud),
        .seed = (uint32_t)sim_random(&pair->sim),
        .silence_ms = pair->options.silence_ms,
        .identity = end == PAIR_HOST ? NULL : &identity,
    };
    static const struct mp_link_io host = {
        .up = on_host_up, .down = on_host_down, .message = on_host_message};
    static const struct mp_link_io device = {
        .up = on_device_up, .message = on_device_message, .safe = on_device_safe};
    pair->stats[end] = (struct mp_link_stats){0};
    if (mp_link_init(&pair->link[end], &config, end == PAIR_HOST ? &host : &device) != MP_OK)
        abort();
    sim_touch(&pair->sim, end);
}

void pair_init(struct pair *pair, const struct pair_options *options, uint64_t seed, uint32_t baud,
               uint32_t latency_us)
{
    memset(pair, 0, sizeof *pair);
    pair->options = *options;
    sim_init(&pair->sim, seed, baud, latency_us);
    pair->sim.end[PAIR_DEVICE] = (struct sim_end){pair, device_bytes, device_poll, device_output};
    pair->sim.end[PAIR_HOST] = (struct sim_end){pair, host_bytes, host_poll, host_output};
    start(pair, PAIR_DEVICE);
    start(pair, PAIR_HOST);
}

void pair_free(struct pair *pair)
{
    sim_free(&pair->sim);
    free(pair->latency_us);
}

void pair_restart(struct pair *pair, int end)
{
    if (end == PAIR_DEVICE) {
        if (pair->life + 1 == PAIR_LIVES)
            return;
        pair->life++;
    } else {
        pair->host_knows = false;
    }
    start(pair, end);
}

static bool at_rest(void *user)
{
    const struct pair *pair = user;
    return mp_link_is_up(&pair->link[PAIR_HOST]) && mp_link_is_up(&pair->link[PAIR_DEVICE]) &&
           pair->stored[pair->life] == pair->sent[pair->life] &&
           pair->told_safe[pair->life] == pair->sent[pair->life] &&
           !mp_link_pending(&pair->link[PAIR_HOST], MP_PRIO_BULK);
}

bool pair_settle(struct pair *pair)
{
    pair->quiet = true;
    for (int i = 0; i < 2; i++)
        pair->sim.line[i].cut = false;
    sim_faults(&pair->sim, &(struct sim_faults){0});
    if (!sim_until(&pair->sim, at_rest, pair, SETTLE_US))
        broke(pair, "not at rest: %u sent, %u stored, %u told safe, host %s, device %s",
              pair->sent[pair->life], pair->stored[pair->life], pair->told_safe[pair->life],
              mp_link_is_up(&pair->link[PAIR_HOST]) ? "up" : "down",
              mp_link_is_up(&pair->link[PAIR_DEVICE]) ? "up" : "down");
    for (unsigned life = 0; life <= pair->life; life++)
        if (pair->told_safe[life] > pair->stored[life])
            broke(pair, "life %u was told that %u are safe, stored are %u", life,
                  pair->told_safe[life], pair->stored[life]);
    return pair->broken[0] == '\0';
}
