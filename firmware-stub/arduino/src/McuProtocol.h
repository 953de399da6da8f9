/*
 * McuProtocol.h - mcu-protocol for Arduino: a device with sensors and controls on any Stream whose
 * availableForWrite() says how much it takes, as every core's Serial does (SoftwareSerial does
 * not).
 *
 * Call poll() in loop(), at least every 5 ms at 115200 baud: Arduino's receive buffer holds 64
 * bytes. Nothing here waits, allocates or touches an interrupt. Tables and texts are kept by
 * pointer. The serial port belongs to the protocol: no Serial.print, use log().
 */
#ifndef MCU_PROTOCOL_H
#define MCU_PROTOCOL_H

#include <Arduino.h>

#include "mp_device.h"

/* A number as the protocol carries it: an integer in units of the sensor's exponent, or a float. */
inline mp_value mcuInt(int32_t value)
{
    mp_value v;
    v.i = value;
    return v;
}

inline mp_value mcuFloat(float value)
{
    mp_value v;
    v.f = value;
    return v;
}

/* What a firmware is called, and which build of it this is: 64 bits of its names and the time at
 * which the sketch was compiled, in the form of a GNU build id, so that hosts find them in the
 * file, and the board says them once it runs it. */
struct McuFirmware {
    const char *product, *version;
    const struct McuBuild {
        uint32_t name, length, type;
        char owner[4];
        uint8_t id[8];
    } * build; /* in PROGMEM */
};

constexpr uint64_t mcuHash(const char *text, uint64_t hash)
{
    return *text ? mcuHash(text + 1, (hash ^ static_cast<uint8_t>(*text)) * 0x100000001b3u) : hash;
}
#define MCU_BUILD_BYTE(text, i) \
    static_cast<uint8_t>(mcuHash(text, 0xcbf29ce484222325u) >> (8 * (i)))
#define MCU_BUILD(text)                                                                    \
    {                                                                                      \
        4, 8, 3, {'G', 'N', 'U', 0},                                                       \
        {                                                                                  \
            MCU_BUILD_BYTE(text, 0), MCU_BUILD_BYTE(text, 1), MCU_BUILD_BYTE(text, 2),     \
                MCU_BUILD_BYTE(text, 3), MCU_BUILD_BYTE(text, 4), MCU_BUILD_BYTE(text, 5), \
                MCU_BUILD_BYTE(text, 6), MCU_BUILD_BYTE(text, 7)                           \
        }                                                                                  \
    }

/* Once in a sketch, outside of functions: MCU_FIRMWARE("fan", "1.0.0"); gives `mcuFirmware`. Count
 * the version up for what is given out: a change in another file alone does not compile the sketch
 * anew. */
#define MCU_FIRMWARE(product, version)                              \
    constexpr McuFirmware::McuBuild mcuBuild PROGMEM =              \
        MCU_BUILD(product "\n" version "\n" __DATE__ " " __TIME__); \
    const McuFirmware mcuFirmware = {product, version, &mcuBuild}

/* `TX` bytes hold what is not yet safe with the host, at least MP_LINK_TX_MIN(64); `RX` what
 * arrives, at least MP_LINK_RX_MIN(64). When TX is full the newest readings are dropped and
 * counted. */
class McuDeviceBase
{
  public:
    /* Puts a checked value into effect; false: it could not be done. Also called by begin() with
     * each control's initial value, and with its fail-safe value when the host is gone. */
    typedef bool (*ControlFunction)(uint8_t control, mp_value value);

    /* Before begin(). */
    void onControl(ControlFunction function)
    {
        apply_ = function;
    }
    /* The host is silent for so long: every control falls to its fail-safe value. */
    void deadman(uint16_t ms)
    {
        config_.deadman_ms = ms;
    }

    /* What was typed at the host: bytes as they come, not lines. */
    typedef void (*ConsoleFunction)(const uint8_t *bytes, size_t n);
    void onConsole(ConsoleFunction function)
    {
        console_ = function;
    }
    /* How much of the console its viewer sees, told when it changes. */
    typedef void (*ConsoleSizeFunction)(uint16_t rows, uint16_t columns);
    void onConsoleSize(ConsoleSizeFunction function)
    {
        consoleSize_ = function;
    }
    /* Text for the host's console. False: there was no room for it, and nothing of it leaves. */
    bool console(const char *text)
    {
        return line_ && mp_device_console(&device_, reinterpret_cast<const uint8_t *>(text),
                                          strlen(text)) == MP_OK;
    }

    /* `line` is open already, at `baud`. `id`: which board this is, at most 16 characters. False: a
     * table is wrong (mp_device.h says what is checked), `id` too long, or memory too small; then
     * all the rest does nothing. */
    bool begin(Stream &line, uint32_t baud, const char *id, const McuFirmware &firmware,
               const mp_sensor *sensors, uint8_t sensorCount, const mp_control *controls,
               uint8_t controlCount);
    /* Without a build, and so never a device of NervesHub. */
    bool begin(Stream &line, uint32_t baud, const char *id, const char *product,
               const char *version, const mp_sensor *sensors, uint8_t sensorCount,
               const mp_control *controls, uint8_t controlCount);

    void poll();

    /* A reading of sensors[slot], taken now, kept until it is safe. False: dropped and counted. */
    bool reading(uint8_t slot, mp_value value);
    /* Sends what was read so far; it leaves by itself only when a message is full. */
    bool flush()
    {
        return line_ && mp_device_flush(&device_) == MP_OK;
    }

    bool log(mp_level level, const char *text)
    {
        return line_ && mp_device_log(&device_, level, text) == MP_OK;
    }
    /* The device itself changed a control: tells the host. */
    bool changed(uint8_t control, mp_value value)
    {
        return line_ && mp_device_control_changed(&device_, control, value) == MP_OK;
    }

    bool connected() const
    {
        return line_ && device_.host_present;
    }
    uint32_t ticks() const
    {
        return mp_device_ticks(&device_);
    } /* milliseconds of its clock */
    uint32_t dropped() const
    {
        return device_.readings_dropped;
    }

  protected:
    McuDeviceBase(uint8_t *tx, size_t txBytes, uint8_t *rx, size_t rxBytes);

  private:
    static mp_status apply(void *user, uint8_t control, mp_value value);
    static void typed(void *user, const uint8_t *bytes, size_t n);
    static void sized(void *user, uint16_t rows, uint16_t columns);

    mp_device device_;
    mp_device_config config_;
    Stream *line_;
    ControlFunction apply_;
    ConsoleFunction console_;
    ConsoleSizeFunction consoleSize_;
    uint8_t image_[sizeof McuFirmware::McuBuild().id];
    uint8_t out_[16]; /* given by the link, not yet taken by the line */
    uint8_t outAt_, outLen_;
};

template <size_t TX = 400, size_t RX = MP_LINK_RX_MIN(MP_BODY_MIN)>
class McuDevice : public McuDeviceBase
{
  public:
    McuDevice() : McuDeviceBase(tx_, TX, rx_, RX)
    {
    }

  private:
    uint8_t tx_[TX], rx_[RX];
};

#endif
