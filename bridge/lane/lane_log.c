/*
 * The words of a lane. Nothing is decided here but how often the same thing is worth a line.
 */
#include "lane_log.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define QUOTED 128 /* bytes shown of what the outside sent */

void lane_log_init(struct lane_log *log, const char *who)
{
    *log = (struct lane_log){.who = who, .last_cause = -1};
}

static uint64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void lane_log_say(struct lane_log *log, enum log_level level, const char *format, ...)
{
    if (!log_wants(level) && level > LOG_WARNING)
        return;
    char text[LOG_TEXT_MAX + 2]; /* one more than fits, so that the log shows the cut */
    va_list arguments;
    va_start(arguments, format);
    /* clang 14 does not see the line above. NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (level <= LOG_WARNING) {
        snprintf(log->error, sizeof log->error, "%.*s", LANE_LOG_ERROR - 1, text);
        log->error_ms = monotonic_ms();
    }
    log_line(level, log->who, "%s", text);
}

/* The 1st, 8th, 16th, 32nd... time. */
static bool is_worth_a_line(uint32_t times)
{
    return times == 1 || (times >= 8 && (times & (times - 1)) == 0);
}

/* Whether another line of this kind may be said in this second. Those left out are counted, and the
 * count is said before the next one. */
static bool may_say(struct lane_log *log, struct lane_log_rate *rate, uint32_t most,
                    const char *kind, uint64_t now_ms)
{
    if (now_ms / 1000 != rate->second) {
        if (rate->dropped > 0)
            lane_log_say(log, LOG_WARNING, "%u lines %s were left out", rate->dropped, kind);
        *rate = (struct lane_log_rate){.second = now_ms / 1000};
    }
    if (++rate->lines <= most)
        return true;
    rate->dropped++;
    return false;
}

/* -- The board. */

const char *lane_log_device(char out[LANE_LOG_DEVICE], const uint8_t *device, size_t len)
{
    bool is_text = len > 0;
    for (size_t i = 0; i < len; i++)
        is_text = is_text && device[i] > 0x20 && device[i] < 0x7f && device[i] != '"';
    if (is_text) {
        snprintf(out, LANE_LOG_DEVICE, "%.*s", (int)len, (const char *)device);
        return out;
    }
    int at = snprintf(out, LANE_LOG_DEVICE, "0x");
    for (size_t i = 0; i < len && at + 3 < LANE_LOG_DEVICE; i++)
        at += snprintf(out + at, LANE_LOG_DEVICE - (size_t)at, "%02x", device[i]);
    return out;
}

void lane_log_board_ready(struct lane_log *log, const char *path, const struct mp_peer *peer,
                          const struct mp_description *description)
{
    lane_log_say(log, LOG_INFO, "board %s on %s (%s %s, %zu sensors, %zu controls)",
                 lane_log_device(log->device, peer->device, peer->device_len), path,
                 description->product, description->version, description->sensor_count,
                 description->control_count);
}

void lane_log_sensor(struct lane_log *log, const char *sensor, const char *kind,
                     const char *profile)
{
    lane_log_say(
        log, LOG_ERROR,
        "sensor \"%s\" measures \"%s\", which a server of the profile %s does not know: its "
        "readings are not uploaded",
        sensor, kind, profile);
}

void lane_log_full(struct lane_log *log)
{
    lane_log_say(log, LOG_WARNING,
                 "no memory left for readings: the board keeps them until there is some");
}

void lane_log_board(struct lane_log *log, enum mp_level level, const char *text, size_t n,
                    uint64_t now_ms)
{
    static const enum log_level levels[] = {
        [MP_LEVEL_ERROR] = LOG_ERROR,
        [MP_LEVEL_WARNING] = LOG_WARNING,
        [MP_LEVEL_INFO] = LOG_INFO,
        [MP_LEVEL_DEBUG] = LOG_DEBUG,
    };
    if (!may_say(log, &log->board, LANE_LOG_BOARD_LINES, "of the board's log", now_ms))
        return;
    char quoted[QUOTED * 2];
    lane_log_say(log, level < MP_LEVEL_COUNT ? levels[level] : LOG_INFO, "board: %s",
                 log_quote(quoted, sizeof quoted, text, n));
}

void lane_log_control_state(struct lane_log *log, const struct mp_host_control *control,
                            enum mp_cause cause, union mp_value value, uint64_t now_ms)
{
    static const char *const causes[] = {
#define X(id, NAME, text) [MP_CAUSE_##NAME] = text,
        MP_CAUSES(X)
#undef X
    };
    if (!may_say(log, &log->commands, LANE_LOG_COMMAND_LINES, "about controls", now_ms))
        return;
    lane_log_say(log, cause == MP_CAUSE_FAILSAFE ? LOG_WARNING : LOG_INFO, "control %s is %g (%s)",
                 control->name, mp_value_to_physical(control->type, control->exponent, value),
                 cause < MP_CAUSE_COUNT ? causes[cause] : "unknown cause");
}

static enum log_level command_level(const struct commands_report *report)
{
    if (report->outcome == COMMANDS_DONE && report->failsafe)
        return LOG_WARNING;
    if (report->outcome == COMMANDS_DONE)
        return LOG_INFO;
    return report->outcome == COMMANDS_REPLACED ? LOG_DEBUG : LOG_WARNING;
}

static void describe_range(char *out, size_t cap, const struct commands_report *report)
{
    const struct mp_host_control *control = report->control;
    out[0] = '\0';
    if (report->outcome == COMMANDS_RANGE && control != NULL)
        snprintf(out, cap, " (%g to %g)",
                 mp_value_to_physical(control->type, control->exponent, control->min),
                 mp_value_to_physical(control->type, control->exponent, control->max));
    else if (report->outcome == COMMANDS_TYPE && control != NULL)
        snprintf(out, cap, " (it takes %s)",
                 control->type == MP_TYPE_BOOL ? "true or false" : "a number");
    else if (report->outcome == COMMANDS_REFUSED)
        snprintf(out, cap, " (%s)", mp_status_text(report->status));
    else if (report->outcome == COMMANDS_DONE)
        snprintf(out, cap, " in %u ms", report->took_ms);
}

#define COMMAND_WORDS 200
/* "control motor=40" */
static const char *name_command(char out[COMMAND_WORDS], const struct commands_report *report)
{
    char name[QUOTED], value[40] = "";
    if (!isnan(report->value))
        snprintf(value, sizeof value, "=%g", report->value);
    snprintf(out, COMMAND_WORDS, "%s%s%s",
             report->failsafe ? "the channel is gone, fail-safe " : "control ",
             log_quote(name, sizeof name, report->name, strlen(report->name)), value);
    return out;
}

void lane_log_command_way(struct lane_log *log, const struct commands_report *report, bool sent)
{
    char words[COMMAND_WORDS];
    if (log_wants(LOG_DEBUG))
        lane_log_say(log, LOG_DEBUG, "%s: %s (#%u)", name_command(words, report),
                     sent ? "sent" : "asked", report->number);
}

void lane_log_command(struct lane_log *log, const struct commands_report *report, uint64_t now_ms)
{
    char words[COMMAND_WORDS], more[80];
    enum log_level level = command_level(report);
    if (!log_wants(level) ||
        !may_say(log, &log->commands, LANE_LOG_COMMAND_LINES, "about controls", now_ms))
        return;
    describe_range(more, sizeof more, report);
    lane_log_say(log, level, "%s: %s%s (#%u)", name_command(words, report),
                 commands_outcome_text(report->outcome), more, report->number);
}

/* -- The server. */

void lane_log_connected(struct lane_log *log)
{
    if (log->disconnects > 1)
        lane_log_say(log, LOG_INFO, "connected again after %u attempts", log->disconnects);
    else
        lane_log_say(log, LOG_DEBUG, "connected");
    log->disconnects = 0;
    log->last_cause = -1;
}

static const char *advice(const struct phx_disconnect *why)
{
    if (why->cause == PHX_CAUSE_REFUSED && why->http_status == 403)
        return " (the API key may be wrong, or the server's key check is down)";
    return "";
}

void lane_log_disconnected(struct lane_log *log, const struct phx_disconnect *why)
{
    if (why->cause == PHX_CAUSE_ASKED) {
        lane_log_say(log, LOG_INFO, "disconnected");
        return;
    }
    if ((int)why->cause != log->last_cause || why->http_status != log->last_status)
        log->disconnects = 0;
    log->last_cause = (int)why->cause;
    log->last_status = why->http_status;
    log->disconnects++;
    lane_log_say(log, is_worth_a_line(log->disconnects) ? LOG_WARNING : LOG_DEBUG,
                 "%s%s; trying again in %u.%u s", why->text, advice(why), why->retry_ms / 1000,
                 why->retry_ms / 100 % 10);
}

void lane_log_joined(struct lane_log *log, const char *topic)
{
    log->refusals = 0;
    lane_log_say(log, LOG_INFO, "joined %s", topic);
}

void lane_log_refused(struct lane_log *log, const char *topic, struct phx_text response,
                      uint32_t retry_ms)
{
    char quoted[QUOTED];
    log->refusals++;
    lane_log_say(log, is_worth_a_line(log->refusals) ? LOG_WARNING : LOG_DEBUG,
                 "the server refuses %s: %s; trying again in %u ms", topic,
                 log_quote(quoted, sizeof quoted, response.at, response.len), retry_ms);
}

void lane_log_ignored(struct lane_log *log, struct phx_text event)
{
    char quoted[QUOTED];
    log->ignored++;
    lane_log_say(log, is_worth_a_line(log->ignored) ? LOG_INFO : LOG_DEBUG,
                 "ignored the event \"%s\" (%u ignored so far)",
                 log_quote(quoted, sizeof quoted, event.at, event.len), log->ignored);
}

/* -- Uploads. */

static void upload_failed(struct lane_log *log, const char *why, uint32_t failures)
{
    log->upload_failures = failures;
    lane_log_say(log,
                 failures <= 3               ? LOG_WARNING
                 : is_worth_a_line(failures) ? LOG_ERROR
                                             : LOG_DEBUG,
                 "upload failed (%u in a row): %s; the same readings go again", failures, why);
}

void lane_log_upload_failed(struct lane_log *log, const struct phx_push_result *result,
                            uint32_t failures)
{
    char why[QUOTED * 2], quoted[QUOTED];
    switch (result->end) {
    case PHX_PUSH_TIMEOUT:
        upload_failed(log, "no reply from the server in time", failures);
        break;
    case PHX_PUSH_LOST:
        upload_failed(log, "the channel went away before the reply", failures);
        break;
    case PHX_PUSH_REPLY:
        snprintf(why, sizeof why, "the server replied %s",
                 log_quote(quoted, sizeof quoted, result->response.at, result->response.len));
        upload_failed(log, why, failures);
        break;
    }
}

void lane_log_push_failed(struct lane_log *log, const char *why, uint32_t failures)
{
    upload_failed(log, why, failures);
}

void lane_log_spool_full(struct lane_log *log, uint64_t bytes)
{
    if (log->spool_full)
        return;
    log->spool_full = true;
    lane_log_say(log, LOG_WARNING,
                 "the spool holds %llu KiB for this MCU and takes no more: the board keeps its "
                 "readings until the server has taken some (or give spool: size)",
                 (unsigned long long)(bytes / 1024));
}

void lane_log_spool_room(struct lane_log *log, uint64_t bytes, uint64_t most)
{
    if (!log->spool_full || bytes > most / 2)
        return;
    log->spool_full = false;
    lane_log_say(log, LOG_INFO, "the spool has room again");
}

void lane_log_parked(struct lane_log *log, const char *sensor, const char *kind, double value,
                     bool kept)
{
    char name[QUOTED];
    lane_log_say(log, LOG_ERROR,
                 "the server takes other readings but not this one, which is given up: %s %s %g%s",
                 log_quote(name, sizeof name, sensor, strlen(sensor)), kind, value,
                 kept ? "; it is kept in the table parked of the spool" : "");
}

void lane_log_uploaded(struct lane_log *log)
{
    if (log->upload_failures > 0)
        lane_log_say(log, LOG_INFO, "uploads work again after %u failures", log->upload_failures);
    log->upload_failures = 0;
}
