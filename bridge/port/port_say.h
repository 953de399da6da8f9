/*
 * port_say.h - what is said of a line on which nothing sensible comes: what was seen, and what to
 * do.
 */
#ifndef PORT_SAY_H
#define PORT_SAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What came since the line was opened. */
struct port_silence {
    const char *name, *path;
    uint32_t baud, bytes, frames, framing_errors;
    bool is_text;
    bool dtr_off; /* by configuration */
};

/* Nobody has answered for some time. */
void port_say_silent(const struct port_silence *about);
/* So much nonsense came that the line is not listened to for `wait_ms`. */
void port_say_babbling(const struct port_silence *about, uint32_t wait_ms);
/* The line was gone again soon after it was opened, `times` in a row. */
void port_say_flapping(const char *name, const char *path, uint32_t times, uint32_t wait_ms);
void port_say_flooding(const char *name, const char *path);

/* Why nobody is understood, in one sentence, into `out`. Returns it. */
const char *port_say_why(const struct port_silence *about, char *out, size_t cap);

#endif
