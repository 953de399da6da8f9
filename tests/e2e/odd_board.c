/*
 * odd-board: a board that measures what the server does not know and sends readings that are no
 * numbers, for the end-to-end tests. Usage: odd-board FD. It answers as any mp_device, but writes
 * its readings itself, because mp_device refuses a NaN.
 */
#define _GNU_SOURCE
#include "test_board.h"
#include "test_clock.h"

#include <math.h>
#include <stdlib.h>

#define PERIOD_US 50000
#define WAIT_MS   5

/* The first entry of a message has no ticks since the one before. */
static size_t put_entry(uint8_t *out, bool first, uint8_t slot, float value)
{
    size_t n = 0;
    out[n++] = slot;
    if (!first)
        out[n++] = 0;
    return n + mp_value_put(MP_TYPE_F32, (union mp_value){.f = value}, out + n);
}

static void send_readings(struct mp_device *device)
{
    static float humidity = 0;
    uint8_t body[64];
    uint32_t ticks = mp_device_ticks(device);
    size_t n = 0;
    for (; n < 4; n++)
        body[n] = (uint8_t)(ticks >> 8 * n);
    n += put_entry(body + n, true, 0, humidity);
    n += put_entry(body + n, false, 1, 9.81f);
    n += put_entry(body + n, false, 0, humidity < 50 ? (float)NAN : (float)INFINITY);
    if (mp_link_send(&device->link, MP_PRIO_READING, MP_MSG_READINGS, body, n) == MP_OK)
        humidity = humidity < 100 ? humidity + 0.5f : 0;
}

static void turn(struct mp_device *device)
{
    static uint64_t due_us;
    if (due_us == 0)
        due_us = test_now_us();
    if (test_now_us() < due_us)
        return;
    due_us += PERIOD_US;
    send_readings(device);
}

int main(int argc, char **argv)
{
    static const struct mp_sensor sensors[] = {
        {"dht", MP_KIND_HUMIDITY, NULL, NULL, MP_TYPE_F32, 0},
        {"imu", MP_KIND_ACCELERATION, NULL, NULL, MP_TYPE_F32, 0},
    };
    static struct test_board board;
    const struct mp_device_config config = {
        .firmware = {.product = "odd-board"},
        .sensors = sensors,
        .sensor_count = 2,
        .tx_bytes = 2048,
    };
    const struct mp_device_io io = {.user = NULL};
    if (argc != 2 || test_board_start(&board, "odd", &config, &io) != MP_OK)
        return 2;
    test_board_run(&board.device, (int)strtol(argv[1], NULL, 10), WAIT_MS, turn);
    return 0;
}
