/*
 * log.c - makes one line of a level, a subject and a text, and makes foreign bytes harmless in it.
 * Where the line goes after standard error, rotation and rate are left to whoever started us.
 */
#define _POSIX_C_SOURCE 200809L
#include "log.h"

#include "log_repeat.h"
#include "utf8.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ESCAPED_MAX    (4 * LOG_TEXT_MAX + 8)
#define LINE_MAX_BYTES (2 * ESCAPED_MAX)
#define TICK_MS        1000

static enum log_level most_wanted = LOG_INFO;
static bool as_json, to_journal;

static void say_repeats(void *user, enum log_level level, const char *who, const char *text);
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static struct log_repeat repeats = {.say = say_repeats};
static uint64_t lines_written, lines_counted;

static const char *const level_names[] = {
    [LOG_ERROR] = "error", [LOG_WARNING] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

/* Whether standard error is the stream that the service manager connected to the journal. */
static bool is_journal(void)
{
    unsigned long long device, inode;
    struct stat status;
    const char *stream = getenv("JOURNAL_STREAM");
    return stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

void log_open(enum log_level most, bool json)
{
    log_flush();
    to_journal = is_journal();
    most_wanted = most;
    as_json = json;
}

bool log_wants(enum log_level level)
{
    return level <= most_wanted;
}

static void put_time(char *out, size_t cap)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    char seconds[32];
    strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out, cap, "%s.%03dZ", seconds, (int)(now.tv_nsec / 1000000));
}

static void write_all(const char *line, size_t n)
{
    while (n) {
        ssize_t took = write(STDERR_FILENO, line, n);
        if (took <= 0)
            return;
        line += took;
        n -= (size_t)took;
    }
}

/* Like log_quote, but a backslash stays single: log_quote may have run over parts of it before. */
static const char *quote(char *out, size_t cap, const void *bytes, size_t n, bool double_backslash);

static size_t as_text_line(char *line, size_t cap, const char *at, enum log_level level,
                           const char *who, const char *text)
{
    char safe_who[256], safe_text[ESCAPED_MAX];
    quote(safe_who, sizeof safe_who, who, strlen(who), false);
    quote(safe_text, sizeof safe_text, text, strlen(text), false);
    int n = to_journal ? snprintf(line, cap, "%s: %s\n", safe_who, safe_text)
                       : snprintf(line, cap, "%s %-5s %s: %s\n", at, level_names[level], safe_who,
                                  safe_text);
    return n < 0 ? 0 : (size_t)n;
}

static size_t as_json_line(char *line, size_t cap, const char *at, enum log_level level,
                           const char *who, const char *text)
{
    char safe_who[256], safe_text[ESCAPED_MAX];
    log_json_string(safe_who, sizeof safe_who, who, strlen(who));
    log_json_string(safe_text, sizeof safe_text, text, strlen(text));
    int n = snprintf(line, cap, "{\"at\":\"%s\",\"level\":\"%s\",\"who\":%s,\"text\":%s}\n", at,
                     level_names[level], safe_who, safe_text);
    return n < 0 ? 0 : (size_t)n;
}

static void write_line(enum log_level level, const char *who, const char *text)
{
    static const char priorities[] = {
        [LOG_ERROR] = '3', [LOG_WARNING] = '4', [LOG_INFO] = '6', [LOG_DEBUG] = '7'};
    char at[48], line[LINE_MAX_BYTES];
    size_t n = 0;
    put_time(at, sizeof at);
    if (to_journal) {
        line[0] = '<';
        line[1] = priorities[level];
        line[2] = '>';
        n = 3;
    }
    n += as_json ? as_json_line(line + n, sizeof line - n, at, level, who, text)
                 : as_text_line(line + n, sizeof line - n, at, level, who, text);
    lines_written++;
    write_all(line, n);
}

static void say_repeats(void *user, enum log_level level, const char *who, const char *text)
{
    (void)user;
    write_line(level, who, text);
}

static uint64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void log_line(enum log_level level, const char *who, const char *format, ...)
{
    if (!log_wants(level))
        return;
    char text[LOG_TEXT_MAX + 1];
    va_list arguments;
    va_start(arguments, format);
    int wanted = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (wanted < 0)
        return;
    if ((size_t)wanted >= sizeof text)
        memcpy(text + sizeof text - 4, "...", 4);

    pthread_mutex_lock(&mutex);
    if (most_wanted == LOG_DEBUG || log_repeat_new(&repeats, level, who, text, monotonic_ms()))
        write_line(level, who, text);
    else
        lines_counted++;
    pthread_mutex_unlock(&mutex);
}

static void say_due(bool all)
{
    pthread_mutex_lock(&mutex);
    log_repeat_due(&repeats, all, monotonic_ms());
    if (all)
        repeats = (struct log_repeat){.say = say_repeats};
    pthread_mutex_unlock(&mutex);
}

void log_tick(void)
{
    static uint64_t due_ms;
    uint64_t now_ms = monotonic_ms();
    if (now_ms < due_ms)
        return;
    due_ms = now_ms + TICK_MS;
    say_due(false);
}

void log_flush(void)
{
    say_due(true);
}

void log_counts(uint64_t *written, uint64_t *repeated)
{
    pthread_mutex_lock(&mutex);
    *written = lines_written;
    *repeated = lines_counted;
    pthread_mutex_unlock(&mutex);
}

/* U+0080 to U+009F move cursors on some terminals as the C0 controls do. */
static bool is_control(const unsigned char *bytes, size_t length)
{
    return (length == 1 && (bytes[0] < 0x20 || bytes[0] == 0x7F)) ||
           (length == 2 && bytes[0] == 0xC2 && bytes[1] < 0xA0);
}

/* One piece of output at a time, whole or not at all; room for "..." and `tail` stays reserved. */
struct piecewise {
    char *out;
    size_t room, used, whole; /* `whole`: where the cut goes when no more fits */
    const char *tail;
    bool cut;
};

static void add_piece(struct piecewise *p, const char *piece, size_t n)
{
    size_t end = strlen(p->tail) + 1;
    if (p->cut || p->used + n + end > p->room) {
        p->cut = true;
        return;
    }
    memcpy(p->out + p->used, piece, n);
    p->used += n;
    if (p->used + 3 + end <= p->room)
        p->whole = p->used;
}

static void end_pieces(struct piecewise *p)
{
    if (p->cut) {
        memcpy(p->out + p->whole, "...", 3);
        p->used = p->whole + 3;
    }
    memcpy(p->out + p->used, p->tail, strlen(p->tail) + 1);
}

static const char *quote(char *out, size_t cap, const void *bytes, size_t n, bool double_backslash)
{
    struct piecewise p = {.out = out, .room = cap, .tail = ""};
    const unsigned char *at = bytes;
    for (size_t i = 0; i < n;) {
        size_t length = utf8_sequence(at + i, n - i);
        if (length == 1 && at[i] == '\\' && double_backslash) {
            add_piece(&p, "\\\\", 2);
        } else if (length && !is_control(at + i, length)) {
            add_piece(&p, (const char *)at + i, length);
        } else {
            char hex[5];
            snprintf(hex, sizeof hex, "\\x%02x", at[i]);
            add_piece(&p, hex, 4);
            length = 1;
        }
        i += length;
    }
    end_pieces(&p);
    return out;
}

const char *log_quote(char *out, size_t cap, const void *bytes, size_t n)
{
    return quote(out, cap, bytes, n, true);
}

const char *log_json_string(char *out, size_t cap, const void *bytes, size_t n)
{
    struct piecewise p = {.out = out, .room = cap, .tail = "\""};
    const unsigned char *at = bytes;
    add_piece(&p, "\"", 1);
    for (size_t i = 0; i < n;) {
        size_t length = utf8_sequence(at + i, n - i);
        char escape[8];
        if (length == 0) {
            add_piece(&p, "\xEF\xBF\xBD", 3);
            length = 1;
        } else if (length == 1 && (at[i] == '"' || at[i] == '\\')) {
            snprintf(escape, sizeof escape, "\\%c", at[i]);
            add_piece(&p, escape, 2);
        } else if (length == 1 && (at[i] < 0x20 || at[i] == 0x7F)) {
            snprintf(escape, sizeof escape, "\\u%04x", at[i]);
            add_piece(&p, escape, 6);
        } else {
            add_piece(&p, (const char *)at + i, length);
        }
        i += length;
    }
    end_pieces(&p);
    return out;
}
