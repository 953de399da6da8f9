/*
 * Reading the commands. What they do is line's.
 */
#define _GNU_SOURCE
#include "commands.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 4

struct words {
    char *at[WORDS_MAX];
    size_t count;
};

typedef int (*command_call)(struct line *line, const struct words *words, char *out, size_t cap);

static int wrong(char *out, size_t cap, const char *expected)
{
    snprintf(out, cap, "expected %s", expected);
    return -1;
}

static bool read_whole(const char *text, uint64_t max, uint64_t *value)
{
    char *end;
    unsigned long long number;

    if (text == NULL || *text < '0' || *text > '9')
        return false;
    number = strtoull(text, &end, 10);
    if (*end != '\0' || number > max)
        return false;
    *value = number;
    return true;
}

static bool read_rate(const char *text, double *value)
{
    char *end;

    if (text == NULL)
        return false;
    *value = strtod(text, &end);
    return end != text && *end == '\0' && *value >= 0 && *value <= 1;
}

static struct line_way *find_way(struct line *line, const char *text)
{
    if (text && strcmp(text, "up") == 0)
        return &line->up;
    return text && strcmp(text, "down") == 0 ? &line->down : NULL;
}

static int do_reset(struct line *line, const struct words *words, char *out, size_t cap)
{
    (void)words;
    return line_reset(line, out, cap);
}

static int do_kill(struct line *line, const struct words *words, char *out, size_t cap)
{
    (void)words;
    return line_kill(line, out, cap);
}

static int do_start(struct line *line, const struct words *words, char *out, size_t cap)
{
    (void)words;
    return line_start(line, out, cap);
}

static int do_pause(struct line *line, const struct words *words, char *out, size_t cap)
{
    (void)words;
    return line_pause(line, true, out, cap);
}

static int do_resume(struct line *line, const struct words *words, char *out, size_t cap)
{
    (void)words;
    return line_pause(line, false, out, cap);
}

static int do_cut(struct line *line, const struct words *words, char *out, size_t cap)
{
    (void)words;
    return line_cut(line, out, cap);
}

static int do_plug(struct line *line, const struct words *words, char *out, size_t cap)
{
    return line_plug(line, words->at[1], out, cap);
}

static int after(struct line *line, const struct words *words, enum line_then then, char *out,
                 size_t cap)
{
    struct line_way *way = find_way(line, words->at[2]);
    uint64_t bytes;

    if (!read_whole(words->at[1], UINT32_MAX, &bytes) || way == NULL)
        return wrong(out, cap, "a number of bytes, then up or down");
    line_after(line, way, bytes, then);
    return 0;
}

static int do_cut_after(struct line *line, const struct words *words, char *out, size_t cap)
{
    return after(line, words, LINE_CUT, out, cap);
}

static int do_reset_after(struct line *line, const struct words *words, char *out, size_t cap)
{
    return after(line, words, LINE_RESET, out, cap);
}

static int do_auto_reset(struct line *line, const struct words *words, char *out, size_t cap)
{
    (void)words;
    (void)out;
    (void)cap;
    line_auto_reset(line);
    return 0;
}

static int do_baud(struct line *line, const struct words *words, char *out, size_t cap)
{
    uint64_t baud;

    if (!read_whole(words->at[1], 100000000, &baud))
        return wrong(out, cap, "a baud rate, or 0 for no limit");
    line_set_baud(line, (uint32_t)baud);
    return 0;
}

static int do_seed(struct line *line, const struct words *words, char *out, size_t cap)
{
    uint64_t seed;

    if (!read_whole(words->at[1], UINT64_MAX, &seed))
        return wrong(out, cap, "a whole number");
    faults_seed(&line->up.pump.faults, seed);
    faults_seed(&line->down.pump.faults, ~seed);
    return 0;
}

/* One function for each fault; without a direction it is for both. */
#define X(name)                                                                               \
    static int do_##name(struct line *line, const struct words *words, char *out, size_t cap) \
    {                                                                                         \
        struct line_way *way = find_way(line, words->at[2]);                                  \
        double rate;                                                                          \
                                                                                              \
        if (!read_rate(words->at[1], &rate) || (words->at[2] && way == NULL))                 \
            return wrong(out, cap, "a rate from 0 to 1, then up, down or nothing for both");  \
        if (way != &line->down)                                                               \
            line->up.pump.faults.name##_rate = rate;                                          \
        if (way != &line->up)                                                                 \
            line->down.pump.faults.name##_rate = rate;                                        \
        return 0;                                                                             \
    }
FAULTS(X)
#undef X

static int put_way(const struct line_way *way, const char *name, char *out, size_t cap)
{
    const struct pump *pump = &way->pump;
    int n = snprintf(out, cap, "\"%s\":{\"bytes\":%llu,\"discarded\":%llu", name,
                     (unsigned long long)pump->passed, (unsigned long long)pump->discarded);

#define X(fault)                                                    \
    n += snprintf(out + n, cap - (size_t)n, ",\"%s\":%llu", #fault, \
                  (unsigned long long)pump->faults.fault##_count);
    FAULTS(X)
#undef X
    return n + snprintf(out + n, cap - (size_t)n, "},");
}

static int do_stats(struct line *line, const struct words *words, char *out, size_t cap)
{
    const char *mcu = line->mcu.pid == 0 ? "dead" : line->mcu.paused ? "paused" : "running";
    int n;

    (void)words;
    n = snprintf(out, cap, "{");
    n += put_way(&line->up, "up", out + n, cap - (size_t)n);
    n += put_way(&line->down, "down", out + n, cap - (size_t)n);
    snprintf(out + n, cap - (size_t)n,
             "\"cuts\":%llu,\"resets\":%llu,\"mcu\":\"%s\",\"plugged\":%s}",
             (unsigned long long)line->cuts, (unsigned long long)line->resets, mcu,
             line->pty.master >= 0 ? "true" : "false");
    return 1;
}

static int do_quit(struct line *line, const struct words *words, char *out, size_t cap)
{
    (void)line;
    (void)words;
    (void)out;
    (void)cap;
    return raise(SIGTERM);
}

/* X(name, function, arguments, what it does) */
#define COMMANDS(X)                                                                       \
    X("reset", do_reset, "", "its reset line with QEMU, else kill and start")             \
    X("kill", do_kill, "", "the MCU dies; its port stays")                                \
    X("start", do_start, "", "start it again, as with the power switched on")             \
    X("pause", do_pause, "", "stop the MCU in its tracks, while time goes on")            \
    X("resume", do_resume, "", "let it go on")                                            \
    X("cut", do_cut, "", "unplug: the port goes away, the MCU runs on")                   \
    X("plug", do_plug, "[PATH]", "plug in again, perhaps under another path")             \
    X("cut-after", do_cut_after, "N up|down", "unplug after exactly N more bytes")        \
    X("reset-after", do_reset_after, "N up|down", "reset after exactly N more bytes")     \
    X("auto-reset", do_auto_reset, "", "reset once, before the host's next byte arrives") \
    X("flip", do_flip, "RATE [up|down]", "invert a bit of so many bytes, 0 to 1")         \
    X("drop", do_drop, "RATE [up|down]", "lose so many bytes")                            \
    X("dup", do_dup, "RATE [up|down]", "double so many bytes")                            \
    X("insert", do_insert, "RATE [up|down]", "put a random byte before so many bytes")    \
    X("seed", do_seed, "N", "start the dice of these four at N")                          \
    X("baud", do_baud, "N", "throttle to N baud both ways; 0: no limit")                  \
    X("stats", do_stats, "", "what has passed and what was done to it, as JSON")          \
    X("quit", do_quit, "", "end, the MCU included")

static const struct {
    const char *name;
    command_call call;
    size_t most_words;
} commands[] = {
#define X(name, call, arguments, help) {name, call, 1 + (arguments[0] != '\0') * 2},
    COMMANDS(X)
#undef X
};

void commands_print_help(FILE *out)
{
#define X(name, call, arguments, help) fprintf(out, "  %-21s %s\n", name " " arguments, help);
    COMMANDS(X)
#undef X
}

static struct words split(char *text)
{
    struct words words = {.count = 0};
    char *rest = NULL;

    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (words.count < WORDS_MAX)
            words.at[words.count] = word;
        words.count++;
    }
    return words;
}

static int run(struct line *line, const struct words *words, char *out, size_t cap)
{
    for (size_t i = 0; words->count > 0 && i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, words->at[0]) != 0)
            continue;
        if (words->count > commands[i].most_words)
            return wrong(out, cap, "fewer words");
        return commands[i].call(line, words, out, cap);
    }
    return wrong(out, cap, "a command of mcu-link --help");
}

void commands_run(struct line *line, char *text, char *answer, size_t cap)
{
    struct words words = split(text);
    char out[COMMANDS_ANSWER_MAX - 16];
    int result = run(line, &words, out, sizeof out);

    if (result < 0)
        snprintf(answer, cap, "error: %s\n", out);
    else
        snprintf(answer, cap, "%s\n", result > 0 ? out : "ok");
}
