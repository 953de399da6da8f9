/*
 * The world of the crash tests: what happens at which turn to the MCU and the server of scripted.h,
 * where the process may die, and what the server must have got in the end. Which plans there are is
 * crash_test.c's.
 */
#include "crash_world.h"

#include "fault_vfs.h"
#include "scripted.h"
#include "spool/spool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TURN_US      10000
#define WINDOW       12 /* messages that the MCU sends beyond what is safe */
#define SERVER_FIRST 25 /* the turn at which the server is there for the first time */

/* Of this process. */
static struct world *world;
static const struct world_plan *plan;
static struct lane *lane;
static uint32_t sent; /* next message of the MCU in this session */
static char shm[4096];

/* -- Points: each may be the last. */

static void point(void)
{
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
    (void)user;
    point();
}

static bool fails(void *user)
{
    (void)user;
    uint64_t n = plan->fault == FAULT_READ ? world->reads++ : world->changes++;
    return n >= plan->fault_at && n < plan->fault_at + plan->fault_count;
}

/* -- The MCU. */

static const struct mp_description description = {
    .sensor_count = 2,
    .sensors = (const struct mp_host_sensor[]){{"even", "temperature", "C", MP_TYPE_I32, 0},
                                               {"odd", "temperature", "C", MP_TYPE_I32, 0}},
};

static void mcu_turn(void)
{
    if (!scripted.port.claimed && world->turn % 7 == 0) {
        sent = world->safe;
        scripted_claim(lane, world->safe);
    }
    if (scripted.port.claimed && world->turn == 90)
        scripted_pull_cable();
    for (int i = 0;
         i < 2 && scripted.port.claimed && sent < WORLD_MESSAGES && sent - world->safe < WINDOW;
         i++)
        scripted_send(sent++);
}

static void on_safe(uint32_t number)
{
    if ((int32_t)(number - world->safe) > 0 && number <= WORLD_MESSAGES)
        world->safe = number;
    if (sent < world->safe)
        sent = world->safe;
}

/* -- The server. */

static bool is_up(void)
{
    return world->turn >= SERVER_FIRST && !(world->turn > 130 && world->turn < 160);
}

static void take_reading(uint32_t value, bool foreign)
{
    world->seq_wrong |= foreign;
    if (world->logged < WORLD_LOG)
        world->log[world->logged++] = (uint16_t)value;
}

static void on_reply_lost(void)
{
    world->replies_lost++;
}

/* What was taken in the turn before is answered, what is on the way is taken. */
static void serve_uploads(void)
{
    for (size_t i = 0; i < scripted.wire_count;) {
        struct scripted_upload *upload = &scripted.wire[i];
        if (upload->stage != SCRIPTED_ON_THE_WAY) {
            scripted_end_upload(i, PHX_PUSH_REPLY);
            continue;
        }
        point();
        upload->stage = ++world->uploads % 9 == 4 ? SCRIPTED_REFUSED : SCRIPTED_TAKEN;
        if (upload->stage == SCRIPTED_TAKEN)
            scripted_each_reading(upload->payload, plan->identity, take_reading);
        i++;
    }
}

static void server_turn(void)
{
    if (scripted.socket.up && (!is_up() || world->turn % 53 == 0)) {
        scripted_hang_up();
        return;
    }
    if (!scripted.socket.up) {
        if (scripted.socket.wanted && is_up() && world->turn % 3 == 0)
            scripted_greet();
        return;
    }
    if (scripted.channel.asked)
        scripted_join();
    if (scripted.channel.joined && world->turn % 71 == 0)
        scripted_crash_channel();
    else
        serve_uploads();
}

/* -- A run. */

static bool is_finished(void)
{
    return world->safe == WORLD_MESSAGES && uplink_is_empty(&lane->uplink) &&
           scripted.wire_count == 0 && !lane->uplink.settling;
}

static void live(struct lane *bridge, struct spool *spool)
{
    lane = bridge;
    while (world->turn < WORLD_TURNS && !world->finished) {
        scripted.now_us = ++world->turn * TURN_US;
        mcu_turn();
        server_turn();
        lane_tick(lane, scripted.now_us);
        spool_turn(spool);
        world->finished = is_finished();
    }
}

void world_run(struct world *outside, const struct world_plan *what, const char *folder)
{
    world = outside;
    plan = what;
    snprintf(shm, sizeof shm, "%s/spool.db-shm", folder);
    world->points = world->changes = world->reads = 0;
    fault_vfs = (struct fault_vfs){
        .point = on_change, .kind = (enum fault_kind)plan->fault, .fails = fails};
    fault_vfs_register();
    scripted = (struct scripted){.description = &description,
                                 .point = point,
                                 .reply_lost = on_reply_lost,
                                 .safe = on_safe,
                                 .now_us = world->turn * TURN_US};

    char url[] = "ws://server/microcontrollers/websocket";
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
    if (scripted_run(folder, "fault", &config, live) != 0)
        _exit(1);
    _exit(world->finished ? 0 : 2);
}

/* -- Judgement. */

struct got {
    uint8_t times[WORLD_READINGS];
    uint32_t last[WORLD_READINGS]; /* place in the log */
    unsigned repeated;
};

static const char *out_of_order(unsigned value, int newest)
{
    static char text[200];
    snprintf(text, sizeof text, "reading %u came after %d", value, newest);
    return text;
}

/* Without identity: the first time that each came. */
static const char *judge_firsts(const struct world *outside)
{
    int newest[2] = {-1, -1};
    bool seen[WORLD_READINGS] = {false};
    for (uint32_t i = 0; i < outside->logged; i++) {
        unsigned value = outside->log[i];
        if (!seen[value] && (int)value < newest[value & 1])
            return out_of_order(value, newest[value & 1]);
        seen[value] = true;
        newest[value & 1] = (int)value > newest[value & 1] ? (int)value : newest[value & 1];
    }
    return NULL;
}

/* With it: the last time, in two streams, new readings and the backlog. */
static const char *judge_lasts(const struct world *outside, const struct got *got)
{
    int newest[2][2] = {{-1, -1}, {-1, -1}};
    for (uint32_t i = 0; i < outside->logged; i++) {
        int value = outside->log[i];
        int *streams = newest[value & 1];
        if (got->last[value] != i)
            continue;
        int ahead = streams[0] > streams[1] ? 0 : 1;
        if (value > streams[ahead])
            streams[ahead] = value;
        else if (value > streams[1 - ahead])
            streams[1 - ahead] = value;
        else
            return out_of_order((unsigned)value, streams[1 - ahead]);
    }
    return NULL;
}

static const char *judge_whole(const struct world *outside, const struct got *got)
{
    static char text[200];
    for (unsigned value = 0; value < 2 * outside->safe; value++)
        if (got->times[value] == 0) {
            snprintf(text, sizeof text, "reading %u was safe and is lost", value);
            return text;
        }
    return NULL;
}

const char *world_judge(const struct world *outside, const struct world_plan *what, unsigned deaths)
{
    static char text[200];
    struct got got = {.repeated = 0};
    if (outside->seq_wrong)
        return "a reading came under another's identity";
    for (uint32_t i = 0; i < outside->logged; i++) {
        unsigned value = outside->log[i];
        if (value >= WORLD_READINGS)
            return "a reading that nobody sent";
        got.repeated += got.times[value]++ > 0 ? 1 : 0;
        got.last[value] = i;
    }
    const char *wrong = what->identity ? judge_lasts(outside, &got) : judge_firsts(outside);
    if (wrong == NULL)
        wrong = judge_whole(outside, &got);
    if (wrong != NULL)
        return wrong;
    if (!outside->finished)
        return "it never came to an end";
    unsigned most = (deaths + outside->replies_lost) * WORLD_BATCH;
    if (!what->identity && got.repeated > most) {
        snprintf(text, sizeof text, "%u readings came again, where %u may", got.repeated, most);
        return text;
    }
    return NULL;
}
