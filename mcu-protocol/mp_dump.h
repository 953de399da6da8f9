/*
 * mp_dump.h - one message as one line for people: monitors, traces, test failures.
 */
#ifndef MP_DUMP_H
#define MP_DUMP_H

#include "mp_host.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes such as "ack #7 safe=7 credit=512 flags=0 bitmap=-" to `out`, always NUL-terminated, cut
 * to `cap` (at least 1). Bytes are shown as text where all are printable ASCII, else in
 * hexadecimal, so the line holds no control characters. Returns the length of what was written. */
size_t mp_dump(const struct mp_message *message, char *out, size_t cap);

/* Name of the message, NULL if this version has none of that id. */
const char *mp_message_name(uint8_t id);

#ifdef __cplusplus
}
#endif

#endif
