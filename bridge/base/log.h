/*
 * log.h - log lines of the bridge, to standard error, as text or as JSON lines.
 *
 * Text: `2026-01-31T12:00:00.123Z info  bench-1: joined microcontroller:v1:3`. JSON:
 * `{"at":"2026-01-31T12:00:00.123Z","level":"info","who":"bench-1","text":"joined ..."}`. `who` is
 * the MCU, port or part that the line is about. When standard error is the journal's
 * (JOURNAL_STREAM of systemd), a line begins with its priority as <3> to <7>, and text has no time
 * of its own. What the outside sent goes through log_quote first. Secrets are never given to it.
 * Callable from any thread once log_open has returned.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

#define LOG_TEXT_MAX                                                             \
    1023 /* bytes of the text of one line; a longer one is cut and ends in "..." \
          */

/* Lines less urgent than `most` are dropped. Before the first call: LOG_INFO, as text. */
void log_open(enum log_level most, bool json);
bool log_wants(enum log_level level);

/* Says what was counted instead of repeated, when it is time; to be called about once a second. */
void log_tick(void);
/* Says all of it: the program ends. */
void log_flush(void);
/* Lines written, and lines counted instead. */
void log_counts(uint64_t *written, uint64_t *repeated);

/* One line, in one write, so that lines of several threads do not mix. Control characters and bytes
 * that are no UTF-8 come out as \xNN: a line stays one line. Nothing is kept: when standard error
 * takes no more, the line is lost. A line that says the same again is counted, see log_repeat.h;
 * at LOG_DEBUG everything is written. */
void log_line(enum log_level level, const char *who, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(who, ...)   log_line(LOG_ERROR, who, __VA_ARGS__)
#define log_warning(who, ...) log_line(LOG_WARNING, who, __VA_ARGS__)
#define log_info(who, ...)    log_line(LOG_INFO, who, __VA_ARGS__)
#define log_debug(who, ...)   log_line(LOG_DEBUG, who, __VA_ARGS__)

/* `bytes` as printable ASCII or valid UTF-8, others as \xNN and a backslash doubled, cut with "..."
 * to fit `out` of `cap` bytes (at least 8), NUL-terminated. Returns `out`. */
const char *log_quote(char *out, size_t cap, const void *bytes, size_t n);

/* `bytes` as a JSON string, quotation marks included; what is no UTF-8 comes out as U+FFFD. Cut
 * with "..." to fit `out` of `cap` bytes (at least 16), NUL-terminated. Returns `out`. */
const char *log_json_string(char *out, size_t cap, const void *bytes, size_t n);

#endif
