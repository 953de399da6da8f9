/*
 * json_out.h - the JSON lines that probes of the end-to-end tests print: an object with the member
 * "event" and whatever is added before json_end, which flushes it.
 */
#ifndef JSON_OUT_H
#define JSON_OUT_H

#include <stdbool.h>
#include <stddef.h>

void json_begin(const char *event);
void json_end(void);

/* A value by itself, within what the caller prints: UTF-8, which stays as it is, or bytes, each of
 * which becomes the character of its number. */
void json_put_text(const char *text, size_t n);
void json_put_bytes(const void *bytes, size_t n);

/* Members. `json`: a value as it is to be written. */
void json_text(const char *name, const char *text);
void json_bytes(const char *name, const void *bytes, size_t n);
void json_hex(const char *name, const void *bytes, size_t n);
void json_number(const char *name, long long number);
void json_bool(const char *name, bool is);
void json_value(const char *name, const char *json, size_t n);

#endif
