/*
 * The host's side above the link. A device's readings mean nothing before its description is here
 * and its clock is known, so the link gives it no credit until then; what it has waits with it.
 */
#include "mp_host.h"

#include "mp_crc.h"
#include "mp_fast.h"
#include "mp_host_describe.h"
#include "mp_msg.h"

#include <string.h>

/* Time questions: a few at once for a first estimate, then as often as the line bears until the
 * estimate is good, then when the keep-alive wants them. */
#define QUICK_ASKS      5
#define QUICK_ASK_US    20000u
#define LEARNING_ASKS   200
#define LEARNING_ASK_US 100000u
#define STEADY_ASK_US   250000u
#define GOOD_BOUND_US   200u
#define LINE_SHARE      40u /* questions and answers take at most a part in so many of the line */
#define ADAPTER_TIMER_US \
    16000u /* of the USB adapter that waits longest before it passes bytes on */
#define DESCRIBE_AGAIN_US  300000
#define SILENCE_KEEPALIVES 4
#define SILENCE_MIN_MS     1000
#define TICKS_AHEAD        8192 /* that a reading's time may lie after our idea of now */
#define TIME_ASK_BODY      1
#define TIME_ASK_BYTES     (TIME_ASK_BODY + MP_FRAME_OVERHEAD)
#define TIME_BYTES         (13 + MP_FRAME_OVERHEAD)

static void nonsense(struct mp_host *host, const char *what)
{
    host->nonsense++;
    if (host->io.nonsense != NULL)
        host->io.nonsense(host->io.user, what);
}

/* -- The clock. */

/* The full tick count nearest to the newest one known. */
static uint64_t unwrap(const struct mp_host *host, uint32_t ticks)
{
    int32_t ahead = (int32_t)(ticks - (uint32_t)host->newest_ticks);
    if (ahead < 0 && (uint64_t)(-(int64_t)ahead) > host->newest_ticks)
        return ticks;
    return host->newest_ticks + (uint64_t)(int64_t)ahead;
}

/* Least time of `bytes` on the line, whose speed may be 2.5 % off. */
static uint32_t line_us(const struct mp_host *host, uint32_t bytes)
{
    return host->config.baud == 0 ? 0 : (uint32_t)(bytes * 9750000ull / host->config.baud);
}

static uint32_t dither(struct mp_host *host)
{
    host->random ^= host->random << 13;
    host->random ^= host->random >> 17;
    host->random ^= host->random << 5;
    return host->random % ADAPTER_TIMER_US;
}

static uint32_t ask_interval(const struct mp_host *host)
{
    uint32_t keepalive = host->config.keepalive_ms * 1000u;
    uint32_t share = LINE_SHARE * line_us(host, TIME_ASK_BYTES + TIME_BYTES);
    uint32_t wanted = keepalive;
    if (host->asks < QUICK_ASKS)
        return QUICK_ASK_US;
    if (host->asks < LEARNING_ASKS && host->clock.bound_us > GOOD_BOUND_US)
        wanted = LEARNING_ASK_US;
    else if (host->clock.bound_us > GOOD_BOUND_US)
        wanted = STEADY_ASK_US;
    wanted = wanted < share ? share : wanted;
    return wanted < keepalive ? wanted : keepalive;
}

/* Asked at even intervals, an adapter's timer could delay every answer by the same. */
static void ask_time(struct mp_host *host)
{
    uint8_t body[TIME_ASK_BODY];
    struct mp_time_ask ask = {.ref = ++host->time_ref};
    int len = mp_encode_time_ask(body, sizeof body, &ask);
    host->asked_us = 0;
    mp_link_send_once(&host->link, MP_MSG_TIME_ASK, body, (size_t)len);
    if (host->asks < LEARNING_ASKS)
        host->asks++;
    uint32_t interval = ask_interval(host);
    uint32_t later = dither(host);
    host->ask_at_us = host->now_us + interval - (later < interval / 2 ? later : later % 2048);
}

static void on_leaving(void *user, uint8_t id, uint8_t *body, size_t len, uint32_t now_us)
{
    struct mp_host *host = user;
    (void)body;
    (void)len;
    (void)now_us;
    if (id == MP_MSG_TIME_ASK)
        host->asked_us = host->now_us;
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
        nonsense(host, "a time that cannot be decoded");
        return;
    }
    if (time.ref != host->time_ref || host->asked_us == 0)
        return;
    struct mp_clock_sample sample = {.asked_us = host->asked_us,
                                     .answered_us = host->now_us,
                                     .device_us = time.device_us,
                                     .turnaround_us = time.turnaround_us,
                                     .ask_line_us = line_us(host, TIME_ASK_BYTES),
                                     .answer_line_us = line_us(host, TIME_BYTES)};
    host->asked_us = 0;
    mp_clock_sample(&host->clock, &sample);
    tell_clock(host);
    host->newest_ticks = time.device_us / host->link.peer.tick_us;
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
    return host->schema != 0 && host->schema == host->link.peer.schema;
}

static void become_ready(struct mp_host *host)
{
    if (host->state != MP_HOST_DESCRIBING || !described(host) || !host->ticks_known)
        return;
    host->state = MP_HOST_READY;
    mp_link_credit(&host->link, host->config.credit);
    if (host->io.ready != NULL)
        host->io.ready(host->io.user, &host->link.peer, &host->description, host->fresh);
}

/* A description that makes no sense is asked for again, at the pace of a lost one: it may be
 * another by then, and the reader of the log knows what to mend. */
static void take_description(struct mp_host *host)
{
    const char *wrong = NULL;
    if (mp_crc32(0, host->raw, host->total) != host->link.peer.schema)
        wrong = "description: not the one of the hello's hash";
    else
        wrong = mp_description_parse(host->raw, host->total, &host->description);
    host->have = 0;
    host->total = 0;
    if (wrong != NULL) {
        nonsense(host, wrong);
        return;
    }
    host->schema = host->link.peer.schema;
    become_ready(host);
}

static void on_chunk(struct mp_host *host, const struct mp_message *message)
{
    struct mp_description_chunk chunk;
    if (mp_decode_description_chunk(message->body, message->len, &chunk) != 0) {
        nonsense(host, "a part of the description that cannot be decoded");
        return;
    }
    if (host->state != MP_HOST_DESCRIBING || described(host) || chunk.offset != host->have)
        return;
    if (chunk.total == 0 || chunk.total > sizeof host->raw || chunk.bytes_len == 0 ||
        chunk.bytes_len > (size_t)(chunk.total - chunk.offset) || chunk.offset > chunk.total ||
        (host->have > 0 && chunk.total != host->total)) {
        nonsense(host, "a part of the description that does not fit");
        host->have = 0;
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

/* -- What the device sends. */

static void give_reading(struct mp_host *host, struct mp_host_reading *reading,
                         const struct mp_reading *entry, uint64_t ticks)
{
    int8_t exponent = host->description.sensors[entry->slot].exponent;
    if (ticks > host->newest_ticks)
        host->newest_ticks = ticks;
    reading->slot = entry->slot;
    reading->value = mp_value_to_physical(entry->type, exponent, entry->value);
    reading->device_us = ticks * host->link.peer.tick_us;
    if (host->io.reading != NULL)
        host->io.reading(host->io.user, reading);
    reading->index++;
}

static void on_readings(struct mp_host *host, const struct mp_message *message)
{
    const struct mp_description *d = &host->description;
    struct mp_readings m;
    struct mp_readings_iter iter;
    struct mp_reading entry;
    int more;
    struct mp_host_reading reading = {.reliable = message->reliable, .number = message->number};
    if (mp_decode_readings(message->body, message->len, &m) != 0) {
        nonsense(host, "readings that cannot be decoded");
        return;
    }
    mp_readings_begin(&iter, m.base, m.entries, m.entries_len, d->sensor_types, d->sensor_count);
    while ((more = mp_readings_next(&iter, &entry)) > 0)
        give_reading(host, &reading, &entry, unwrap(host, entry.ticks));
    if (more < 0)
        nonsense(host, "a reading that is not described or no number");
}

/* Takes the value of entry->slot; returns its size, or 0 if there is none. */
static size_t take_value(const struct mp_host *host, struct mp_reading *entry, const uint8_t *bytes,
                         size_t n)
{
    if (entry->slot >= host->description.sensor_count)
        return 0;
    entry->type = host->description.sensor_types[entry->slot];
    size_t size = mp_type_size(entry->type);
    if (size > n)
        return 0;
    entry->value = mp_value_get(entry->type, bytes);
    return mp_value_of_type(entry->type, entry->value) ? size : 0;
}

static void on_scan(struct mp_host *host, const struct mp_message *message)
{
    struct mp_scan m;
    struct mp_host_reading reading = {.reliable = message->reliable, .number = message->number};
    if (mp_decode_scan(message->body, message->len, &m) != 0) {
        nonsense(host, "a scan that cannot be decoded");
        return;
    }
    struct mp_reading entry = {.slot = m.first};
    uint64_t ticks = unwrap(host, m.base);
    for (size_t at = 0; at < m.values_len; entry.slot++) {
        size_t size = take_value(host, &entry, m.values + at, m.values_len - at);
        if (size == 0) {
            nonsense(host, "a reading that is not described or no number");
            return;
        }
        give_reading(host, &reading, &entry, ticks);
        at += size;
    }
}

/* The time nearest to now, for the most part before it, that ends in these 16 bits. */
static uint64_t unwrap_now(const struct mp_host *host, uint16_t ticks)
{
    int64_t device_us = (int64_t)host->now_us - host->clock.offset_us;
    uint64_t latest =
        (uint64_t)(device_us > 0 ? device_us : 0) / host->link.peer.tick_us + TICKS_AHEAD;
    uint16_t before = (uint16_t)(latest - ticks);
    return before <= latest ? latest - before : ticks;
}

static void on_reading_now(struct mp_host *host, const struct mp_message *message)
{
    struct mp_reading_now m;
    struct mp_reading entry;
    struct mp_host_reading reading = {.reliable = message->reliable, .number = message->number};
    if (mp_decode_reading_now(message->body, message->len, &m) != 0) {
        nonsense(host, "a reading that cannot be decoded");
        return;
    }
    entry.slot = m.slot;
    if (m.value_len == 0 || take_value(host, &entry, m.value, m.value_len) != m.value_len)
        nonsense(host, "a reading that is not described or no number");
    else
        give_reading(host, &reading, &entry, unwrap_now(host, m.ticks));
}

/* A device answers what an earlier session asked too, when its answer had waited for the next. */
static void on_result(struct mp_host *host, const struct mp_message *message)
{
    struct mp_result m;
    if (mp_decode_result(message->body, message->len, &m) != 0 || m.status >= MP_STATUS_COUNT)
        nonsense(host, "a result that cannot be decoded");
    else if (host->io.result != NULL && m.session == host->link.peer.nonce)
        host->io.result(host->io.user, m.request, (enum mp_status)m.status);
}

static void on_control_state(struct mp_host *host, const struct mp_message *message)
{
    struct mp_control_state m;
    if (mp_decode_control_state(message->body, message->len, &m) != 0 ||
        m.cause >= MP_CAUSE_COUNT || m.control >= host->description.control_count) {
        nonsense(host, "a control state that cannot be decoded");
        return;
    }
    uint8_t type = host->description.controls[m.control].type;
    union mp_value value = mp_value_from_bits(type, m.value);
    if (!mp_value_of_type(type, value))
        nonsense(host, "a control state that is no value of its type");
    else if (host->io.control_state != NULL)
        host->io.control_state(host->io.user, m.control, (enum mp_cause)m.cause, value);
}

static void on_log(struct mp_host *host, const struct mp_message *message)
{
    struct mp_log m;
    if (mp_decode_log(message->body, message->len, &m) != 0 || m.level >= MP_LEVEL_COUNT)
        nonsense(host, "a log line that cannot be decoded");
    else if (host->io.log != NULL)
        host->io.log(host->io.user, (enum mp_level)m.level, (const char *)m.text, m.text_len);
}

/* What only a described device can say. */
static void on_described_message(struct mp_host *host, const struct mp_message *message)
{
    switch (message->id) {
    case MP_MSG_READINGS:
        on_readings(host, message);
        break;
    case MP_MSG_SCAN:
        on_scan(host, message);
        break;
    case MP_MSG_READING_NOW:
        on_reading_now(host, message);
        break;
    case MP_MSG_RESULT:
        on_result(host, message);
        break;
    case MP_MSG_CONTROL_STATE:
        on_control_state(host, message);
        break;
    case MP_MSG_LOG:
        on_log(host, message);
        break;
    case MP_MSG_CONSOLE:
        if (host->io.console != NULL)
            host->io.console(host->io.user, message->body, message->len);
        break;
    case MP_MSG_BULK_STATE:
        if (host->io.bulk != NULL)
            host->io.bulk(host->io.user, message);
        break;
    default:
        nonsense(host, "a message of an unknown kind");
        break;
    }
}

static void on_message(void *user, const struct mp_message *message)
{
    struct mp_host *host = user;
    host->readings_missing += message->gap;
    if (message->id == MP_MSG_TIME)
        on_time(host, message);
    else if (message->id == MP_MSG_DESCRIPTION_CHUNK)
        on_chunk(host, message);
    else if (host->state == MP_HOST_READY)
        on_described_message(host, message);
    else if (message->reliable)
        nonsense(host, "a message sent without credit");
    else
        host->readings_missing++;
    if (message->reliable && host->io.received != NULL)
        host->io.received(host->io.user, message->number);
}

/* -- Sessions. */

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
    if (host->schema != peer->schema)
        ask_description(host);
    become_ready(host);
}

static void on_down(void *user, enum mp_down why)
{
    struct mp_host *host = user;
    host->state = MP_HOST_HELLO;
    mp_link_credit(&host->link, 0);
    if (host->io.lost != NULL)
        host->io.lost(host->io.user, why);
}

static void on_trace(void *user, bool outgoing, const struct mp_message *message)
{
    struct mp_host *host = user;
    if (host->io.trace != NULL)
        host->io.trace(host->io.user, outgoing, message);
}

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
    if (config->keepalive_ms == 0 || config->credit == 0)
        return MP_ERR_BAD_VALUE;
    uint32_t silence_ms = config->keepalive_ms * (uint32_t)SILENCE_KEEPALIVES;
    silence_ms = silence_ms < SILENCE_MIN_MS ? SILENCE_MIN_MS : silence_ms;
    struct mp_link_config link = {
        .role = MP_HOST,
        .tx_mem = config->tx_mem,
        .tx_bytes = config->tx_bytes,
        .rx_mem = config->rx_mem,
        .rx_bytes = config->rx_bytes,
        .max_body = MP_BODY_MAX,
        .safe_at_once = config->safe_at_once,
        .baud = config->baud,
        .seed = config->seed,
        .silence_ms = silence_ms > UINT16_MAX ? UINT16_MAX : (uint16_t)silence_ms,
    };
    struct mp_link_io link_io = {.user = host,
                                 .up = on_up,
                                 .down = on_down,
                                 .message = on_message,
                                 .leaving = on_leaving,
                                 .trace = on_trace};
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
    if (until(host, host->describe_us + DESCRIBE_AGAIN_US) == 0)
        ask_description(host);
    uint32_t describe = until(host, host->describe_us + DESCRIBE_AGAIN_US);
    return describe < wait ? describe : wait;
}

uint32_t mp_host_poll(struct mp_host *host, uint64_t now_us)
{
    host->now_us = now_us;
    mp_clock_age(&host->clock, now_us);
    tell_clock(host);
    uint32_t wait = mp_link_poll(&host->link, (uint32_t)now_us);
    uint32_t session = poll_session(host);
    return session < wait ? session : wait;
}

size_t mp_host_output(struct mp_host *host, uint8_t *out, size_t cap, uint64_t now_us)
{
    host->now_us = now_us;
    return mp_fast_output(&host->link, out, cap, (uint32_t)now_us);
}

void mp_host_line_lost(struct mp_host *host)
{
    mp_link_line_lost(&host->link);
}

void mp_host_safe(struct mp_host *host, uint32_t number)
{
    mp_link_safe(&host->link, number);
}

/* -- Requests. */

static int send_request(struct mp_host *host, uint8_t id, const uint8_t *body, int len,
                        uint16_t *request)
{
    if (len < 0)
        return MP_ERR_BAD_VALUE;
    int error = mp_link_send(&host->link, MP_PRIO_COMMAND, id, body, (size_t)len);
    if (error != MP_OK)
        return error;
    if (request != NULL)
        *request = host->next_request;
    host->next_request++;
    return MP_OK;
}

/* The deadline in ticks of the device, early by what its clock is uncertain. Returns whether there
 * is any time left. */
static bool device_deadline(const struct mp_host *host, uint64_t now_us, uint32_t ttl_ms,
                            uint32_t *ticks)
{
    uint64_t ttl_us = ttl_ms * 1000ull;
    uint64_t off_us = host->clock.bound_us + (uint64_t)host->link.peer.tick_us;
    if (host->clock.bound_us == MP_CLOCK_UNKNOWN || ttl_us <= off_us)
        return false;
    int64_t device_us = (int64_t)(now_us + ttl_us - off_us) - host->clock.offset_us;
    *ticks = (uint32_t)((uint64_t)device_us / host->link.peer.tick_us);
    return device_us >= 0;
}

int mp_host_command(struct mp_host *host, uint8_t control, union mp_value value, uint32_t ttl_ms,
                    uint64_t now_us, uint16_t *request)
{
    uint8_t body[MP_COMMAND_SEALED + 4];
    struct mp_command m = {.request = host->next_request, .control = control};
    if (host->state != MP_HOST_READY)
        return MP_ERR_NO_SESSION;
    if (control >= host->description.control_count)
        return MP_ERR_BAD_VALUE;
    const struct mp_host_control *c = &host->description.controls[control];
    if (!mp_value_in_range(c->type, value, c->min, c->max))
        return MP_ERR_BAD_VALUE;
    if (!device_deadline(host, now_us, ttl_ms, &m.deadline))
        return MP_ERR_NO_SESSION;
    m.value = mp_value_to_bits(c->type, value);
    mp_encode_command(body, sizeof body, &m);
    m.crc = mp_seal(host->link.peer.nonce, MP_MSG_COMMAND, body, MP_COMMAND_SEALED);
    return send_request(host, MP_MSG_COMMAND, body, mp_encode_command(body, sizeof body, &m),
                        request);
}

int mp_host_set_id(struct mp_host *host, const uint8_t *id, uint8_t len, uint16_t *request)
{
    uint8_t body[MP_BODY_MIN];
    struct mp_set_id m = {.request = host->next_request, .device = id, .device_len = len};
    if (host->state != MP_HOST_READY)
        return MP_ERR_NO_SESSION;
    if (len > MP_DEVICE_ID_MAX)
        return MP_ERR_BAD_VALUE;
    m.crc = mp_seal(host->link.peer.nonce, MP_MSG_SET_ID, id, len);
    return send_request(host, MP_MSG_SET_ID, body, mp_encode_set_id(body, sizeof body, &m),
                        request);
}

int mp_host_identify(struct mp_host *host, uint16_t ms, uint16_t *request)
{
    uint8_t body[4];
    struct mp_identify m = {.request = host->next_request, .ms = ms};
    if (host->state != MP_HOST_READY)
        return MP_ERR_NO_SESSION;
    return send_request(host, MP_MSG_IDENTIFY, body, mp_encode_identify(body, sizeof body, &m),
                        request);
}

int mp_host_reset(struct mp_host *host, enum mp_reset_mode mode, uint16_t *request)
{
    uint8_t body[3];
    struct mp_reset m = {.request = host->next_request, .mode = (uint8_t)mode};
    if (host->state != MP_HOST_READY)
        return MP_ERR_NO_SESSION;
    return send_request(host, MP_MSG_RESET, body, mp_encode_reset(body, sizeof body, &m), request);
}

int mp_host_console(struct mp_host *host, const uint8_t *bytes, size_t n)
{
    if (host->state != MP_HOST_READY)
        return MP_ERR_NO_SESSION;
    return mp_link_send(&host->link, MP_PRIO_LOG, MP_MSG_CONSOLE, bytes, n);
}

int mp_host_request(struct mp_host *host, uint8_t id, uint8_t *body, size_t len, uint16_t *request)
{
    if (host->state != MP_HOST_READY)
        return MP_ERR_NO_SESSION;
    if (len < 2 || len > MP_BODY_MAX)
        return MP_ERR_BAD_VALUE;
    mp_put_u16(body, host->next_request);
    return send_request(host, id, body, (int)len, request);
}
