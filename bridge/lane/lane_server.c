/*
 * The server's side of a lane: credentials, the metadata that names the topic, the channel, and
 * what comes down on it. The states and what is due are lane.c's.
 */
#include "base/log.h"
#include "lane_private.h"
#include "profile/profile_command.h"

#include <stdlib.h>
#include <string.h>

#define GREETING_MS       10000 /* the metadata may take so long before its absence is said */
#define NAMES_MAX         8     /* topics that a server may give an MCU in one connection */
#define NAMES_PAUSE_MS    5000  /* then the connection is made anew, after a while */
#define START_PAUSE_MS    5000  /* a certificate that cannot be read may just be being replaced */
#define SECRET_BYTES      256
#define QUEUE_BYTES       (4u << 20) /* one upload of the largest batch fits */
#define MESSAGE_BYTES_MAX (256u << 10)

/* -- The socket. */

/* Where many show one secret, or none, it is the name that tells them apart. */
static void hash_key(const struct lane *lane, const char *key, uint8_t hash[MP_SHA256_BYTES])
{
    struct mp_sha256 sha;
    mp_sha256_begin(&sha);
    mp_sha256_add(&sha, (const uint8_t *)key, strlen(key));
    if (lane->shared->profile->topic_of != NULL)
        mp_sha256_add(&sha, (const uint8_t *)lane->config->name, strlen(lane->config->name) + 1);
    mp_sha256_end(&sha, hash);
}

/* Reads the API key and its hash; says what is wrong with it. */
static bool read_key(struct lane *lane, char key[SECRET_BYTES], uint8_t hash[MP_SHA256_BYTES])
{
    char error[256];
    if (lane->config->api_key_file == NULL) {
        lane_log_say(&lane->log, LOG_ERROR, "its entry has no api_key_file");
        return false;
    }
    if (config_secret(lane->config->api_key_file, key, SECRET_BYTES, error, sizeof error) != 0) {
        lane_log_say(&lane->log, LOG_ERROR, "%s", error);
        return false;
    }
    const struct profile *profile = lane->shared->profile;
    const char *wrong = profile->check_credential(profile, key);
    if (wrong != NULL) {
        lane_log_say(&lane->log, LOG_ERROR, "%s: %s", lane->config->api_key_file, wrong);
        explicit_bzero(key, SECRET_BYTES);
        return false;
    }
    hash_key(lane, key, hash);
    return true;
}

void lane_read_key(struct lane *lane)
{
    char key[SECRET_BYTES] = "";
    if (lane->shared->spool == NULL)
        return;
    if (lane->shared->profile->credential == PROFILE_NONE)
        hash_key(lane, "", lane->key_hash);
    else if (!read_key(lane, key, lane->key_hash))
        return;
    explicit_bzero(key, sizeof key);
    lane_up_credential(lane);
}

static int add_credential(struct phx_credentials *to, const struct profile *profile,
                          const char *key)
{
    switch (profile->credential) {
    case PROFILE_HEADER:
        return phx_add_header(to, profile->credential_name, key);
    case PROFILE_PARAM:
        return phx_add_param(to, profile->credential_name, key);
    case PROFILE_AUTH_TOKEN:
        return phx_set_auth_token(to, key);
    case PROFILE_NONE:
        break;
    }
    return PHX_OK;
}

static bool on_credentials(void *user, struct phx_credentials *credentials)
{
    struct lane *lane = user;
    const struct profile *profile = lane->shared->profile;
    char key[SECRET_BYTES];
    if (profile->credential == PROFILE_NONE)
        return true;
    if (!read_key(lane, key, lane->key_hash))
        return false;
    lane_up_credential(lane);
    bool good = add_credential(credentials, profile, key) == PHX_OK;
    explicit_bzero(key, sizeof key);
    return good;
}

void lane_refresh_key(struct lane *lane)
{
    char key[SECRET_BYTES];
    uint8_t hash[MP_SHA256_BYTES];
    if (lane->shared->profile->credential == PROFILE_NONE || lane->state == LANE_IDLE ||
        lane->state == LANE_STOPPING || !read_key(lane, key, hash))
        return;
    explicit_bzero(key, sizeof key);
    if (memcmp(hash, lane->key_hash, sizeof hash) == 0)
        return;
    lane_log_say(&lane->log, LOG_INFO, "its API key is another one: connecting anew");
    lane_reconnect(lane);
}

static void join(struct lane *lane);

/* A lane that stops goes on stopping, whatever the server still says. */
static void enter(struct lane *lane, enum lane_state state)
{
    if (lane->state != LANE_STOPPING)
        lane->state = state;
}

/* Where the server names no topic, the board's own is joined at once. */
static void greet(struct lane *lane)
{
    const struct profile *profile = lane->shared->profile;
    lane->names = 0;
    if (profile->topic_of != NULL) {
        if (lane->topic[0] != '\0' || lane_own_topic(lane))
            join(lane);
        return;
    }
    enter(lane, LANE_GREETING);
    lane->greeting_ms = lane_now_ms(lane) + GREETING_MS;
    lane->greeting_missed = false;
}

static void on_connected(void *user)
{
    struct lane *lane = user;
    lane->counts.connects++;
    lane->again_ms = NEVER;
    lane_log_connected(&lane->log);
    if (lane->state == LANE_STOPPING)
        return;
    commands_fresh_on_connected(&lane->fresh, lane_now_ms(lane));
    lane->gaps = loop_gaps(lane->shared->loop);
    greet(lane);
    turn_wake(&lane->turn);
}

static void set_channel(struct lane *lane, bool up)
{
    commands_on_channel(&lane->commands, up, lane_now_ms(lane));
    lane->commands_ms = 0; /* it counts the time without a channel from now on */
    turn_wake(&lane->turn);
}

/* Every join follows the metadata of its connection: a server may have given the key to another
 * controller meanwhile. */
void lane_leave(struct lane *lane)
{
    if (lane->channel != NULL)
        phx_leave(lane->channel);
    lane->channel = NULL;
    set_channel(lane, false);
}

static void on_disconnected(void *user, const struct phx_disconnect *why)
{
    struct lane *lane = user;
    lane->counts.disconnects++;
    lane_log_disconnected(&lane->log, why);
    lane_leave(lane);
    lane->greeting_ms = NEVER;
    enter(lane, LANE_CONNECTING);
    lane->closed = lane->closing;
    turn_wake(&lane->turn);
}

static void on_heartbeat(void *user)
{
    struct lane *lane = user;
    if (commands_fresh_on_heartbeat(&lane->fresh))
        lane_log_say(&lane->log, LOG_INFO, "the server answers again: controls are taken again");
    turn_wake(&lane->turn); /* when to ask again is known now */
}

/* -- The channel. */

static void on_joined(void *user, struct phx_text response)
{
    struct lane *lane = user;
    (void)response;
    enter(lane, LANE_JOINED);
    lane->counts.joins++;
    lane_log_joined(&lane->log, lane->topic);
    set_channel(lane, true);
}

static void on_refused(void *user, struct phx_text response, uint32_t retry_ms)
{
    struct lane *lane = user;
    lane_log_refused(&lane->log, lane->topic, response, retry_ms);
}

static void on_ended(void *user, bool crashed, uint32_t retry_ms)
{
    struct lane *lane = user;
    lane_log_say(&lane->log, LOG_WARNING, "the server %s %s; joining again in %u ms",
                 crashed ? "had an error in" : "closed", lane->topic, retry_ms);
    enter(lane, LANE_JOINING);
    set_channel(lane, false);
}

static void on_control_element(void *user, const struct profile_control *control)
{
    static const enum commands_value kinds[] = {
        [PROFILE_NUMBER] = COMMANDS_NUMBER,
        [PROFILE_BOOL] = COMMANDS_BOOL,
        [PROFILE_OTHER] = COMMANDS_OTHER,
    };
    struct lane *lane = user;
    bool fresh =
        commands_fresh_is(&lane->fresh, lane_now_ms(lane)) && !phx_socket_is_doubtful(lane->socket);
    commands_set(&lane->commands, control->name, kinds[control->kind], control->number, fresh,
                 lane_now_ms(lane));
}

static void on_bad_control(void *user, const char *why)
{
    struct lane *lane = user;
    lane_log_say(&lane->log, LOG_WARNING, "a control update makes no sense: %s", why);
}

/* What lies in the buffers after a gap may be as old as the gap; what follows the reply to a
 * heartbeat sent after it is not. */
void lane_on_gaps(struct lane *lane, uint32_t gaps)
{
    if (gaps == lane->gaps)
        return;
    lane->gaps = gaps;
    commands_on_gap(&lane->commands);
    if (lane->socket == NULL || !phx_socket_is_connected(lane->socket))
        return;
    commands_fresh_on_gap(&lane->fresh);
    lane_log_say(&lane->log, LOG_WARNING,
                 "controls are discarded until the server answers a heartbeat");
}

void lane_probe(struct lane *lane, uint64_t now_ms)
{
    bool has_controls = lane->description == NULL || lane->description->control_count > 0;
    commands_fresh_want(&lane->fresh, lane->state == LANE_JOINED && has_controls);
    if (commands_fresh_probe(&lane->fresh, now_ms))
        seat_probe(lane->seat);
}

void lane_report_command(struct lane *lane, const struct commands_report *report)
{
    const struct lane_shared *shared = lane->shared;
    if (!shared->profile->command_events || shared->config->command_event == NULL ||
        report->failsafe || lane->state != LANE_JOINED || lane->channel == NULL)
        return;
    char json[PROFILE_COMMAND_MAX];
    const struct profile_command command = {
        .control = report->name,
        .value = report->value,
        .outcome = commands_outcome_name(report->outcome),
        .number = report->number,
    };
    const struct phx_text payload = {json, profile_command_write(&command, json)};
    phx_push(lane->channel, shared->config->command_event, payload, 0, NULL);
}

static void on_message(void *user, struct phx_text event, struct phx_text payload)
{
    struct lane *lane = user;
    const struct profile *profile = lane->shared->profile;
    const char *control_event = profile->control_event;
    if (control_event == NULL || event.len != strlen(control_event) ||
        memcmp(event.at, control_event, event.len) != 0) {
        lane_log_ignored(&lane->log, event);
        return;
    }
    if (lane->state != LANE_JOINED)
        return;
    lane_on_gaps(lane, loop_gaps(lane->shared->loop));
    const struct profile_control_io io = {lane, on_control_element, on_bad_control};
    profile->read_control(profile, (struct profile_text){payload.at, payload.len}, &io);
    lane->commands_ms = commands_flush(&lane->commands, lane_now_ms(lane));
    turn_wake(&lane->turn);
}

static void on_push_end(void *user, void *token, const struct phx_push_result *result)
{
    lane_up_on_push_end(user, token, result);
}

static void join(struct lane *lane)
{
    const struct profile *profile = lane->shared->profile;
    const struct profile_board board = lane_board(lane);
    char *payload = profile->join_payload(profile, &board);
    const struct phx_channel_options options = {.topic = lane->topic, .join_payload = payload};
    const struct phx_channel_events events = {
        .user = lane,
        .joined = on_joined,
        .refused = on_refused,
        .ended = on_ended,
        .message = on_message,
        .push_end = on_push_end,
    };
    enter(lane, LANE_JOINING);
    int error = payload == NULL ? PHX_ERR_MEMORY
                                : phx_join(lane->socket, &options, &events, &lane->channel);
    free(payload);
    if (error != PHX_OK) {
        lane->channel = NULL;
        lane_log_say(&lane->log, LOG_ERROR, "cannot join %s: %s", lane->topic,
                     phx_error_text(error));
    }
}

void lane_join_own(struct lane *lane)
{
    if (lane->shared->profile->topic_of != NULL)
        join(lane);
}

/* Each name costs a join, a leave and a change of the stream on disk: more than a few are a fault
 * of the server, and would fill our memory as fast as it sends them. */
static bool may_name_again(struct lane *lane)
{
    if (lane->names > NAMES_MAX)
        return false;
    if (lane->names++ < NAMES_MAX)
        return true;
    lane_log_say(&lane->log, LOG_ERROR,
                 "the server has given this MCU %d names in one connection: none is taken any more",
                 NAMES_MAX);
    lane_leave(lane);
    enter(lane, LANE_GREETING);
    lane->again_ms = lane_now_ms(lane) + NAMES_PAUSE_MS;
    return false;
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
    const struct profile *profile = lane->shared->profile;
    if (profile->topic == NULL) {
        lane_log_ignored(&lane->log, message->event);
        return;
    }
    if (!profile->topic(profile, parts[0], parts[1], parts[2], topic, &why)) {
        if (why != NULL)
            lane_log_say(&lane->log, LOG_WARNING, "%s", why);
        else
            lane_log_ignored(&lane->log, message->event);
        return;
    }
    if (lane->channel != NULL && strcmp(topic, lane->topic) == 0)
        return;
    if (!may_name_again(lane))
        return;
    lane->greeting_ms = NEVER;
    if (lane->topic[0] != '\0' && strcmp(topic, lane->topic) != 0)
        lane_log_say(&lane->log, LOG_WARNING, "the server calls this MCU %s now, not %s", topic,
                     lane->topic);
    lane_leave(lane);
    memcpy(lane->topic, topic, sizeof topic);
    if (lane_up_topic(lane))
        join(lane);
}

#define COMMAND_WORDS_MAX 32

/* Cuts `text` at its spaces; `words` ends with NULL. */
static void split_words(char *text, const char *words[COMMAND_WORDS_MAX + 1])
{
    size_t n = 0;
    for (char *word = strtok(text, " \t"); word != NULL && n < COMMAND_WORDS_MAX;
         word = strtok(NULL, " \t"))
        words[n++] = word;
    words[n] = NULL;
}

static enum phx_via via_of(enum config_transport transport)
{
    switch (transport) {
    case CONFIG_LONGPOLL:
        return PHX_LONGPOLL;
    case CONFIG_AUTO:
        return PHX_AUTO;
    case CONFIG_WEBSOCKET:
        break;
    }
    return PHX_WEBSOCKET;
}

/* Lanes that show the same secret, or none, may share a connection. */
static const char *seat_key(const struct lane *lane)
{
    const char *file = lane->config->api_key_file;
    if (!lane->shared->config->application.shared || lane->shared->profile->topic_of == NULL)
        return NULL;
    return file != NULL ? file : "";
}

/* Once it runs, a connection is tried again for ever; what cannot even begin is tried again here.
 */
static void look_at_start(struct lane *lane, int error)
{
    if (error == PHX_OK)
        return;
    lane_log_say(&lane->log, LOG_ERROR, "cannot connect: %s; trying again in %u s",
                 phx_socket_error(lane->socket), START_PAUSE_MS / 1000);
    lane->again_ms = lane_now_ms(lane) + START_PAUSE_MS;
}

void lane_connect(struct lane *lane)
{
    const struct config *config = lane->shared->config;
    char *command = config->auth_token_command ? strdup(config->auth_token_command) : NULL;
    const char *words[COMMAND_WORDS_MAX + 1] = {NULL};
    bool has_token = config->auth_token_file != NULL || command != NULL;
    if (command != NULL)
        split_words(command, words);
    const struct phx_socket_options options = {
        .url = config->url,
        .vsn = config->vsn == CONFIG_V1 ? PHX_V1 : PHX_V2,
        .ca_file = config->ca_file,
        .cert_file = config->cert_file,
        .key_file = config->key_file,
        .via = via_of(config->transport),
        .deflate = config->deflate,
        .proxy = config->proxy != NULL && strcmp(config->proxy, "none") == 0 ? "" : config->proxy,
        .secret = {.use = has_token ? PHX_SECRET_AUTH_TOKEN : PHX_SECRET_NONE,
                   .file = config->auth_token_file,
                   .command = words[0] != NULL ? words : NULL},
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
    lane->state = LANE_CONNECTING;
    lane->seat = seat_take(lane->shared->seats, seat_key(lane), &options, &events);
    free(command);
    if (lane->seat == NULL) {
        lane_log_say(&lane->log, LOG_ERROR, "cannot connect: out of memory");
        return;
    }
    lane->socket = seat_socket(lane->seat);
    look_at_start(lane, seat_start(lane->seat));
}

void lane_reconnect(struct lane *lane)
{
    lane->again_ms = NEVER;
    look_at_start(lane, seat_reconnect(lane->seat));
}

void lane_stand_up(struct lane *lane)
{
    lane->again_ms = NEVER;
    seat_free(lane->seat);
    lane->seat = NULL;
    lane->socket = NULL;
}
