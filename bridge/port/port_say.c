/*
 * From what a line has brought to what is most likely wrong with it. When this is said, and what is
 * done about it, is port.c's.
 */
#include "port_say.h"
#include "base/log.h"
#include "port_guard.h"

#include <stdio.h>

#define WHY_BYTES 512

static const char *with_errors(uint32_t framing_errors, char *out, size_t cap)
{
    out[0] = '\0';
    if (framing_errors != 0)
        snprintf(out, cap, ", with %u framing errors", framing_errors);
    return out;
}

const char *port_say_why(const struct port_silence *about, char *out, size_t cap)
{
    char errors[48];
    if (about->bytes == 0)
        snprintf(out, cap,
                 "nothing answers on %s: is the board powered, is it this firmware's port, and %u "
                 "its baud rate?%s",
                 about->path, about->baud,
                 about->dtr_off ? " Boards with USB of their own say nothing while DTR is off: see "
                                  "\"dtr_rts\""
                                : "");
    else if (about->frames != 0)
        snprintf(out, cap,
                 "nobody answers the hello on %s, though frames come (%u): is the line two-way, "
                 "and is RX connected?",
                 about->path, about->frames);
    else if (about->is_text && about->framing_errors == 0)
        snprintf(out, cap,
                 "%s sends text (%u bytes) and no frame of mcu-protocol: another firmware, or its "
                 "boot loader; look with: mcu-tool monitor --raw %s",
                 about->path, about->bytes, about->path);
    else
        snprintf(out, cap,
                 "%s sends %u bytes and not one valid frame%s: most likely %u is not the "
                 "firmware's baud rate; set \"baud\" to what it is (mcu-tool list --baud N tries "
                 "one)",
                 about->path, about->bytes,
                 with_errors(about->framing_errors, errors, sizeof errors), about->baud);
    return out;
}

void port_say_silent(const struct port_silence *about)
{
    char why[WHY_BYTES];
    log_warning(about->name, "%s", port_say_why(about, why, sizeof why));
}

void port_say_babbling(const struct port_silence *about, uint32_t wait_ms)
{
    char why[WHY_BYTES];
    log_warning(about->name, "%s; not listened to for %u s", port_say_why(about, why, sizeof why),
                wait_ms / 1000);
}

void port_say_flapping(const char *name, const char *path, uint32_t times, uint32_t wait_ms)
{
    log_warning(name,
                "%s comes and goes, %u times in a row within %u s: a loose cable, too little "
                "power, or a firmware that crashes? Opened again in %u s",
                path, times, PORT_GUARD_SHORT_US / 1000000, wait_ms / 1000);
}

void port_say_flooding(const char *name, const char *path)
{
    log_warning(name, "%s sends faster than %u MiB a second: it is read no faster than that", path,
                PORT_GUARD_SLICE_BYTES * (1000000 / PORT_GUARD_SLICE_US) >> 20);
}
