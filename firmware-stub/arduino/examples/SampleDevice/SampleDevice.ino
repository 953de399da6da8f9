/*
 * The sample device of mcu-bridge in small: two sensors of one chip, a motor that cools and a valve
 * that lets moist air in, all simulated, so that it runs on a bare board.
 */
#include <McuProtocol.h>

enum { TEMPERATURE, HUMIDITY };
enum { MOTOR, VALVE };

const mp_sensor sensors[] = {
    {"bme280", MP_KIND_TEMPERATURE, NULL, NULL, MP_TYPE_I16, -2},
    {"bme280", MP_KIND_HUMIDITY, NULL, NULL, MP_TYPE_F32, 0},
};

mp_control controls[] = {
    {"motor", MP_TYPE_I16, 0, {0}, {100}, {0}, {0}},
    {"valve", MP_TYPE_F32, 0, {0}, {0}, {0}, {0}},
};

McuDevice<> device;
int32_t motor;
float valve;
float temperature = 40, humidity = 45;

bool setControl(uint8_t control, mp_value value)
{
    if (control == MOTOR)
        motor = value.i;
    else
        valve = value.f;
    digitalWrite(LED_BUILTIN, motor > 0 ? HIGH : LOW);
    return true;
}

void setup()
{
    Serial.begin(115200);
    pinMode(LED_BUILTIN, OUTPUT);
    controls[VALVE].max = mcuFloat(1);
    device.onControl(setControl);
    device.begin(Serial, 115200, "arduino-1", "sample-device", "1.0.0", sensors, 2, controls, 2);
    device.log(MP_LEVEL_INFO, "started");
}

void loop()
{
    static unsigned long last;

    device.poll();
    if (millis() - last < 250)
        return;
    last += 250;
    temperature += (40 - 0.15f * motor - temperature) / 20;
    humidity += (45 + 35 * valve - humidity) / 8;
    device.reading(TEMPERATURE, mcuInt(lroundf(temperature * 100)));
    device.reading(HUMIDITY, mcuFloat(humidity));
    device.flush();
}
