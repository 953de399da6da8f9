/*
 * The firmware's side above the link: identity and description, commands checked before they move
 * anything, and the dead-man timer. Readings are mp_device_readings.c's. Sessions, order and
 * repeats are the link's; what a value does to the hardware is the port's.
 */
#include "mp_device.h"

#include "mp_describe.h"
#include "mp_device_parts.h"
#include "mp_msg.h"

#include <string.h>

#define RESET_WAIT_US    100000u
#define DESCRIPTION_HEAD 4
#define CHUNK_LEAST      8 /* what is always kept for best effort holds that */
#define TICK_MIN_US      100
#define DESCRIPTION_MAX  4096 /* no host takes a longer one */

/* -- Checking the tables. */

static bool text_ok(const char *text)
{
    return text != NULL && text[0] != '\0' && strlen(text) <= UINT8_MAX;
}

static bool is_integer(uint8_t type)
{
    return type == MP_TYPE_I16 || type == MP_TYPE_I32;
}

/* What sensors and controls have in common. */
static bool scale_ok(const char *name, uint8_t type, int8_t exponent)
{
    uint8_t from_least = (uint8_t)(exponent + MP_EXPONENT_MAX);
    return text_ok(name) && type < MP_TYPE_COUNT &&
           (exponent == 0 || (is_integer(type) && from_least <= 2 * MP_EXPONENT_MAX));
}

static bool sensor_ok(const struct mp_sensor *sensor)
{
    bool custom = sensor->kind == MP_KIND_CUSTOM;
    return scale_ok(sensor->name, sensor->type, sensor->exponent) && sensor->kind < MP_KIND_END &&
           custom == (sensor->custom_kind != NULL) && custom == (sensor->custom_unit != NULL) &&
           (!custom || text_ok(sensor->custom_kind));
}

static bool control_ok(const struct mp_control *control)
{
    uint8_t type = control->type;
    return scale_ok(control->name, type, control->exponent) &&
           mp_value_in_range(type, control->min, control->min, control->max) &&
           mp_value_in_range(type, control->max, control->min, control->max) &&
           mp_value_in_range(type, control->initial, control->min, control->max) &&
           mp_value_in_range(type, control->failsafe, control->min, control->max);
}

static bool named_before(const struct mp_device_config *config, size_t control)
{
    for (size_t i = 0; i < control; i++)
        if (strcmp(config->controls[i].name, config->controls[control].name) == 0)
            return true;
    return false;
}

static bool config_ok(const struct mp_device_config *config, const struct mp_device_io *io)
{
    if (config->sensor_count > MP_SENSORS_MAX || config->control_count > MP_CONTROLS_MAX ||
        config->device_id_len > MP_DEVICE_ID_MAX || config->image_id_len > MP_IMAGE_ID_MAX ||
        config->tick_us < TICK_MIN_US || (config->control_count > 0 && io->apply == NULL))
        return false;
    for (size_t i = 0; i < config->sensor_count; i++)
        if (!sensor_ok(&config->sensors[i]))
            return false;
    for (size_t i = 0; i < config->control_count; i++)
        if (!control_ok(&config->controls[i]) || named_before(config, i))
            return false;
    return true;
}

/* -- The clock. */

static void advance(struct mp_device *device, uint32_t now_us)
{
    uint32_t passed = now_us - device->last_us;
    device->last_us = now_us;
    device->clock_us += passed;
    /* Counted up rather than divided down: a 64-bit division is 700 bytes on a Cortex-M3. */
    device->tick_rest_us += passed;
    device->ticks += device->tick_rest_us / device->config.tick_us;
    device->tick_rest_us %= device->config.tick_us;
}

uint32_t mp_device_ticks(const struct mp_device *device)
{
    return device->ticks;
}

static void on_time_ask(struct mp_device *device, const struct mp_message *message)
{
    struct mp_time_ask ask;
    uint8_t body[16];
    if (mp_decode_time_ask(message->body, message->len, &ask) != 0)
        return;
    struct mp_time time = {.ref = ask.ref, .device_us = device->clock_us};
    device->asked_us = device->last_us;
    int len = mp_encode_time(body, sizeof body, &time);
    mp_link_send_once(&device->link, MP_MSG_TIME, body, (size_t)len);
}

/* The answer may have waited for a long frame to end: say for how long. It shares no delimiter with
 * that, so that the host knows its time on the line. */
static bool on_leaving(void *user, uint8_t id, uint8_t *body, size_t len)
{
    struct mp_device *device = user;
    struct mp_time time;
    if (id != MP_MSG_TIME || mp_decode_time(body, len, &time) != 0)
        return false;
    time.turnaround_us = device->last_us - device->asked_us;
    mp_encode_time(body, len, &time);
    return true;
}

/* -- The description. Best effort, so that readings which wait for a host cannot keep it from being
 * described; the host asks again. */

static void send_description(struct mp_device *device)
{
    uint8_t body[MP_BODY_MAX];
    uint8_t *bytes = body + DESCRIPTION_HEAD; /* where they belong: no second buffer */
    size_t room = mp_link_room_once(&device->link);
    size_t n = device->describe_total - device->describe_offset;
    if (room < DESCRIPTION_HEAD + CHUNK_LEAST)
        return;
    if (n > room - DESCRIPTION_HEAD)
        n = room - DESCRIPTION_HEAD;
    mp_describe(&device->config, device->describe_offset, bytes, n, NULL);
    struct mp_description_chunk chunk = {.offset = device->describe_offset,
                                         .total = device->describe_total,
                                         .bytes = bytes,
                                         .bytes_len = n};
    int len = mp_encode_description_chunk(body, sizeof body, &chunk);
    device->describe_due = false;
    mp_link_send_once(&device->link, MP_MSG_DESCRIPTION_CHUNK, body, (size_t)len);
}

static void on_describe(struct mp_device *device, const struct mp_message *message)
{
    struct mp_describe describe;
    if (mp_decode_describe(message->body, message->len, &describe) != 0 ||
        describe.offset > device->describe_total)
        return;
    device->describe_offset = describe.offset;
    device->describe_due = true;
    send_description(device);
}

/* -- Controls. */

static int send_control_state(struct mp_device *device, uint8_t control, enum mp_cause cause,
                              union mp_value value)
{
    uint8_t body[6];
    struct mp_control_state state = {
        .control = control,
        .cause = (uint8_t)cause,
        .value = mp_value_to_bits(device->config.controls[control].type, value)};
    int len = mp_encode_control_state(body, sizeof body, &state);
    return mp_link_send(&device->link, MP_PRIO_COMMAND, MP_MSG_CONTROL_STATE, body, (size_t)len);
}

static void report_failsafe(struct mp_device *device)
{
    if (!device->host_present)
        return;
    for (uint8_t i = 0; i < device->config.control_count; i++) {
        uint32_t bit = (uint32_t)1 << i;
        if (!(device->failsafe_due & bit))
            continue;
        if (send_control_state(device, i, MP_CAUSE_FAILSAFE, device->config.controls[i].failsafe) !=
            MP_OK)
            return;
        device->failsafe_due &= ~bit;
    }
}

int mp_device_control_changed(struct mp_device *device, uint8_t control, union mp_value value)
{
    if (control >= device->config.control_count)
        return MP_ERR_BAD_VALUE;
    return send_control_state(device, control, MP_CAUSE_LOCAL, value);
}

static void set_present(struct mp_device *device, bool present)
{
    if (device->host_present == present)
        return;
    device->host_present = present;
    if (device->io.host != NULL)
        device->io.host(device->io.user, present);
}

static void fail_safe(struct mp_device *device)
{
    for (uint8_t i = 0; i < device->config.control_count; i++) {
        device->io.apply(device->io.user, i, device->config.controls[i].failsafe);
        device->failsafe_due |= (uint32_t)1 << i;
    }
    set_present(device, false);
}

static void poll_deadman(struct mp_device *device)
{
    if (mp_link_silence_us(&device->link) > 0)
        set_present(device, true);
    else if (device->host_present)
        fail_safe(device);
}

/* -- What the host asks for. */

static void send_due_result(struct mp_device *device)
{
    uint8_t body[7];
    int len = mp_encode_result(body, sizeof body, &device->result);
    device->result_due = mp_link_send(&device->link, MP_PRIO_COMMAND, MP_MSG_RESULT, body,
                                      (size_t)len) == MP_ERR_FULL;
}

static void send_result(struct mp_device *device, uint16_t request, enum mp_status status)
{
    device->result = (struct mp_result){
        .request = request, .status = (uint8_t)status, .session = device->link.nonce};
    send_due_result(device);
}

static bool is_stale(struct mp_device *device, uint16_t request)
{
    if (device->request_seen && (int16_t)(request - device->last_request) <= 0)
        return true;
    device->request_seen = true;
    device->last_request = request;
    return false;
}

static enum mp_status run_command(struct mp_device *device, const struct mp_command *command,
                                  const uint8_t *body)
{
    uint32_t nonce = device->link.nonce;
    if (mp_seal(nonce, MP_MSG_COMMAND, body, MP_COMMAND_SEALED) != command->crc)
        return MP_STATUS_CORRUPT;
    if (is_stale(device, command->request))
        return MP_STATUS_STALE;
    if ((int32_t)(mp_device_ticks(device) - command->deadline) > 0)
        return MP_STATUS_EXPIRED;
    if (command->control >= device->config.control_count)
        return MP_STATUS_UNKNOWN;
    const struct mp_control *control = &device->config.controls[command->control];
    union mp_value value = mp_value_from_bits(control->type, command->value);
    if (!mp_value_in_range(control->type, value, control->min, control->max))
        return MP_STATUS_RANGE;
    return device->io.apply(device->io.user, command->control, value);
}

static void on_command(struct mp_device *device, const struct mp_message *message)
{
    struct mp_command command;
    if (mp_decode_command(message->body, message->len, &command) == 0)
        send_result(device, command.request, run_command(device, &command, message->body));
}

static enum mp_status run_set_id(struct mp_device *device, const struct mp_set_id *m)
{
    uint32_t nonce = device->link.nonce;
    if (mp_seal(nonce, MP_MSG_SET_ID, m->device, m->device_len) != m->crc)
        return MP_STATUS_CORRUPT;
    if (m->device_len > MP_DEVICE_ID_MAX)
        return MP_STATUS_RANGE;
    if (device->io.set_id == NULL)
        return MP_STATUS_UNSUPPORTED;
    return device->io.set_id(device->io.user, m->device, (uint8_t)m->device_len);
}

static void on_set_id(struct mp_device *device, const struct mp_message *message)
{
    struct mp_set_id m;
    if (mp_decode_set_id(message->body, message->len, &m) == 0)
        send_result(device, m.request, run_set_id(device, &m));
}

static enum mp_status run_reset(struct mp_device *device, uint8_t mode)
{
    if (device->io.reset == NULL || mode >= MP_RESET_MODE_COUNT)
        return MP_STATUS_UNSUPPORTED;
    device->reset_due = true;
    device->reset_mode = mode;
    device->reset_at_us = device->last_us + RESET_WAIT_US;
    return MP_STATUS_DONE;
}

static void on_reset(struct mp_device *device, const struct mp_message *message)
{
    struct mp_reset m;
    if (mp_decode_reset(message->body, message->len, &m) == 0)
        send_result(device, m.request, run_reset(device, m.mode));
}

static uint32_t poll_reset(struct mp_device *device)
{
    int32_t left = (int32_t)(device->reset_at_us - device->last_us);
    if (!device->reset_due)
        return UINT32_MAX;
    if (left > 0 && mp_link_pending(&device->link, MP_PRIO_COMMAND))
        return (uint32_t)left;
    device->reset_due = false;
    device->io.reset(device->io.user, (enum mp_reset_mode)device->reset_mode);
    return UINT32_MAX;
}

static void on_identify(struct mp_device *device, const struct mp_message *message)
{
    struct mp_identify m;
    if (mp_decode_identify(message->body, message->len, &m) != 0)
        return;
    if (device->io.identify != NULL)
        device->io.identify(device->io.user, m.ms);
    send_result(device, m.request,
                device->io.identify == NULL ? MP_STATUS_UNSUPPORTED : MP_STATUS_DONE);
}

static void on_bulk(struct mp_device *device, const struct mp_message *message)
{
    if (device->io.bulk != NULL)
        device->io.bulk(device->io.user, message);
    else if (message->id != MP_MSG_BULK_DATA && message->len >= 2)
        send_result(device, mp_get_u16(message->body), MP_STATUS_UNSUPPORTED);
}

/* Read by hand: the decoder would cost every device more flash than all the rest of this. */
static void on_console_size(struct mp_device *device, const struct mp_message *message)
{
    const uint8_t *body = message->body;
    if (device->io.console_size != NULL && message->len == 4)
        device->io.console_size(device->io.user, mp_get_u16(body), mp_get_u16(body + 2));
}

static void on_reliable(struct mp_device *device, const struct mp_message *message)
{
    switch (message->id) {
    case MP_MSG_DESCRIBE:
        on_describe(device, message);
        break;
    case MP_MSG_COMMAND:
        on_command(device, message);
        break;
    case MP_MSG_RESET:
        on_reset(device, message);
        break;
    case MP_MSG_IDENTIFY:
        on_identify(device, message);
        break;
    case MP_MSG_SET_ID:
        on_set_id(device, message);
        break;
    case MP_MSG_CONSOLE:
        if (device->io.console != NULL)
            device->io.console(device->io.user, message->body, message->len);
        break;
    case MP_MSG_CONSOLE_SIZE:
        on_console_size(device, message);
        break;
    case MP_MSG_BULK_BEGIN:
    case MP_MSG_BULK_DATA:
    case MP_MSG_BULK_COMMIT:
        on_bulk(device, message);
        break;
    default:
        break; /* of a later version: nothing it asks for is known here */
    }
}

/* What acts on the device comes reliably: a line that repeats frames must not repeat an act. */
static void on_message(void *user, const struct mp_message *message)
{
    struct mp_device *device = user;
    set_present(device, true);
    report_failsafe(device); /* before a new command changes what it tells */
    if (message->reliable)
        on_reliable(device, message);
    else if (message->id == MP_MSG_TIME_ASK)
        on_time_ask(device, message);
}

static void on_up(void *user, const struct mp_peer *peer, bool fresh)
{
    struct mp_device *device = user;
    (void)peer;
    (void)fresh;
    device->request_seen = false;
    device->describe_due = false;
}

/* -- Log and console. */

int mp_device_log(struct mp_device *device, enum mp_level level, const char *text)
{
    uint8_t body[MP_BODY_MAX];
    size_t room = mp_link_room(&device->link);
    struct mp_log log = {
        .level = (uint8_t)level, .text = (const uint8_t *)text, .text_len = strlen(text)};
    if (room < 2)
        return MP_ERR_FULL;
    if (log.text_len > room - 1)
        log.text_len = room - 1;
    while (log.text_len > 0 && (text[log.text_len] & 0xc0) == 0x80)
        log.text_len--; /* not within a character */
    int len = mp_encode_log(body, sizeof body, &log);
    return mp_link_send(&device->link, MP_PRIO_LOG, MP_MSG_LOG, body, (size_t)len);
}

int mp_device_console(struct mp_device *device, const uint8_t *bytes, size_t n)
{
    return mp_link_send(&device->link, MP_PRIO_LOG, MP_MSG_CONSOLE, bytes, n);
}

/* -- The outside. */

static int init_link(struct mp_device *device)
{
    const struct mp_device_config *config = &device->config;
    struct mp_link_config link = {.user = device,
                                  .tx_mem = config->tx_mem,
                                  .tx_bytes = config->tx_bytes,
                                  .rx_mem = config->rx_mem,
                                  .rx_bytes = config->rx_bytes,
                                  .max_body = config->max_body,
                                  .silence_ms = config->deadman_ms,
                                  .byte_us = config->baud == 0 ? 0 : MP_LINK_BYTE_US(config->baud),
                                  .identity = &device->identity};
    static const struct mp_link_io io = {.up = on_up, .message = on_message, .leaving = on_leaving};
    return mp_link_init(&device->link, &link, &io);
}

int mp_device_init(struct mp_device *device, const struct mp_device_config *config,
                   const struct mp_device_io *io, uint32_t now_us)
{
    uint32_t schema;
    memset(device, 0, sizeof *device);
    if (!config_ok(config, io))
        return MP_ERR_BAD_VALUE;
    size_t total = mp_describe(config, 0, NULL, 0, &schema);
    if (total > DESCRIPTION_MAX)
        return MP_ERR_BAD_VALUE;
    device->config = *config;
    device->io = *io;
    device->last_us = now_us;
    device->describe_total = (uint16_t)total;
    device->identity = (struct mp_identity){.device = config->device_id,
                                            .image = config->image_id,
                                            .device_len = config->device_id_len,
                                            .image_len = config->image_id_len,
                                            .reset_cause = config->reset_cause,
                                            .tick_us = config->tick_us,
                                            .schema = schema};
    int error = init_link(device);
    for (uint8_t i = 0; error == MP_OK && i < config->control_count; i++)
        device->io.apply(device->io.user, i, config->controls[i].initial);
    return error;
}

void mp_device_bytes(struct mp_device *device, const uint8_t *bytes, size_t n, uint32_t now_us)
{
    advance(device, now_us);
    mp_link_bytes(&device->link, bytes, n, now_us);
}

uint32_t mp_device_poll(struct mp_device *device, uint32_t now_us)
{
    advance(device, now_us);
    uint32_t wait = mp_link_poll(&device->link, now_us);
    poll_deadman(device);
    uint32_t reset = poll_reset(device);
    report_failsafe(device);
    if (device->result_due)
        send_due_result(device);
    mp_device_tell_dropped(device);
    if (device->describe_due)
        send_description(device);
    return reset < wait ? reset : wait;
}

size_t mp_device_output(struct mp_device *device, uint8_t *out, size_t cap, uint32_t now_us)
{
    advance(device, now_us);
    return mp_link_output(&device->link, out, cap, now_us);
}
