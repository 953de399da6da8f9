/*
 * nerves_probe.c - a NervesHub device without a board, for tests: says in one line each what comes,
 * and takes orders on standard input, one a line:
 *
 *   board UUID VERSION     status WORD     progress N     rebooting     downloading UUID
 *   print TEXT             lines N         log TEXT       quit
 *
 * nerves_probe URL IDENTIFIER KEY SECRET (@FILE: read for every attempt); MCU_PROBE_AHEAD_S is what
 * its clock is ahead, MCU_PROBE_CA, MCU_PROBE_CERT and MCU_PROBE_KEY name PEM files.
 */
#include "nerveshub/nh_device.h"
#include "orders.h"
#include "phx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#define TICK_MS 20

static struct nh_device *device;
static struct phx_context *context;
static char downloading_uuid[NH_UUID_TEXT];
static unsigned lines_to_print, line_number;
static uv_timer_t tick;

static void line(const char *word, const char *text)
{
    printf("%s%s%s\n", word, text[0] != '\0' ? " " : "", text);
    fflush(stdout);
}

static int64_t on_unix_us(void *user)
{
    const char *ahead = getenv("MCU_PROBE_AHEAD_S");
    struct timespec now;
    (void)user;
    clock_gettime(CLOCK_REALTIME, &now);
    return ((int64_t)now.tv_sec + (ahead != NULL ? strtoll(ahead, NULL, 10) : 0)) * 1000000 +
           now.tv_nsec / 1000;
}

static const char *secret_file;

static bool on_secret(void *user, char out[NH_SECRET_MAX])
{
    (void)user;
    FILE *file = fopen(secret_file, "r");
    bool good = file != NULL && fscanf(file, "%255s", out) == 1;
    if (file != NULL)
        fclose(file);
    return good;
}

static const char *on_downloading(void *user)
{
    (void)user;
    return downloading_uuid[0] != '\0' ? downloading_uuid : NULL;
}

static void on_joined(void *user)
{
    (void)user;
    line("joined", "");
}

static void on_left(void *user)
{
    (void)user;
    line("left", "");
}

static void on_offer(void *user, const struct nh_offer *offer)
{
    (void)user;
    line("offer", offer->firmware.uuid);
}

static void on_reboot(void *user)
{
    (void)user;
    line("reboot", "");
}

static void on_identify(void *user)
{
    (void)user;
    line("identify", "");
}

static void on_typed(void *user, const char *bytes, size_t n)
{
    (void)user;
    (void)n;
    line("typed", bytes);
}

static void on_window(void *user, unsigned rows, unsigned columns)
{
    char text[40];
    (void)user;
    snprintf(text, sizeof(text), "%u %u", rows, columns);
    line("window", text);
}

static char *on_health(void *user)
{
    (void)user;
    return strdup("{\"metrics\":{\"link_errors\":0}}");
}

static void on_say(void *user, bool bad, const char *text)
{
    (void)user;
    line(bad ? "bad" : "say", text);
}

static void set_board(const char *uuid, const char *version)
{
    struct nh_firmware firmware = {.product = "mcu-bridge-lab", .platform = "avr"};
    snprintf(firmware.uuid, sizeof(firmware.uuid), "%s", uuid);
    snprintf(firmware.version, sizeof(firmware.version), "%s", version);
    snprintf(firmware.architecture, sizeof(firmware.architecture), "avr8");
    nh_device_board(device, &firmware, false);
}

static void quit(void)
{
    nh_device_free(device);
    device = NULL;
    phx_context_close(context, NULL, NULL);
    uv_close((uv_handle_t *)&tick, NULL);
    orders_close();
}

static void on_tick(uv_timer_t *timer)
{
    uint64_t now = uv_now(timer->loop);
    while (line_number < lines_to_print) {
        char text[40];
        int n = snprintf(text, sizeof(text), "line %u\n", line_number);
        static size_t done;
        done += nh_device_print(device, text + done, (size_t)n - done, now);
        if (done < (size_t)n)
            break;
        done = 0;
        line_number++;
    }
    nh_device_poll(device, now);
}

static enum nh_status status_named(const char *word)
{
    for (int i = NH_RECEIVED; i < NH_FAILED; i++)
        if (strcmp(nh_status_text((enum nh_status)i), word) == 0)
            return (enum nh_status)i;
    return NH_FAILED;
}

static void obey(void *user, char *text)
{
    uint64_t now = uv_now(uv_default_loop());
    (void)user;
    if (text == NULL) {
        quit();
        return;
    }
    char *rest = strchr(text, ' ');
    if (rest != NULL)
        *rest++ = '\0';
    else
        rest = text + strlen(text);
    if (strcmp(text, "board") == 0) {
        char *version = strchr(rest, ' ');
        if (version != NULL)
            *version++ = '\0';
        set_board(rest, version != NULL ? version : "");
    } else if (strcmp(text, "status") == 0)
        nh_device_status(device, NH_MAIN, status_named(rest), NULL);
    else if (strcmp(text, "progress") == 0)
        nh_device_progress(device, (unsigned)strtoul(rest, NULL, 10), NH_UPDATING);
    else if (strcmp(text, "rebooting") == 0)
        nh_device_rebooting(device);
    else if (strcmp(text, "downloading") == 0)
        snprintf(downloading_uuid, sizeof(downloading_uuid), "%s", rest);
    else if (strcmp(text, "print") == 0)
        nh_device_print(device, rest, strlen(rest), now);
    else if (strcmp(text, "lines") == 0)
        lines_to_print += (unsigned)strtoul(rest, NULL, 10);
    else if (strcmp(text, "log") == 0)
        nh_device_log(device, "info", rest, now);
    else if (strcmp(text, "quit") == 0)
        quit();
}

int main(int argc, char **argv)
{
    struct phx_context_options options = {0};
    struct nh_device_io io = {
        .unix_us = on_unix_us,
        .downloading = on_downloading,
        .joined = on_joined,
        .left = on_left,
        .offer = on_offer,
        .reboot = on_reboot,
        .identify = on_identify,
        .typed = on_typed,
        .window = on_window,
        .health = on_health,
        .say = on_say,
    };
    if (argc != 5)
        return 2;
    if (argv[4][0] == '@') {
        secret_file = argv[4] + 1;
        io.secret = on_secret;
    }
    context = phx_context_open(uv_default_loop(), &options);
    device = nh_device_new(context,
                           &(struct nh_device_options){.url = argv[1],
                                                       .identifier = argv[2],
                                                       .key = argv[3],
                                                       .secret = argv[4],
                                                       .ca_file = getenv("MCU_PROBE_CA"),
                                                       .cert_file = getenv("MCU_PROBE_CERT"),
                                                       .key_file = getenv("MCU_PROBE_KEY"),
                                                       .backoff_min_ms = 50,
                                                       .backoff_max_ms = 500,
                                                       .rejoin_min_ms = 50},
                           &io);
    if (device == NULL)
        return 1;
    uv_timer_init(uv_default_loop(), &tick);
    uv_timer_start(&tick, on_tick, TICK_MS, TICK_MS);
    orders_open(uv_default_loop(), obey, NULL);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    uv_loop_close(uv_default_loop());
    return 0;
}
