/*
 * The reader of descriptions on any bytes: what it takes must name everything, in order and in
 * range.
 */
#include "mp_host_describe.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds)
        abort();
}

static void must_be_name(const char *text)
{
    must(text != NULL && text[0] != '\0' && strlen(text) <= 255);
    for (; *text != '\0'; text++)
        must((unsigned char)*text >= 0x20 && *text != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mp_description_tables tables;
    struct mp_description d;
    uint8_t raw[MP_HOST_DESCRIPTION_MAX];
    if (size > sizeof raw)
        return 0;
    memcpy(raw, data, size);
    if (mp_description_parse(raw, size, &tables, &d) != NULL)
        return 0;
    must(d.sensor_count <= MP_HOST_SENSORS_MAX && d.control_count <= MP_HOST_CONTROLS_MAX);
    for (size_t i = 0; i < d.sensor_count; i++) {
        must_be_name(d.sensors[i].name);
        must_be_name(d.sensors[i].kind);
        must(mp_type_size(d.sensor_types[i]) > 0);
    }
    for (size_t i = 0; i < d.control_count; i++) {
        const struct mp_host_control *c = &d.controls[i];
        must_be_name(c->name);
        must(mp_value_in_range(c->type, c->failsafe, c->min, c->max));
        must(mp_value_in_range(c->type, c->initial, c->min, c->max));
    }
    return 0;
}
