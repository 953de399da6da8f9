/*
 * The class around mp_device: bytes between the Stream and the link. What is sent when, and what a
 * command may do, is mp_device's affair.
 */
#include "McuProtocol.h"

#include <string.h>

#define TICK_US    1000
#define READS_MOST 64 /* in one call, of 16 bytes each */

#if defined __AVR_ATmega328P__
#define PLATFORM "atmega328p"
#elif defined __AVR_ATmega2560__
#define PLATFORM "atmega2560"
#else
#define PLATFORM "arduino"
#endif

#if defined __AVR__
#define ARCHITECTURE "avr"
#elif defined __arm__
#define ARCHITECTURE "arm"
#else
#define ARCHITECTURE "other"
#endif

McuDeviceBase::McuDeviceBase(uint8_t *tx, size_t txBytes, uint8_t *rx, size_t rxBytes)
    : line_(0), apply_(0), console_(0), consoleSize_(0), outAt_(0), outLen_(0)
{
    memset(&config_, 0, sizeof config_);
    config_.tx_mem = tx;
    config_.tx_bytes = txBytes;
    config_.rx_mem = rx;
    config_.rx_bytes = rxBytes;
    config_.deadman_ms = 1500;
}

mp_status McuDeviceBase::apply(void *user, uint8_t control, mp_value value)
{
    McuDeviceBase *self = static_cast<McuDeviceBase *>(user);

    return self->apply_ && self->apply_(control, value) ? MP_STATUS_DONE : MP_STATUS_FAILED;
}

void McuDeviceBase::typed(void *user, const uint8_t *bytes, size_t n)
{
    McuDeviceBase *self = static_cast<McuDeviceBase *>(user);

    if (self->console_)
        self->console_(bytes, n);
}

void McuDeviceBase::sized(void *user, uint16_t rows, uint16_t columns)
{
    McuDeviceBase *self = static_cast<McuDeviceBase *>(user);

    if (self->consoleSize_)
        self->consoleSize_(rows, columns);
}

bool McuDeviceBase::begin(Stream &line, uint32_t baud, const char *id, const McuFirmware &firmware,
                          const mp_sensor *sensors, uint8_t sensorCount, const mp_control *controls,
                          uint8_t controlCount)
{
    memcpy_P(image_, firmware.build->id, sizeof image_);
    config_.image_id = image_;
    config_.image_id_len = sizeof image_;
    return begin(line, baud, id, firmware.product, firmware.version, sensors, sensorCount, controls,
                 controlCount);
}

bool McuDeviceBase::begin(Stream &line, uint32_t baud, const char *id, const char *product,
                          const char *version, const mp_sensor *sensors, uint8_t sensorCount,
                          const mp_control *controls, uint8_t controlCount)
{
    mp_device_io io;

    memset(&io, 0, sizeof io);
    io.user = this;
    io.apply = apply;
    io.console = typed;
    io.console_size = sized;
    line_ = 0;
    config_.firmware.product = product;
    config_.firmware.version = version;
    config_.firmware.architecture = ARCHITECTURE;
    config_.firmware.platform = PLATFORM;
    config_.sensors = sensors;
    config_.sensor_count = sensorCount;
    config_.controls = controls;
    config_.control_count = controlCount;
    config_.device_id = reinterpret_cast<const uint8_t *>(id);
    config_.device_id_len = static_cast<uint8_t>(strnlen(id, UINT8_MAX));
    config_.tick_us = TICK_US;
    config_.baud = baud;
    config_.max_body = MP_BODY_MIN;
    line_ = mp_device_init(&device_, &config_, &io, micros()) == MP_OK ? &line : 0;
    return line_ != 0;
}

void McuDeviceBase::poll()
{
    uint8_t bytes[16];
    uint8_t n = sizeof bytes;

    if (!line_)
        return;
    /* What is left comes with the next call: noise without end must not hold up the dead-man timer.
     */
    for (uint8_t reads = 0; n == sizeof bytes && reads < READS_MOST; reads++) {
        for (n = 0; n < sizeof bytes && line_->available() > 0; n++)
            bytes[n] = static_cast<uint8_t>(line_->read());
        if (n > 0)
            mp_device_bytes(&device_, bytes, n, micros());
    }
    mp_device_poll(&device_, micros());
    for (;;) {
        if (outAt_ == outLen_) {
            outAt_ = 0;
            outLen_ = static_cast<uint8_t>(mp_device_output(&device_, out_, sizeof out_, micros()));
        }
        if (outAt_ == outLen_ || line_->availableForWrite() <= 0)
            return;
        line_->write(out_[outAt_++]);
    }
}

bool McuDeviceBase::reading(uint8_t slot, mp_value value)
{
    return line_ &&
           mp_device_reading(&device_, slot, value, mp_device_ticks(&device_), true) == MP_OK;
}
