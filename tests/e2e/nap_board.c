/*
 * A firmware in place of the sample: sleeps for all kinds of times, none of which a byte ends, and
 * says so. What port_idle is to do is port.h's.
 */
#include "fw_app.h"
#include "port.h"

#include <string.h>

#define NAP_MOST_US 2000u

static void say(const char *text)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + strlen(text);

    while (at < end)
        at += port_uart_write(at, (size_t)(end - at));
}

int fw_main(void)
{
    for (uint32_t us = 0; us < NAP_MOST_US; us += 1 + us / 8)
        port_idle(us);
    say("woke from every nap\n");
    for (;;)
        port_idle(UINT32_MAX);
}
