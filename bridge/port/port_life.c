/*
 * From the name of a line to its descriptor, and to its end: found, opened, closed, tried again.
 * The states are drawn in port.c, which does the rest.
 */
#include "port_private.h"

#include "base/log.h"
#include "flash/flash_claim.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOK_US          10000000  /* between looks for a line that we shall hear of */
#define LOOK_DEAF_US     1000000   /* ... that we shall not */
#define OPEN_FAILED_US   5000000   /* ... that is there and cannot be opened */
#define OPEN_SOON_US     1000000   /* ... the first time: udev may be at it, or ModemManager */
#define SILENT_US        5000000   /* without an answer, before that is said */
#define RESET_LONGEST_US 300000000 /* between resets of a silent board */
#define WHY_BYTES        768

/* -- Its end. */

static void close_poll(uv_handle_t *handle)
{
    free(handle);
}

static void on_closed(void *user)
{
    struct port *port = user;
    port->job = NULL;
    port->state = PORT_CLOSED;
    port->due_us = port->not_before_us;
    if (port->loan != PORT_OURS)
        port_enter_lent(port);
    turn_wake(&port->turn);
}

void port_close_line(struct port *port)
{
    struct serial *serial = port->serial;
    if (port->poll != NULL) {
        uv_poll_stop(port->poll);
        uv_close((uv_handle_t *)port->poll, close_poll);
    }
    port->poll = NULL;
    port->polled = 0;
    port->serial = NULL;
    port->deaf = false;
    port->read_on_us = 0;
    port->state = PORT_CLOSING;
    port->due_us = UINT64_MAX;
    port->job = port_line_close(port->loop, serial, on_closed, port);
    if (port->job == NULL)
        on_closed(port);
}

void port_end_session(struct port *port, const char *why)
{
    bool has_link = port->state != PORT_HELD;
    port_tell_lost(port, why);
    if (has_link)
        mp_host_line_lost(&port->host);
}

void port_hang_up(struct port *port)
{
    log_warning(port->config->name, "%s is gone", port_path(port));
    port->said = SERIAL_ABSENT;
    port->counts.hang_ups++;
    port_end_session(port, "the line is gone");
    uint32_t wait_ms = port_guard_closed(&port->guard, port_now_us(port));
    port->not_before_us = port_now_us(port) + (uint64_t)wait_ms * 1000;
    if (wait_ms != 0) {
        port->counts.flaps++;
        port_say_flapping(port->config->name, port_path(port), port->guard.short_lives, wait_ms);
    }
    port_close_line(port);
    turn_wake(&port->turn);
}

/* -- Its beginning. */

struct serial_target port_target(const struct port *port)
{
    struct serial_target target = {
        .path = port->config->path,
        .usb_serial = port->config->usb_serial,
        .usb_id = port->config->usb_id,
        .usb_path = port->config->usb_path,
        .baud = port->config->baud,
        .reset = port->reset,
    };
    switch (port->config->dtr_rts) {
    case CONFIG_ON_OPEN:
        target.dtr_rts = SERIAL_ON_OPEN;
        break;
    case CONFIG_NEVER:
        target.dtr_rts = SERIAL_NEVER;
        break;
    case CONFIG_ON_DEMAND:
        target.dtr_rts = SERIAL_ON_DEMAND;
        break;
    }
    return target;
}

static void say_why_closed(struct port *port, enum serial_result result, const char *why)
{
    snprintf(port->trouble, sizeof port->trouble, "%.*s", WATCH_ERROR_MAX - 1, why);
    if (result == port->said)
        return;
    port->said = result;
    if (result == SERIAL_ABSENT)
        log_info(port->config->name, "waiting for the line: %s", why);
    else
        log_error(port->config->name, "%s; trying again", why);
}

static bool is_absent(enum serial_result result)
{
    return result == SERIAL_ABSENT;
}

/* A new device is root's alone until udev has been there, and may have ModemManager's visit after:
 * the first refusal is no news. */
static void stay_closed(struct port *port, enum serial_result result, const char *why)
{
    uint64_t wait_us = port->hotplug != NULL ? LOOK_US : LOOK_DEAF_US;
    bool is_first = !is_absent(result) && port->refusals++ == 0;
    if (is_absent(result))
        port->refusals = 0;
    else
        wait_us = is_first ? OPEN_SOON_US : OPEN_FAILED_US;
    port->state = PORT_CLOSED;
    port->due_us = port_now_us(port) + (port->look_again ? 0 : wait_us);
    port->look_again = false;
    if (!is_first || result == SERIAL_WRONG)
        say_why_closed(port, result, why);
}

/* Returns false with the line closed again. */
static bool listen_to(struct port *port, struct serial *serial)
{
    port->poll = calloc(1, sizeof *port->poll);
    int error = port->poll == NULL ? UV_ENOMEM
                                   : uv_poll_init(&port->loop->uv, port->poll, serial_fd(serial));
    if (error == 0) {
        port->poll->data = port;
        port->serial = serial;
        return true;
    }
    free(port->poll);
    port->poll = NULL;
    port_line_close(port->loop, serial, NULL, NULL);
    stay_closed(port, SERIAL_FAILED, uv_strerror(error));
    return false;
}

/* It was lent meanwhile. */
static void leave_again(struct port *port, struct serial *serial)
{
    port->serial = serial;
    if (serial != NULL)
        port_close_line(port);
    else
        port_enter_lent(port);
}

static void on_opened(void *user, enum serial_result result, struct serial *serial, const char *why)
{
    struct port *port = user;
    port->job = NULL;
    if (port->loan != PORT_OURS)
        leave_again(port, serial);
    else if (result != SERIAL_OK)
        stay_closed(port, result, why);
    else if (listen_to(port, serial)) {
        port->said = SERIAL_OK;
        port->refusals = 0;
        port->look_again = port->reset = false;
        port->trouble[0] = '\0';
        port->counts.opens++;
        port->framing_errors = serial_framing_errors(serial);
        if (port->silent_wait_us == 0)
            port->silent_wait_us = SILENT_US;
        port->silent_us =
            port_now_us(port) + port->silent_wait_us + (uint64_t)port->quiet_ms * 1000;
        port_guard_opened(&port->guard, port_now_us(port));
        port_quiet_opened(port);
        log_info(port->config->name, "%s is open at %u baud", serial_path(serial),
                 port->config->baud);
        if (serial_note(serial)[0] != '\0')
            log_warning(port->config->name, "%s", serial_note(serial));
        port_ask(port);
        if (serial_may_reset(serial))
            mp_host_listen(&port->host, SERIAL_LISTEN_MS);
        port_settle(port);
    }
    turn_wake(&port->turn);
}

void port_open_line(struct port *port)
{
    char path[PATH_MAX], why[WHY_BYTES];
    struct serial_target target = port_target(port);
    if (port->hotplug != NULL)
        hotplug_path(port->hotplug, target.path);
    enum serial_result result = serial_find(&target, path, sizeof path, why, sizeof why);
    if (result != SERIAL_OK) {
        stay_closed(port, result, why);
        return;
    }
    if (flash_claimed(path)) {
        snprintf(why, sizeof why, "a flasher is at %.*s", WATCH_ERROR_MAX, path);
        stay_closed(port, SERIAL_BUSY, why);
        return;
    }
    target.path = path;
    port->state = PORT_OPENING;
    port->due_us = UINT64_MAX;
    port->job = port_line_open(port->loop, &target, on_opened, port);
    if (port->job == NULL)
        stay_closed(port, SERIAL_FAILED, "out of memory");
}

/* The line is closed and opened again with DTR and RTS off for a moment between. */
static void reset_board(struct port *port)
{
    port->silent_wait_us *= 2;
    if (port->silent_wait_us > RESET_LONGEST_US)
        port->silent_wait_us = RESET_LONGEST_US;
    log_warning(port->config->name, "resetting the board on %s by DTR and RTS", port_path(port));
    port->counts.resets++;
    port->reset = true;
    port->not_before_us = 0;
    port_end_session(port, "its board is reset");
    port_close_line(port);
}

void port_on_silence(struct port *port, uint64_t now)
{
    if (port->silent_us == 0 || now < port->silent_us)
        return;
    const struct port_silence about = port_silence_now(port);
    port->silent_us = 0;
    port_say_silent(&about);
    if (port->config->dtr_rts == CONFIG_ON_DEMAND)
        reset_board(port);
}

/* A second device of the same description may have come: which is meant is not certain any more. */
void port_look_for_twins(struct port *port)
{
    char path[PATH_MAX], why[WHY_BYTES];
    const struct serial_target target = port_target(port);
    if (target.path != NULL)
        return;
    bool has_twin = serial_find(&target, path, sizeof path, why, sizeof why) == SERIAL_WRONG;
    if (has_twin && !port->twin_said)
        log_error(port->config->name, "%s; going on with %s, which was there first", why,
                  port_path(port));
    port->twin_said = has_twin;
}
