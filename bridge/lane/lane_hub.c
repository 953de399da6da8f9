/*
 * Between a lane's board and NervesHub: struct nh_board_io made of the lane's port and a flasher.
 * What is said to the server and when is nh_board.h's, how an image gets into a board flasher.h's,
 * what a board's health is made of lane_health.c's.
 */
#include "lane_hub.h"

#include "base/log.h"
#include "flash/flasher.h"
#include "hub.h"
#include "lane_health.h"
#include "lane_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define IDENTIFY_MS    5000
#define KEYS_MS        10 /* that keys wait for others, or for room in the link */
#define LOG_TEXT_BYTES 512
#define WHY_BYTES      512
#define UNUSABLE       "with these settings it cannot be a device there: mend them, and SIGHUP"

/* What the server wants of the board while its link is full. */
enum wish { WISH_NONE, WISH_RESET, WISH_IDENTIFY };

struct lane_hub {
    struct lane *lane;
    struct nh_board *board;
    struct flasher *flasher;
    bool by_command;
    char *secret_file; /* NULL: a certificate */
    char *port;        /* name of the one that the board was on last; NULL: not known */
    enum wish wish;
    uint16_t request; /* of the wish that was sent */
    enum wish sent;
    uint16_t rows, columns; /* of the console's viewer; 0: not told */
    bool size_due;          /* the board is to be told of them */
    uint64_t keys_ms;       /* when keys that wait are to go; 0: none do */
    uint64_t stop_ms;       /* stopping: not to wait longer; NEVER: not stopping */
    struct lane_health health;
    enum nh_stage said;              /* of an update, in the log */
    struct nh_board_picture picture; /* as of the last tick or look */
};

/* -- What the server wants, to the board. */

/* Keys that come one by one go together. */
static size_t on_type(void *user, const char *bytes, size_t n)
{
    struct lane_hub *hub = user;
    uint64_t now = lane_now_ms(hub->lane);
    size_t taken = 0;
    if (hub->keys_ms == 0)
        hub->keys_ms = now + KEYS_MS;
    if (now < hub->keys_ms)
        return 0;
    while (taken < n && hub->lane->port != NULL) {
        size_t some = n - taken < hub->health.max_body ? n - taken : hub->health.max_body;
        if (port_console(hub->lane->port, (const uint8_t *)bytes + taken, some) != MP_OK)
            break;
        taken += some;
    }
    hub->keys_ms = taken < n ? now + KEYS_MS : 0;
    return taken;
}

/* A link that is full has room soon; without a session the board is told once it is met. */
static void try_size(struct lane_hub *hub)
{
    struct port *port = hub->lane->port;
    if (hub->size_due && port != NULL)
        hub->size_due = port_console_size(port, hub->rows, hub->columns) == MP_ERR_FULL;
}

static void on_window(void *user, unsigned rows, unsigned columns)
{
    struct lane_hub *hub = user;
    hub->rows = (uint16_t)rows;
    hub->columns = (uint16_t)columns;
    hub->size_due = true;
    try_size(hub);
    turn_wake(&hub->lane->turn);
}

static const char *wish_text(enum wish wish)
{
    return wish == WISH_RESET ? "reboot" : "identify";
}

/* A link that is full has room soon; a board that is gone wants nothing any more. */
static void try_wish(struct lane_hub *hub)
{
    struct port *port = hub->lane->port;
    if (hub->wish == WISH_NONE)
        return;
    int error = MP_ERR_NO_SESSION;
    if (port != NULL)
        error = hub->wish == WISH_RESET ? port_reset(port, MP_RESET_TO_APPLICATION, &hub->request)
                                        : port_identify(port, IDENTIFY_MS, &hub->request);
    if (error == MP_ERR_FULL)
        return;
    lane_log_say(&hub->lane->log, LOG_INFO, "NervesHub wants: %s%s", wish_text(hub->wish),
                 error != MP_OK ? "; the board is not there" : "");
    hub->sent = error == MP_OK ? hub->wish : WISH_NONE;
    hub->wish = WISH_NONE;
}

static void want(struct lane_hub *hub, enum wish wish)
{
    hub->wish = wish;
    try_wish(hub);
    turn_wake(&hub->lane->turn);
}

static void on_reboot(void *user)
{
    want(user, WISH_RESET);
}

static void on_identify(void *user)
{
    want(user, WISH_IDENTIFY);
}

void lane_hub_result(struct lane_hub *hub, uint16_t request, enum mp_status status)
{
    if (hub == NULL || hub->sent == WISH_NONE || request != hub->request)
        return;
    if (status != MP_STATUS_DONE)
        lane_log_say(&hub->lane->log, LOG_WARNING, "NervesHub: the board does not %s: %s",
                     wish_text(hub->sent), mp_status_text(status));
    else if (hub->sent == WISH_RESET && hub->lane->port != NULL)
        port_quiet(hub->lane->port, hub->lane->shared->hub->config->boot_quiet_ms);
    hub->sent = WISH_NONE;
}

/* -- Flashing. */

/* By command the port must be known, and a board that was left half written says nothing. */
static struct port *port_to_flash(const struct lane_hub *hub)
{
    const struct lane *lane = hub->lane;
    const char *name = hub->port != NULL ? hub->port : lane->config->port;
    if (lane->port != NULL || !hub->by_command || name == NULL)
        return lane->port;
    return lane->shared->free_port(lane->shared->user, name);
}

static bool on_flash(void *user, const char *image, char *why, size_t cap)
{
    struct lane_hub *hub = user;
    struct port *port = port_to_flash(hub);
    if (port == NULL && hub->by_command) {
        snprintf(why, cap,
                 "the board is not there, and no port is known to be its own: pin it to one "
                 "(mcus: port)");
        return false;
    }
    return flasher_start(hub->flasher, port, image, why, cap) == 0;
}

static void on_stop_flash(void *user)
{
    const struct lane_hub *hub = user;
    flasher_stop(hub->flasher);
}

static void on_flash_percent(void *user, unsigned percent)
{
    const struct lane_hub *hub = user;
    nh_board_flash_percent(hub->board, percent);
}

static void on_flashed(void *user, const char *why, bool for_good)
{
    const struct lane_hub *hub = user;
    if (why != NULL && !for_good && hub->by_command && !flasher_has_touched(hub->flasher))
        nh_board_not_flashed(hub->board, why);
    else
        nh_board_flashed(hub->board, why, for_good);
    turn_wake(&hub->lane->turn);
}

bool lane_hub_is_flashing(const struct lane_hub *hub)
{
    struct nh_board_picture picture;
    if (hub == NULL)
        return false;
    nh_board_watch(hub->board, &picture);
    return flasher_is_running(hub->flasher) || picture.stage == NH_AWAITING;
}

/* -- Small things. */

static char *on_health(void *user)
{
    const struct lane_hub *hub = user;
    return lane_health_json(&hub->health, hub->lane->port, hub->lane->description,
                            loop_now_us(hub->lane->shared->loop));
}

static void on_say(void *user, bool bad, const char *text)
{
    const struct lane_hub *hub = user;
    lane_log_say(&hub->lane->log, bad ? LOG_WARNING : LOG_INFO, "NervesHub: %s", text);
}

static uint64_t on_now_ms(void *user)
{
    const struct lane_hub *hub = user;
    return lane_now_ms(hub->lane);
}

static int64_t on_unix_us(void *user)
{
    struct timespec now;
    (void)user;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static bool on_secret(void *user, char out[NH_SECRET_MAX])
{
    const struct lane_hub *hub = user;
    char error[WHY_BYTES];
    if (config_secret(hub->secret_file, out, NH_SECRET_MAX, error, sizeof error) == 0)
        return true;
    lane_log_say(&hub->lane->log, LOG_ERROR, "%s", error);
    return false;
}

static void on_wake(void *user)
{
    const struct lane_hub *hub = user;
    turn_wake(&hub->lane->turn);
}

/* -- Life. */

static struct flasher *new_flasher(struct lane_hub *hub, const struct config_device *device)
{
    const struct config_nerveshub *config = hub->lane->shared->hub->config;
    const struct flasher_options options = {
        .loop = hub->lane->shared->loop,
        .words = device->flash_command,
        .timeout_ms = config->flash_timeout_ms,
        .quiet_ms = config->boot_quiet_ms,
    };
    const struct flasher_events events = {hub, on_flash_percent, on_flashed};
    char why[WHY_BYTES];
    struct flasher *flasher = flasher_new(&options, &events, why, sizeof why);
    if (flasher == NULL)
        lane_log_say(&hub->lane->log, LOG_ERROR, "NervesHub: cannot flash: %s", why);
    return flasher;
}

/* A boot loader that stores images over the protocol takes a bad one back by itself; what an
 * external program writes replaces what was there. */
static struct nh_board *new_board(struct lane_hub *hub, const struct config_device *device)
{
    const struct config_nerveshub *config = hub->lane->shared->hub->config;
    const struct nh_board_options options = {
        .url = config->url,
        .identifier = device->id,
        .key = device->key,
        .cert_file = device->cert_file,
        .key_file = device->cert_key_file,
        .ca_file = config->ca_file,
        .proxy = hub_proxy(config),
        .resource = device->resource,
        .backoff_min_ms = config->backoff_min_ms,
        .backoff_max_ms = config->backoff_max_ms,
    };
    const struct nh_board_io io = {
        .user = hub,
        .type = on_type,
        .reboot = on_reboot,
        .identify = on_identify,
        .window = on_window,
        .flash = on_flash,
        .stop_flash = on_stop_flash,
        .health = on_health,
        .keeps_old = !hub->by_command,
        .say = on_say,
        .now_ms = on_now_ms,
        .unix_us = on_unix_us,
        .secret = hub->secret_file != NULL ? on_secret : NULL,
        .wake = on_wake,
    };
    return nh_board_new(&hub->lane->shared->hub->boards, &options, &io);
}

static bool is_device(const struct lane *lane, struct config_device *device)
{
    return lane->shared->hub != NULL &&
           config_device(lane->shared->hub->config, lane->config, device);
}

struct lane_hub *lane_hub_new(struct lane *lane)
{
    struct config_device device;
    if (!is_device(lane, &device))
        return NULL;
    struct lane_hub *hub = calloc(1, sizeof *hub);
    if (hub == NULL)
        return NULL;
    hub->lane = lane;
    hub->stop_ms = NEVER;
    hub->by_command = device.flash_command != NULL;
    hub->secret_file = device.secret_file != NULL ? strdup(device.secret_file) : NULL;
    if (device.cert_file != NULL || hub->secret_file != NULL)
        hub->flasher = new_flasher(hub, &device);
    if (hub->flasher != NULL)
        hub->board = new_board(hub, &device);
    if (hub->board != NULL)
        return hub;
    lane_log_say(&lane->log, LOG_ERROR, "NervesHub: " UNUSABLE);
    lane_hub_free(hub);
    return NULL;
}

void lane_hub_free(struct lane_hub *hub)
{
    if (hub == NULL)
        return;
    nh_board_free(hub->board);
    flasher_free(hub->flasher);
    free(hub->secret_file);
    free(hub->port);
    free(hub);
}

void lane_hub_stop(struct lane_hub *hub)
{
    if (hub == NULL)
        return;
    hub->stop_ms = lane_now_ms(hub->lane) + LANE_HUB_STOP_MS;
    nh_board_stop(hub->board);
}

bool lane_hub_is_stopped(const struct lane_hub *hub, uint64_t now_ms)
{
    return hub == NULL || now_ms >= hub->stop_ms || nh_board_is_stopped(hub->board);
}

static void say_stage(struct lane_hub *hub)
{
    const struct nh_board_picture *picture = &hub->picture;
    nh_board_watch(hub->board, &hub->picture);
    if (picture->stage == hub->said)
        return;
    hub->said = picture->stage;
    if (picture->stage != NH_IDLE)
        lane_log_say(&hub->lane->log, LOG_INFO, "NervesHub: the update to %s: %s", picture->coming,
                     nh_stage_text(picture->stage));
}

uint64_t lane_hub_tick(struct lane_hub *hub, uint64_t now_ms)
{
    if (hub == NULL)
        return NEVER;
    try_wish(hub);
    try_size(hub);
    uint64_t next_ms = nh_board_tick(hub->board, now_ms);
    if (hub->size_due && hub->lane->port != NULL && now_ms + KEYS_MS < next_ms)
        next_ms = now_ms + KEYS_MS;
    say_stage(hub);
    if (hub->keys_ms <= now_ms)
        hub->keys_ms = 0; /* those that waited were dropped with their board */
    return hub->keys_ms != 0 && hub->keys_ms < next_ms ? hub->keys_ms : next_ms;
}

/* -- What the board says. */

void lane_hub_board(struct lane_hub *hub, const struct mp_peer *peer,
                    const struct mp_description *description)
{
    if (hub == NULL)
        return;
    struct port *port = hub->lane->port;
    const struct nh_board_hello hello = {
        .device = peer->device,
        .device_length = peer->device_len,
        .image = peer->image,
        .image_length = peer->image_len,
        .product = description->product,
        .version = description->version,
        .architecture = description->architecture,
        .platform = description->platform,
        .auto_reverted = peer->taken_back,
    };
    free(hub->port);
    hub->port = strdup(port_name(port));
    hub->sent = WISH_NONE;
    hub->size_due = hub->rows != 0; /* its viewer says it once, and a restart forgets it */
    lane_health_begin(&hub->health, peer);
    flasher_board(hub->flasher, port);
    nh_board_here(hub->board, &hello);
}

void lane_hub_gone(struct lane_hub *hub)
{
    if (hub == NULL)
        return;
    hub->wish = hub->sent = WISH_NONE;
    flasher_board_lost(hub->flasher);
    nh_board_gone(hub->board);
}

void lane_hub_reading(struct lane_hub *hub, const struct mp_host_reading *reading)
{
    if (hub != NULL)
        lane_health_reading(&hub->health, reading);
}

void lane_hub_console(struct lane_hub *hub, const uint8_t *bytes, size_t n)
{
    if (hub != NULL)
        nh_board_console(hub->board, bytes, n);
}

void lane_hub_log(struct lane_hub *hub, enum mp_level level, const char *text, size_t n)
{
#define X(id, NAME, name) name,
    static const char *const levels[] = {MP_LEVELS(X)};
#undef X
    char line[LOG_TEXT_BYTES];
    if (hub == NULL || (size_t)level >= sizeof levels / sizeof levels[0])
        return;
    snprintf(line, sizeof line, "%.*s", (int)n, text);
    nh_board_log(hub->board, levels[level], line);
}

/* -- What is seen of it. */

bool lane_hub_is_joined(const struct lane *lane)
{
    struct nh_board_picture picture;
    struct config_device device;
    if (lane->hub == NULL)
        return !is_device(lane, &device);
    nh_board_watch(lane->hub->board, &picture);
    return picture.joined;
}

void lane_hub_watch(const struct lane *lane, struct watch_lane *out)
{
    struct lane_hub *hub = lane->hub;
    struct config_device device;
    out->hub_percent = out->hub_updated = out->hub_failed = WATCH_NONE;
    out->hub_console_lost = out->hub_log_lost = WATCH_NONE;
    out->hub_uuid = out->hub_version = out->hub_coming = "";
    out->hub_stage = nh_stage_text(NH_IDLE);
    out->hub_trouble = UNUSABLE;
    out->has_hub = is_device(lane, &device);
    if (hub == NULL)
        return;
    struct nh_board_picture *picture = &hub->picture;
    nh_board_watch(hub->board, picture);
    out->hub_joined = picture->joined;
    out->hub_stage = nh_stage_text(picture->stage);
    out->hub_uuid = picture->running->uuid;
    out->hub_version = picture->running->version;
    out->hub_coming = picture->coming;
    out->hub_trouble = picture->trouble;
    out->hub_updated = picture->updated;
    out->hub_failed = picture->failed;
    out->hub_console_lost = picture->console_lost;
    out->hub_log_lost = picture->log_lost;
    if (picture->stage == NH_FETCHING || picture->stage == NH_FLASHING)
        out->hub_percent = picture->percent;
}
