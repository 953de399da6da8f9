/*
 * fw_plant.h - the simulated surroundings of the sample device: what its sensors feel and how its
 * two controls change that. Integer arithmetic only; the same seed gives the same run.
 *
 * A heater warms the air, 22 degrees outside, to 40; the motor (a fan) cools it, at full speed to
 * 25 within about ten seconds. The valve lets in moist air and lets out pressure. Daylight goes up
 * and down once a minute.
 */
#ifndef FW_PLANT_H
#define FW_PLANT_H

#include <stdint.h>

#define FW_PLANT_STEP_US 10000u

struct fw_plant {
    int32_t motor_percent;  /* as commanded: 0 to 100 */
    int32_t valve_permille; /* as commanded: 0 to 1000 */
    int32_t speed_ppm;      /* of the motor, which takes half a second to follow */
    int32_t temperature_uc; /* millionths of a degree Celsius */
    int32_t humidity_ppm;   /* 10000 are 1 %RH */
    int32_t pressure_mpa;   /* thousandths of a pascal from the air pressure outside */
    int32_t daylight_ms;    /* since the last dawn */
    uint32_t noise;         /* state of the generator, never 0 */
};

/* What a sensor reads, noise included. */
struct fw_plant_reading {
    int32_t temperature_cc; /* hundredths of a degree Celsius */
    int32_t humidity_cp;    /* hundredths of 1 %RH */
    int32_t pressure_pa;
    int32_t illuminance_dlx; /* tenths of a lux */
};

/* At rest: motor off, valve shut, everything where it settles. */
void fw_plant_init(struct fw_plant *plant, uint32_t seed);

/* Advances by FW_PLANT_STEP_US. */
void fw_plant_step(struct fw_plant *plant);

struct fw_plant_reading fw_plant_read(struct fw_plant *plant);

#endif
