/*
 * profile_command.h - how a control ended, as the payload of an event, for the profiles whose
 * server takes one: {"control":"motor","value":40,"outcome":"done","number":12}.
 */
#ifndef PROFILE_COMMAND_H
#define PROFILE_COMMAND_H

#include <stddef.h>
#include <stdint.h>

struct profile_command {
    const char *control; /* what is not printable ASCII comes out as ? */
    double value;        /* not finite: null */
    const char *outcome; /* a word */
    uint32_t number;
};

#define PROFILE_COMMAND_MAX 1024 /* bytes that every payload fits in; a long name is cut */

/* Writes one JSON object and returns its length. Not NUL-terminated. */
size_t profile_command_write(const struct profile_command *command, char out[PROFILE_COMMAND_MAX]);

#endif
