/*
 * cmd_monitor.c - what a device sends, line by line, as text or JSON lines: decoded, frame by
 * frame, or as raw bytes without saying a word to it.
 */
#define _DEFAULT_SOURCE
#include "base/log.h"
#include "commands.h"
#include "mp_dump.h"
#include "options.h"
#include "print.h"
#include "session.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX       1600
#define STATS_EVERY_US 10000000u
#define RAW_ROW        16
#define SILENT_MS      3000 /* a board that was reset when its port was opened is here by then */

struct monitor {
    struct session session;
    const struct options *options;
    bool json, frames;
    uint64_t started_us, stats_us;
    bool answered, silence_said;
};

static double seconds(const struct monitor *monitor)
{
    return (double)(session_now() - monitor->started_us) / 1e6;
}

/* -- One line each. `what` is the event; in JSON its members follow as given. */

static void say(const struct monitor *monitor, const char *what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(const struct monitor *monitor, const char *what, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (monitor->json)
        printf("{\"s\":%.3f,\"event\":\"%s\"", seconds(monitor), what);
    else
        printf("%9.3f  %-8s ", seconds(monitor), what);
    vprintf(format, arguments);
    puts(monitor->json ? "}" : "");
    va_end(arguments);
}

/* As a JSON string, or printable text. */
static const char *text_of(const struct monitor *monitor, char *out, size_t cap, const void *bytes,
                           size_t n)
{
    return monitor->json ? log_json_string(out, cap, bytes, n) : log_quote(out, cap, bytes, n);
}

static void on_ready(void *user, const struct mp_peer *peer,
                     const struct mp_description *description, bool fresh)
{
    struct monitor *monitor = user;
    char device[PRINT_DEVICE_MAX], id[PRINT_DEVICE_MAX + 8], firmware[TEXT_MAX], name[TEXT_MAX];
    monitor->answered = true;
    print_device(device, sizeof device, peer->device, peer->device_len);
    int n = snprintf(name, sizeof name, "%s %s, %s, %s", description->product, description->version,
                     description->architecture, description->platform);
    text_of(monitor, id, sizeof id, device, strlen(device));
    text_of(monitor, firmware, sizeof firmware, name, n > 0 ? strlen(name) : 0);
    say(monitor, "ready",
        monitor->json
            ? ",\"device\":%s,\"firmware\":%s,\"sensors\":%zu,\"controls\":%zu,\"fresh\":%s"
            : "%s: %s; %zu sensors, %zu controls%s",
        id, firmware, description->sensor_count, description->control_count,
        monitor->json ? (fresh ? "true" : "false") : (fresh ? "; newly met" : ""));
}

static void on_lost(void *user, enum mp_down why)
{
    struct monitor *monitor = user;
    char text[TEXT_MAX];
    const char *reason = mp_down_text(why);
    text_of(monitor, text, sizeof text, reason, strlen(reason));
    say(monitor, "lost", monitor->json ? ",\"text\":%s" : "%s", text);
}

static void on_mismatch(void *user, const struct mp_mismatch *mismatch, const char *why)
{
    struct monitor *monitor = user;
    char text[TEXT_MAX];
    (void)mismatch;
    monitor->silence_said = true;
    text_of(monitor, text, sizeof text, why, strlen(why));
    say(monitor, "mismatch", monitor->json ? ",\"text\":%s" : "%s", text);
}

static void on_reading(void *user, const struct mp_host_reading *reading)
{
    struct monitor *monitor = user;
    const struct mp_host_sensor *sensor = &monitor->session.host.description.sensors[reading->slot];
    char name[TEXT_MAX], kind[TEXT_MAX], unit[TEXT_MAX], value[PRINT_VALUE_MAX];
    print_value(value, sizeof value, sensor->type, sensor->exponent, reading->value);
    text_of(monitor, name, sizeof name, sensor->name, strlen(sensor->name));
    text_of(monitor, kind, sizeof kind, sensor->kind, strlen(sensor->kind));
    text_of(monitor, unit, sizeof unit, sensor->unit, strlen(sensor->unit));
    if (monitor->json)
        say(monitor, "reading",
            ",\"sensor\":%s,\"kind\":%s,\"value\":%s,\"unit\":%s,\"device_us\":%llu,\"reliable\":%"
            "s",
            name, kind, value, unit, (unsigned long long)reading->device_us,
            reading->reliable ? "true" : "false");
    else
        say(monitor, "reading", "%s %s=%s %s", name, kind, value, unit);
}

static void on_control_state(void *user, uint8_t control, enum mp_cause cause, union mp_value value)
{
    static const char *const causes[] = {
#define CAUSE(id, NAME, text) [id] = text,
        MP_CAUSES(CAUSE)
#undef CAUSE
    };
    struct monitor *monitor = user;
    const struct mp_host_control *described = &monitor->session.host.description.controls[control];
    char name[TEXT_MAX], text[PRINT_VALUE_MAX];
    double physical = mp_value_to_physical(described->type, described->exponent, value);
    print_value(text, sizeof text, described->type, described->exponent, physical);
    text_of(monitor, name, sizeof name, described->name, strlen(described->name));
    say(monitor, "control",
        monitor->json ? ",\"control\":%s,\"value\":%s,\"cause\":\"%s\"" : "%s=%s (%s)", name, text,
        causes[cause]);
}

static void on_log(void *user, enum mp_level level, const char *line, size_t n)
{
    static const char *const levels[] = {
#define LEVEL(id, NAME, text) [id] = text,
        MP_LEVELS(LEVEL)
#undef LEVEL
    };
    struct monitor *monitor = user;
    char text[TEXT_MAX];
    say(monitor, "log", monitor->json ? ",\"level\":\"%s\",\"text\":%s" : "%s: %s", levels[level],
        text_of(monitor, text, sizeof text, line, n));
}

static void on_console(void *user, const uint8_t *bytes, size_t n)
{
    struct monitor *monitor = user;
    char text[TEXT_MAX];
    say(monitor, "console", monitor->json ? ",\"text\":%s" : "%s",
        text_of(monitor, text, sizeof text, bytes, n));
}

static void on_nonsense(void *user, const char *what)
{
    struct monitor *monitor = user;
    char text[TEXT_MAX];
    say(monitor, "nonsense", monitor->json ? ",\"text\":%s" : "%s",
        text_of(monitor, text, sizeof text, what, strlen(what)));
}

static void on_trace(void *user, bool outgoing, const struct mp_message *message)
{
    struct monitor *monitor = user;
    char dump[TEXT_MAX / 2], text[TEXT_MAX];
    mp_dump(message, dump, sizeof dump);
    text_of(monitor, text, sizeof text, dump, strlen(dump));
    say(monitor, outgoing ? "sent" : "received", monitor->json ? ",\"text\":%s" : "%s", text);
}

static void on_raw(void *user, const uint8_t *bytes, size_t n)
{
    struct monitor *monitor = user;
    for (size_t at = 0; at < n; at += RAW_ROW) {
        size_t length = n - at < RAW_ROW ? n - at : RAW_ROW;
        char hex[3 * RAW_ROW + 1], text[8 * RAW_ROW];
        hex[0] = '\0';
        for (size_t i = 0; i < length; i++)
            snprintf(hex + 3 * i, sizeof hex - 3 * i, "%02x ", bytes[at + i]);
        text_of(monitor, text, sizeof text, bytes + at, length);
        say(monitor, "raw", monitor->json ? ",\"hex\":\"%s\",\"text\":%s" : "%-48s  %s", hex, text);
    }
}

static void say_link(struct monitor *monitor)
{
    const struct mp_host *host = &monitor->session.host;
    const struct mp_link_stats *s = mp_link_stats(&host->link);
    say(monitor, "link",
        monitor->json
            ? ",\"frames_in\":%u,\"frames_out\":%u,\"bytes_in\":%u,\"bytes_out\":%u,"
              "\"bad_frames\":%u,\"resent\":%u,\"duplicates\":%u,\"foreign\":%u,"
              "\"missing\":%u,\"nonsense\":%u,\"rtt_us\":%u"
            : "%u frames in, %u out; %u bytes in, %u out; %u damaged, %u resent, %u repeated, "
              "%u foreign, %u best-effort missing, %u nonsense; round trip %u us",
        s->frames_in, s->frames_out, s->bytes_in, s->bytes_out, s->bad_frames, s->resent,
        s->duplicates, s->foreign, host->readings_missing, host->nonsense, s->rtt_us);
}

/* Whoever waits for a board is told once that it does not answer; it may still come. */
static void notice_silence(struct monitor *monitor)
{
    const struct options *options = monitor->options;
    uint64_t wait_ms = options->wait_ms ? options->wait_ms : SILENT_MS;
    if (monitor->answered || monitor->silence_said || monitor->session.silent ||
        session_now() - monitor->started_us < wait_ms * 1000)
        return;
    monitor->silence_said = true;
    session_say_silence(&monitor->session, options->words[0], options->baud);
}

/* Looked at each turn of the loop; never done by itself. */
static bool each_turn(void *user)
{
    struct monitor *monitor = user;
    notice_silence(monitor);
    if (!monitor->session.silent && session_now() - monitor->stats_us >= STATS_EVERY_US) {
        monitor->stats_us = session_now();
        say_link(monitor);
    }
    fflush(stdout);
    return ferror(stdout);
}

static int watch(struct monitor *monitor, const struct options *options)
{
    struct session *sessions[] = {&monitor->session};
    uint64_t until = options->for_ms ? session_now() + options->for_ms * 1000ull : SESSION_FOREVER;
    session_run(sessions, 1, until, each_turn, monitor);
    if (!options->raw)
        say_link(monitor);
    if (monitor->session.gone) {
        fprintf(stderr, "mcu-tool: %s\n", monitor->session.why);
        return TOOL_NO_DEVICE;
    }
    return options->raw || monitor->answered ? TOOL_OK : TOOL_NO_DEVICE;
}

int cmd_monitor(int argc, char **argv)
{
    struct options options;
    static struct monitor monitor;
    if (options_read(&options, argc, argv, "bfFjrw", 1, 1))
        return TOOL_USAGE;
    if (options.raw && options.frames) {
        fprintf(stderr, "mcu-tool monitor: --raw or --frames, not both\n");
        return TOOL_USAGE;
    }
    struct mp_host_io io = {.user = &monitor,
                            .ready = on_ready,
                            .mismatch = on_mismatch,
                            .lost = on_lost,
                            .nonsense = on_nonsense};
    if (options.frames) {
        io.trace = on_trace;
    } else {
        io.reading = on_reading;
        io.control_state = on_control_state;
        io.log = on_log;
        io.console = on_console;
    }
    session_catch_signals();
    if (session_open(&monitor.session, options.words[0], options.baud, SESSION_TAKE, &io)) {
        fprintf(stderr, "mcu-tool: %s\n", monitor.session.why);
        return TOOL_NO_DEVICE;
    }
    monitor.options = &options;
    monitor.json = options.json;
    monitor.session.silent = options.raw;
    monitor.session.listen = on_raw;
    monitor.session.user = &monitor;
    monitor.started_us = monitor.stats_us = session_now();
    int status = watch(&monitor, &options);
    session_close(&monitor.session);
    return status;
}
