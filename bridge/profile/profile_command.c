/*
 * Writes the outcome of a control as JSON. Whether a server takes such an event, and what it is
 * called, is the profile's and the configuration's.
 */
#include "profile_command.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 128 /* of a name; each takes six bytes at most */

static size_t put_name(char *out, const char *name)
{
    size_t at = 0;
    for (size_t i = 0; name[i] != '\0' && i < NAME_MAX_BYTES; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c == '"' || c == '\\')
            out[at++] = '\\';
        out[at++] = c < 0x20 || c >= 0x7f ? '?' : (char)c;
    }
    return at;
}

size_t profile_command_write(const struct profile_command *command, char out[PROFILE_COMMAND_MAX])
{
    static const char begin[] = "{\"control\":\"";
    char value[40] = "null";
    size_t at = sizeof begin - 1;
    memcpy(out, begin, at);
    at += put_name(out + at, command->control);
    if (isfinite(command->value))
        snprintf(value, sizeof value, "%.17g", command->value);
    int n = snprintf(out + at, PROFILE_COMMAND_MAX - at,
                     "\",\"value\":%s,\"outcome\":\"%s\",\"number\":%u}", value, command->outcome,
                     command->number);
    return at + (size_t)n;
}
