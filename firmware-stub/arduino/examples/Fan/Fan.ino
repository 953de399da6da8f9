/*
 * One sensor, one motor: the voltage at A0 goes up twice a second, and the host sets how fast a fan
 * on pin 9 turns. Pull the cable, and the fan stops.
 */
#include <McuProtocol.h>

const mp_sensor sensors[] = {
    {"divider", MP_KIND_VOLTAGE, NULL, NULL, MP_TYPE_I16, -3}, // millivolts
};

const mp_control controls[] = {
    {"fan", MP_TYPE_I16, 0, {0}, {100}, {0}, {0}}, // percent: least, most, at start, fail-safe
};

McuDevice<> device;

bool setFan(uint8_t, mp_value value)
{
    analogWrite(9, value.i * 255 / 100);
    return true;
}

void setup()
{
    Serial.begin(115200);
    pinMode(9, OUTPUT);
    device.onControl(setFan);
    device.begin(Serial, 115200, "fan-1", "fan", "1.0.0", sensors, 1, controls, 1);
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
