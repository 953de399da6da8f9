/*
 * The simulated surroundings as first-order lags, stepped a hundred times a second. The units are
 * as fine as they are so that a lag's last small steps do not round to nothing. Sampling and the
 * wire's units are fw_app's affair.
 */
#include "fw_plant.h"

#define STEPS_PER_S    (1000000 / (int32_t)FW_PLANT_STEP_US)
#define AMBIENT_MC     ((int32_t)22000)
#define HEATED_MC      ((int32_t)18000) /* above ambient, with the motor off */
#define COOLING_LAG_S  20               /* with the motor off; six times quicker at full speed */
#define FAN_FACTOR     5
#define HUMIDITY_PPM   450000
#define HUMIDITY_VALVE 350 /* ppm for each permille that the valve is open */
#define PRESSURE_PA    101325
#define PRESSURE_VALVE 5000 /* millipascals lost for each permille */
#define DAY_MS         60000
#define NIGHT_DLX      1000
#define DAY_DLX        8000

/* One step of a value that approaches its target with a time constant of lag_ms. */
static int32_t lag(int32_t value, int32_t target, int32_t lag_ms)
{
    return value + (target - value) / (lag_ms * STEPS_PER_S / 1000);
}

/* xorshift32: -spread to +spread. */
static int32_t noise(struct fw_plant *plant, int32_t spread)
{
    uint32_t x = plant->noise;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    plant->noise = x;
    return (int32_t)((x >> 8) % (uint32_t)(2 * spread + 1)) - spread;
}

void fw_plant_init(struct fw_plant *plant, uint32_t seed)
{
    *plant = (struct fw_plant){
        .temperature_uc = (AMBIENT_MC + HEATED_MC) * 1000,
        .humidity_ppm = HUMIDITY_PPM,
        .noise = seed ? seed : 1,
    };
}

static void step_temperature(struct fw_plant *plant)
{
    int32_t above_mc = plant->temperature_uc / 1000 - AMBIENT_MC;
    int32_t loss_percent = 100 + FAN_FACTOR * plant->speed_ppm / 10000;

    /* Millidegrees a second are ten microdegrees a step, which the divisors below contain. */
    plant->temperature_uc += HEATED_MC * 1000 / COOLING_LAG_S / STEPS_PER_S;
    plant->temperature_uc -= above_mc * loss_percent * 10 / COOLING_LAG_S / STEPS_PER_S;
}

void fw_plant_step(struct fw_plant *plant)
{
    plant->speed_ppm = lag(plant->speed_ppm, plant->motor_percent * 10000, 500);
    step_temperature(plant);
    plant->humidity_ppm =
        lag(plant->humidity_ppm, HUMIDITY_PPM + HUMIDITY_VALVE * plant->valve_permille, 3000);
    plant->pressure_mpa = lag(plant->pressure_mpa, -PRESSURE_VALVE * plant->valve_permille, 1000);
    plant->daylight_ms = (plant->daylight_ms + 1000 / STEPS_PER_S) % DAY_MS;
}

static int32_t daylight_dlx(const struct fw_plant *plant)
{
    int32_t from_night = plant->daylight_ms;

    if (from_night > DAY_MS / 2)
        from_night = DAY_MS - from_night;
    return NIGHT_DLX + from_night * (DAY_DLX / 1000) / (DAY_MS / 2 / 1000);
}

struct fw_plant_reading fw_plant_read(struct fw_plant *plant)
{
    struct fw_plant_reading reading;

    reading.temperature_cc = plant->temperature_uc / 10000 + noise(plant, 3);
    reading.humidity_cp = plant->humidity_ppm / 100 + noise(plant, 5);
    reading.pressure_pa = PRESSURE_PA + plant->pressure_mpa / 1000 + noise(plant, 4);
    reading.illuminance_dlx = daylight_dlx(plant) + noise(plant, 10);
    return reading;
}
