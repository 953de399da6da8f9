/* watch_text.h - what the watch_*.c write their texts with. Nobody else includes it. */
#ifndef WATCH_TEXT_H
#define WATCH_TEXT_H

#include "watch.h"

void watch_put_bytes(struct watch_text *text, const char *bytes, size_t n);
void watch_put_whole(struct watch_text *text, uint64_t number);
/* Microseconds as seconds, without trailing zeros. */
void watch_put_micro(struct watch_text *text, uint64_t micros);
/* As a JSON string, quotation marks included; cut when it is very long. */
void watch_put_json(struct watch_text *text, const char *string);

#endif
