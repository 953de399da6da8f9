/*
 * The console's line, its commands and their answers. What a command does to the device is
 * fw_app's affair.
 */
#include "fw_app.h"
#include "fw_text.h"

#include <string.h>

#define ANSWER_MAX     MP_BODY_MIN /* every host takes a line of this length */
#define VALVE_DECIMALS 3

static void answer(struct fw_app *app, struct fw_text *text)
{
    fw_text_add(text, FW_ROM("\n"));
    (void)mp_device_console(&app->device, (const uint8_t *)text->at, text->len);
}

static void say(struct fw_app *app, const char *words)
{
    char line[ANSWER_MAX];
    struct fw_text text;

    fw_text_begin(&text, line, sizeof line);
    fw_text_add(&text, words);
    answer(app, &text);
}

static void say_number(struct fw_app *app, const char *name, int32_t value, uint8_t decimals,
                       const char *unit)
{
    char line[ANSWER_MAX];
    struct fw_text text;

    fw_text_begin(&text, line, sizeof line);
    fw_text_add(&text, name);
    fw_text_add(&text, FW_ROM(" "));
    fw_text_add_number(&text, value, decimals);
    fw_text_add(&text, unit);
    answer(app, &text);
}

static void status(struct fw_app *app)
{
    say_number(app, FW_ROM("motor"), app->plant.motor_percent, 0, FW_ROM(" %"));
    say_number(app, FW_ROM("valve"), app->plant.valve_permille, VALVE_DECIMALS, FW_ROM(""));
    say_number(app, FW_ROM("temperature"), app->latest.temperature_cc, 2, FW_ROM(" Cel"));
    say_number(app, FW_ROM("humidity"), app->latest.humidity_cp, 2, FW_ROM(" %RH"));
    say_number(app, FW_ROM("pressure"), app->latest.pressure_pa, 2, FW_ROM(" hPa"));
    say_number(app, FW_ROM("illuminance"), app->latest.illuminance_dlx, 1, FW_ROM(" lx"));
    say_number(app, FW_ROM("dropped"), (int32_t)app->device.readings_dropped, 0,
               FW_ROM(" readings"));
}

static void size(struct fw_app *app)
{
    if (app->console.rows == 0) {
        say(app, FW_ROM("size not told"));
        return;
    }
    say_number(app, FW_ROM("rows"), app->console.rows, 0, FW_ROM(""));
    say_number(app, FW_ROM("columns"), app->console.columns, 0, FW_ROM(""));
}

static bool read_value(uint8_t type, const char *word, union mp_value *value)
{
    int32_t number;

    if (!fw_text_read_number(word, type == MP_TYPE_F32 ? VALVE_DECIMALS : 0, &number))
        return false;
    if (type == MP_TYPE_F32)
        value->f = (float)number / 1000.0f;
    else
        value->i = number;
    return true;
}

/* `rest`: what follows "set ", changed in place. */
static void set(struct fw_app *app, char *rest)
{
    char *word = strchr(rest, ' ');
    union mp_value value;
    uint8_t control;

    if (word == NULL) {
        say(app, FW_ROM("usage: set NAME VALUE"));
        return;
    }
    *word++ = '\0';
    for (control = 0; control < FW_CONTROL_COUNT; control++)
        if (strcmp(fw_controls[control].name, rest) == 0)
            break;
    if (control == FW_CONTROL_COUNT)
        say(app, FW_ROM("no such control: motor, valve"));
    else if (!read_value(fw_controls[control].type, word, &value) ||
             !fw_app_set_locally(app, control, value))
        say(app, FW_ROM("value out of range: motor 0 to 100, valve 0 to 1"));
    else
        say(app, FW_ROM("ok"));
}

static void run(struct fw_app *app, char *line)
{
    if (strcmp(line, "status") == 0)
        status(app);
    else if (strcmp(line, "size") == 0)
        size(app);
    else if (strncmp(line, "set ", 4) == 0)
        set(app, line + 4);
    else
        say(app, FW_ROM("commands: help, status, size, set NAME VALUE"));
}

static void end_line(struct fw_app *app)
{
    struct fw_console *console = &app->console;

    console->line[console->len] = '\0';
    if (console->too_long)
        say(app, FW_ROM("line too long"));
    else if (console->len > 0)
        run(app, console->line);
    console->len = 0;
    console->too_long = false;
}

void fw_console_bytes(struct fw_app *app, const uint8_t *bytes, size_t n)
{
    struct fw_console *console = &app->console;

    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == '\r' || bytes[i] == '\n')
            end_line(app);
        else if (console->len + 1u < FW_CONSOLE_LINE)
            console->line[console->len++] = (char)bytes[i];
        else
            console->too_long = true;
    }
}
