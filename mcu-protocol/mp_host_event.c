/*
 * What a device that is described says: readings with their physical values and whole times,
 * results, states, logs. Each goes to the caller or is nonsense; sessions, the clock and the
 * description are mp_host.c's.
 */
#include "mp_host_parts.h"
#include "mp_msg.h"

#define TICKS_AHEAD      8192 /* that a reading's time may lie after our idea of now */
#define TICKS_SINCE_TOLD ((uint32_t)1 << 28) /* that may pass until the device tells its time */

/* -- Readings. */

/* The latest full tick count that ends in these bits and lies not much after the newest one known:
 * readings may have waited for days, and none is of times to come. */
static uint64_t unwrap(const struct mp_host *host, uint32_t ticks)
{
    uint64_t latest = host->newest_ticks + TICKS_SINCE_TOLD;
    uint32_t before = (uint32_t)latest - ticks;
    return before <= latest ? latest - before : ticks;
}

static void give_reading(struct mp_host *host, struct mp_host_reading *reading,
                         const struct mp_reading *entry, uint64_t ticks)
{
    int8_t exponent = host->description.sensors[entry->slot].exponent;
    if (ticks > host->newest_ticks)
        host->newest_ticks = ticks;
    reading->slot = entry->slot;
    reading->value = mp_value_to_physical(entry->type, exponent, entry->value);
    reading->device_us = ticks * mp_link_peer(&host->link)->tick_us;
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
        mp_host_nonsense(host, "readings that cannot be decoded");
        return;
    }
    mp_readings_begin(&iter, m.base, m.entries, m.entries_len, d->sensor_types, d->sensor_count);
    while ((more = mp_readings_next(&iter, &entry)) > 0)
        give_reading(host, &reading, &entry, unwrap(host, entry.ticks));
    if (more < 0)
        mp_host_nonsense(host, "a reading that is not described or no number");
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
        mp_host_nonsense(host, "a scan that cannot be decoded");
        return;
    }
    struct mp_reading entry = {.slot = m.first};
    uint64_t ticks = unwrap(host, m.base);
    for (size_t at = 0; at < m.values_len; entry.slot++) {
        size_t size = take_value(host, &entry, m.values + at, m.values_len - at);
        if (size == 0) {
            mp_host_nonsense(host, "a reading that is not described or no number");
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
        (uint64_t)(device_us > 0 ? device_us : 0) / mp_link_peer(&host->link)->tick_us +
        TICKS_AHEAD;
    uint16_t before = (uint16_t)(latest - ticks);
    return before <= latest ? latest - before : ticks;
}

static void on_reading_now(struct mp_host *host, const struct mp_message *message)
{
    struct mp_reading_now m;
    struct mp_reading entry;
    struct mp_host_reading reading = {.reliable = message->reliable, .number = message->number};
    if (mp_decode_reading_now(message->body, message->len, &m) != 0) {
        mp_host_nonsense(host, "a reading that cannot be decoded");
        return;
    }
    entry.slot = m.slot;
    if (m.value_len == 0 || take_value(host, &entry, m.value, m.value_len) != m.value_len)
        mp_host_nonsense(host, "a reading that is not described or no number");
    else
        give_reading(host, &reading, &entry, unwrap_now(host, m.ticks));
}

/* -- Other messages. */

/* A device answers what an earlier session asked too, when its answer had waited for the next. */
static void on_result(struct mp_host *host, const struct mp_message *message)
{
    struct mp_result m;
    if (mp_decode_result(message->body, message->len, &m) != 0 || m.status >= MP_STATUS_COUNT)
        mp_host_nonsense(host, "a result that cannot be decoded");
    else if (host->io.result != NULL && m.session == host->link.nonce)
        host->io.result(host->io.user, m.request, (enum mp_status)m.status);
}

static void on_control_state(struct mp_host *host, const struct mp_message *message)
{
    struct mp_control_state m;
    if (mp_decode_control_state(message->body, message->len, &m) != 0 ||
        m.cause >= MP_CAUSE_COUNT || m.control >= host->description.control_count) {
        mp_host_nonsense(host, "a control state that cannot be decoded");
        return;
    }
    uint8_t type = host->description.controls[m.control].type;
    union mp_value value = mp_value_from_bits(type, m.value);
    if (!mp_value_of_type(type, value))
        mp_host_nonsense(host, "a control state that is no value of its type");
    else if (host->io.control_state != NULL)
        host->io.control_state(host->io.user, m.control, (enum mp_cause)m.cause, value);
}

static void on_dropped(struct mp_host *host, const struct mp_message *message)
{
    struct mp_dropped m;
    if (mp_decode_dropped(message->body, message->len, &m) != 0)
        mp_host_nonsense(host, "a count of dropped readings that cannot be decoded");
    else if (host->io.dropped != NULL)
        host->io.dropped(host->io.user, m.count);
}

static void on_log(struct mp_host *host, const struct mp_message *message)
{
    struct mp_log m;
    if (mp_decode_log(message->body, message->len, &m) != 0 || m.level >= MP_LEVEL_COUNT)
        mp_host_nonsense(host, "a log line that cannot be decoded");
    else if (host->io.log != NULL)
        host->io.log(host->io.user, (enum mp_level)m.level, (const char *)m.text, m.text_len);
}

void mp_host_event(struct mp_host *host, const struct mp_message *message)
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
    case MP_MSG_DROPPED:
        on_dropped(host, message);
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
        mp_host_nonsense(host, "a message of an unknown kind");
        break;
    }
}
