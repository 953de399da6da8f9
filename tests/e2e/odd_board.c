/*
 * odd-board: a board that measures what the server does not know and sends readings that are no
 * numbers, for the end-to-end tests. Usage: odd-board FD. It answers as any mp_device, but writes
 * its readings itself, because mp_device refuses a NaN.
 */
#define _GNU_SOURCE
#include "mp_device.h"

#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_US 50000

static uint32_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u);
}

static enum mp_status apply(void *user, uint8_t control, union mp_value value)
{
    (void)user;
    (void)control;
    (void)value;
    return MP_STATUS_DONE;
}

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

static void run(struct mp_device *device, int fd)
{
    uint32_t due_us = now_us();
    for (;;) {
        uint8_t bytes[256];
        struct pollfd line = {.fd = fd, .events = POLLIN};
        if (poll(&line, 1, 5) < 0)
            return;
        if (line.revents != 0) {
            ssize_t got = read(fd, bytes, sizeof bytes);
            if (got <= 0)
                return;
            mp_device_bytes(device, bytes, (size_t)got, now_us());
        }
        if ((int32_t)(now_us() - due_us) >= 0) {
            due_us += PERIOD_US;
            send_readings(device);
        }
        mp_device_poll(device, now_us());
        size_t n;
        while ((n = mp_device_output(device, bytes, sizeof bytes, now_us())) > 0)
            if (write(fd, bytes, n) != (ssize_t)n)
                return;
    }
}

int main(int argc, char **argv)
{
    static const struct mp_sensor sensors[] = {
        {"dht", MP_KIND_HUMIDITY, NULL, NULL, MP_TYPE_F32, 0},
        {"imu", MP_KIND_ACCELERATION, NULL, NULL, MP_TYPE_F32, 0},
    };
    static uint8_t tx_mem[2048], rx_mem[1024];
    static struct mp_device device;
    const struct mp_device_config config = {
        .firmware = {"odd-board", "1", "any", "posix"},
        .sensors = sensors,
        .sensor_count = 2,
        .device_id = (const uint8_t *)"odd",
        .device_id_len = 3,
        .tick_us = 1000,
        .deadman_ms = 1500,
        .tx_mem = tx_mem,
        .rx_mem = rx_mem,
        .tx_bytes = sizeof tx_mem,
        .rx_bytes = sizeof rx_mem,
        .max_body = 128,
    };
    const struct mp_device_io io = {.apply = apply};
    if (argc != 2 || mp_device_init(&device, &config, &io, now_us()) != MP_OK)
        return 2;
    run(&device, (int)strtol(argv[1], NULL, 10));
    return 0;
}
