/*
 * Wiring: events of the board go up through uplink and profile to the channel, control updates come
 * down through profile and commands to the board. What each of these does is its own file's; here
 * is only who calls whom, and what is said in the log. What concerns NervesHub is passed on to
 * lane_hub; an MCU that has no other server stays IDLE.
 *
 *   IDLE --board there--> CONNECTING --connected--> GREETING --metadata--> JOINING --ok--> JOINED
 *    ^                       ^  ^                      |                      ^  channel    |
 *    |                       |  '----- disconnected ---+----------------------+---ended-----'
 *    |                       '-------- disconnected ----------------------------------------'
 *    '-- nothing left to send, and no board for linger_ms
 *
 *   STOPPING: from any of them by lane_stop; ends with the connection.
 */
#include "base/log.h"
#include "lane_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CLOSE_MS          1000
#define RETRY_MIN_MS      500
#define RETRY_MAX_MS      60000
#define COMMIT_MS         250 /* a reading waits at most so long for its commit to begin */
#define FULL_PAUSE_MS     1000
#define HUB_LOOK_MS       50 /* stopping: whether a flasher has ended */
/* Still no metadata after it was said: connect anew. */
#define GREETING_AGAIN_MS 20000

uint64_t lane_now_ms(const struct lane *lane)
{
    return loop_now_ms(lane->shared->loop);
}

struct port *lane_port(const struct lane *lane)
{
    return lane->port;
}

struct profile_board lane_board(const struct lane *lane)
{
    return (struct profile_board){lane->config->name, lane->device, lane->device_len};
}

/* Without one, the board is a device of NervesHub alone. */
bool lane_has_server(const struct lane *lane)
{
    return lane->shared->config->url != NULL;
}

/* -- Up: from the board to the uplink. */

static union mp_value to_wire(const struct lane *lane, const struct mp_host_reading *reading)
{
    const struct mp_host_sensor *sensor = &lane->description->sensors[reading->slot];
    union mp_value value = {.i = 0};
    mp_value_to_wire(sensor->type, sensor->exponent, reading->value, &value);
    return value;
}

static void on_reading(void *user, const struct mp_host_reading *reading)
{
    struct lane *lane = user;
    if (lane->state == LANE_STOPPING)
        return;
    lane_hub_reading(lane->hub, reading);
    if (!lane_has_server(lane)) {
        lane->counts.unsent++;
        return;
    }
    if (lane->message_count == 0)
        lane->boot_minus_mono_us = lane_boot_minus_mono_us(lane);
    const struct uplink_reading kept = {
        .slot = reading->slot,
        .value = to_wire(lane, reading),
        .at_us = port_host_us(lane->port, reading->device_us) + (uint64_t)lane->boot_minus_mono_us,
    };
    if (!reading->reliable)
        uplink_add_once(&lane->uplink, &kept, lane_now_ms(lane));
    else if (lane->message_count < READINGS_PER_MESSAGE)
        lane->message[lane->message_count++] = kept;
    turn_wake(&lane->turn);
}

void lane_tell_safe(struct lane *lane)
{
    if (lane->port == NULL)
        return;
    port_credit(lane->port, uplink_credit(&lane->uplink));
    port_safe(lane->port, uplink_safe(&lane->uplink));
}

void lane_readings_wait(struct lane *lane)
{
    if (lane->state == LANE_IDLE)
        lane_connect(lane);
}

static void board_gone(struct lane *lane)
{
    lane->port = NULL;
    lane->message_count = 0;
    lane->gone_ms = lane_now_ms(lane);
    commands_on_mcu_gone(&lane->commands, lane_now_ms(lane));
    lane_hub_gone(lane->hub);
    lane->description = NULL;
    lane->shared->freed(lane->shared->user);
}

static void on_received(void *user, uint32_t number)
{
    struct lane *lane = user;
    size_t n = lane->message_count;
    lane->message_count = 0;
    if (lane->state == LANE_STOPPING)
        return;
    if (uplink_add(&lane->uplink, number, lane->message, n, lane_now_ms(lane)) == UPLINK_FULL) {
        struct port *port = lane->port;
        lane_log_full(&lane->log);
        board_gone(lane);
        port_hold(port, FULL_PAUSE_MS);
        return;
    }
    /* One without readings, or one that came again, can be safe already. */
    if ((int32_t)(uplink_safe(&lane->uplink) - number) > 0)
        lane_tell_safe(lane);
}

static void on_result(void *user, uint16_t request, enum mp_status status)
{
    struct lane *lane = user;
    commands_on_result(&lane->commands, request, status, lane_now_ms(lane));
    lane_hub_result(lane->hub, request, status);
    lane->commands_ms = 0; /* a refused fail-safe value has its next try soon */
    turn_wake(&lane->turn);
}

static void on_control_state(void *user, uint8_t control, enum mp_cause cause, union mp_value value)
{
    struct lane *lane = user;
    if (control < lane->description->control_count)
        lane_log_control_state(&lane->log, &lane->description->controls[control], cause, value,
                               lane_now_ms(lane));
}

static void on_board_log(void *user, enum mp_level level, const char *text, size_t n)
{
    struct lane *lane = user;
    lane_log_board(&lane->log, level, text, n, lane_now_ms(lane));
    lane_hub_log(lane->hub, level, text, n);
}

static void on_console(void *user, const uint8_t *bytes, size_t n)
{
    const struct lane *lane = user;
    lane_hub_console(lane->hub, bytes, n);
}

/* One that is being flashed is expected to go. */
void lane_board_lost(struct lane *lane, const char *why)
{
    lane_log_say(&lane->log, lane_hub_is_flashing(lane->hub) ? LOG_INFO : LOG_WARNING,
                 "the board is gone: %s", why);
    board_gone(lane);
    turn_wake(&lane->turn);
}

static void on_board_lost(void *user, const char *why)
{
    lane_board_lost(user, why);
}

static void drop_socket(struct lane *lane)
{
    lane_log_say(&lane->log, LOG_INFO,
                 "disconnected: the board is gone and nothing is left to send");
    lane_leave(lane);
    lane_stand_up(lane);
    lane->state = LANE_IDLE;
}

/* -- The board comes. */

static void refuse_sensor(void *user, const struct uplink_sensor *sensor)
{
    struct lane *lane = user;
    if (lane_has_server(lane))
        lane_log_sensor(&lane->log, sensor->name, sensor->kind, lane->shared->profile->name);
}

static bool describe(struct lane *lane, const struct mp_description *description)
{
    struct uplink_sensor sensors[MP_HOST_SENSORS_MAX];
    for (size_t i = 0; i < description->sensor_count; i++) {
        const struct mp_host_sensor *from = &description->sensors[i];
        sensors[i] = (struct uplink_sensor){from->name, from->kind, from->type, from->exponent};
    }
    if (uplink_describe(&lane->uplink, sensors, description->sensor_count, refuse_sensor, lane) ==
        0)
        return true;
    lane_log_say(&lane->log, LOG_ERROR,
                 "readings of too many other descriptions wait for the server");
    return false;
}

static bool holds(void *user, const char *control)
{
    const struct lane *lane = user;
    for (size_t i = 0; i < lane->config->control_count; i++)
        if (strcmp(lane->config->controls[i].name, control) == 0)
            return lane->config->controls[i].on_channel_loss == CONFIG_HOLD;
    return false;
}

static void say_unknown_controls(struct lane *lane)
{
    for (size_t i = 0; i < lane->config->control_count; i++) {
        size_t j = 0;
        while (j < lane->description->control_count &&
               strcmp(lane->description->controls[j].name, lane->config->controls[i].name) != 0)
            j++;
        if (j == lane->description->control_count)
            lane_log_say(&lane->log, LOG_WARNING,
                         "the configuration names a control \"%s\" that the board has not",
                         lane->config->controls[i].name);
    }
}

static const struct port_client client_of_board = {
    .reading = on_reading,
    .received = on_received,
    .result = on_result,
    .control_state = on_control_state,
    .log = on_board_log,
    .console = on_console,
    .lost = on_board_lost,
};

bool lane_own_topic(struct lane *lane)
{
    const struct profile *profile = lane->shared->profile;
    const struct profile_board board = {lane->config->name, lane->config->device,
                                        lane->config->device_len};
    const char *why;
    return !lane->config->any_device && profile->topic_of(profile, &board, lane->topic, &why);
}

/* Whose topic it is, where the board's identity makes it. What waits for another board's topic
 * never goes to this one. */
static bool take_identity(struct lane *lane, const struct mp_peer *peer)
{
    const struct profile *profile = lane->shared->profile;
    const struct profile_board board = {lane->config->name, peer->device, peer->device_len};
    char topic[PROFILE_TOPIC_MAX];
    const char *why = NULL;
    if (profile->topic_of != NULL) {
        if (!profile->topic_of(profile, &board, topic, &why)) {
            lane_log_say(&lane->log, LOG_ERROR, "the board has no topic: %s", why);
            return false;
        }
        if (strcmp(topic, lane->topic) != 0 && lane->stream == NULL &&
            !uplink_is_empty(&lane->uplink)) {
            lane_log_say(&lane->log, LOG_WARNING, "readings of another board wait still for %s",
                         lane->topic);
            return false;
        }
        bool other = strcmp(topic, lane->topic) != 0;
        if (other)
            lane_leave(lane);
        memcpy(lane->topic, topic, sizeof topic);
        if (other && !lane_up_topic(lane))
            return false;
    }
    memcpy(lane->device, peer->device, peer->device_len);
    lane->device_len = peer->device_len;
    return true;
}

static void take_to_server(struct lane *lane)
{
    commands_on_mcu(&lane->commands, lane->description, holds, lane, lane_now_ms(lane));
    lane->commands_ms = 0;
    if (lane->state == LANE_IDLE)
        lane_connect(lane);
    else if (lane->channel == NULL && phx_socket_is_connected(lane->socket))
        lane_join_own(lane);
}

bool lane_claim(struct lane *lane, struct port *port, const struct mp_peer *peer,
                const struct mp_description *description, struct port_client *client)
{
    /* Before the spool is known nobody can tell what the board sends again. */
    bool ready = lane->shared->spool == NULL || spool_is_ready(lane->shared->spool);
    if (lane->state == LANE_STOPPING || !ready || !take_identity(lane, peer) ||
        !describe(lane, description))
        return false;
    *client = client_of_board;
    client->user = lane;
    lane->port = port;
    lane->description = description;
    lane->message_count = 0;
    lane->counts.boards++;
    lane_log_board_ready(&lane->log, port_path(port), peer, description);
    say_unknown_controls(lane);
    lane_up_board(lane, peer);
    uplink_session(&lane->uplink, peer->epoch, peer->first);
    lane_tell_safe(lane);
    if (lane_has_server(lane))
        take_to_server(lane);
    lane_hub_board(lane->hub, peer, description);
    turn_wake(&lane->turn);
    return true;
}

/* -- What is due. */

static void finish_stop(struct lane *lane)
{
    lane_stand_up(lane);
    lane->state = LANE_IDLE;
    lane->shared->stopped(lane->shared->user, lane);
}

static void begin_close(struct lane *lane, uint64_t now)
{
    lane->closing = true;
    lane->stop_ms = now + (uint64_t)2 * CLOSE_MS;
    lane_leave(lane);
    lane->closed = lane->seat == NULL || !seat_disconnect(lane->seat, CLOSE_MS);
}

/* A group that is committed after its lane has gone would be sent, and stored, a second time. */
static bool is_waited_for(const struct lane *lane)
{
    return uplink_is_in_flight(&lane->uplink) ||
           (lane->stream != NULL && uplink_is_storing(&lane->uplink));
}

static void close_when_done(struct lane *lane, uint64_t now)
{
    if (!lane->closing && is_waited_for(lane) && now < lane->stop_ms)
        return;
    if (!lane->closing)
        begin_close(lane, now);
    if (!lane->closed && now < lane->stop_ms)
        return;
    if (lane_hub_is_stopped(lane->hub, now))
        finish_stop(lane);
    else
        lane->stop_ms = now + HUB_LOOK_MS;
}

/* A server that could not look the key up just then may greet the next connection. */
static void on_no_greeting(struct lane *lane, uint64_t now)
{
    if (lane->greeting_missed) {
        lane_log_say(&lane->log, LOG_INFO, "still no metadata: connecting anew");
        lane->greeting_ms = NEVER;
        lane_reconnect(lane);
        return;
    }
    lane->greeting_missed = true;
    lane->greeting_ms = now + GREETING_AGAIN_MS;
    lane_log_say(
        &lane->log, LOG_WARNING,
        "connected, but the server has sent no metadata: is %s its microcontroller socket?",
        lane->shared->config->url);
}

static bool may_disconnect(const struct lane *lane, uint64_t now)
{
    return lane->port == NULL && lane->state != LANE_IDLE && uplink_is_empty(&lane->uplink) &&
           now >= lane->gone_ms + lane->shared->config->linger_ms;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_ms(const struct lane *lane)
{
    uint64_t next = earlier(lane->commands_ms, lane->greeting_ms);
    next = earlier(next, lane->again_ms);
    next = earlier(next, commands_fresh_due_at(&lane->fresh));
    next = earlier(next, lane_up_next_ms(lane));
    if (lane->port == NULL && lane->state != LANE_IDLE && uplink_is_empty(&lane->uplink))
        next = earlier(next, lane->gone_ms + lane->shared->config->linger_ms);
    if (lane->state == LANE_STOPPING)
        next = earlier(next, lane->stop_ms);
    return next;
}

uint64_t lane_tick(struct lane *lane, uint64_t now_us)
{
    uint64_t now = now_us / 1000;
    lane_on_gaps(lane, lane->shared->loop->gaps); /* the loop has just looked */
    if (now >= lane->commands_ms)
        lane->commands_ms = commands_flush(&lane->commands, now);
    if (now >= lane->greeting_ms)
        on_no_greeting(lane, now);
    if (now >= lane->again_ms)
        lane_reconnect(lane);
    lane_probe(lane, now);
    lane_up_tick(lane, now);
    uint64_t hub_ms = lane_hub_tick(lane->hub, now);
    if (lane->state == LANE_STOPPING)
        close_when_done(lane, now);
    else if (may_disconnect(lane, now))
        drop_socket(lane);
    uint64_t next = earlier(next_ms(lane), hub_ms);
    return next == NEVER ? NEVER : next * 1000;
}

/* -- Life. */

static int send_command(void *user, uint8_t control, union mp_value value, uint32_t ttl_ms,
                        uint16_t *request)
{
    struct lane *lane = user;
    if (lane->port == NULL)
        return MP_ERR_NO_SESSION;
    return port_command(lane->port, control, value, ttl_ms, request);
}

static void on_command_way(void *user, const struct commands_report *report, bool sent)
{
    struct lane *lane = user;
    lane_log_command_way(&lane->log, report, sent);
}

static void on_command_ended(void *user, const struct commands_report *report)
{
    struct lane *lane = user;
    lane_log_command(&lane->log, report, lane_now_ms(lane));
    lane_report_command(lane, report);
}

static uint64_t take_turn(void *user, uint64_t now_us)
{
    return lane_tick(user, now_us);
}

struct lane *lane_new(const struct lane_shared *shared, const struct config_mcu *config)
{
    struct lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL)
        return NULL;
    lane->shared = shared;
    lane->config = config;
    lane->greeting_ms = lane->again_ms = lane->commands_ms = NEVER;
    lane->gaps = loop_gaps(shared->loop);
    lane_log_init(&lane->log, config->name);
    struct uplink_config uplink = {
        .profile = shared->profile,
        .buffer_bytes = shared->config->buffer_bytes,
        .batch_readings = shared->config->batch_readings,
        .batch_ms = shared->config->batch_ms,
        .retry_min_ms = RETRY_MIN_MS,
        .retry_max_ms = RETRY_MAX_MS,
        .identity = shared->config->reading_at,
        .spooled = shared->spool != NULL,
        .commit_ms = COMMIT_MS,
        .io = lane_uplink_io,
    };
    uplink.io.user = lane;
    const struct commands_config commands = {shared->config->command_ttl_ms,
                                             shared->config->channel_loss_ms};
    const struct commands_io io = {lane, send_command, on_command_ended, on_command_way};
    commands_init(&lane->commands, &commands, &io);
    commands_fresh_init(&lane->fresh, shared->config->command_probe_ms);
    for (int i = 0; i < UPLINK_FLIGHT_MAX; i++)
        lane->pushed_ms[i] = NEVER;
    if (uplink_init(&lane->uplink, &uplink) != 0) {
        free(lane);
        return NULL;
    }
    if (turn_begin(&lane->turn, shared->turns, take_turn, lane) != 0) {
        uplink_deinit(&lane->uplink);
        free(lane);
        return NULL;
    }
    lane_read_key(lane);
    lane->hub = lane_hub_new(lane);
    return lane;
}

void lane_free(struct lane *lane)
{
    turn_end(&lane->turn);
    lane_hub_free(lane->hub);
    lane_stand_up(lane);
    lane_up_close(lane);
    uplink_deinit(&lane->uplink);
    free(lane);
}

void lane_stop(struct lane *lane)
{
    lane_hub_stop(lane->hub);
    if (lane->state == LANE_IDLE && lane_hub_is_stopped(lane->hub, lane_now_ms(lane))) {
        lane->shared->stopped(lane->shared->user, lane);
        return;
    }
    lane_up_stop(lane);
    lane->again_ms = NEVER;
    lane->state = LANE_STOPPING;
    lane->stop_ms = lane_now_ms(lane) + LANE_STOP_MS;
    turn_wake(&lane->turn);
}
