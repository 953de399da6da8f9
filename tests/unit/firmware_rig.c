/*
 * The port, the line and the host of the firmware's unit tests. What is asked of the firmware
 * stands in the tests.
 */
#include "firmware_rig.h"

#include "port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define STEP_US 1000u

struct rig rig;

/* -- The port. */

/* As a counter does, it goes on between two looks. */
uint32_t port_micros(void)
{
    return (uint32_t)++rig.now_us;
}

static size_t take(struct rig_queue *queue, uint8_t *out, size_t cap)
{
    size_t n = queue->len < cap ? queue->len : cap;

    memcpy(out, queue->bytes, n);
    queue->len -= n;
    memmove(queue->bytes, queue->bytes + n, queue->len);
    return n;
}

static size_t put(struct rig_queue *queue, const uint8_t *bytes, size_t n)
{
    size_t room = sizeof queue->bytes - queue->len;

    n = n < room ? n : room;
    memcpy(queue->bytes + queue->len, bytes, n);
    queue->len += n;
    return n;
}

size_t port_uart_read(uint8_t *out, size_t cap)
{
    if (!rig.babble)
        return take(&rig.down, out, cap);
    assert_true(++rig.reads < RIG_READS_MOST);
    memset(out, 0x55, cap);
    return cap;
}

size_t port_uart_write(const uint8_t *bytes, size_t n)
{
    return put(&rig.up, bytes, n < rig.uart_room ? n : rig.uart_room);
}

void port_idle(uint32_t us)
{
    rig.now_us += us;
}

uint8_t port_device_id(uint8_t out[MP_DEVICE_ID_MAX])
{
    memcpy(out, "rig", 3);
    return 3;
}

bool port_store_id(const uint8_t *id, uint8_t len)
{
    if (rig.store_fails)
        return false;
    memcpy(rig.stored_id, id, len);
    rig.stored_len = len;
    return true;
}

const struct mp_bulk_store *port_image_store(void)
{
    static const struct mp_bulk_store store; /* no upload comes in these tests */

    return rig.takes_images ? &store : NULL;
}

enum port_image_state port_image_state(void)
{
    return rig.image_state;
}

void port_image_confirm(void)
{
    rig.confirmed = true;
}

uint8_t port_image_id(uint8_t out[MP_IMAGE_ID_MAX])
{
    out[0] = 1;
    return 1;
}

uint8_t port_reset_cause(void)
{
    return MP_RESET_WATCHDOG;
}

void port_reset(void)
{
    rig.reset_asked = true;
}

bool port_running(void)
{
    return !rig.reset_asked;
}

const char *port_version(void)
{
    return "test";
}

const char *port_architecture(void)
{
    return "none";
}

const char *port_platform(void)
{
    return "rig";
}

void port_identify(bool on)
{
    rig.identifying = on;
}

uint32_t port_seed(void)
{
    return 1;
}

/* -- The host. */

static void on_reading(void *user, const struct mp_host_reading *reading)
{
    (void)user;
    rig.readings++;
    if (reading->slot < FW_SENSOR_COUNT)
        rig.last_value[reading->slot] = reading->value;
}

static void on_received(void *user, uint32_t number)
{
    (void)user;
    if (number != rig.next_number)
        rig.holes++;
    rig.next_number = number + 1;
}

static void on_result(void *user, uint16_t request, enum mp_status status)
{
    (void)user;
    (void)request;
    rig.results++;
    rig.last_status = status;
}

static void on_state(void *user, uint8_t control, enum mp_cause cause, union mp_value value)
{
    (void)user;
    (void)control;
    (void)value;
    if (cause == MP_CAUSE_FAILSAFE)
        rig.failsafe_reports++;
}

static void add_text(char *text, const void *bytes, size_t n)
{
    size_t len = strlen(text);

    assert_true(len + n < RIG_TEXT_BYTES);
    memcpy(text + len, bytes, n);
    text[len + n] = '\0';
}

static void on_log(void *user, enum mp_level level, const char *text, size_t n)
{
    (void)user;
    (void)level;
    add_text(rig.log, text, n);
    add_text(rig.log, "\n", 1);
}

static void on_console(void *user, const uint8_t *bytes, size_t n)
{
    (void)user;
    add_text(rig.console, bytes, n);
}

static void start_host(void)
{
    struct mp_host_config config = {.tx_mem = rig.tx,
                                    .tx_bytes = sizeof rig.tx,
                                    .rx_mem = rig.rx,
                                    .rx_bytes = sizeof rig.rx,
                                    .space = &rig.space,
                                    .credit = 2048,
                                    .baud = FW_BAUD,
                                    .seed = 7,
                                    .keepalive_ms = 300,
                                    .safe_at_once = true};
    struct mp_host_io io = {.reading = on_reading,
                            .received = on_received,
                            .result = on_result,
                            .control_state = on_state,
                            .log = on_log,
                            .console = on_console};

    assert_int_equal(mp_host_init(&rig.host, &config, &io, rig.now_us), MP_OK);
}

static void host_turn(void)
{
    uint8_t bytes[256];
    size_t n;

    while ((n = take(&rig.up, bytes, sizeof bytes)) > 0)
        mp_host_bytes(&rig.host, bytes, n, rig.now_us);
    mp_host_poll(&rig.host, rig.now_us);
    while ((n = mp_host_output(&rig.host, bytes, sizeof bytes, rig.now_us)) > 0)
        put(&rig.down, bytes, n);
}

/* -- What the tests call. */

static void start(void)
{
    rig.now_us = UINT32_MAX - 2000000u;
    rig.host_there = true;
    rig.uart_room = 64;
    start_host();
    assert_int_equal(fw_app_init(&rig.app, port_micros()), MP_OK);
}

void rig_start(void)
{
    memset(&rig, 0, sizeof rig);
    start();
}

void rig_start_with_images(enum port_image_state state)
{
    memset(&rig, 0, sizeof rig);
    rig.takes_images = true;
    rig.image_state = state;
    start();
}

void rig_run(uint32_t ms)
{
    for (uint32_t i = 0; i < ms; i++) {
        rig.reads = 0;
        (void)fw_app_step(&rig.app, port_micros());
        if (rig.host_there)
            host_turn();
        rig.now_us += STEP_US;
    }
}

void rig_meet(void)
{
    for (int i = 0; i < 5000 && rig.host.state != MP_HOST_READY; i++)
        rig_run(1);
    assert_int_equal(rig.host.state, MP_HOST_READY);
    rig_run(100);
}

enum mp_status rig_command(uint8_t control, union mp_value value)
{
    uint32_t before = rig.results;
    uint16_t request;

    assert_int_equal(mp_host_command(&rig.host, control, value, 1000, rig.now_us, &request), MP_OK);
    for (int i = 0; i < 2000 && rig.results == before; i++)
        rig_run(1);
    assert_int_equal(rig.results, before + 1);
    return rig.last_status;
}

void rig_type(const char *line)
{
    rig.console[0] = '\0';
    assert_int_equal(mp_host_console(&rig.host, (const uint8_t *)line, strlen(line)), MP_OK);
    rig_run(200);
}
