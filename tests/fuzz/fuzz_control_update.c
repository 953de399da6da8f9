/*
 * Any payload of a control update, against a board of three controls: nothing out of range is ever
 * sent, and every element ends in exactly one report.
 */
#include "commands/commands.h"
#include "profile/profile.h"

#include <math.h>
#include <stdlib.h>

static const struct mp_description description = {
    .control_count = 3,
    .controls =
        (const struct mp_host_control[]){
            {"motor", MP_TYPE_I16, -1, {.i = 0}, {.i = 1000}, {.i = 0}, {.i = 0}},
            {"valve", MP_TYPE_F32, 0, {.f = 0}, {.f = 1}, {.f = 0}, {.f = 0}},
            {"led", MP_TYPE_BOOL, 0, {.i = 0}, {.i = 1}, {.i = 0}, {.i = 0}}},
};

struct seen {
    struct commands commands;
    size_t elements, reports, sent;
};

static int on_send(void *user, uint8_t control, union mp_value value, uint32_t ttl_ms,
                   uint16_t *request)
{
    struct seen *seen = user;
    const struct mp_host_control *it = &description.controls[control];
    if (ttl_ms == 0 || !mp_value_in_range(it->type, value, it->min, it->max))
        abort();
    *request = (uint16_t)seen->sent++;
    return MP_OK;
}

static void on_ended(void *user, const struct commands_report *report)
{
    struct seen *seen = user;
    if (report->name == NULL || report->outcome >= COMMANDS_OUTCOME_COUNT)
        abort();
    seen->reports++;
}

static bool holds(void *user, const char *control)
{
    (void)user;
    (void)control;
    return false;
}

static void on_element(void *user, const struct profile_control *control)
{
    struct seen *seen = user;
    seen->elements++;
    commands_set(&seen->commands, control->name, (enum commands_value)control->kind,
                 control->number, true, 0);
}

static void on_bad(void *user, const char *why)
{
    (void)user;
    if (why == NULL)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct commands_config config = {1000, 5000};
    struct seen seen = {.elements = 0};
    const struct commands_io io = {.user = &seen, .send = on_send, .ended = on_ended};
    const struct profile_control_io elements = {&seen, on_element, on_bad};
    commands_init(&seen.commands, &config, &io);
    commands_on_mcu(&seen.commands, &description, holds, NULL, 0);
    commands_on_channel(&seen.commands, true, 0);
    profile_microcontrollers.read_control(
        &profile_microcontrollers, (struct profile_text){(const char *)data, size}, &elements);
    commands_flush(&seen.commands, 0);
    commands_on_mcu_gone(&seen.commands, 1);
    if (seen.reports != seen.elements || seen.sent > description.control_count)
        abort();
    return 0;
}
