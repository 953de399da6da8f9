// A C++ program that uses mcu-protocol: a device and a host in one process, with no line between
// them.
#include <mp_bulk_device.h>
#include <mp_bulk_host.h>
#include <mp_crc.h>
#include <mp_dump.h>
#include <mp_image.h>

#include <cstdio>
#include <cstring>

static uint8_t tx[1024], rx[1024], host_tx[4096], host_rx[4096];

static mp_status apply(void *, uint8_t, mp_value)
{
    return MP_STATUS_DONE;
}

static void ready(void *user, const mp_peer *peer, const mp_description *description, bool)
{
    std::printf("%.*s %s\n", int(peer->device_len), reinterpret_cast<const char *>(peer->device),
                description->product);
    *static_cast<bool *>(user) = true;
}

int main()
{
    static const mp_sensor sensor = {"divider", MP_KIND_VOLTAGE, nullptr, nullptr, MP_TYPE_I16, -3};
    mp_device_config board = mp_device_config();
    board.firmware.product = "fan";
    board.sensors = &sensor;
    board.sensor_count = 1;
    board.device_id = reinterpret_cast<const uint8_t *>("fan-1");
    board.device_id_len = 5;
    board.tick_us = 1000;
    board.deadman_ms = 1500;
    board.tx_mem = tx;
    board.rx_mem = rx;
    board.tx_bytes = sizeof tx;
    board.rx_bytes = sizeof rx;
    board.max_body = 64;
    mp_device_io board_io = mp_device_io();
    board_io.apply = apply;
    static mp_device device;
    if (mp_device_init(&device, &board, &board_io, 0) != MP_OK)
        return 1;

    bool met = false;
    static mp_host_space space;
    mp_host_config config = mp_host_config();
    config.tx_mem = host_tx;
    config.rx_mem = host_rx;
    config.tx_bytes = sizeof host_tx;
    config.rx_bytes = sizeof host_rx;
    config.space = &space;
    config.credit = 1024;
    config.seed = 1;
    config.keepalive_ms = 300;
    mp_host_io io = mp_host_io();
    io.user = &met;
    io.ready = ready;
    static mp_host host;
    if (mp_host_init(&host, &config, &io, 0) != MP_OK)
        return 1;

    uint8_t bytes[64];
    for (uint32_t now = 0; now < 5000000 && !met; now += 1000) {
        mp_host_poll(&host, now);
        mp_device_poll(&device, now);
        mp_device_bytes(&device, bytes, mp_host_output(&host, bytes, sizeof bytes, now), now);
        mp_host_bytes(&host, bytes, mp_device_output(&device, bytes, sizeof bytes, now), now);
    }
    return met && std::strcmp(mp_message_name(MP_MSG_HELLO), "hello") == 0 &&
                   mp_crc32(0, reinterpret_cast<const uint8_t *>("123456789"), 9) == 0xcbf43926
               ? 0
               : 1;
}
