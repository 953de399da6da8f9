/*
 * What a host asks of a device: commands with their deadline and their CRC-32, and requests that
 * are answered by a result. When they leave and whether they arrive is the link's.
 */
#include "mp_host_parts.h"
#include "mp_msg.h"

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
    uint64_t off_us = host->clock.bound_us + (uint64_t)mp_link_peer(&host->link)->tick_us;
    if (host->clock.bound_us == MP_CLOCK_UNKNOWN || ttl_us <= off_us)
        return false;
    int64_t device_us = (int64_t)(now_us + ttl_us - off_us) - host->clock.offset_us;
    *ticks = (uint32_t)((uint64_t)device_us / mp_link_peer(&host->link)->tick_us);
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
    m.crc = mp_seal(host->link.nonce, MP_MSG_COMMAND, body, MP_COMMAND_SEALED);
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
    m.crc = mp_seal(host->link.nonce, MP_MSG_SET_ID, id, len);
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

int mp_host_console_size(struct mp_host *host, uint16_t rows, uint16_t columns)
{
    uint8_t body[4];
    struct mp_console_size m = {.rows = rows, .columns = columns};
    if (host->state != MP_HOST_READY)
        return MP_ERR_NO_SESSION;
    if (rows == 0 || columns == 0)
        return MP_ERR_BAD_VALUE;
    int len = mp_encode_console_size(body, sizeof body, &m);
    return mp_link_send(&host->link, MP_PRIO_LOG, MP_MSG_CONSOLE_SIZE, body, (size_t)len);
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
