/*
 * phx_judge.c - the one place that tells answers apart. Whether and when to try again follows from
 * the cause and is left to phx_machine.c.
 */
#include "phx_judge.h"

#include <stdio.h>

void phx_judge_status(struct phx_end *end, int status)
{
    end->http_status = status;
    if (status == 429 || status == 503) {
        end->cause = PHX_CAUSE_LIMITED;
        snprintf(end->text, sizeof end->text, "the server asks to come later (HTTP %d)", status);
    } else if (status == 401 || status == 403) {
        end->cause = PHX_CAUSE_REFUSED;
        snprintf(end->text, sizeof end->text, "the server refuses us (HTTP %d)", status);
    } else if (status == 404) {
        end->cause = PHX_CAUSE_REFUSED;
        snprintf(end->text, sizeof end->text,
                 "no Phoenix socket at this path (HTTP 404): it usually ends in /websocket");
    } else if (status >= 400 && status < 500) {
        end->cause = PHX_CAUSE_REFUSED;
        snprintf(end->text, sizeof end->text, "the server refuses the connection (HTTP %d)",
                 status);
    } else if (status >= 300 && status < 400) {
        end->cause = PHX_CAUSE_SERVER;
        snprintf(end->text, sizeof end->text,
                 "the server redirects elsewhere (HTTP %d), which is not followed", status);
    } else {
        end->cause = PHX_CAUSE_SERVER;
        snprintf(end->text, sizeof end->text, "the server answers no WebSocket upgrade (HTTP %d)",
                 status);
    }
}

uint32_t phx_judge_retry_after(const char *value, size_t len)
{
    uint64_t seconds = 0;

    for (size_t i = 0; i < len; i++) {
        if (value[i] < '0' || value[i] > '9')
            return 0;
        seconds = seconds * 10 + (uint64_t)(value[i] - '0');
        if (seconds > UINT32_MAX / 1000)
            seconds = UINT32_MAX / 1000;
    }
    return (uint32_t)seconds * 1000;
}
