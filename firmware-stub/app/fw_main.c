/*
 * The loop that is the same on every board. It keeps the one device of the image.
 */
#include "fw_app.h"
#include "port.h"

static struct fw_app app;

int fw_main(void)
{
    int result = fw_app_init(&app, port_micros());

    while (result == MP_OK && port_running())
        port_idle(fw_app_step(&app, port_micros()));
    return result;
}
