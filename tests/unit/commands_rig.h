/*
 * commands_rig.h - commands of a board with a motor, a valve that holds and a led, and a record of
 * what was sent and how it ended. begin() makes it anew.
 */
#ifndef COMMANDS_RIG_H
#define COMMANDS_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/commands.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TTL_MS  1000
#define LOSS_MS 5000

static struct mp_description description;
static struct commands commands;

/* What was sent to the board and what was reported, as text. */
static char sent[2048], ended[4096];
static int send_result;
static uint16_t last_request;
static uint32_t last_ttl, last_number;

static void note(char *out, size_t cap, const char *what)
{
    size_t at = strlen(out);
    snprintf(out + at, cap - at, "%s ", what);
}

static int on_send(void *user, uint8_t control, union mp_value value, uint32_t ttl_ms,
                   uint16_t *request)
{
    (void)user;
    if (send_result != MP_OK)
        return send_result;
    char what[64];
    const struct mp_host_control *it = &description.controls[control];
    snprintf(what, sizeof what, "%s=%g", it->name,
             mp_value_to_physical(it->type, it->exponent, value));
    note(sent, sizeof sent, what);
    *request = ++last_request;
    last_ttl = ttl_ms;
    return MP_OK;
}

static void on_ended(void *user, const struct commands_report *report)
{
    (void)user;
    char what[200];
    last_number = report->number;
    snprintf(what, sizeof what, "%s%s=%g:%s", report->failsafe ? "failsafe:" : "", report->name,
             report->value, commands_outcome_text(report->outcome));
    note(ended, sizeof ended, what);
}

static bool valve_holds(void *user, const char *control)
{
    (void)user;
    return strcmp(control, "valve") == 0;
}

static char way[1024];

static void on_way(void *user, const struct commands_report *report, bool left)
{
    (void)user;
    char what[64];
    snprintf(what, sizeof what, "#%u:%s=%g:%s", report->number, report->name, report->value,
             left ? "sent" : "asked");
    note(way, sizeof way, what);
}

static void begin(void)
{
    static const struct commands_config config = {TTL_MS, LOSS_MS};
    static const struct commands_io io = {NULL, on_send, on_ended, on_way};
    static const struct mp_host_control controls[] = {
        {"motor", MP_TYPE_I16, 0, {.i = 0}, {.i = 100}, {.i = 0}, {.i = 5}},
        {"valve", MP_TYPE_F32, 0, {.f = 0}, {.f = 1}, {.f = 0}, {.f = 0}},
        {"led", MP_TYPE_BOOL, 0, {.i = 0}, {.i = 1}, {.i = 0}, {.i = 0}}};
    description = (struct mp_description){.control_count = 3, .controls = controls};
    sent[0] = ended[0] = way[0] = '\0';
    last_number = 0;
    send_result = MP_OK;
    commands_init(&commands, &config, &io);
    commands_on_mcu(&commands, &description, valve_holds, NULL, 0);
    commands_on_channel(&commands, true, 0);
}

static void set(const char *name, double value, uint64_t now_ms)
{
    commands_set(&commands, name, COMMANDS_NUMBER, value, true, now_ms);
}

#endif
