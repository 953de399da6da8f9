/*
 * A table of the lines said lately. A line is known by a hash: two that collide would be taken for
 * one, which with 64 bits is not worth a comparison.
 */
#include "log_repeat.h"

#include <stdio.h>
#include <string.h>

/* FNV-1a. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return (hash ^ 0xff) * 0x100000001b3u;
}

static void say_counted(struct log_repeat *repeat, struct log_repeat_line *line, uint64_t now_ms)
{
    char text[sizeof line->text + 64];
    uint32_t counted = line->counted;
    if (counted == 0)
        return;
    line->counted = 0;
    uint64_t seconds = (now_ms - line->since_ms + 999) / 1000;
    snprintf(text, sizeof text, "%s ... repeated %u time%s in %llu s", line->text, counted,
             counted == 1 ? "" : "s", (unsigned long long)seconds);
    repeat->say(repeat->user, line->level, line->who, text);
}

/* The line's own place, else a free one, else that of the oldest. */
static struct log_repeat_line *find(struct log_repeat *repeat, uint64_t hash)
{
    struct log_repeat_line *oldest = &repeat->lines[0];
    for (size_t i = 0; i < LOG_REPEAT_LINES; i++)
        if (repeat->lines[i].hash == hash)
            return &repeat->lines[i];
    for (size_t i = 0; i < LOG_REPEAT_LINES; i++) {
        if (repeat->lines[i].hash == 0)
            return &repeat->lines[i];
        if (repeat->lines[i].since_ms < oldest->since_ms)
            oldest = &repeat->lines[i];
    }
    return oldest;
}

bool log_repeat_new(struct log_repeat *repeat, enum log_level level, const char *who,
                    const char *text, uint64_t now_ms)
{
    const char urgency[2] = {(char)('0' + (int)level), '\0'};
    uint64_t subject = hash_text(0xcbf29ce484222325u, who);
    uint64_t hash = hash_text(hash_text(subject, urgency), text) | 1;
    uint64_t *last = &repeat->last[subject % LOG_REPEAT_LINES];
    struct log_repeat_line *line = find(repeat, hash);
    bool same_again = *last == hash;
    *last = hash;
    if (line->hash != hash) {
        say_counted(repeat, line, now_ms);
        *line = (struct log_repeat_line){.hash = hash, .since_ms = now_ms, .level = level};
        snprintf(line->who, sizeof line->who, "%s", who);
        snprintf(line->text, sizeof line->text, "%s", text);
    } else if (same_again || line->written >= LOG_REPEAT_MOST) {
        line->counted++;
        return false;
    }
    line->written++;
    return true;
}

void log_repeat_due(struct log_repeat *repeat, bool all, uint64_t now_ms)
{
    for (size_t i = 0; i < LOG_REPEAT_LINES; i++) {
        struct log_repeat_line *line = &repeat->lines[i];
        if (line->hash == 0 || (!all && now_ms - line->since_ms < LOG_REPEAT_MS))
            continue;
        if (line->counted == 0) {
            line->hash = 0; /* a line that stopped is news when it comes again */
            continue;
        }
        say_counted(repeat, line, now_ms);
        line->since_ms = now_ms;
        line->written = 0;
    }
}
