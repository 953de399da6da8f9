/*
 * The sample device: its tables, what it does when, and how commands reach the plant. The link,
 * deadlines, ranges and the dead-man timer are mcu-protocol's; the board is the port's.
 */
#include "fw_app.h"

#include "fw_text.h"
#include "port.h"

#include <string.h>

#define LOG_MAX    MP_BODY_MIN
#define READ_BYTES 16u /* few, for a small stack */
#define READS_MOST 64u /* in one step */

const struct mp_sensor fw_sensors[FW_SENSOR_COUNT] = {
    [FW_TEMPERATURE] = {.name = "bme280",
                        .kind = MP_KIND_TEMPERATURE,
                        .type = MP_TYPE_I16,
                        .exponent = -2},
    [FW_PRESSURE] = {.name = "bme280",
                     .kind = MP_KIND_PRESSURE,
                     .type = MP_TYPE_I32,
                     .exponent = -2},
    [FW_HUMIDITY] = {.name = "bme280",
                     .kind = MP_KIND_HUMIDITY,
                     .type = MP_TYPE_I16,
                     .exponent = -2},
    [FW_ILLUMINANCE] = {.name = "bh1750", .kind = MP_KIND_ILLUMINANCE, .type = MP_TYPE_F32},
};

const struct mp_control fw_controls[FW_CONTROL_COUNT] = {
    [FW_MOTOR] = {.name = "motor",
                  .type = MP_TYPE_I16,
                  .min.i = 0,
                  .max.i = 100,
                  .initial.i = 0,
                  .failsafe.i = 0},
    [FW_VALVE] = {.name = "valve",
                  .type = MP_TYPE_F32,
                  .min.f = 0.0f,
                  .max.f = 1.0f,
                  .initial.f = 0.0f,
                  .failsafe.f = 0.0f},
};

static const char *reset_text(uint8_t cause)
{
    switch (cause) {
#define X_RESET(id, NAME, text) \
    case id:                    \
        return FW_ROM(text);
        MP_RESETS(X_RESET)
#undef X_RESET
    }
    return FW_ROM("cause not known");
}

/* -- What mp_device asks for. */

static enum mp_status apply(void *user, uint8_t control, union mp_value value)
{
    struct fw_app *app = user;

    app->controls[control] = value;
    switch ((enum fw_control)control) {
    case FW_MOTOR:
        app->plant.motor_percent = value.i;
        return MP_STATUS_DONE;
    case FW_VALVE:
        app->plant.valve_permille = (int32_t)(value.f * 1000.0f + 0.5f);
        return MP_STATUS_DONE;
    case FW_CONTROL_COUNT:
        break;
    }
    return MP_STATUS_UNKNOWN;
}

static enum mp_status set_id(void *user, const uint8_t *id, uint8_t len)
{
    (void)user;
    return port_store_id(id, len) ? MP_STATUS_DONE : MP_STATUS_FAILED;
}

/* The boot loader takes no image itself, so there is no use in staying there: both modes start the
 * application. */
static void reset(void *user, enum mp_reset_mode mode)
{
    (void)user;
    (void)mode;
    port_reset();
}

static void identify(void *user, uint16_t ms)
{
    struct fw_app *app = user;

    app->identify_from_us = app->now_us;
    app->identify_for_us = ms * (uint32_t)1000;
    port_identify(ms > 0);
}

static void console(void *user, const uint8_t *bytes, size_t n)
{
    fw_console_bytes(user, bytes, n);
}

static void console_size(void *user, uint16_t rows, uint16_t columns)
{
    struct fw_app *app = user;

    app->console.rows = rows;
    app->console.columns = columns;
}

/* -- Images. */

#if FW_IMAGES
static void image(void *user, const struct mp_message *message)
{
    struct fw_app *app = user;

    mp_bulk_device_message(&app->images, message);
}

static void prepare_images(struct fw_app *app, struct mp_device_io *io, uint32_t now_us)
{
    const struct mp_bulk_store *store = port_image_store();

    if (store == NULL)
        return;
    mp_bulk_device_init(&app->images, &app->device, store);
    io->bulk = image;
    app->started_us = now_us;
    app->on_trial = port_image_state() == PORT_IMAGE_ON_TRIAL;
}

static void stay(struct fw_app *app)
{
    if (!app->on_trial)
        return;
    app->on_trial = false;
    port_image_confirm();
}

static void restart_when_due(struct fw_app *app, uint32_t now_us)
{
    bool ended = app->images.phase == MP_BULK_ENDED && app->images.status == MP_STATUS_DONE;

    if (ended && !app->committed && port_image_state() == PORT_IMAGE_COMMITTED) {
        app->committed = true;
        app->committed_us = now_us;
    }
    if ((app->committed && now_us - app->committed_us >= FW_RESTART_US) ||
        (app->on_trial && now_us - app->started_us >= FW_TRIAL_US))
        port_reset();
}

static uint32_t poll_images(struct fw_app *app, uint32_t now_us)
{
    if (app->images.device == NULL)
        return UINT32_MAX;
    restart_when_due(app, now_us);
    return mp_bulk_device_poll(&app->images);
}

/* What the hello says of the latest update, beside why the board started. */
static uint8_t image_flag(const struct fw_app *app)
{
    return app->images.device != NULL && port_image_state() == PORT_IMAGE_TAKEN_BACK
               ? MP_RESET_TAKEN_BACK
               : 0;
}

static void log_image(struct fw_app *app)
{
    if (app->on_trial)
        (void)mp_device_log(&app->device, MP_LEVEL_INFO, "a new image, on trial");
    else if ((app->device.config.reset_cause & MP_RESET_TAKEN_BACK) != 0)
        (void)mp_device_log(&app->device, MP_LEVEL_WARNING, "the latest update was taken back");
}
#else
static void prepare_images(struct fw_app *app, struct mp_device_io *io, uint32_t now_us)
{
    (void)app;
    (void)io;
    (void)now_us;
}

static void stay(struct fw_app *app)
{
    (void)app;
}

static uint32_t poll_images(struct fw_app *app, uint32_t now_us)
{
    (void)app;
    (void)now_us;
    return UINT32_MAX;
}

static uint8_t image_flag(const struct fw_app *app)
{
    (void)app;
    return 0;
}

static void log_image(struct fw_app *app)
{
    (void)app;
}
#endif

static void host(void *user, bool present)
{
    struct fw_app *app = user;

    if (present)
        stay(app);
    else
        (void)mp_device_log(&app->device, MP_LEVEL_WARNING,
                            "host gone: motor and valve at fail-safe");
}

/* -- Start. */

static void log_start(struct fw_app *app)
{
    char line[LOG_MAX];
    struct fw_text text;

    fw_text_begin(&text, line, sizeof line);
    fw_text_add(&text, FW_ROM("mcu-stub "));
    fw_text_add_plain(&text, port_version());
    fw_text_add(&text, FW_ROM(" started: "));
    fw_text_add(&text, reset_text(app->device.config.reset_cause & (uint8_t)~MP_RESET_TAKEN_BACK));
    (void)mp_device_log(&app->device, MP_LEVEL_INFO, line);
}

int fw_app_init(struct fw_app *app, uint32_t now_us)
{
    struct mp_device_config config = {
        .firmware = {"mcu-stub", port_version(), port_architecture(), port_platform()},
        .sensors = fw_sensors,
        .controls = fw_controls,
        .sensor_count = FW_SENSOR_COUNT,
        .control_count = FW_CONTROL_COUNT,
        .device_id = app->device_id,
        .image_id = app->image_id,
        .reset_cause = port_reset_cause(),
        .tick_us = FW_TICK_US,
        .deadman_ms = FW_DEADMAN_MS,
        .baud = FW_BAUD,
        .tx_mem = app->tx_mem,
        .rx_mem = app->rx_mem,
        .tx_bytes = sizeof app->tx_mem,
        .rx_bytes = sizeof app->rx_mem,
        .max_body = FW_MAX_BODY,
    };
    struct mp_device_io io = {.user = app,
                              .apply = apply,
                              .set_id = set_id,
                              .reset = reset,
                              .identify = identify,
                              .console = console,
                              .console_size = console_size,
                              .host = host};
    int result;

    memset(app, 0, sizeof *app);
    config.device_id_len = port_device_id(app->device_id);
    config.image_id_len = port_image_id(app->image_id);
    fw_plant_init(&app->plant, port_seed());
    app->plant_us = app->sample_us = app->flush_us = now_us;
    prepare_images(app, &io, now_us);
    config.reset_cause |= image_flag(app);
    result = mp_device_init(&app->device, &config, &io, now_us);
    if (result == MP_OK) {
        log_start(app);
        log_image(app);
    }
    return result;
}

/* -- Running. */

/* Whether a period has passed since *last, which then moves on by it. After a pause of many periods
 * the missed ones are left out. */
static bool due(uint32_t *last, uint32_t period_us, uint32_t now_us)
{
    uint32_t since = now_us - *last;

    if (since < period_us)
        return false;
    *last = since < 100 * period_us ? *last + period_us : now_us;
    return true;
}

/* What is left comes with the next step: noise without end must not hold up the dead-man timer. */
static void receive(struct fw_app *app, uint32_t now_us)
{
    uint8_t bytes[READ_BYTES];
    size_t n = sizeof bytes;

    for (uint8_t reads = 0; n > 0 && reads < READS_MOST; reads++) {
        n = port_uart_read(bytes, sizeof bytes);
        mp_device_bytes(&app->device, bytes, n, now_us);
    }
}

/* What is refused for want of room is counted in readings_dropped. */
static void sample(struct fw_app *app)
{
    uint32_t ticks = mp_device_ticks(&app->device);
    const struct fw_plant_reading *latest = &app->latest;
    union mp_value values[FW_SENSOR_COUNT];

    app->latest = fw_plant_read(&app->plant);
    values[FW_TEMPERATURE].i = latest->temperature_cc;
    values[FW_PRESSURE].i = latest->pressure_pa;
    values[FW_HUMIDITY].i = latest->humidity_cp;
    values[FW_ILLUMINANCE].f = (float)latest->illuminance_dlx / 10.0f;
    for (uint8_t slot = 0; slot < FW_SENSOR_COUNT; slot++)
        (void)mp_device_reading(&app->device, slot, values[slot], ticks, true);
}

static void stop_identifying_when_due(struct fw_app *app, uint32_t now_us)
{
    if (app->identify_for_us == 0 || now_us - app->identify_from_us < app->identify_for_us)
        return;
    app->identify_for_us = 0;
    port_identify(false);
}

static void transmit(struct fw_app *app, uint32_t now_us)
{
    for (;;) {
        if (app->out_at == app->out_len) {
            app->out_at = 0;
            app->out_len = (uint8_t)mp_device_output(&app->device, app->out, FW_CHUNK, now_us);
            if (app->out_len == 0)
                return;
        }
        size_t left = (size_t)(app->out_len - app->out_at);
        size_t taken = port_uart_write(app->out + app->out_at, left);
        app->out_at = (uint8_t)(app->out_at + taken);
        if (taken < left)
            return;
    }
}

static uint32_t until(uint32_t last_us, uint32_t period_us, uint32_t now_us)
{
    uint32_t since = now_us - last_us;

    return since < period_us ? period_us - since : 0;
}

uint32_t fw_app_step(struct fw_app *app, uint32_t now_us)
{
    uint32_t idle, images, next;

    app->now_us = now_us;
    receive(app, now_us);
    (void)mp_device_poll(&app->device, now_us);
    while (due(&app->plant_us, FW_PLANT_STEP_US, now_us))
        fw_plant_step(&app->plant);
    if (due(&app->sample_us, FW_SAMPLE_US, now_us))
        sample(app);
    if (due(&app->flush_us, FW_FLUSH_US, now_us))
        (void)mp_device_flush(&app->device);
    stop_identifying_when_due(app, now_us);
    transmit(app, now_us);
    /* Sending changes when the link's timers end, so they are asked for last. */
    images = poll_images(app, now_us);
    idle = mp_device_poll(&app->device, now_us);
    transmit(app, now_us);
    next = until(app->sample_us, FW_SAMPLE_US, now_us);
    next = images < next ? images : next;
    return idle < next ? idle : next;
}

bool fw_app_set_locally(struct fw_app *app, uint8_t control, union mp_value value)
{
    const struct mp_control *known;

    if (control >= FW_CONTROL_COUNT)
        return false;
    known = &fw_controls[control];
    if (!mp_value_in_range(known->type, value, known->min, known->max))
        return false;
    (void)apply(app, control, value);
    (void)mp_device_control_changed(&app->device, control, value);
    return true;
}
