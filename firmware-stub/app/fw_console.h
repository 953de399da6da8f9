/*
 * fw_console.h - a line console over the link: "help", "status", "size", "set motor 40".
 */
#ifndef FW_CONSOLE_H
#define FW_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef FW_CONSOLE_LINE
#define FW_CONSOLE_LINE 48
#endif

struct fw_app;

struct fw_console {
    char line[FW_CONSOLE_LINE];
    uint8_t len;
    uint16_t rows, columns; /* that its viewer sees, as the host said it; 0: not told */
    bool too_long;          /* the line being typed is dropped at its end */
};

/* Takes bytes as typed. A line ends with CR or LF. Answers leave by the link; those for which it
 * has no room are dropped. */
void fw_console_bytes(struct fw_app *app, const uint8_t *bytes, size_t n);

#endif
