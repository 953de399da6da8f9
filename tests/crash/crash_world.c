/*
 * The world of the crash tests. Below are the models of MCU and server, then what the lane finds in
 * place of ports, sockets and the loop; which plans there are is crash_test.c's.
 */
#include "crash_world.h"

#include "fault_vfs.h"
#include "lane.h"
#include "lane_private.h"
#include "spool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TURN_US      10000
#define WINDOW       12 /* messages that the MCU sends beyond what is safe */
#define EPOCH        4711u
#define WIRE_MAX     8
#define SERVER_FIRST 25 /* the turn at which the server is there for the first time */

struct phx_socket {
    struct phx_socket_events events;
    bool wanted, up;
};

struct phx_channel {
    struct phx_channel_events events;
    bool asked, joined;
};

struct port {
    struct port_client client;
    bool claimed;
};

enum stage { ON_THE_WAY, TAKEN, REFUSED };

struct upload {
    char *payload;
    void *token;
    enum stage stage;
};

/* Of this process. */
static struct world *world;
static const struct world_plan *plan;
static struct lane *lane;
static struct port the_port;
static struct phx_socket sock;
static struct phx_channel the_channel;
static struct upload wire[WIRE_MAX];
static size_t wire_count;
static uint32_t sent; /* next message of the MCU in this session */
static char shm[4096];

/* -- Points: each may be the last. */

static void point(void *user)
{
    (void)user;
    if (plan->death == DEATH_NONE || world->points++ != plan->die_at)
        return;
    if (plan->death == DEATH_POWER) {
        fault_vfs_power_loss(plan->seed);
        unlink(shm);
    }
    _exit(WORLD_DIED);
}

static void on_change(void *user)
{
    point(user);
}

static bool fails(void *user)
{
    (void)user;
    uint64_t n = plan->fault == FAULT_READ ? world->reads++ : world->changes++;
    return n >= plan->fault_at && n < plan->fault_at + plan->fault_count;
}

/* -- The MCU: message n has the readings 2n and 2n + 1 of its two sensors. */

static const struct mp_description description = {
    .sensor_count = 2,
    .sensors = (const struct mp_host_sensor[]){{"even", "temperature", "C", MP_TYPE_I32, 0},
                                               {"odd", "temperature", "C", MP_TYPE_I32, 0}},
};

static void claim(void)
{
    struct mp_peer peer = {.device_len = 2, .epoch = EPOCH, .first = world->safe};
    memcpy(peer.device, "m1", 2);
    point(NULL);
    sent = world->safe;
    the_port.claimed = true;
    if (!lane_claim(lane, &the_port, &peer, &description, &the_port.client))
        the_port.claimed = false;
}

static void send_one(uint32_t number)
{
    for (uint16_t i = 0; i < 2; i++) {
        const struct mp_host_reading reading = {.slot = (uint8_t)i,
                                                .reliable = true,
                                                .value = number * 2 + i,
                                                .number = number,
                                                .index = i,
                                                .device_us = world->turn * TURN_US};
        the_port.client.reading(the_port.client.user, &reading);
    }
    point(NULL);
    the_port.client.received(the_port.client.user, number);
}

static void mcu_turn(void)
{
    if (!the_port.claimed && world->turn % 7 == 0)
        claim();
    if (the_port.claimed && world->turn == 90) {
        the_port.claimed = false;
        the_port.client.lost(the_port.client.user, "the cable");
    }
    for (int i = 0;
         i < 2 && the_port.claimed && sent < WORLD_MESSAGES && sent - world->safe < WINDOW; i++)
        send_one(sent++);
}

void port_safe(struct port *port, uint32_t number)
{
    (void)port;
    point(NULL);
    if ((int32_t)(number - world->safe) > 0 && number <= WORLD_MESSAGES)
        world->safe = number;
    if (sent < world->safe)
        sent = world->safe;
}

void port_hold(struct port *port, uint32_t ms)
{
    (void)ms;
    port->claimed = false;
}

/* -- The server. */

static bool is_up(void)
{
    return world->turn >= SERVER_FIRST && !(world->turn > 130 && world->turn < 160);
}

/* Every `"value":` of an upload; with identity, what `seq` follows it. */
static void take_upload(const char *payload)
{
    for (const char *at = payload; (at = strstr(at, "\"value\":")) != NULL;) {
        at += strlen("\"value\":");
        unsigned long value = strtoul(at, NULL, 10);
        char seq[48];
        snprintf(seq, sizeof seq, "\"seq\":\"%08x-%lu-%lu\"", EPOCH, value / 2, value % 2);
        const char *end = strchr(at, '}');
        const char *found = strstr(at, seq);
        if (plan->identity && (found == NULL || found > end))
            world->seq_wrong = true;
        if (world->logged < WORLD_LOG)
            world->log[world->logged++] = (uint16_t)value;
    }
}

static void end_upload(size_t i, enum phx_push_end end, bool ok)
{
    const struct upload upload = wire[i];
    memmove(&wire[i], &wire[i + 1], (--wire_count - i) * sizeof *wire);
    free(upload.payload);
    point(NULL);
    const struct phx_push_result result = {
        .end = end, .ok = ok, .response = {"{}", 2}, .status = {"ok", 2}};
    the_channel.events.push_end(the_channel.events.user, upload.token, &result);
}

static void lose_uploads(void)
{
    while (wire_count > 0) {
        world->replies_lost += wire[0].stage == TAKEN ? 1 : 0;
        end_upload(0, PHX_PUSH_LOST, false);
    }
}

static void hang_up(void)
{
    const struct phx_disconnect why = {.cause = PHX_CAUSE_CLOSED, .was_connected = true};
    sock.up = false;
    lose_uploads();
    point(NULL);
    sock.events.disconnected(sock.events.user, &why);
}

static void crash_channel(void)
{
    the_channel.joined = false;
    lose_uploads();
    the_channel.events.ended(the_channel.events.user, true, 10);
    the_channel.asked = true;
}

static void greet(void)
{
    static const char payload[] = "{\"controller_id\":3}";
    const struct phx_message metadata = {.topic = {"microcontroller:3", 17},
                                         .event = {"metadata", 8},
                                         .payload = {payload, sizeof payload - 1}};
    sock.up = true;
    point(NULL);
    sock.events.credentials(sock.events.user, NULL);
    sock.events.connected(sock.events.user);
    sock.events.message(sock.events.user, &metadata);
}

/* What was taken in the turn before is answered, what is on the way is taken. */
static void serve_uploads(void)
{
    for (size_t i = 0; i < wire_count;) {
        if (wire[i].stage != ON_THE_WAY) {
            end_upload(i, PHX_PUSH_REPLY, wire[i].stage == TAKEN);
            continue;
        }
        point(NULL);
        wire[i].stage = ++world->uploads % 9 == 4 ? REFUSED : TAKEN;
        if (wire[i].stage == TAKEN)
            take_upload(wire[i].payload);
        i++;
    }
}

static void server_turn(void)
{
    if (sock.up && (!is_up() || world->turn % 53 == 0)) {
        hang_up();
        return;
    }
    if (!sock.up) {
        if (sock.wanted && is_up() && world->turn % 3 == 0)
            greet();
        return;
    }
    if (the_channel.asked) {
        the_channel.asked = false;
        the_channel.joined = true;
        point(NULL);
        the_channel.events.joined(the_channel.events.user, (struct phx_text){"{}", 2});
    }
    if (the_channel.joined && world->turn % 71 == 0)
        crash_channel();
    else
        serve_uploads();
}

struct phx_socket *phx_socket_new(struct phx_context *context,
                                  const struct phx_socket_options *options,
                                  const struct phx_socket_events *events)
{
    (void)context;
    (void)options;
    sock = (struct phx_socket){.events = *events};
    return &sock;
}

int phx_socket_connect(struct phx_socket *socket)
{
    socket->wanted = true;
    return PHX_OK;
}

void phx_socket_disconnect(struct phx_socket *socket, uint32_t linger_ms)
{
    (void)linger_ms;
    socket->wanted = false;
}

void phx_socket_free(struct phx_socket *socket)
{
    socket->wanted = socket->up = false;
}

bool phx_socket_is_connected(const struct phx_socket *socket)
{
    return socket->up;
}

int phx_join(struct phx_socket *socket, const struct phx_channel_options *options,
             const struct phx_channel_events *events, struct phx_channel **channel)
{
    (void)socket;
    (void)options;
    the_channel = (struct phx_channel){.events = *events, .asked = true};
    *channel = &the_channel;
    return PHX_OK;
}

void phx_leave(struct phx_channel *channel)
{
    lose_uploads();
    channel->asked = channel->joined = false;
}

bool phx_channel_is_joined(const struct phx_channel *channel)
{
    return channel->joined;
}

int phx_push(struct phx_channel *channel, const char *event, struct phx_text payload,
             uint32_t timeout_ms, void *token)
{
    (void)channel;
    (void)event;
    (void)timeout_ms;
    point(NULL);
    if (wire_count == WIRE_MAX)
        return PHX_ERR_FULL;
    wire[wire_count++] = (struct upload){strndup(payload.at, payload.len), token, ON_THE_WAY};
    return PHX_OK;
}

/* -- The loop. */

uint64_t loop_now_us(const struct loop *loop)
{
    (void)loop;
    return world->turn * TURN_US;
}

uint64_t loop_now_ms(const struct loop *loop)
{
    return loop_now_us(loop) / 1000;
}

/* -- A run. */

static void on_freed(void *user)
{
    (void)user;
}

static void on_stopped(void *user, struct lane *stopped)
{
    (void)user;
    (void)stopped;
}

static bool is_finished(void)
{
    return world->safe == WORLD_MESSAGES && uplink_is_empty(&lane->uplink) && wire_count == 0 &&
           !lane->uplink.settling;
}

static void turns(struct spool *spool)
{
    while (world->turn < WORLD_TURNS && !world->finished) {
        world->turn++;
        mcu_turn();
        server_turn();
        lane_tick(lane, loop_now_us(NULL));
        spool_turn(spool);
        world->finished = is_finished();
    }
}

void world_run(struct world *outside, const struct world_plan *what, const char *folder)
{
    char path[2048], key[2048], error[4400];
    world = outside;
    plan = what;
    snprintf(path, sizeof path, "%s/spool.db", folder);
    snprintf(shm, sizeof shm, "%s-shm", path);
    snprintf(key, sizeof key, "%s/key", folder);
    world->points = world->changes = world->reads = 0;
    fault_vfs = (struct fault_vfs){
        .point = on_change, .kind = (enum fault_kind)plan->fault, .fails = fails};
    fault_vfs_register();

    char name[] = "m", url[] = "ws://server/microcontrollers/websocket";
    struct config_mcu mcu = {.name = name, .any_device = true, .api_key_file = key};
    struct config config = {.url = url,
                            .reading_at = plan->identity,
                            .batch_readings = WORLD_BATCH,
                            .batch_ms = 30,
                            .reply_timeout_ms = 1000,
                            .buffer_bytes = 4096,
                            .spool = true,
                            .spool_bytes = 1u << 20,
                            .command_ttl_ms = 1000,
                            .channel_loss_ms = 100000,
                            .linger_ms = 100000};
    static struct loop loop;
    struct spool *spool = NULL;
    const struct spool_options options = {.path = path, .vfs = "fault"};
    if (spool_open(&spool, &options, error, sizeof error) != 0) {
        fprintf(stderr, "%s\n", error);
        _exit(1);
    }
    const struct lane_shared shared = {.loop = &loop,
                                       .seats = seats_new(NULL),
                                       .config = &config,
                                       .profile = &profile_microcontrollers,
                                       .spool = spool,
                                       .freed = on_freed,
                                       .stopped = on_stopped};
    lane = lane_new(&shared, &mcu);
    turns(spool);
    lane_free(lane);
    spool_close(spool);
    _exit(world->finished ? 0 : 2);
}

/* -- Judgement. */

const char *world_judge(const struct world *outside, const struct world_plan *what, unsigned deaths)
{
    static char text[200];
    uint8_t times[WORLD_READINGS] = {0};
    unsigned repeated = 0;
    int newest[2] = {-1, -1};
    if (outside->seq_wrong)
        return "a reading came under another's identity";
    for (uint32_t i = 0; i < outside->logged; i++) {
        unsigned value = outside->log[i];
        if (value >= WORLD_READINGS)
            return "a reading that nobody sent";
        repeated += times[value] > 0 ? 1 : 0;
        bool late = times[value]++ == 0 && (int)value < newest[value & 1];
        if (late && !what->identity) {
            snprintf(text, sizeof text, "reading %u came after %d", value, newest[value & 1]);
            return text;
        }
        newest[value & 1] = (int)value > newest[value & 1] ? (int)value : newest[value & 1];
    }
    for (unsigned value = 0; value < 2 * outside->safe; value++)
        if (times[value] == 0) {
            snprintf(text, sizeof text, "reading %u was safe and is lost", value);
            return text;
        }
    if (!outside->finished)
        return "it never came to an end";
    unsigned most = (deaths + outside->replies_lost) * WORLD_BATCH;
    if (!what->identity && repeated > most) {
        snprintf(text, sizeof text, "%u readings came again, where %u may", repeated, most);
        return text;
    }
    return NULL;
}
