/*
 * phx_judge.c - what an end means. Whether and when to try again follows from it in phx_machine.c;
 * seeing it is the transport's part.
 */
#include "phx_judge.h"

#include "phx_json.h"
#include "phx_tls.h"

#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define YEAR_2024_S 1704067200 /* a clock before it was never set */
#define CLOCK_OFF_S 300        /* servers that check times allow about so much */

/* Printable ASCII of `text` up to the first character that may start a query. */
static void copy_plain(struct phx_text text, char *out, size_t cap)
{
    size_t n = 0;

    for (size_t i = 0; i < text.len && n + 1 < cap && text.at[i] != '?'; i++)
        out[n++] = text.at[i] >= ' ' && text.at[i] <= '~' ? text.at[i] : '.';
    out[n] = '\0';
}

/* ---- dates ---- */

int64_t phx_judge_date(struct phx_text value)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char text[32], month[4];
    const char *found;
    struct tm tm = {.tm_isdst = 0};
    int used = 0;

    if (value.len != 29)
        return 0;
    memcpy(text, value.at, value.len);
    text[value.len] = '\0';
    if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &tm.tm_mday, month,
               &tm.tm_year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) != 6 ||
        used != (int)value.len)
        return 0;
    found = strstr(names, month);
    if (!found || strlen(month) != 3 || (found - names) % 3 != 0 || tm.tm_year < 1970)
        return 0;
    tm.tm_mon = (int)(found - names) / 3;
    tm.tm_year -= 1900;
    return (int64_t)timegm(&tm);
}

static uint32_t seconds_to_ms(uint64_t seconds)
{
    return (uint32_t)(seconds > UINT32_MAX / 1000 ? UINT32_MAX / 1000 : seconds) * 1000;
}

static bool read_seconds(struct phx_text value, uint64_t *seconds)
{
    *seconds = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return false;
        if (*seconds < UINT32_MAX)
            *seconds = *seconds * 10 + (uint64_t)(value.at[i] - '0');
    }
    return value.len > 0;
}

uint32_t phx_judge_retry_after(struct phx_text value, struct phx_text date, int64_t now_s)
{
    int64_t until = phx_judge_date(value), from = phx_judge_date(date);
    uint64_t seconds;

    if (read_seconds(value, &seconds))
        return seconds_to_ms(seconds);
    from = from ? from : now_s;
    return until > from && from > 0 ? seconds_to_ms((uint64_t)(until - from)) : 0;
}

/* ---- an HTTP answer instead of a connection ---- */

struct verdict {
    int from, to; /* statuses */
    enum phx_cause cause;
    const char *text; /* before "(HTTP status)" */
};

static const struct verdict verdicts[] = {
    {404, 404, PHX_CAUSE_REFUSED,
     "no Phoenix socket at this path, which usually ends in /websocket"},
    {401, 401, PHX_CAUSE_REFUSED, "the server does not accept these credentials"},
    {403, 403, PHX_CAUSE_REFUSED,
     "the server refuses us: credentials, vsn or origin, or what checks them is down"},
    {407, 407, PHX_CAUSE_REFUSED, "the proxy wants credentials"},
    {426, 426, PHX_CAUSE_REFUSED, "a proxy in between takes the Upgrade header away"},
    {429, 429, PHX_CAUSE_LIMITED, "the server asks to come later"},
    {503, 503, PHX_CAUSE_LIMITED, "the server is not available now"},
    {502, 502, PHX_CAUSE_SERVER, "the proxy does not reach the server behind it"},
    {504, 504, PHX_CAUSE_SERVER, "the proxy gets no answer from the server behind it"},
    {400, 499, PHX_CAUSE_REFUSED, "the server refuses the connection"},
    {500, 599, PHX_CAUSE_SERVER, "the server had an error"},
    {0, 999, PHX_CAUSE_SERVER, "the server answers no WebSocket upgrade"},
};

static const struct verdict *verdict_on(int status)
{
    size_t i = 0;

    while (i + 1 < sizeof verdicts / sizeof verdicts[0] &&
           (status < verdicts[i].from || status > verdicts[i].to))
        i++;
    return &verdicts[i];
}

/* Servers that check a signature's time say 401 or 403 to a wrong clock. */
static void add_clock(const struct phx_sight *sight, struct phx_end *end)
{
    size_t len = strlen(end->text);
    long long off = (long long)(sight->now_s - end->server_time_s);

    if (end->server_time_s == 0 || sight->now_s == 0 || (off < CLOCK_OFF_S && off > -CLOCK_OFF_S))
        return;
    snprintf(end->text + len, sizeof end->text - len, "; this clock is %lld s %s the server's",
             off < 0 ? -off : off, off < 0 ? "behind" : "ahead of");
}

static void judge_status(const struct phx_sight *sight, struct phx_end *end)
{
    const struct verdict *verdict = verdict_on(sight->http_status);
    char place[80];

    end->cause = verdict->cause;
    end->lasting = verdict->cause == PHX_CAUSE_REFUSED;
    end->http_status = sight->http_status;
    end->server_time_s = phx_judge_date(sight->date);
    end->retry_after_ms = phx_judge_retry_after(sight->retry_after, sight->date, sight->now_s);
    if (sight->http_status >= 300 && sight->http_status < 400) {
        copy_plain(sight->location, place, sizeof place);
        snprintf(end->text, sizeof end->text,
                 "the server redirects to %s, which is not followed (HTTP %d)",
                 place[0] ? place : "elsewhere", sight->http_status);
    } else {
        snprintf(end->text, sizeof end->text, "%s (HTTP %d)", verdict->text, sight->http_status);
        if (sight->http_status == 401 || sight->http_status == 403)
            add_clock(sight, end);
    }
}

/* ---- TLS ---- */

static void judge_certificate(const struct phx_sight *sight, struct phx_end *end)
{
    bool time = sight->verify_error == X509_V_ERR_CERT_NOT_YET_VALID ||
                sight->verify_error == X509_V_ERR_CERT_HAS_EXPIRED;

    if (time && sight->now_s > 0 && sight->now_s < YEAR_2024_S) {
        end->cause = PHX_CAUSE_CLOCK;
        snprintf(end->text, sizeof end->text,
                 "this clock was never set, so no certificate is valid: set it, or wait for NTP");
        return;
    }
    end->cause =
        sight->verify_error == X509_V_ERR_CERT_NOT_YET_VALID ? PHX_CAUSE_CLOCK : PHX_CAUSE_TLS;
    end->lasting = end->cause == PHX_CAUSE_TLS;
    phx_tls_explain(sight->verify_error, sight->host ? sight->host : "", sight->ca_file, end->text,
                    sizeof end->text);
}

/* ---- a connection's end ---- */

static const char *code_text(int code)
{
    switch (code) {
    case 1000:
        return "closed, as after a kick or an idle time-out";
    case 1001:
        return "the server goes away, or kicked us";
    case 1002:
        return "a restart, an idle time-out or a protocol error: the transport does not tell";
    case 1007:
        return "the server got what is not UTF-8";
    case 1008:
        return "the server's rules forbid it";
    case 1009:
        return "a message was too long for the server";
    case 1011:
        return "the server had an error, could not read a message, or kicked us";
    case 1012:
        return "the server restarts";
    case 1013:
        return "the server asks to come later";
    default:
        return "closed by the server";
    }
}

static void judge_close(const struct phx_sight *sight, struct phx_end *end)
{
    char reason[48];

    end->cause = PHX_CAUSE_CLOSED;
    end->close_code = sight->close_code;
    copy_plain(sight->close_reason, reason, sizeof reason);
    if (sight->close_code == 0)
        snprintf(end->text, sizeof end->text, "the connection broke");
    else
        snprintf(end->text, sizeof end->text, "%s (code %d%s%s)", code_text(sight->close_code),
                 sight->close_code, reason[0] ? ": " : "", reason);
}

/* ---- all of them ---- */

static const char *early_text(const struct phx_sight *sight)
{
    if (sight->detail && sight->detail[0])
        return sight->detail;
    if (sight->stage == PHX_STAGE_REQUEST)
        return "the server closed before it answered";
    return sight->tls ? "nothing listens there, or it does not speak TLS" : "nothing listens there";
}

/* OpenSSL's own words, or what is likely where it has none: the error is in no library of it. */
static const char *handshake_text(const char *detail)
{
    return strstr(detail, "lib(0)") ? "perhaps TLS is not spoken there, and it is ws://" : detail;
}

static void judge_attempt(const struct phx_sight *sight, struct phx_end *end)
{
    const char *detail = early_text(sight);

    if (sight->tls && strstr(detail, "SSL")) {
        end->cause = PHX_CAUSE_TLS;
        snprintf(end->text, sizeof end->text, "the TLS handshake failed: %.100s",
                 handshake_text(detail));
    } else {
        bool unanswered = sight->stage == PHX_STAGE_REQUEST && !sight->tls;
        end->cause = PHX_CAUSE_CONNECT;
        snprintf(end->text, sizeof end->text, "no connection: %.80s%s", detail,
                 unanswered ? "; perhaps TLS is spoken there, and it is wss://" : "");
    }
}

void phx_judge(const struct phx_sight *sight, struct phx_end *end)
{
    *end = (struct phx_end){.cause = PHX_CAUSE_CONNECT};
    if (sight->stage == PHX_STAGE_OPEN) {
        judge_close(sight, end);
    } else if (sight->verify_error) {
        judge_certificate(sight, end);
    } else if (sight->http_status) {
        judge_status(sight, end);
    } else if (sight->stage == PHX_STAGE_RESOLVE) {
        end->cause = PHX_CAUSE_RESOLVE;
        snprintf(end->text, sizeof end->text, "host name %.80s: %.50s",
                 sight->host ? sight->host : "", sight->detail ? sight->detail : "not found");
    } else {
        judge_attempt(sight, end);
    }
}
