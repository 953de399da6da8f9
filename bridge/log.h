/*
 * log.h - log lines of the bridge, to standard error, as text or as JSON lines.
 *
 * Text: `2026-01-31T12:00:00.123Z info  bench-1: joined microcontroller:v1:3`. `who` is the MCU, port
 * or part that the line is about. What the outside sent goes through log_quote first. Secrets are
 * never given to it.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

void log_open(enum log_level most, bool json);
bool log_wants(enum log_level level);
void log_line(enum log_level level, const char *who, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(who, ...) log_line(LOG_ERROR, who, __VA_ARGS__)
#define log_warning(who, ...) log_line(LOG_WARNING, who, __VA_ARGS__)
#define log_info(who, ...) log_line(LOG_INFO, who, __VA_ARGS__)
#define log_debug(who, ...) log_line(LOG_DEBUG, who, __VA_ARGS__)

/* `bytes` as printable ASCII or valid UTF-8, others as \xNN, cut with "..." to fit `out`. Returns
 * `out`. */
const char *log_quote(char *out, size_t cap, const void *bytes, size_t n);

#endif
