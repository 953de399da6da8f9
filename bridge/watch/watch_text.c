/*
 * Text that grows, and the words for states. What is written into it is the other watch_*.c's.
 */
#include "watch_text.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES 4096

const char *watch_channel_text(enum watch_channel state)
{
#define X(NAME, text) text,
    static const char *const texts[] = {WATCH_CHANNEL_STATES(X)};
#undef X
    return state < WATCH_CHANNEL_COUNT ? texts[state] : "unknown";
}

const char *watch_link_text(enum watch_link state)
{
#define X(NAME, text) text,
    static const char *const texts[] = {WATCH_LINK_STATES(X)};
#undef X
    return state < WATCH_LINK_COUNT ? texts[state] : "unknown";
}

void watch_lag_add(struct watch_lag *lag, uint64_t late_us)
{
    static const uint64_t bounds[WATCH_LAG_COUNT] = WATCH_LAG_BOUNDS;
    size_t i = 0;
    while (i < WATCH_LAG_COUNT && late_us > bounds[i])
        i++;
    lag->within[i]++;
    lag->sum_us += late_us;
}

void watch_text_free(struct watch_text *text)
{
    free(text->at);
    *text = (struct watch_text){.at = NULL};
}

/* Room for `n` more bytes, or NULL. */
static char *room(struct watch_text *text, size_t n)
{
    if (text->failed)
        return NULL;
    if (text->n + n > text->cap) {
        size_t cap = text->cap != 0 ? text->cap : FIRST_BYTES;
        while (cap < text->n + n)
            cap *= 2;
        char *more = realloc(text->at, cap);
        if (more == NULL) {
            text->failed = true;
            return NULL;
        }
        text->at = more;
        text->cap = cap;
    }
    return text->at + text->n;
}

void watch_put_bytes(struct watch_text *text, const char *bytes, size_t n)
{
    char *to = room(text, n);
    if (to == NULL)
        return;
    memcpy(to, bytes, n);
    text->n += n;
}

void watch_put(struct watch_text *text, const char *string)
{
    watch_put_bytes(text, string, strlen(string));
}

void watch_put_whole(struct watch_text *text, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    watch_put_bytes(text, digits + at, sizeof digits - at);
}

void watch_put_micro(struct watch_text *text, uint64_t micros)
{
    char fraction[8] = ".000000";
    watch_put_whole(text, micros / 1000000);
    for (uint64_t rest = micros % 1000000, i = 6; i > 0; i--, rest /= 10)
        fraction[i] = (char)('0' + rest % 10);
    size_t n = 7;
    while (fraction[n - 1] == '0')
        n--;
    if (n > 1)
        watch_put_bytes(text, fraction, n);
}

void watch_put_json(struct watch_text *text, const char *string)
{
    char quoted[2 * WATCH_ERROR_MAX + 16];
    watch_put(text, log_json_string(quoted, sizeof quoted, string, strlen(string)));
}
