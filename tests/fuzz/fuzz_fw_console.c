/*
 * Whatever is typed on the firmware's console, its controls stay within their ranges.
 */
#include "firmware_rig.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rig_start();
    fw_console_bytes(&rig.app, data, size);
    if (rig.app.plant.motor_percent < 0 || rig.app.plant.motor_percent > 100 ||
        rig.app.plant.valve_permille < 0 || rig.app.plant.valve_permille > 1000)
        abort();
    return 0;
}
