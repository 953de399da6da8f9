/*
 * The host's side above the link. A device's readings mean nothing before its description is here
 * and its clock is known, so the link gives it no credit until then; what it has waits with it.
 */
#include "mp_host.h"

#include "mp_crc.h"
#include "mp_describe.h"
#include "mp_host_describe.h"
#include "mp_host_parts.h"
#include "mp_msg.h"

#include <string.h>

/* Time questions: a few at once for a first estimate, then as often as the line bears until the
 * estimate is good, then when the keep-alive wants them; twice as often as that while it is not as
 * good as it was expected to become. */
#define QUICK_ASKS      5
#define QUICK_ASK_US    20000u
#define LEARNING_ASKS   200
#define LEARNING_ASK_US 100000u
#define GOOD_BOUND_US   200u
#define LINE_SHARE      40u /* questions and answers take at most a part in so many of the line */
#define ADAPTER_TIMER_US \
    16000u /* of the USB adapter that waits longest before it passes bytes on */
#define SLOT_US            10000u
#define DESCRIBE_AGAIN_US  300000
#define SILENCE_KEEPALIVES 4
#define SILENCE_MIN_MS     1000
#define MISMATCH_TEXT      160
#define LINE_AHEAD_US      20000u
#define LINE_LEAST         (MP_BODY_MIN + MP_FRAME_OVERHEAD)
#define TIME_ASK_BODY      1
#define TIME_ASK_BYTES     (TIME_ASK_BODY + MP_FRAME_OVERHEAD)
#define TIME_BYTES         (13 + MP_FRAME_OVERHEAD)

void mp_host_nonsense(struct mp_host *host, const char *what)
{
    host->nonsense++;
    if (host->io.nonsense != NULL)
        host->io.nonsense(host->io.user, what);
}

static void tell_mismatch(struct mp_host *host, enum mp_mismatch_of of, uint32_t device,
                          uint32_t ours)
{
    struct mp_mismatch *m = &host->mismatch;
    char text[MISMATCH_TEXT];
    if (m->of == of && m->device == device && m->host == ours)
        return;
    *m = (struct mp_mismatch){.of = of, .device = device, .host = ours};
    if (host->io.mismatch != NULL)
        host->io.mismatch(host->io.user, m, mp_mismatch_text(m, text, sizeof text));
}

/* -- The clock. */

/* Least time of `bytes` on the line, whose speed may be 2.5 % off. */
static uint32_t line_us(const struct mp_host *host, uint32_t bytes)
{
    return host->config.baud == 0 ? 0 : (uint32_t)(bytes * 9750000ull / host->config.baud);
}

/* What a frame takes that has begun, and the one that is waited for. */
static uint32_t slow_line_us(const struct mp_host *host)
{
    return 2 * line_us(host, MP_FRAME_MAX);
}

static uint32_t dither(struct mp_host *host)
{
    host->random ^= host->random << 13;
    host->random ^= host->random >> 17;
    host->random ^= host->random << 5;
    return host->random % ADAPTER_TIMER_US;
}

/* One of the latest two moments before `at_us` of an uneven row that all hosts of a program have in
 * common: of a thousand boards a few are asked at each wake-up, and not so many that the last one
 * of them measures how long the others took. */
static uint64_t common_moment(uint64_t at_us)
{
    uint64_t slot = at_us / SLOT_US - 1;
    uint32_t mixed = (uint32_t)slot;
    for (int i = 0; i < 2; i++)
        mixed = (mixed ^ mixed >> 16) * 0x45d9f3bu;
    return slot * SLOT_US + (mixed ^ mixed >> 16) % SLOT_US;
}

static uint64_t *asked_us(struct mp_host *host, uint8_t ref)
{
    return &host->asked_us[ref % MP_HOST_ASKED];
}

static uint32_t ask_interval(const struct mp_host *host)
{
    uint32_t keepalive = host->config.keepalive_ms * 1000u;
    uint32_t share = LINE_SHARE * line_us(host, TIME_ASK_BYTES + TIME_BYTES);
    uint32_t wanted = keepalive;
    uint32_t least = line_us(host, TIME_ASK_BYTES + TIME_BYTES) / 4 * 5;
    if (keepalive < least)
        keepalive = least; /* on a slow line the answers alone would fill it */
    if (host->asks < QUICK_ASKS)
        return QUICK_ASK_US < least ? least : QUICK_ASK_US;
    if (host->asks < LEARNING_ASKS && host->clock.bound_us > GOOD_BOUND_US)
        wanted = LEARNING_ASK_US;
    else if (host->clock.bound_us > GOOD_BOUND_US)
        wanted = keepalive / 2;
    wanted = wanted < share ? share : wanted;
    return wanted < keepalive ? wanted : keepalive;
}

/* Asked at even intervals, an adapter's timer could delay every answer by the same. */
static void ask_time(struct mp_host *host)
{
    uint8_t body[TIME_ASK_BODY];
    struct mp_time_ask ask = {.ref = ++host->time_ref};
    int len = mp_encode_time_ask(body, sizeof body, &ask);
    *asked_us(host, ask.ref) = 0;
    mp_link_send_once(&host->link, MP_MSG_TIME_ASK, body, (size_t)len);
    if (host->asks < LEARNING_ASKS)
        host->asks++;
    uint32_t interval = ask_interval(host);
    uint32_t later = dither(host);
    host->ask_at_us = host->now_us + interval - (later < interval / 2 ? later : later % 2048);
    if (interval >= LEARNING_ASK_US)
        host->ask_at_us = common_moment(host->ask_at_us);
}

static bool on_leaving(void *user, uint8_t id, uint8_t *body, size_t len)
{
    struct mp_host *host = user;
    (void)len;
    if (id == MP_MSG_TIME_ASK)
        *asked_us(host, body[0]) = host->now_us;
    return false;
}

static void tell_clock(struct mp_host *host)
{
    bool poor = mp_clock_is_poor(&host->clock);
    if (poor == host->clock_poor)
        return;
    host->clock_poor = poor;
    if (host->io.clock != NULL)
        host->io.clock(host->io.user, &host->clock, poor);
}

static void become_ready(struct mp_host *host);

static void on_time(struct mp_host *host, const struct mp_message *message)
{
    struct mp_time time;
    if (mp_decode_time(message->body, message->len, &time) != 0) {
        mp_host_nonsense(host, "a time that cannot be decoded");
        return;
    }
    uint64_t *asked = asked_us(host, time.ref);
    if ((uint8_t)(host->time_ref - time.ref) >= MP_HOST_ASKED || *asked == 0)
        return;
    struct mp_clock_sample sample = {.asked_us = *asked,
                                     .answered_us = host->now_us,
                                     .device_us = time.device_us,
                                     .turnaround_us = time.turnaround_us,
                                     .ask_line_us = line_us(host, TIME_ASK_BYTES),
                                     .answer_line_us = line_us(host, TIME_BYTES)};
    *asked = 0;
    mp_clock_sample(&host->clock, &sample);
    tell_clock(host);
    host->newest_ticks = time.device_us / mp_link_peer(&host->link)->tick_us;
    host->ticks_known = true;
    become_ready(host);
}

/* -- The description. */

static void ask_description(struct mp_host *host)
{
    uint8_t body[2];
    struct mp_describe ask = {.offset = host->have};
    int len = mp_encode_describe(body, sizeof body, &ask);
    host->describe_us = host->now_us;
    mp_link_send(&host->link, MP_PRIO_COMMAND, MP_MSG_DESCRIBE, body, (size_t)len);
}

static bool described(const struct mp_host *host)
{
    return host->schema != 0 && host->schema == mp_link_peer(&host->link)->schema;
}

static void become_ready(struct mp_host *host)
{
    if (host->state != MP_HOST_DESCRIBING || !described(host) || !host->ticks_known)
        return;
    host->state = MP_HOST_READY;
    host->mismatch.of = MP_MISMATCH_NONE;
    mp_link_credit(&host->link, host->config.credit);
    if (host->io.ready != NULL)
        host->io.ready(host->io.user, mp_link_peer(&host->link), &host->description, host->fresh);
}

static void *room(struct mp_host *host, enum mp_host_room what, size_t bytes)
{
    struct mp_host_space *space = host->config.space;
    if (space == NULL)
        return host->io.room(host->io.user, what, bytes);
    return what == MP_HOST_ROOM_RAW ? (void *)space->raw : (void *)&space->tables;
}

/* Returns NULL, or what is wrong. */
static const char *keep_description(struct mp_host *host)
{
    struct mp_description_tables tables;
    const char *wrong = mp_description_parse(host->raw, host->total, &tables, &host->description);
    if (wrong != NULL)
        return wrong;
    void *kept = room(host, MP_HOST_ROOM_TABLES,
                      mp_description_tables_bytes(&host->description) + 1); /* never none */
    if (kept == NULL)
        return "no memory for its description";
    mp_description_move(&host->description, kept);
    return NULL;
}

/* A description that makes no sense is asked for again, at the pace of a lost one: it may be
 * another by then, and the reader of the log knows what to mend. */
static void take_description(struct mp_host *host)
{
    uint32_t crc = mp_crc32(0, host->raw, host->total), schema = mp_link_peer(&host->link)->schema;
    const char *wrong = NULL;
    if (crc != schema)
        tell_mismatch(host, MP_MISMATCH_SCHEMA, schema, crc);
    else if (host->raw[0] != MP_DESCRIBE_FORMAT)
        tell_mismatch(host, MP_MISMATCH_FORMAT, host->raw[0], MP_DESCRIBE_FORMAT);
    else if ((wrong = keep_description(host)) != NULL)
        mp_host_nonsense(host, wrong);
    else
        host->schema = schema;
    host->have = 0;
    host->total = 0;
    become_ready(host);
}

static void on_chunk(struct mp_host *host, const struct mp_message *message)
{
    struct mp_description_chunk chunk;
    if (mp_decode_description_chunk(message->body, message->len, &chunk) != 0) {
        mp_host_nonsense(host, "a part of the description that cannot be decoded");
        return;
    }
    if (host->state != MP_HOST_DESCRIBING || described(host) || chunk.offset != host->have)
        return;
    if (chunk.total == 0 || chunk.total > MP_HOST_DESCRIPTION_MAX || chunk.bytes_len == 0 ||
        chunk.bytes_len > (size_t)(chunk.total - chunk.offset) || chunk.offset > chunk.total ||
        (host->have > 0 && chunk.total != host->total)) {
        mp_host_nonsense(host, "a part of the description that does not fit");
        host->have = 0;
        return;
    }
    if (host->have == 0)
        host->raw = room(host, MP_HOST_ROOM_RAW, chunk.total);
    if (host->raw == NULL) {
        mp_host_nonsense(host, "no memory for its description");
        return;
    }
    memcpy(host->raw + host->have, chunk.bytes, chunk.bytes_len);
    host->total = chunk.total;
    host->have = (uint16_t)(host->have + chunk.bytes_len);
    if (host->have == host->total)
        take_description(host);
    else
        ask_description(host);
}

/* -- Sessions. */

static void on_message(void *user, const struct mp_message *message)
{
    struct mp_host *host = user;
    host->readings_missing += message->gap;
    if (message->id == MP_MSG_TIME)
        on_time(host, message);
    else if (message->id == MP_MSG_DESCRIPTION_CHUNK)
        on_chunk(host, message);
    else if (host->state == MP_HOST_READY)
        mp_host_event(host, message);
    else if (message->reliable)
        mp_host_nonsense(host, "a message sent without credit");
    else
        host->readings_missing++;
    if (message->reliable && host->io.received != NULL)
        host->io.received(host->io.user, message->number);
}

static void on_up(void *user, const struct mp_peer *peer, bool fresh)
{
    struct mp_host *host = user;
    host->state = MP_HOST_DESCRIBING;
    host->fresh = fresh;
    host->have = 0;
    host->asks = 0;
    if (fresh) {
        mp_clock_reset(&host->clock);
        host->clock_poor = true;
        host->ticks_known = false;
        host->newest_ticks = 0;
    }
    ask_time(host);
    if (host->schema != peer->schema) {
        host->schema = 0; /* the one that is fetched takes its place from the first byte on */
        ask_description(host);
    }
    become_ready(host);
}

static void on_down(void *user, enum mp_down why)
{
    struct mp_host *host = user;
    bool was_up = host->state != MP_HOST_HELLO;
    host->state = MP_HOST_HELLO;
    mp_link_credit(&host->link, 0);
    if (why == MP_DOWN_VERSION)
        tell_mismatch(host, MP_MISMATCH_PROTOCOL, mp_link_peer(&host->link)->version, MP_VERSION);
    if (was_up && host->io.lost != NULL)
        host->io.lost(host->io.user, why);
}

static void on_trace(void *user, bool outgoing, const struct mp_message *message)
{
    struct mp_host *host = user;
    if (host->io.trace != NULL)
        host->io.trace(host->io.user, outgoing, message);
}

static const struct mp_link_io link_io = {
    .up = on_up, .down = on_down, .message = on_message, .leaving = on_leaving, .trace = on_trace};

/* -- The outside. */

int mp_host_init(struct mp_host *host, const struct mp_host_config *config,
                 const struct mp_host_io *io, uint64_t now_us)
{
    memset(host, 0, sizeof *host);
    host->config = *config;
    host->io = *io;
    host->now_us = now_us;
    host->random = config->seed | 1;
    host->clock_poor = true;
    mp_clock_reset(&host->clock);
    if (config->keepalive_ms == 0 || config->credit == 0 ||
        (config->space == NULL && io->room == NULL))
        return MP_ERR_BAD_VALUE;
    uint32_t silence_ms = config->keepalive_ms * (uint32_t)SILENCE_KEEPALIVES;
    silence_ms = silence_ms < SILENCE_MIN_MS ? SILENCE_MIN_MS : silence_ms;
    silence_ms += slow_line_us(host) / 1000;
    struct mp_link_config link = {
        .host = &host->link_host,
        .stats = &host->stats,
        .user = host,
        .tx_mem = config->tx_mem,
        .tx_bytes = config->tx_bytes,
        .rx_mem = config->rx_mem,
        .rx_bytes = config->rx_bytes,
        .max_body = MP_BODY_MAX,
        .safe_at_once = config->safe_at_once,
        .byte_us = config->baud == 0 ? 0 : MP_LINK_BYTE_US(config->baud),
        .seed = config->seed,
        .silence_ms = silence_ms > UINT16_MAX ? UINT16_MAX : (uint16_t)silence_ms,
    };
    int error = mp_link_init(&host->link, &link, &link_io);
    if (error == MP_OK)
        mp_link_credit(&host->link, 0);
    return error;
}

void mp_host_bytes(struct mp_host *host, const uint8_t *bytes, size_t n, uint64_t now_us)
{
    host->now_us = now_us;
    mp_fast_bytes(&host->fast, &host->link, bytes, n, (uint32_t)now_us);
}

static uint32_t until(const struct mp_host *host, uint64_t at_us)
{
    return at_us > host->now_us ? (uint32_t)(at_us - host->now_us) : 0;
}

static uint32_t poll_session(struct mp_host *host)
{
    if (host->state == MP_HOST_HELLO)
        return UINT32_MAX;
    if (until(host, host->ask_at_us) == 0)
        ask_time(host);
    uint32_t wait = until(host, host->ask_at_us);
    if (host->state == MP_HOST_READY || described(host))
        return wait;
    uint32_t again_us = DESCRIBE_AGAIN_US + slow_line_us(host);
    if (until(host, host->describe_us + again_us) == 0)
        ask_description(host);
    uint32_t describe = until(host, host->describe_us + again_us);
    return describe < wait ? describe : wait;
}

uint32_t mp_host_poll(struct mp_host *host, uint64_t now_us)
{
    host->now_us = now_us;
    mp_clock_age(&host->clock, now_us);
    tell_clock(host);
    uint32_t wait = mp_link_poll(&host->link, (uint32_t)now_us);
    uint32_t session = poll_session(host);
    uint32_t line = host->line_full ? until(host, host->line_free_us - LINE_AHEAD_US / 2) : wait;
    wait = session < wait ? session : wait;
    return line < wait ? line : wait;
}

/* How many bytes more the line may be given now. */
static size_t line_room(const struct mp_host *host)
{
    uint32_t ahead_us = until(host, host->line_free_us);
    if (host->config.baud == 0 || host->clock.line_unreal)
        return SIZE_MAX;
    size_t room = 0;
    if (ahead_us < LINE_AHEAD_US)
        room = (size_t)((LINE_AHEAD_US - ahead_us) * (uint64_t)host->config.baud / 10000000u);
    return ahead_us == 0 && room < LINE_LEAST ? LINE_LEAST : room;
}

size_t mp_host_output(struct mp_host *host, uint8_t *out, size_t cap, uint64_t now_us)
{
    host->now_us = now_us;
    size_t room = line_room(host);
    size_t n = mp_fast_output(&host->link, out, cap < room ? cap : room, (uint32_t)now_us);
    if (host->line_free_us < now_us)
        host->line_free_us = now_us;
    if (room != SIZE_MAX)
        host->line_free_us += n * 10000000ull / host->config.baud;
    host->line_full = n == room;
    return n;
}

void mp_host_line_lost(struct mp_host *host)
{
    mp_link_line_lost(&host->link);
}

void mp_host_listen(struct mp_host *host, uint16_t ms)
{
    mp_link_listen(&host->link, ms);
}

void mp_host_safe(struct mp_host *host, uint32_t number)
{
    mp_link_safe(&host->link, number);
}
