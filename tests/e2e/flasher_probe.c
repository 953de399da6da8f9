/*
 * bridge/port and bridge/flasher by themselves, for tests: one line, one board, and files brought
 * into it. Says as JSON lines what happens, and takes commands on its standard input, one a line:
 *
 *   flash FILE | stop | free | reset | identify MS | console TEXT | quiet MS | drop-port
 *
 *   flasher_probe PORT BAUD TIMEOUT_MS QUIET_MS GONE_MS [WORD...]
 *
 * After a reset that the board has confirmed it is quiet for QUIET_MS. drop-port: the port is
 * freed, and another one made in its place.
 */
#include "base/log.h"
#include "flash/flasher.h"
#include "orders.h"
#include "test_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEPALIVE_MS 300
#define CREDIT       2048

struct probe {
    struct loop loop;
    struct turns turns;
    struct hotplug *hotplug;
    struct config_port config;
    struct port *port, *board; /* board: while it is claimed */
    struct flasher *flasher;
    uint32_t quiet_ms;
    uint16_t reset;
    bool by_command, resetting, ended;
};

/* -- JSON out. */

static void say(const char *event, const char *name, const char *bytes, size_t n)
{
    char text[8192];
    printf("{\"event\":\"%s\",\"%s\":%s}\n", event, name,
           log_json_string(text, sizeof text, bytes, n));
}

static void say_text(const char *event, const char *name, const char *text)
{
    say(event, name, text, strlen(text));
}

static void say_number(const char *event, const char *name, long value)
{
    printf("{\"event\":\"%s\",\"%s\":%ld}\n", event, name, value);
}

/* -- The board. */

static void on_received(void *user, uint32_t number)
{
    struct probe *probe = user;
    port_safe(probe->board, number + 1);
}

static void on_result(void *user, uint16_t request, enum mp_status status)
{
    struct probe *probe = user;
    say_number("result", "status", status);
    if (!probe->resetting || request != probe->reset)
        return;
    probe->resetting = false;
    port_quiet(probe->board, probe->quiet_ms);
}

static void on_log(void *user, enum mp_level level, const char *text, size_t n)
{
    (void)user;
    (void)level;
    say("log", "text", text, n);
}

static void on_console(void *user, const uint8_t *bytes, size_t n)
{
    (void)user;
    say("console", "text", (const char *)bytes, n);
}

static void on_lost(void *user, const char *why)
{
    struct probe *probe = user;
    probe->board = NULL;
    say_text("lost", "why", why);
    if (probe->flasher != NULL)
        flasher_board_lost(probe->flasher);
}

static bool claim(void *user, struct port *port, const struct mp_peer *peer,
                  const struct mp_description *description, bool fresh, struct port_client *client)
{
    struct probe *probe = user;
    (void)fresh;
    *client = test_client;
    client->user = probe;
    client->received = on_received;
    client->result = on_result;
    client->log = on_log;
    client->console = on_console;
    client->lost = on_lost;
    probe->board = port;
    printf("{\"event\":\"board\",\"version\":\"%s\",\"image\":\"", description->version);
    for (size_t i = 0; i < peer->image_len; i++)
        printf("%02x", peer->image[i]);
    puts("\"}");
    port_credit(port, CREDIT);
    if (probe->flasher != NULL)
        flasher_board(probe->flasher, port);
    return true;
}

static void open_port(struct probe *probe)
{
    const struct port_events events = {probe, claim};
    probe->port = port_new(&probe->turns, probe->hotplug, &probe->config, KEEPALIVE_MS, &events);
    if (probe->port == NULL)
        abort();
}

static void drop_port(struct probe *probe)
{
    if (probe->board != NULL)
        on_lost(probe, "its port is dropped");
    port_free(probe->port);
    open_port(probe);
}

static void on_hotplug(void *user)
{
    struct probe *probe = user;
    port_look(probe->port);
    turns_wake_all(&probe->turns);
}

/* -- The flasher. */

static void on_progress(void *user, unsigned percent)
{
    (void)user;
    say_number("progress", "percent", percent);
}

static void on_done(void *user, const char *why, bool for_good)
{
    struct probe *probe = user;
    char text[4096];
    printf("{\"event\":\"done\",\"for_good\":%s,\"running\":%s,\"why\":%s}\n",
           for_good ? "true" : "false", flasher_is_running(probe->flasher) ? "true" : "false",
           log_json_string(text, sizeof text, why != NULL ? why : "", why ? strlen(why) : 0));
}

static void flash(struct probe *probe, const char *file)
{
    char why[FLASHER_WHY_MAX];
    struct port *port = probe->by_command ? probe->port : probe->board;
    if (flasher_start(probe->flasher, port, file, why, sizeof why) != 0)
        say_text("refused", "why", why);
    else
        puts("{\"event\":\"started\"}");
}

/* -- Commands. */

static void end(struct probe *probe)
{
    if (probe->ended)
        return;
    probe->ended = true;
    flasher_free(probe->flasher);
    probe->flasher = NULL;
    port_free(probe->port);
    turns_deinit(&probe->turns);
    hotplug_close(probe->hotplug);
    orders_close();
    loop_close(&probe->loop);
}

static void say_error(int error)
{
    if (error != MP_OK)
        say_number("error", "code", error);
}

static void on_board_command(struct probe *probe, const char *word, const char *rest)
{
    if (strcmp(word, "reset") == 0) {
        probe->resetting = true;
        say_error(port_reset(probe->port, MP_RESET_TO_APPLICATION, &probe->reset));
    } else if (strcmp(word, "identify") == 0) {
        say_error(port_identify(probe->port, (uint16_t)strtoul(rest, NULL, 10), NULL));
    } else if (strcmp(word, "console") == 0) {
        char line[512];
        int n = snprintf(line, sizeof line, "%s\n", rest);
        say_error(port_console(probe->port, (const uint8_t *)line, (size_t)n));
    } else if (strcmp(word, "quiet") == 0) {
        port_quiet(probe->port, (uint32_t)strtoul(rest, NULL, 10));
    }
}

static void on_command(void *user, char *line)
{
    struct probe *probe = user;
    if (line == NULL) {
        end(probe);
        return;
    }
    char *space = strchr(line, ' ');
    const char *rest = space != NULL ? space + 1 : "";
    if (space != NULL)
        *space = '\0';
    if (strcmp(line, "flash") == 0) {
        flash(probe, rest);
    } else if (strcmp(line, "stop") == 0) {
        flasher_stop(probe->flasher);
    } else if (strcmp(line, "free") == 0) {
        flasher_free(probe->flasher);
        probe->flasher = NULL;
        puts("{\"event\":\"freed\"}");
    } else if (strcmp(line, "drop-port") == 0) {
        drop_port(probe);
    } else {
        on_board_command(probe, line, rest);
    }
}

/* -- The loop. */

static uint64_t tick(void *user, uint64_t now_us)
{
    struct probe *probe = user;
    return probe->ended ? UINT64_MAX : turns_take(&probe->turns, now_us);
}

static void on_stop(void *user)
{
    end(user);
}

static void on_reload(void *user)
{
    (void)user;
}

static uint32_t number(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
    static struct probe probe;
    char why[FLASHER_WHY_MAX];

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 6)
        return 2;
    probe.config = (struct config_port){.name = argv[1], .path = argv[1], .baud = number(argv[2])};
    probe.quiet_ms = number(argv[4]);
    probe.by_command = argc > 6;
    const struct loop_events loop_events = {&probe, tick, on_stop, on_reload};
    if (loop_open(&probe.loop, &loop_events) != 0)
        return 2;
    turns_init(&probe.turns, &probe.loop);
    probe.hotplug = hotplug_open(&probe.loop, on_hotplug, &probe);
    const struct flasher_options options = {
        .loop = &probe.loop,
        .words = argc > 6 ? (const char *const *)argv + 6 : NULL,
        .timeout_ms = number(argv[3]),
        .quiet_ms = probe.quiet_ms,
        .gone_ms = number(argv[5]),
    };
    const struct flasher_events events = {&probe, on_progress, on_done};
    probe.flasher = flasher_new(&options, &events, why, sizeof why);
    if (probe.flasher == NULL) {
        say_text("refused", "why", why);
        return 1;
    }
    open_port(&probe);
    orders_open(&probe.loop.uv, on_command, &probe);
    loop_run(&probe.loop);
    return 0;
}
