/*
 * The strict reader of a device's description: whatever comes out names things with printable,
 * whole UTF-8 and bounds that are numbers in order. What the names mean is the caller's.
 */
#include "mp_host_describe.h"

#include "mp_describe.h"

#include <string.h>

struct parser {
    uint8_t *at, *end;
    const char *wrong; /* the first thing found wrong */
};

static void fail(struct parser *p, const char *wrong)
{
    if (p->wrong == NULL)
        p->wrong = wrong;
}

static uint8_t *consume(struct parser *p, size_t n)
{
    if (p->wrong == NULL && (size_t)(p->end - p->at) < n)
        fail(p, "description: cut short");
    if (p->wrong != NULL)
        return NULL;
    p->at += n;
    return p->at - n;
}

static uint8_t get_u8(struct parser *p)
{
    const uint8_t *at = consume(p, 1);
    return at == NULL ? 0 : *at;
}

/* Bytes of the character at `s`, 0 if it is none that may stand in a name. */
static size_t character(const uint8_t *s, size_t n)
{
    static const uint32_t least[] = {0, 0x20, 0x80, 0x800, 0x10000};
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (s[0] >= 0xf8 || (s[0] & 0xc0) == 0x80 || len > n)
        return 0;
    uint32_t code = len == 1 ? s[0] : s[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3f);
    }
    bool control = code == 0x7f || (code >= 0x80 && code < 0xa0);
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return code < least[len] || code > 0x10ffff || control || surrogate ? 0 : len;
}

static bool text_ok(const uint8_t *s, size_t n)
{
    while (n > 0) {
        size_t len = character(s, n);
        if (len == 0)
            return false;
        s += len;
        n -= len;
    }
    return true;
}

/* Moves the string over its length byte, which makes room for the terminating NUL. */
static const char *get_string(struct parser *p, bool may_be_empty)
{
    size_t n = get_u8(p);
    uint8_t *bytes = consume(p, n);
    if (bytes == NULL)
        return "";
    if (n == 0 && !may_be_empty)
        fail(p, "description: a name is empty");
    if (!text_ok(bytes, n))
        fail(p, "description: a string is not printable UTF-8");
    char *text = (char *)bytes - 1;
    memmove(text, bytes, n);
    text[n] = '\0';
    return text;
}

static uint8_t get_type(struct parser *p)
{
    uint8_t type = get_u8(p);
    if (mp_type_size(type) == 0)
        fail(p, "description: unknown value type");
    return type;
}

static int8_t get_exponent(struct parser *p, uint8_t type)
{
    int8_t exponent = (int8_t)get_u8(p);
    if (exponent < -MP_EXPONENT_MAX || exponent > MP_EXPONENT_MAX)
        fail(p, "description: exponent out of range");
    if (exponent != 0 && (type == MP_TYPE_F32 || type == MP_TYPE_BOOL))
        fail(p, "description: an exponent on a type that has none");
    return exponent;
}

static union mp_value get_value(struct parser *p, uint8_t type)
{
    const uint8_t *at = consume(p, mp_type_size(type));
    union mp_value none = {0};
    if (at == NULL)
        return none;
    union mp_value value = mp_value_get(type, at);
    if (!mp_value_of_type(type, value))
        fail(p, "description: a bound is no value of its type");
    return value;
}

static void known_kind(struct parser *p, uint8_t kind, struct mp_host_sensor *sensor)
{
    switch (kind) {
#define X_KIND(id, NAME, name_, unit_) \
    case id:                           \
        sensor->kind = name_;          \
        sensor->unit = unit_;          \
        break;
        MP_KINDS(X_KIND)
#undef X_KIND
    default:
        fail(p, "description: unknown kind of reading");
        break;
    }
}

static void get_sensor(struct parser *p, struct mp_host_sensor *sensor)
{
    sensor->name = get_string(p, false);
    uint8_t kind = get_u8(p);
    known_kind(p, kind, sensor);
    if (kind == MP_KIND_CUSTOM) {
        sensor->kind = get_string(p, false);
        sensor->unit = get_string(p, true);
    }
    sensor->type = get_type(p);
    sensor->exponent = get_exponent(p, sensor->type);
}

static void get_control(struct parser *p, struct mp_host_control *control)
{
    control->name = get_string(p, false);
    control->type = get_type(p);
    control->exponent = get_exponent(p, control->type);
    control->min = get_value(p, control->type);
    control->max = get_value(p, control->type);
    control->initial = get_value(p, control->type);
    control->failsafe = get_value(p, control->type);
    if (p->wrong == NULL &&
        (!mp_value_in_range(control->type, control->initial, control->min, control->max) ||
         !mp_value_in_range(control->type, control->failsafe, control->min, control->max)))
        fail(p, "description: a control's values are not within its bounds");
}

static void get_sensors(struct parser *p, struct mp_description_tables *tables,
                        struct mp_description *d)
{
    d->sensor_count = get_u8(p);
    if (d->sensor_count > MP_HOST_SENSORS_MAX) {
        fail(p, "description: too many sensors");
        return;
    }
    for (size_t i = 0; i < d->sensor_count; i++) {
        get_sensor(p, &tables->sensors[i]);
        tables->sensor_types[i] = tables->sensors[i].type;
    }
}

static void get_controls(struct parser *p, struct mp_description_tables *tables,
                         struct mp_description *d)
{
    d->control_count = get_u8(p);
    if (d->control_count > MP_HOST_CONTROLS_MAX) {
        fail(p, "description: too many controls");
        return;
    }
    for (size_t i = 0; i < d->control_count; i++) {
        get_control(p, &tables->controls[i]);
        for (size_t j = 0; p->wrong == NULL && j < i; j++)
            if (strcmp(tables->controls[i].name, tables->controls[j].name) == 0)
                fail(p, "description: two controls of one name");
    }
}

const char *mp_description_parse(uint8_t *raw, size_t n, struct mp_description_tables *tables,
                                 struct mp_description *description)
{
    struct parser p = {raw, raw + n, NULL};
    *description = (struct mp_description){.sensors = tables->sensors,
                                           .controls = tables->controls,
                                           .sensor_types = tables->sensor_types};
    if (get_u8(&p) != MP_DESCRIBE_FORMAT)
        fail(&p, "description: of another format");
    description->product = get_string(&p, true);
    description->version = get_string(&p, true);
    description->architecture = get_string(&p, true);
    description->platform = get_string(&p, true);
    get_sensors(&p, tables, description);
    get_controls(&p, tables, description);
    if (p.at != p.end)
        fail(&p, "description: bytes behind its end");
    return p.wrong;
}

/* -- Tables of the size at hand: controls and sensors first, which want to be aligned. */

static size_t sensor_bytes(const struct mp_description *d)
{
    return d->sensor_count * sizeof d->sensors[0];
}

static size_t control_bytes(const struct mp_description *d)
{
    return d->control_count * sizeof d->controls[0];
}

size_t mp_description_tables_bytes(const struct mp_description *description)
{
    return sensor_bytes(description) + control_bytes(description) + description->sensor_count;
}

void mp_description_move(struct mp_description *description, void *room)
{
    uint8_t *sensors = room;
    uint8_t *controls = sensors + sensor_bytes(description);
    uint8_t *types = controls + control_bytes(description);
    memcpy(sensors, description->sensors, sensor_bytes(description));
    memcpy(controls, description->controls, control_bytes(description));
    memcpy(types, description->sensor_types, description->sensor_count);
    description->sensors = (const void *)sensors;
    description->controls = (const void *)controls;
    description->sensor_types = types;
}
