/*
 * Writes the description through a window: the whole of it is walked each time, and what falls into
 * the window is kept. Slow by design; it happens once for each host that does not know it.
 */
#include "mp_describe.h"

#include "mp_crc.h"

#include <string.h>

struct window {
    size_t at; /* of the description */
    size_t offset, n;
    uint8_t *out;
    uint32_t hash;
};

static void put_bytes(struct window *w, const uint8_t *bytes, size_t n)
{
    w->hash = mp_crc32(w->hash, bytes, n);
    for (size_t i = 0; i < n; i++, w->at++)
        if (w->at >= w->offset && w->at - w->offset < w->n)
            w->out[w->at - w->offset] = bytes[i];
}

static void put_u8(struct window *w, uint8_t value)
{
    put_bytes(w, &value, 1);
}

static void put_string(struct window *w, const char *text)
{
    size_t n = text == NULL ? 0 : strlen(text);
    put_u8(w, (uint8_t)n);
    put_bytes(w, (const uint8_t *)text, n);
}

static void put_value(struct window *w, uint8_t type, union mp_value value)
{
    uint8_t bytes[4];
    put_bytes(w, bytes, mp_value_put(type, value, bytes));
}

static void put_sensor(struct window *w, const struct mp_sensor *sensor)
{
    put_string(w, sensor->name);
    put_u8(w, sensor->kind);
    if (sensor->kind == MP_KIND_CUSTOM) {
        put_string(w, sensor->custom_kind);
        put_string(w, sensor->custom_unit);
    }
    put_u8(w, sensor->type);
    put_u8(w, (uint8_t)sensor->exponent);
}

static void put_control(struct window *w, const struct mp_control *control)
{
    put_string(w, control->name);
    put_u8(w, control->type);
    put_u8(w, (uint8_t)control->exponent);
    put_value(w, control->type, control->min);
    put_value(w, control->type, control->max);
    put_value(w, control->type, control->initial);
    put_value(w, control->type, control->failsafe);
}

size_t mp_describe(const struct mp_device_config *config, size_t offset, uint8_t *out, size_t n,
                   uint32_t *hash)
{
    struct window w = {.offset = offset, .n = n, .out = out};
    put_u8(&w, MP_DESCRIBE_FORMAT);
    put_string(&w, config->firmware.product);
    put_string(&w, config->firmware.version);
    put_string(&w, config->firmware.architecture);
    put_string(&w, config->firmware.platform);
    put_u8(&w, config->sensor_count);
    for (size_t i = 0; i < config->sensor_count; i++)
        put_sensor(&w, &config->sensors[i]);
    put_u8(&w, config->control_count);
    for (size_t i = 0; i < config->control_count; i++)
        put_control(&w, &config->controls[i]);
    if (hash != NULL)
        *hash = w.hash;
    return w.at;
}
