/*
 * cmd_send.c - sets one control of a device, checked against the device's own description, and
 * optionally stays so that the device's dead-man timer does not undo it.
 */
#include "base/log.h"
#include "commands.h"
#include "config/config_table.h"
#include "print.h"
#include "request.h"

#include <stdio.h>
#include <string.h>

#define NAME_SHOWN 80

static int find_control(const struct mp_description *description, const char *name)
{
    for (size_t i = 0; i < description->control_count; i++)
        if (strcmp(description->controls[i].name, name) == 0)
            return (int)i;
    return -1;
}

static const char *control_name(const void *description, size_t i)
{
    return ((const struct mp_description *)description)->controls[i].name;
}

static void explain_unknown(const struct mp_description *description, const char *name)
{
    char shown[NAME_SHOWN];
    const char *near = config_nearest(name, control_name, description, description->control_count);
    fprintf(stderr, "mcu-tool: the device has no control \"%s\"", name);
    if (near)
        fprintf(stderr, "; did you mean \"%s\"?",
                log_quote(shown, sizeof shown, near, strlen(near)));
    fprintf(stderr, description->control_count ? " It has:" : "; it has none");
    for (size_t i = 0; i < description->control_count; i++) {
        const char *each = description->controls[i].name;
        fprintf(stderr, "%s %s", i ? "," : "", log_quote(shown, sizeof shown, each, strlen(each)));
    }
    fputc('\n', stderr);
}

static void explain_range(const struct mp_host_control *control, const char *text)
{
    char min[PRINT_VALUE_MAX], max[PRINT_VALUE_MAX], name[NAME_SHOWN];
    double low = mp_value_to_physical(control->type, control->exponent, control->min);
    double high = mp_value_to_physical(control->type, control->exponent, control->max);
    fprintf(stderr, "mcu-tool: \"%s\": expected %s to %s, found %s\n",
            log_quote(name, sizeof name, control->name, strlen(control->name)),
            print_value(min, sizeof min, control->type, control->exponent, low),
            print_value(max, sizeof max, control->type, control->exponent, high), text);
}

static int set_control(struct request *request, const struct options *options, double value)
{
    const struct mp_description *description = &request->session.host.description;
    int index = find_control(description, options->words[1]);
    if (index < 0) {
        explain_unknown(description, options->words[1]);
        return TOOL_REFUSED;
    }
    const struct mp_host_control *control = &description->controls[index];
    union mp_value wire;
    int error = mp_value_to_wire(control->type, control->exponent, value, &wire);
    if (error == MP_OK)
        error = mp_host_command(&request->session.host, (uint8_t)index, wire, options->ttl_ms,
                                session_now(), &request->number);
    if (error == MP_ERR_BAD_VALUE) {
        explain_range(control, options->words[2]);
        return TOOL_REFUSED;
    }
    return request_finish(request, options->words[1], error);
}

int cmd_send(int argc, char **argv)
{
    struct options options;
    static struct request request;
    double value;
    if (options_read(&options, argc, argv, "bhtw", 3, 3) || options_value(options.words[2], &value))
        return TOOL_USAGE;
    int status = request_open(&request, options.words[0], &options);
    if (status)
        return status;
    status = set_control(&request, &options, value);
    if (status == TOOL_OK) {
        printf("%s %s: done\n", options.words[1], options.words[2]);
        fflush(stdout);
    }
    if (status == TOOL_OK && options.hold_ms) {
        struct session *sessions[] = {&request.session};
        session_run(sessions, 1, session_now() + options.hold_ms * 1000ull, NULL, NULL);
    } else if (status == TOOL_OK) {
        fprintf(stderr,
                "note: the device goes back to fail-safe once nobody talks to it; --hold 10s "
                "stays with it\n");
    }
    session_close(&request.session);
    return status;
}
