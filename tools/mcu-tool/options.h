/*
 * options.h - the command line: what every command shares, and values read as the configuration
 * file of the bridge reads them.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses. */
enum {
    TOOL_OK = 0,
    TOOL_REFUSED = 1,   /* the device said no, or did not do it */
    TOOL_USAGE = 2,     /* wrong command line */
    TOOL_NO_DEVICE = 3, /* the port cannot be opened, or nothing answers on it */
};

struct options {
    const char *words[4]; /* what is no option */
    size_t word_count;
    const char *ports[64]; /* --port */
    size_t port_count;
    uint32_t baud;    /* --baud */
    uint32_t wait_ms; /* --wait: for an answer; 0: not given */
    uint32_t for_ms;  /* --for; 0: not given */
    uint32_t ttl_ms;  /* --ttl */
    uint32_t hold_ms; /* --hold; 0: not given */
    bool json, raw, frames, bootloader, reset;
};

/* Which of the options a command takes, by their first letters in `accepted` (see options.c).
 * Returns 0, or -1 after telling what is wrong. argv[0] is the name of the command. */
int options_read(struct options *options, int argc, char **argv, const char *accepted,
                 size_t words_min, size_t words_max);

/* An identity as text, or 0x and hex digits. `out` has room for 16 bytes. Returns 0, or -1 after
 * telling what is wrong. */
int options_device(const char *text, uint8_t *out, uint8_t *length);

/* A finite number, true or false. Returns 0, or -1 after telling what is wrong. */
int options_value(const char *text, double *value);

#endif
