/*
 * bridge/flash by itself, for tests: flashes one board by an external program, and says as JSON
 * lines what happens. SIGINT stops the run, SIGHUP frees it.
 *
 *   flash_probe PORT FILE BAUD TIMEOUT_MS TERM_MS WORD...
 */
#include "flash/flash_claim.h"
#include "flash/flash_command.h"
#include "json_out.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct probe {
    uv_loop_t loop;
    uv_signal_t stop, drop;
    struct flash_command *command;
    bool bad;
};

static void close_all(struct probe *probe)
{
    flash_command_free(probe->command);
    probe->command = NULL;
    if (!uv_is_closing((uv_handle_t *)&probe->stop)) {
        uv_close((uv_handle_t *)&probe->stop, NULL);
        uv_close((uv_handle_t *)&probe->drop, NULL);
    }
}

static void say_why(const char *event, const char *why)
{
    json_begin(event);
    json_text("why", why);
    json_end();
}

static void on_progress(void *user, unsigned percent)
{
    (void)user;
    json_begin("progress");
    json_number("percent", percent);
    json_end();
}

static void on_done(void *user, const char *why)
{
    struct probe *probe = user;

    probe->bad = why != NULL;
    say_why("done", why ? why : "");
    close_all(probe);
}

static void on_stop(uv_signal_t *handle, int number)
{
    struct probe *probe = handle->data;

    (void)number;
    if (probe->command)
        flash_command_stop(probe->command);
}

static void on_drop(uv_signal_t *handle, int number)
{
    (void)number;
    json_begin("freed");
    json_end();
    close_all(handle->data);
}

static void watch_signals(struct probe *probe)
{
    uv_signal_init(&probe->loop, &probe->stop);
    uv_signal_init(&probe->loop, &probe->drop);
    probe->stop.data = probe->drop.data = probe;
    uv_signal_start(&probe->stop, on_stop, SIGINT);
    uv_signal_start(&probe->drop, on_drop, SIGHUP);
}

static uint32_t number(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
    struct probe probe = {.command = NULL};
    char why[FLASH_COMMAND_WHY_MAX];

    if (argc < 6)
        return 2;
    uv_loop_init(&probe.loop);
    watch_signals(&probe);
    const struct flash_command_options options = {(const char *const *)argv + 6, number(argv[4]),
                                                  number(argv[5])};
    const struct flash_command_events events = {&probe, on_progress, on_done};
    probe.command = flash_command_new(&probe.loop, &options, &events, why, sizeof(why));
    if (probe.command == NULL ||
        flash_command_start(probe.command, argv[1], argv[2], number(argv[3]), why, sizeof(why))) {
        say_why("refused", why);
        probe.bad = true;
        close_all(&probe);
    } else if (!flash_command_running(probe.command) || !flash_claimed(argv[1]) ||
               flash_command_start(probe.command, argv[1], argv[2], 1, why, sizeof(why)) == 0) {
        abort();
    }
    uv_run(&probe.loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&probe.loop) != 0)
        abort();
    return probe.bad;
}
