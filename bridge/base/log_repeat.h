/*
 * log_repeat.h - lines that say the same again: counted, not repeated. No I/O and no clock.
 *
 * A line that is the same as the one before it of the same subject is counted. So is a line that
 * came LOG_REPEAT_MOST times within LOG_REPEAT_MS with others between (a board that comes and goes
 * every second). What was counted is said once in LOG_REPEAT_MS, and when its place is needed.
 */
#ifndef LOG_REPEAT_H
#define LOG_REPEAT_H

#include "log.h"

#include <stdint.h>

#define LOG_REPEAT_MS   60000
#define LOG_REPEAT_MOST 10
#define LOG_REPEAT_LINES \
    128 /* different lines that are kept in mind; then the oldest is forgotten */

struct log_repeat_line {
    uint64_t hash;     /* of level, subject and text; 0: nothing here */
    uint64_t since_ms; /* the counts are from then on */
    uint32_t written, counted;
    enum log_level level;
    char who[64], text[200]; /* cut */
};

struct log_repeat {
    struct log_repeat_line lines[LOG_REPEAT_LINES];
    uint64_t last[LOG_REPEAT_LINES]; /* by subject: hash of its last line */
    /* Writes a line that says what was counted. */
    void (*say)(void *user, enum log_level level, const char *who, const char *text);
    void *user;
};

/* Whether the line is to be written. May say what was counted of another. */
bool log_repeat_new(struct log_repeat *repeat, enum log_level level, const char *who,
                    const char *text, uint64_t now_ms);
/* Says what is due; `all`: everything that was counted. */
void log_repeat_due(struct log_repeat *repeat, bool all, uint64_t now_ms);

#endif
