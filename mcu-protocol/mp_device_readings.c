/*
 * The device's readings: in batches that go out when they are full, as scans, or one by one; and
 * how many found no room. What the link does with a message is the link's.
 */
#include "mp_device_parts.h"
#include "mp_msg.h"

#define READINGS_HEAD    4
#define SCAN_HEAD        5
#define READING_NOW_HEAD 3
#define READING_MAX      (1 + MP_VARINT_MAX + 4)

static size_t batch_cap(const struct mp_device *device)
{
    size_t part = device->config.tx_bytes / 4, body = device->link.peer_body;
    return part < body ? part : body;
}

static int send_batch(struct mp_device *device)
{
    size_t len = device->batch_len;
    if (!device->batch_reliable)
        return mp_link_send_once(&device->link, MP_MSG_READINGS, device->batch, len);
    return mp_link_send(&device->link, MP_PRIO_READING, MP_MSG_READINGS, device->batch, len);
}

int mp_device_flush(struct mp_device *device)
{
    if (device->batch_count == 0)
        return MP_OK;
    int error = send_batch(device);
    if (error != MP_OK && device->batch_reliable)
        return error;
    if (error != MP_OK)
        device->readings_dropped += device->batch_count;
    device->batch_count = 0;
    device->batch_len = 0;
    return error;
}

static void append(struct mp_device *device, uint8_t slot, union mp_value value, uint32_t ticks)
{
    uint8_t *batch = device->batch;
    size_t at = device->batch_len;
    if (device->batch_count == 0) {
        mp_put_u32(batch, ticks);
        at = READINGS_HEAD;
        batch[at++] = slot;
    } else {
        batch[at++] = slot;
        at += mp_varint_put(ticks - device->batch_last, batch + at);
    }
    at += mp_value_put(device->config.sensors[slot].type, value, batch + at);
    device->batch_len = (uint8_t)at;
    device->batch_last = ticks;
    device->batch_count++;
}

int mp_device_reading(struct mp_device *device, uint8_t slot, union mp_value value, uint32_t ticks,
                      bool reliable)
{
    if (slot >= device->config.sensor_count ||
        !mp_value_of_type(device->config.sensors[slot].type, value))
        return MP_ERR_BAD_VALUE;
    bool full = device->batch_len + (size_t)READING_MAX > batch_cap(device);
    if (full || device->batch_reliable != reliable)
        mp_device_flush(device);
    if (device->batch_count > 0 && (device->batch_reliable != reliable ||
                                    device->batch_len + (size_t)READING_MAX > batch_cap(device))) {
        device->readings_dropped++;
        return MP_ERR_FULL;
    }
    device->batch_reliable = reliable;
    append(device, slot, value, ticks);
    return MP_OK;
}

static int count_dropped(struct mp_device *device, int error, uint8_t readings)
{
    if (error == MP_ERR_FULL)
        device->readings_dropped += readings;
    return error;
}

int mp_device_scan(struct mp_device *device, uint8_t first, const union mp_value *values,
                   uint8_t count, uint32_t ticks, bool reliable)
{
    uint8_t body[MP_BODY_MAX];
    size_t len = SCAN_HEAD;
    if (count == 0 || (size_t)first + count > device->config.sensor_count)
        return MP_ERR_BAD_VALUE;
    mp_put_u32(body, ticks);
    body[SCAN_HEAD - 1] = first;
    for (uint8_t i = 0; i < count; i++) {
        uint8_t type = device->config.sensors[first + i].type;
        if (!mp_value_of_type(type, values[i]))
            return MP_ERR_BAD_VALUE;
        if (len + mp_type_size(type) > sizeof body)
            return MP_ERR_TOO_LONG;
        len += mp_value_put(type, values[i], body + len);
    }
    int error = mp_device_flush(device);
    if (device->batch_count > 0)
        return count_dropped(device, error, count);
    error = reliable ? mp_link_send(&device->link, MP_PRIO_READING, MP_MSG_SCAN, body, len)
                     : mp_link_send_once(&device->link, MP_MSG_SCAN, body, len);
    return count_dropped(device, error, count);
}

int mp_device_reading_now(struct mp_device *device, uint8_t slot, union mp_value value,
                          uint32_t ticks)
{
    uint8_t body[READING_NOW_HEAD + 4];
    if (slot >= device->config.sensor_count ||
        !mp_value_of_type(device->config.sensors[slot].type, value))
        return MP_ERR_BAD_VALUE;
    mp_put_u16(body, (uint16_t)ticks);
    body[READING_NOW_HEAD - 1] = slot;
    size_t len = READING_NOW_HEAD +
                 mp_value_put(device->config.sensors[slot].type, value, body + READING_NOW_HEAD);
    int error = mp_link_send_once(&device->link, MP_MSG_READING_NOW, body, len);
    return count_dropped(device, error, 1);
}

void mp_device_tell_dropped(struct mp_device *device)
{
    uint8_t body[4];
    /* With some room to spare, or this would take the place of the next reading. */
    if (device->dropped_told == device->readings_dropped ||
        mp_link_room(&device->link) < MP_BODY_MIN / 2)
        return;
    mp_put_u32(body, device->readings_dropped);
    device->dropped_told = device->readings_dropped;
    mp_link_send(&device->link, MP_PRIO_READING, MP_MSG_DROPPED, body, sizeof body);
}
