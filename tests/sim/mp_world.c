/*
 * The double of a firmware and of a bridge: tables, callbacks that write down, and their two ends
 * on the simulated line.
 */
#include "mp_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct mp_sensor world_sensors[4] = {
    {.name = "bme280", .kind = MP_KIND_TEMPERATURE, .type = MP_TYPE_I16, .exponent = -2},
    {.name = "bme280", .kind = MP_KIND_PRESSURE, .type = MP_TYPE_F32},
    {.name = "flow",
     .kind = MP_KIND_CUSTOM,
     .custom_kind = "flow",
     .custom_unit = "l/min",
     .type = MP_TYPE_I32,
     .exponent = -3},
    {.name = "door", .kind = MP_KIND_COUNT, .type = MP_TYPE_BOOL},
};

const struct mp_control world_controls[WORLD_CONTROLS] = {
    {.name = "motor_left",
     .type = MP_TYPE_I16,
     .exponent = -1,
     .min = {.i = -1000},
     .max = {.i = 1000},
     .initial = {.i = 0},
     .failsafe = {.i = 0}},
    {.name = "heater",
     .type = MP_TYPE_F32,
     .min = {.f = 0},
     .max = {.f = 100},
     .initial = {.f = 20},
     .failsafe = {.f = 5}},
    {.name = "lamp",
     .type = MP_TYPE_BOOL,
     .min = {.i = 0},
     .max = {.i = 1},
     .initial = {.i = 1},
     .failsafe = {.i = 0}},
};

const struct mp_device_config world_described = {
    .firmware = {"stub", "1.0.0", "arm", "generic"},
    .sensors = world_sensors,
    .controls = world_controls,
    .sensor_count = 4,
    .control_count = WORLD_CONTROLS,
};

/* -- The device's callbacks. */

static enum mp_status on_apply(void *user, uint8_t control, union mp_value value)
{
    struct world *world = user;
    world->applied[control] = value;
    world->applies++;
    if (world->on_applied != NULL)
        world->on_applied(world->watcher, control, value);
    return MP_STATUS_DONE;
}

static enum mp_status on_set_id(void *user, const uint8_t *id, uint8_t len)
{
    struct world *world = user;
    memcpy(world->new_id, id, len);
    world->new_id_len = len;
    return MP_STATUS_DONE;
}

static void on_reset(void *user, enum mp_reset_mode mode)
{
    struct world *world = user;
    world->reset_mode = mode;
    world->resets++;
}

static void on_identify(void *user, uint16_t ms)
{
    struct world *world = user;
    world->identified_ms = ms;
}

static void on_host(void *user, bool present)
{
    struct world *world = user;
    world->host_present = present;
}

static void note_console(struct world *world, const uint8_t *bytes, size_t n)
{
    world->consoles++;
    memcpy(world->last_console, bytes, n);
    world->last_console_len = n;
}

static void on_device_console(void *user, const uint8_t *bytes, size_t n)
{
    note_console(user, bytes, n);
}

static void on_device_console_size(void *user, uint16_t rows, uint16_t columns)
{
    struct world *world = user;
    world->console_rows = rows;
    world->console_columns = columns;
}

static void on_device_bulk(void *user, const struct mp_message *message)
{
    struct world *world = user;
    mp_bulk_device_message(&world->bulk_device, message);
}

/* -- The device's store. */

static enum mp_status store_begin(void *user, uint32_t size, const uint8_t *hash, uint32_t *have)
{
    struct world *world = user;
    if (size > WORLD_IMAGE) {
        *have = WORLD_IMAGE;
        return MP_STATUS_TOO_LARGE;
    }
    if (memcmp(hash, world->stored_hash, MP_SHA256_BYTES) != 0)
        world->stored_bytes = 0;
    memcpy(world->stored_hash, hash, MP_SHA256_BYTES);
    *have = world->stored_bytes;
    return MP_STATUS_DONE;
}

static enum mp_status store_write(void *user, uint32_t offset, const uint8_t *bytes, size_t n)
{
    struct world *world = user;
    if (offset != world->stored_bytes || n > WORLD_IMAGE - offset)
        abort();
    if (world->foreign)
        return MP_STATUS_FOREIGN;
    if (world->writes_to_fail > 0 && --world->writes_to_fail == 0)
        return MP_STATUS_FAILED;
    memcpy(world->stored + offset, bytes, n);
    world->stored_bytes += (uint32_t)n;
    world->written += n;
    return MP_STATUS_DONE;
}

static bool store_read(void *user, uint32_t offset, uint8_t *out, size_t n)
{
    struct world *world = user;
    memcpy(out, world->stored + offset, n);
    return true;
}

static enum mp_status store_commit(void *user)
{
    struct world *world = user;
    world->commits++;
    return MP_STATUS_DONE;
}

static void store_drop(void *user)
{
    struct world *world = user;
    world->drops++;
    world->stored_bytes = 0;
}

/* -- The host's callbacks. */

static void on_ready(void *user, const struct mp_peer *peer,
                     const struct mp_description *description, bool fresh)
{
    struct world *world = user;
    (void)peer;
    (void)description;
    world->readies++;
    world->fresh = fresh;
    mp_bulk_host_ready(&world->bulk_host);
}

static void on_lost(void *user, enum mp_down why)
{
    struct world *world = user;
    world->losts++;
    world->why = why;
    mp_bulk_host_lost(&world->bulk_host);
}

static void on_reading(void *user, const struct mp_host_reading *reading)
{
    struct world *world = user;
    if (world->reading_count < WORLD_READINGS)
        world->readings[world->reading_count++] = *reading;
}

static void on_received(void *user, uint32_t number)
{
    struct world *world = user;
    world->received_next = number + 1;
    if (!world->hold_safe)
        mp_host_safe(&world->host, number + 1);
}

static void on_result(void *user, uint16_t request, enum mp_status status)
{
    struct world *world = user;
    if (mp_bulk_host_result(&world->bulk_host, request, status))
        return;
    world->results++;
    world->last_request = request;
    world->last_status = status;
    if (world->on_answered != NULL)
        world->on_answered(world->watcher, request, status);
}

static void on_control_state(void *user, uint8_t control, enum mp_cause cause, union mp_value value)
{
    struct world *world = user;
    world->states++;
    world->state_control = control;
    world->state_cause = cause;
    world->state_value = value;
}

static void on_dropped(void *user, uint32_t count)
{
    struct world *world = user;
    world->dropped = count;
}

static void on_log(void *user, enum mp_level level, const char *text, size_t n)
{
    struct world *world = user;
    (void)level;
    world->logs++;
    memcpy(world->last_log, text, n);
    world->last_log[n] = '\0';
}

static void on_nonsense(void *user, const char *what)
{
    struct world *world = user;
    world->nonsenses++;
    snprintf(world->last_nonsense, sizeof world->last_nonsense, "%s", what);
}

static void on_host_bulk(void *user, const struct mp_message *message)
{
    struct world *world = user;
    mp_bulk_host_message(&world->bulk_host, message);
}

/* -- Uploads. */

static bool read_image(void *user, uint32_t offset, uint8_t *out, size_t n)
{
    struct world *world = user;
    memcpy(out, world->image + offset, n);
    return true;
}

static void on_uploaded(void *user, enum mp_status status)
{
    struct world *world = user;
    world->uploads_done++;
    world->upload_status = status;
}

void world_upload(struct world *world, uint32_t size, uint64_t seed)
{
    struct mp_bulk_host_io io = {.user = world, .read = read_image, .done = on_uploaded};
    struct sim bytes = {.random = seed};
    struct mp_sha256 sha;
    uint8_t hash[MP_SHA256_BYTES];
    for (uint32_t i = 0; i < size; i++)
        world->image[i] = (uint8_t)sim_random(&bytes);
    mp_sha256_begin(&sha);
    mp_sha256_add(&sha, world->image, size);
    mp_sha256_end(&sha, hash);
    world->uploads_done = 0;
    if (mp_bulk_host_start(&world->bulk_host, &world->host, size, hash, &io) != MP_OK)
        abort();
    sim_touch(&world->sim, WORLD_HOST);
}

bool world_uploaded(void *user)
{
    const struct world *world = user;
    return world->uploads_done > 0;
}

/* -- The ends. */

static void device_bytes(void *user, const uint8_t *bytes, size_t n, uint64_t now_us)
{
    struct world *world = user;
    mp_device_bytes(&world->device, bytes, n, (uint32_t)now_us);
}

static uint32_t device_poll(void *user, uint64_t now_us)
{
    struct world *world = user;
    uint32_t wait = mp_device_poll(&world->device, (uint32_t)now_us);
    uint32_t bulk = mp_bulk_device_poll(&world->bulk_device);
    return bulk < wait ? bulk : wait;
}

static size_t device_output(void *user, uint8_t *out, size_t cap, uint64_t now_us)
{
    struct world *world = user;
    return mp_device_output(&world->device, out, cap, (uint32_t)now_us);
}

static void host_bytes(void *user, const uint8_t *bytes, size_t n, uint64_t now_us)
{
    struct world *world = user;
    mp_host_bytes(&world->host, bytes, n, now_us);
}

static uint32_t host_poll(void *user, uint64_t now_us)
{
    struct world *world = user;
    uint32_t bulk = mp_bulk_host_poll(&world->bulk_host, now_us);
    uint32_t wait = mp_host_poll(&world->host, now_us);
    return bulk < wait ? bulk : wait;
}

static size_t host_output(void *user, uint8_t *out, size_t cap, uint64_t now_us)
{
    struct world *world = user;
    return mp_host_output(&world->host, out, cap, now_us);
}

void world_restart_device(struct world *world)
{
    struct mp_device_io io = {.user = world,
                              .apply = on_apply,
                              .set_id = on_set_id,
                              .reset = on_reset,
                              .identify = on_identify,
                              .console = on_device_console,
                              .console_size = on_device_console_size,
                              .bulk = world->no_store ? NULL : on_device_bulk,
                              .host = on_host};
    struct mp_bulk_store store = {world,      store_begin,  store_write,
                                  store_read, store_commit, store_drop};
    if (mp_device_init(&world->device, &world->device_config, &io,
                       (uint32_t)sim_now_us(&world->sim)) != MP_OK)
        abort();
    mp_bulk_device_init(&world->bulk_device, &world->device, &store);
    sim_touch(&world->sim, WORLD_DEVICE);
}

void world_restart_host(struct world *world)
{
    struct mp_host_io io = {.user = world,
                            .ready = on_ready,
                            .lost = on_lost,
                            .reading = on_reading,
                            .received = on_received,
                            .result = on_result,
                            .control_state = on_control_state,
                            .dropped = on_dropped,
                            .log = on_log,
                            .console = on_device_console,
                            .bulk = on_host_bulk,
                            .nonsense = on_nonsense};
    world->host_config.seed = (uint32_t)sim_random(&world->sim);
    if (mp_host_init(&world->host, &world->host_config, &io, sim_now_us(&world->sim)) != MP_OK)
        abort();
    mp_bulk_host_lost(&world->bulk_host);
    sim_touch(&world->sim, WORLD_HOST);
}

void world_init(struct world *world, uint64_t seed, uint32_t baud, uint32_t latency_us)
{
    static const uint8_t device_id[] = {0x24, 0x6f, 0x28, 0x01, 0x02, 0x03};
    static const uint8_t image_id[20] = {1, 2, 3};
    memset(world, 0, sizeof *world);
    sim_init(&world->sim, seed, baud, latency_us);
    world->device_config = world_described;
    world->device_config.device_id = device_id;
    world->device_config.image_id = image_id;
    world->device_config.device_id_len = sizeof device_id;
    world->device_config.image_id_len = sizeof image_id;
    world->device_config.reset_cause = MP_RESET_POWER;
    world->device_config.tick_us = 1000;
    world->device_config.deadman_ms = 2000;
    world->device_config.baud = baud;
    world->device_config.tx_mem = world->device_tx;
    world->device_config.rx_mem = world->device_rx;
    world->device_config.tx_bytes = sizeof world->device_tx;
    world->device_config.rx_bytes = sizeof world->device_rx;
    world->device_config.max_body = 128;
    world->host_config = (struct mp_host_config){
        .space = &world->space,
        .tx_mem = world->host_tx,
        .rx_mem = world->host_rx,
        .tx_bytes = sizeof world->host_tx,
        .rx_bytes = sizeof world->host_rx,
        .credit = 4096,
        .baud = baud,
        .keepalive_ms = 500,
    };
    world->sim.end[WORLD_DEVICE] =
        (struct sim_end){world, device_bytes, device_poll, device_output};
    world->sim.end[WORLD_HOST] = (struct sim_end){world, host_bytes, host_poll, host_output};
    world_restart_device(world);
    world_restart_host(world);
}

void world_free(struct world *world)
{
    sim_free(&world->sim);
}

bool world_ready(void *user)
{
    const struct world *world = user;
    return world->host.state == MP_HOST_READY;
}

int world_read(struct world *world, int32_t value, bool reliable)
{
    mp_device_poll(&world->device, (uint32_t)sim_now_us(&world->sim));
    return mp_device_reading(&world->device, 0, (union mp_value){.i = value},
                             mp_device_ticks(&world->device), reliable);
}
