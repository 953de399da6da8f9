/*
 * Wiring: events of the board go up through uplink and profile to the channel, control updates come
 * down through profile and commands to the board. What each of these does is its own file's; here
 * is only who calls whom, and what is said in the log.
 *
 *   IDLE --board there--> CONNECTING --connected--> GREETING --metadata--> JOINING --ok--> JOINED
 *    ^                       ^  ^                      |                      ^  channel    |
 *    |                       |  '----- disconnected ---+----------------------+---ended-----'
 *    |                       '-------- disconnected ----------------------------------------'
 *    '-- nothing left to send, and no board for linger_ms
 *
 *   STOPPING: from any of them by lane_stop; ends with the connection.
 */
#include "lane.h"
#include "commands.h"
#include "lane_log.h"
#include "log.h"
#include "uplink.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GREETING_MS       10000 /* the metadata may take so long before its absence is said */
#define NEVER             UINT64_MAX
#define SECRET_BYTES      256
#define QUEUE_BYTES       (4u << 20) /* one upload of the largest batch fits */
#define MESSAGE_BYTES_MAX (256u << 10)
#define CLOSE_MS          1000
#define RETRY_MIN_MS      500
#define RETRY_MAX_MS      60000
#define READINGS_PER_MESSAGE                                             \
    (MP_BODY_MAX / 3) /* slot, ticks and value take three bytes at least \
                       */
#define FULL_PAUSE_MS 1000

enum lane_state {
    LANE_IDLE,
    LANE_CONNECTING,
    LANE_GREETING,
    LANE_JOINING,
    LANE_JOINED,
    LANE_STOPPING,
};

struct lane {
    const struct lane_shared *shared;
    const struct config_mcu *config;
    enum lane_state state;
    struct port *port;
    const struct mp_description *description;
    struct uplink uplink;
    struct commands commands;
    struct phx_socket *socket;
    struct phx_channel *channel;
    char topic[PROFILE_TOPIC_MAX];
    uint64_t gone_ms;     /* since when the board is not there */
    uint64_t greeting_ms; /* when to say that the metadata is missing; NEVER: said, or here */
    uint64_t stop_ms;     /* stopping: not to wait longer for the upload, then for the close */
    uint64_t commands_ms; /* when commands wants to be called */
    uint32_t gaps;        /* of the loop, as far as a heartbeat was heard since */
    bool stale;           /* a gap, and no heartbeat since */
    bool closing;         /* stopping: the socket was asked to close */
    bool closed;          /* and has done so */
    struct lane_log log;
    uint16_t message_count; /* readings of the message at hand */
    struct uplink_reading message[READINGS_PER_MESSAGE];
};

static uint64_t now_ms(const struct lane *lane)
{
    return loop_now_ms(lane->shared->loop);
}

const char *lane_name(const struct lane *lane)
{
    return lane->config->name;
}

const struct config_mcu *lane_config(const struct lane *lane)
{
    return lane->config;
}

struct port *lane_port(const struct lane *lane)
{
    return lane->port;
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
    const struct uplink_reading kept = {
        .slot = reading->slot,
        .value = to_wire(lane, reading),
        .at_us = port_host_us(lane->port, reading->device_us),
    };
    if (lane->state == LANE_STOPPING)
        return;
    if (!reading->reliable)
        uplink_add_once(&lane->uplink, &kept, now_ms(lane));
    else if (lane->message_count < READINGS_PER_MESSAGE)
        lane->message[lane->message_count++] = kept;
    loop_wake(lane->shared->loop);
}

static void tell_safe(struct lane *lane)
{
    if (lane->port == NULL)
        return;
    port_credit(lane->port, uplink_credit(&lane->uplink));
    port_safe(lane->port, uplink_safe(&lane->uplink));
}

static void board_gone(struct lane *lane)
{
    lane->port = NULL;
    lane->message_count = 0;
    lane->gone_ms = now_ms(lane);
    commands_on_mcu_gone(&lane->commands, now_ms(lane));
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
    if (uplink_add(&lane->uplink, number, lane->message, n, now_ms(lane)) == UPLINK_FULL) {
        struct port *port = lane->port;
        lane_log_full(&lane->log);
        board_gone(lane);
        port_hold(port, FULL_PAUSE_MS);
        return;
    }
    /* One without readings, or one that came again, can be safe already. */
    if ((int32_t)(uplink_safe(&lane->uplink) - number) > 0)
        tell_safe(lane);
}

static void on_result(void *user, uint16_t request, enum mp_status status)
{
    struct lane *lane = user;
    commands_on_result(&lane->commands, request, status, now_ms(lane));
}

static void on_control_state(void *user, uint8_t control, enum mp_cause cause, union mp_value value)
{
    struct lane *lane = user;
    if (control < lane->description->control_count)
        lane_log_control_state(&lane->log, &lane->description->controls[control], cause, value);
}

static void on_board_log(void *user, enum mp_level level, const char *text, size_t n)
{
    struct lane *lane = user;
    lane_log_board(&lane->log, level, text, n, now_ms(lane));
}

static void on_board_lost(void *user, const char *why)
{
    struct lane *lane = user;
    log_warning(lane->config->name, "the board is gone: %s", why);
    board_gone(lane);
    loop_wake(lane->shared->loop);
}

/* -- The socket. */

static bool on_credentials(void *user, struct phx_credentials *credentials)
{
    struct lane *lane = user;
    char key[SECRET_BYTES], error[256];
    bool good = false;
    if (config_secret(lane->config->api_key_file, key, sizeof key, error, sizeof error) != 0) {
        log_error(lane->config->name, "%s", error);
        return false;
    }
    const char *wrong = lane->shared->profile->check_credential(key);
    if (wrong != NULL)
        log_error(lane->config->name, "%s: %s", lane->config->api_key_file, wrong);
    else
        good = phx_add_header(credentials, lane->shared->profile->credential_header, key) == PHX_OK;
    explicit_bzero(key, sizeof key);
    return good;
}

static void on_connected(void *user)
{
    struct lane *lane = user;
    lane_log_connected(&lane->log);
    if (lane->state == LANE_STOPPING)
        return;
    lane->state = LANE_GREETING;
    lane->greeting_ms = now_ms(lane) + GREETING_MS;
    lane->stale = false;
    lane->gaps = loop_gaps(lane->shared->loop);
    loop_wake(lane->shared->loop);
}

/* Every join follows the metadata of its connection: a server may have given the key to another
 * controller meanwhile. */
static void leave(struct lane *lane)
{
    if (lane->channel != NULL)
        phx_leave(lane->channel);
    lane->channel = NULL;
    commands_on_channel(&lane->commands, false, now_ms(lane));
}

static void finish_stop(struct lane *lane)
{
    phx_socket_free(lane->socket);
    lane->socket = NULL;
    lane->state = LANE_IDLE;
    lane->shared->stopped(lane->shared->user);
}

static void on_disconnected(void *user, const struct phx_disconnect *why)
{
    struct lane *lane = user;
    lane_log_disconnected(&lane->log, why);
    leave(lane);
    lane->greeting_ms = NEVER;
    if (lane->state != LANE_STOPPING)
        lane->state = LANE_CONNECTING;
    lane->closed = lane->closing;
    loop_wake(lane->shared->loop);
}

static void on_heartbeat(void *user)
{
    struct lane *lane = user;
    if (lane->stale)
        log_info(lane->config->name, "the server answers again: controls are taken again");
    lane->stale = false;
}

/* -- The channel. */

static void on_joined(void *user, struct phx_text response)
{
    struct lane *lane = user;
    (void)response;
    lane->state = LANE_JOINED;
    lane_log_joined(&lane->log, lane->topic);
    commands_on_channel(&lane->commands, true, now_ms(lane));
    loop_wake(lane->shared->loop);
}

static void on_refused(void *user, struct phx_text response, uint32_t retry_ms)
{
    struct lane *lane = user;
    lane_log_refused(&lane->log, lane->topic, response, retry_ms);
}

static void on_ended(void *user, bool crashed, uint32_t retry_ms)
{
    struct lane *lane = user;
    log_warning(lane->config->name, "the server %s %s; joining again in %u ms",
                crashed ? "had an error in" : "closed", lane->topic, retry_ms);
    lane->state = LANE_JOINING;
    commands_on_channel(&lane->commands, false, now_ms(lane));
    loop_wake(lane->shared->loop);
}

static void on_control_element(void *user, const struct profile_control *control)
{
    static const enum commands_value kinds[] = {
        [PROFILE_NUMBER] = COMMANDS_NUMBER,
        [PROFILE_BOOL] = COMMANDS_BOOL,
        [PROFILE_OTHER] = COMMANDS_OTHER,
    };
    struct lane *lane = user;
    bool fresh = !lane->stale && !phx_socket_is_doubtful(lane->socket);
    commands_set(&lane->commands, control->name, kinds[control->kind], control->number, fresh,
                 now_ms(lane));
}

static void on_bad_control(void *user, const char *why)
{
    struct lane *lane = user;
    log_warning(lane->config->name, "a control update makes no sense: %s", why);
}

/* What lies in the buffers after a gap may be as old as the gap; what follows the reply to a
 * heartbeat sent after it is not. */
static void look_for_gap(struct lane *lane)
{
    uint32_t gaps = loop_gaps(lane->shared->loop);
    if (gaps == lane->gaps)
        return;
    lane->gaps = gaps;
    if (lane->socket == NULL || !phx_socket_is_connected(lane->socket))
        return;
    lane->stale = true;
    phx_socket_probe(lane->socket);
    log_warning(lane->config->name, "controls are discarded until the server answers a heartbeat");
}

static void on_message(void *user, struct phx_text event, struct phx_text payload)
{
    struct lane *lane = user;
    const char *control_event = lane->shared->profile->control_event;
    if (event.len != strlen(control_event) || memcmp(event.at, control_event, event.len) != 0) {
        lane_log_ignored(&lane->log, event);
        return;
    }
    if (lane->state != LANE_JOINED)
        return;
    look_for_gap(lane);
    const struct profile_control_io io = {lane, on_control_element, on_bad_control};
    lane->shared->profile->read_control((struct profile_text){payload.at, payload.len}, &io);
    lane->commands_ms = commands_flush(&lane->commands, now_ms(lane));
    loop_wake(lane->shared->loop);
}

static void on_push_end(void *user, void *token, const struct phx_push_result *result)
{
    struct lane *lane = user;
    (void)token;
    if (!uplink_is_in_flight(&lane->uplink))
        return;
    if (result->end == PHX_PUSH_REPLY && result->ok) {
        uplink_on_ok(&lane->uplink);
        lane_log_uploaded(&lane->log);
        tell_safe(lane);
    } else if (result->end == PHX_PUSH_LOST) {
        lane_log_upload_failed(&lane->log, result, uplink_on_lost(&lane->uplink, now_ms(lane)));
    } else {
        lane_log_upload_failed(&lane->log, result, uplink_on_failure(&lane->uplink, now_ms(lane)));
    }
    loop_wake(lane->shared->loop);
}

static void join(struct lane *lane)
{
    const struct phx_channel_options options = {
        .topic = lane->topic,
        .join_payload = lane->shared->profile->join_payload,
    };
    const struct phx_channel_events events = {
        .user = lane,
        .joined = on_joined,
        .refused = on_refused,
        .ended = on_ended,
        .message = on_message,
        .push_end = on_push_end,
    };
    lane->state = LANE_JOINING;
    int error = phx_join(lane->socket, &options, &events, &lane->channel);
    if (error != PHX_OK) {
        lane->channel = NULL;
        log_error(lane->config->name, "cannot join %s: %s", lane->topic, phx_error_text(error));
    }
}

/* A message outside the channel: the metadata, before or instead of a topic known from earlier. */
static void on_socket_message(void *user, const struct phx_message *message)
{
    struct lane *lane = user;
    char topic[PROFILE_TOPIC_MAX];
    const char *why;
    struct profile_text parts[] = {{message->topic.at, message->topic.len},
                                   {message->event.at, message->event.len},
                                   {message->payload.at, message->payload.len}};
    if (lane->state == LANE_STOPPING)
        return;
    if (!lane->shared->profile->topic(parts[0], parts[1], parts[2], topic, &why)) {
        if (why != NULL)
            log_warning(lane->config->name, "%s", why);
        else
            lane_log_ignored(&lane->log, message->event);
        return;
    }
    lane->greeting_ms = NEVER;
    if (lane->channel != NULL && strcmp(topic, lane->topic) == 0)
        return;
    if (lane->topic[0] != '\0' && strcmp(topic, lane->topic) != 0)
        log_warning(lane->config->name, "the server calls this MCU %s now, not %s", topic,
                    lane->topic);
    leave(lane);
    memcpy(lane->topic, topic, sizeof topic);
    join(lane);
}

static void connect_socket(struct lane *lane)
{
    const struct config *config = lane->shared->config;
    const struct phx_socket_options options = {
        .url = config->url,
        .vsn = config->vsn == CONFIG_V1 ? PHX_V1 : PHX_V2,
        .ca_file = config->ca_file,
        .heartbeat_ms = config->heartbeat_ms,
        .heartbeat_timeout_ms = config->heartbeat_timeout_ms,
        .backoff_min_ms = config->backoff_min_ms,
        .backoff_max_ms = config->backoff_max_ms,
        .stable_ms = config->stable_ms,
        .max_message = MESSAGE_BYTES_MAX,
        .max_queue = QUEUE_BYTES,
        .user_agent = "mcu-bridge/" MCU_VERSION,
    };
    const struct phx_socket_events events = {
        .user = lane,
        .credentials = on_credentials,
        .connected = on_connected,
        .disconnected = on_disconnected,
        .message = on_socket_message,
        .heartbeat = on_heartbeat,
    };
    lane->socket = phx_socket_new(lane->shared->phx, &options, &events);
    if (lane->socket == NULL || phx_socket_connect(lane->socket) != PHX_OK)
        log_error(lane->config->name, "cannot connect: %s",
                  lane->socket == NULL ? "out of memory" : phx_socket_error(lane->socket));
    lane->state = LANE_CONNECTING;
}

static void drop_socket(struct lane *lane)
{
    log_info(lane->config->name, "disconnected: the board is gone and nothing is left to send");
    leave(lane);
    phx_socket_free(lane->socket);
    lane->socket = NULL;
    lane->state = LANE_IDLE;
}

/* -- The board comes. */

static void refuse_sensor(void *user, const struct uplink_sensor *sensor)
{
    struct lane *lane = user;
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
    log_error(lane->config->name, "readings of too many other descriptions wait for the server");
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

static void say_unknown_controls(const struct lane *lane)
{
    for (size_t i = 0; i < lane->config->control_count; i++) {
        size_t j = 0;
        while (j < lane->description->control_count &&
               strcmp(lane->description->controls[j].name, lane->config->controls[i].name) != 0)
            j++;
        if (j == lane->description->control_count)
            log_warning(lane->config->name,
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
    .lost = on_board_lost,
};

bool lane_claim(struct lane *lane, struct port *port, const struct mp_peer *peer,
                const struct mp_description *description, struct port_client *client)
{
    if (lane->state == LANE_STOPPING || !describe(lane, description))
        return false;
    *client = client_of_board;
    client->user = lane;
    lane->port = port;
    lane->description = description;
    lane->message_count = 0;
    lane_log_board_ready(&lane->log, port_path(port), peer, description);
    say_unknown_controls(lane);
    uplink_session(&lane->uplink, peer->epoch, peer->first);
    tell_safe(lane);
    commands_on_mcu(&lane->commands, description, holds, lane, now_ms(lane));
    lane->commands_ms = 0;
    if (lane->state == LANE_IDLE)
        connect_socket(lane);
    loop_wake(lane->shared->loop);
    return true;
}

/* -- What is due. */

static int64_t unix_minus_mono_us(const struct lane *lane)
{
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    return (int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000 -
           (int64_t)loop_now_us(lane->shared->loop);
}

static int push_upload(struct lane *lane, const struct profile_upload *upload)
{
    const struct profile *profile = lane->shared->profile;
    size_t bound = profile->upload_bound(upload);
    char *json = malloc(bound);
    if (json == NULL)
        return PHX_ERR_MEMORY;
    size_t n = profile->write_upload(upload, json, bound);
    int error = PHX_ERR_BAD_JSON;
    if (n > 0)
        error = phx_push(lane->channel, profile->upload_event, (struct phx_text){json, n}, 0, lane);
    free(json);
    return error;
}

static void upload(struct lane *lane, uint64_t now)
{
    struct profile_upload upload = {
        .values_as_strings = lane->shared->config->values_as_strings,
        .identity = lane->shared->config->reading_at,
    };
    if (lane->state != LANE_JOINED || !phx_channel_is_joined(lane->channel) ||
        !uplink_due(&lane->uplink, now, &upload))
        return;
    upload.unix_minus_mono_us = unix_minus_mono_us(lane);
    uplink_on_pushed(&lane->uplink);
    int error = push_upload(lane, &upload);
    if (error != PHX_OK)
        lane_log_push_failed(&lane->log, phx_error_text(error),
                             uplink_on_failure(&lane->uplink, now));
}

static void close_when_done(struct lane *lane, uint64_t now)
{
    if (lane->closing) {
        if (lane->closed || now >= lane->stop_ms)
            finish_stop(lane);
        return;
    }
    if (uplink_is_in_flight(&lane->uplink) && now < lane->stop_ms)
        return;
    lane->closing = true;
    lane->stop_ms = now + 2 * CLOSE_MS;
    leave(lane);
    phx_socket_disconnect(lane->socket, CLOSE_MS);
}

static void say_no_greeting(struct lane *lane)
{
    log_warning(lane->config->name,
                "connected, but the server has sent no metadata: is %s its microcontroller socket?",
                lane->shared->config->url);
    lane->greeting_ms = NEVER;
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
    if (lane->state == LANE_JOINED)
        next = earlier(next, uplink_due_at(&lane->uplink));
    if (lane->port == NULL && lane->state != LANE_IDLE && uplink_is_empty(&lane->uplink))
        next = earlier(next, lane->gone_ms + lane->shared->config->linger_ms);
    if (lane->state == LANE_STOPPING)
        next = earlier(next, lane->stop_ms);
    return next;
}

uint64_t lane_tick(struct lane *lane, uint64_t now_us)
{
    uint64_t now = now_us / 1000;
    look_for_gap(lane);
    if (now >= lane->commands_ms)
        lane->commands_ms = commands_flush(&lane->commands, now);
    if (now >= lane->greeting_ms)
        say_no_greeting(lane);
    upload(lane, now);
    if (lane->state == LANE_STOPPING)
        close_when_done(lane, now);
    else if (may_disconnect(lane, now))
        drop_socket(lane);
    uint64_t next = next_ms(lane);
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

static void on_command_ended(void *user, const struct commands_report *report)
{
    struct lane *lane = user;
    lane_log_command(&lane->log, report);
}

struct lane *lane_new(const struct lane_shared *shared, const struct config_mcu *config)
{
    struct lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL)
        return NULL;
    lane->shared = shared;
    lane->config = config;
    lane->greeting_ms = lane->commands_ms = NEVER;
    lane->gaps = loop_gaps(shared->loop);
    lane_log_init(&lane->log, config->name);
    const struct uplink_config uplink = {
        .profile = shared->profile,
        .buffer_bytes = shared->config->buffer_bytes,
        .batch_readings = shared->config->batch_readings,
        .batch_ms = shared->config->batch_ms,
        .retry_min_ms = RETRY_MIN_MS,
        .retry_max_ms = RETRY_MAX_MS,
    };
    const struct commands_config commands = {shared->config->command_ttl_ms,
                                             shared->config->channel_loss_ms};
    const struct commands_io io = {lane, send_command, on_command_ended};
    commands_init(&lane->commands, &commands, &io);
    if (uplink_init(&lane->uplink, &uplink) != 0) {
        free(lane);
        return NULL;
    }
    return lane;
}

void lane_free(struct lane *lane)
{
    if (lane->socket != NULL)
        phx_socket_free(lane->socket);
    uplink_deinit(&lane->uplink);
    free(lane);
}

void lane_stop(struct lane *lane)
{
    if (lane->state == LANE_IDLE) {
        lane->shared->stopped(lane->shared->user);
        return;
    }
    lane->state = LANE_STOPPING;
    lane->stop_ms = now_ms(lane) + LANE_STOP_MS;
    loop_wake(lane->shared->loop);
}
