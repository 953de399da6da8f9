/*
 * One sensor, one motor: the voltage at A0 goes up twice a second, and the host sets how fast a fan
 * on pin 9 turns. Pull the cable, and the fan stops. Type a line at its console, and it says how fast
 * the fan turns.
 */
#include <McuProtocol.h>

const mp_sensor sensors[] = {
    {"divider", MP_KIND_VOLTAGE, NULL, NULL, MP_TYPE_I16, -3}, // millivolts
};

const mp_control controls[] = {
    {"fan", MP_TYPE_I16, 0, {0}, {100}, {0}, {0}}, // percent: least, most, at start, fail-safe
};

MCU_FIRMWARE("fan", "1.0.0"); // product and version, as in the .fw file for NervesHub

McuDevice<> device;
int16_t speed;

bool setFan(uint8_t, mp_value value)
{
    speed = value.i;
    analogWrite(9, speed * 255L / 100);
    return true;
}

void onTyped(const uint8_t *bytes, size_t n)
{
    char text[24];

    if (bytes[n - 1] != '\r' && bytes[n - 1] != '\n')
        return;
    snprintf(text, sizeof text, "fan %d %%\r\n", speed);
    device.console(text);
}

void setup()
{
    Serial.begin(115200);
    pinMode(9, OUTPUT);
    device.onControl(setFan);
    device.onConsole(onTyped);
    device.begin(Serial, 115200, "fan-1", mcuFirmware, sensors, 1, controls, 1);
}

void loop()
{
    static unsigned long last;

    device.poll();
    if (millis() - last >= 500) {
        last += 500;
        device.reading(0, mcuInt(analogRead(A0) * 5000L / 1023));
        device.flush();
    }
}
