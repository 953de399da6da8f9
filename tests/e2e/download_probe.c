/*
 * Drives a firmware download for the tests: download_probe FOLDER UUID URL [SIZE [CHECKSUM
 * [PART...]]]. Says every percent and how it ended. MCU_PROBE_CA, MCU_PROBE_MAX and MCU_PROBE_FREE
 * set options.
 */
#include "nerveshub/nh_download.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static struct nh_download *download;
static int status;

static void on_percent(void *user, unsigned percent)
{
    (void)user;
    printf("percent %u\n", percent);
    fflush(stdout);
}

static void on_done(void *user, const char *why, bool for_good)
{
    (void)user;
    printf("done %s%s\n", why != NULL ? why : "ok", why != NULL && for_good ? " (for good)" : "");
    status = why != NULL;
    nh_download_free(download);
    uv_stop(uv_default_loop());
}

static uint64_t number(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : fallback;
}

static void on_nothing(uv_timer_t *timer)
{
    (void)timer;
}

int main(int argc, char **argv)
{
    static struct nh_offer offer;
    struct nh_download_options options = {
        .ca_file = getenv("MCU_PROBE_CA"),
        .file_max = number("MCU_PROBE_MAX", 64u << 20),
        .keep_free = number("MCU_PROBE_FREE", 0),
        .allow_http = getenv("MCU_PROBE_HTTP") != NULL,
        .tries = 4,
        .retry_ms = 10,
        .stall_seconds = 30,
    };
    struct nh_download_events events = {NULL, on_percent, on_done};
    if (argc < 4)
        return 2;
    options.folder = argv[1];
    snprintf(offer.firmware.uuid, sizeof(offer.firmware.uuid), "%s", argv[2]);
    snprintf(offer.url, sizeof(offer.url), "%s", argv[3]);
    offer.size = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
    if (argc > 5)
        snprintf(offer.checksum, sizeof(offer.checksum), "%s", argv[5]);
    for (int i = 6; i < argc; i++)
        snprintf(offer.parts[offer.part_count++], NH_HASH_TEXT, "%s", argv[i]);
    download = nh_download_new(uv_default_loop(), &options, &events);
    nh_download_start(download, &offer);
    uv_timer_t keep; /* the download itself does not hold the loop */
    uv_timer_init(uv_default_loop(), &keep);
    uv_timer_start(&keep, on_nothing, 1u << 30, 0);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&keep, NULL);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    uv_loop_close(uv_default_loop());
    return status;
}
