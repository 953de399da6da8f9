/* A bounded memory of readings. What an upload must look like is app_mc.c's business. */
#include "readings.h"

static size_t reading_bytes(const struct reading *r)
{
    return r->sensor.len + r->type.len + r->value.len + r->extra.len;
}

static void reading_deinit(struct reading *r)
{
    buf_deinit(&r->sensor);
    buf_deinit(&r->type);
    buf_deinit(&r->value);
    buf_deinit(&r->extra);
}

static void drop_oldest(struct readings *r)
{
    struct reading *oldest = &r->kept[r->first];
    r->bytes -= reading_bytes(oldest);
    reading_deinit(oldest);
    r->first = (r->first + 1) % READINGS_KEPT;
    r->count--;
}

void readings_add(struct readings *r, struct reading *reading)
{
    while (r->count == READINGS_KEPT ||
           (r->count > 0 && r->bytes + reading_bytes(reading) > READINGS_MAX_BYTES)) {
        drop_oldest(r);
    }
    reading->id = ++r->last_id;
    r->total++;
    r->bytes += reading_bytes(reading);
    r->kept[(r->first + r->count) % READINGS_KEPT] = *reading;
    r->count++;
    *reading = (struct reading){0};
}

void readings_reset(struct readings *r)
{
    while (r->count > 0) {
        drop_oldest(r);
    }
    r->total = 0;
}

static void write_reading(const struct reading *r, struct buf *out)
{
    buf_printf(out, "{\"controller_id\":%ld,", r->controller_id);
    if (r->extra.len > 0) {
        buf_printf(out, "\"extra\":%s,", r->extra.data);
    }
    buf_printf(out, "\"id\":%llu,\"sensor\":%s,\"type\":%s,\"value\":%s}",
               (unsigned long long)r->id, r->sensor.data, r->type.data, r->value.data);
}

void readings_write(const struct readings *r, uint64_t after, struct buf *out)
{
    const char *comma = "";
    buf_printf(out, "{\"count\":%llu,\"readings\":[", (unsigned long long)r->total);
    for (size_t i = 0; i < r->count; i++) {
        const struct reading *reading = &r->kept[(r->first + i) % READINGS_KEPT];
        if (reading->id > after) {
            buf_str(out, comma);
            write_reading(reading, out);
            comma = ",";
        }
    }
    buf_str(out, "]}");
}
