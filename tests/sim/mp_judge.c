/*
 * Numbers and rules for one device and one host. Which disturbances they meet is their user's.
 */
#include "mp_judge.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define SLOT      2 /* an i32 */
#define LIFE      100000
#define MOTOR     0
#define SETTLE_US 8000000

__attribute__((format(printf, 2, 3))) static void broke(struct judge *judge, const char *format,
                                                        ...)
{
    va_list args;
    if (judge->broken[0] != '\0')
        return;
    va_start(args, format);
    vsnprintf(judge->broken, sizeof judge->broken, format, args);
    va_end(args);
}

/* -- Commands. The motor's value is the command's number; zero and less is its fail-safe. */

static void on_applied(void *user, uint8_t control, union mp_value value)
{
    struct judge *judge = user;
    uint64_t now_us = sim_now_us(&judge->world.sim);
    if (control != MOTOR || value.i <= 0)
        return;
    unsigned number = (unsigned)value.i;
    struct judge_command *c = &judge->command[number];
    if (number > judge->commands)
        broke(judge, "command %u was applied and never sent", number);
    else if (number <= judge->newest_applied)
        broke(judge, "command %u was applied after %u", number, judge->newest_applied);
    else if (now_us > c->deadline_us)
        broke(judge, "command %u was applied %u us too late", number,
              (unsigned)(now_us - c->deadline_us));
    judge->newest_applied = number;
    judge->applied++;
    c->applied++;
}

static void on_answered(void *user, uint16_t request, enum mp_status status)
{
    struct judge *judge = user;
    unsigned number = judge->by_request[request % JUDGE_REQUESTS];
    struct judge_command *c = &judge->command[number];
    judge->done += status == MP_STATUS_DONE;
    judge->expired += status == MP_STATUS_EXPIRED;
    if (number == 0 || c->session != judge->world.readies)
        broke(judge, "an answer to request %u, which this session never sent", request);
    else if (c->answered++ > 0)
        broke(judge, "command %u was answered twice", number);
    else if ((status == MP_STATUS_DONE) != (c->applied == 1))
        broke(judge, "command %u was applied %u times and answered %d", number, c->applied,
              (int)status);
}

void judge_command(struct judge *judge, uint32_t ttl_ms)
{
    struct world *w = &judge->world;
    uint16_t request;
    unsigned number = judge->commands + 1;
    uint64_t now_us = sim_now_us(&w->sim);
    if (judge->commands == JUDGE_COMMANDS || !world_ready(w))
        return;
    union mp_value value = {.i = (int32_t)number};
    if (mp_host_command(&w->host, MOTOR, value, ttl_ms, now_us, &request) != MP_OK)
        return;
    judge->commands = number;
    judge->command[number] =
        (struct judge_command){.deadline_us = now_us + 1000ull * ttl_ms, .session = w->readies};
    judge->by_request[request % JUDGE_REQUESTS] = number;
    sim_touch(&w->sim, WORLD_HOST);
}

static void judge_answers(struct judge *judge)
{
    for (unsigned i = 1; i <= judge->commands; i++)
        if (judge->command[i].session == judge->world.readies && judge->command[i].answered == 0)
            broke(judge, "command %u was never answered", i);
}

/* -- Readings. */

void judge_read(struct judge *judge)
{
    struct world *w = &judge->world;
    union mp_value value = {.i = judge->life * LIFE + judge->sent};
    mp_device_poll(&w->device, (uint32_t)sim_now_us(&w->sim));
    if (mp_device_reading(&w->device, SLOT, value, mp_device_ticks(&w->device), true) == MP_OK)
        judge->sent++;
    mp_device_flush(&w->device);
    sim_touch(&w->sim, WORLD_DEVICE);
}

static void judge_reading(struct judge *judge, int32_t value)
{
    int32_t seq = value % LIFE;
    if (value / LIFE != judge->life)
        return; /* came before the device's restart */
    if (judge->last >= 0 && seq != judge->last + 1)
        broke(judge, "reading %d came after %d", seq, judge->last);
    if (seq > judge->stored)
        broke(judge, "reading %d is lost", judge->stored);
    judge->last = seq;
    judge->readings++;
    if (seq == judge->stored)
        judge->stored++;
}

void judge_look(struct judge *judge)
{
    struct world *w = &judge->world;
    for (size_t i = 0; i < w->reading_count; i++)
        judge_reading(judge, (int32_t)lround(w->readings[i].value * 1000));
    w->reading_count = 0;
    if (w->nonsenses > 0)
        broke(judge, "nonsense: %s", w->last_nonsense);
}

/* -- The run. */

struct judge *judge_new(uint64_t seed, uint32_t baud, uint32_t latency_us)
{
    struct judge *judge = calloc(1, sizeof *judge);
    if (judge == NULL)
        return NULL;
    judge->last = -1;
    world_init(&judge->world, seed, baud, latency_us);
    judge->world.watcher = judge;
    judge->world.on_applied = on_applied;
    judge->world.on_answered = on_answered;
    return judge;
}

void judge_free(struct judge *judge)
{
    world_free(&judge->world);
    free(judge);
}

void judge_restart(struct judge *judge, int end)
{
    judge_look(judge);
    judge->last = -1;
    if (end == WORLD_HOST) {
        world_restart_host(&judge->world);
        return;
    }
    world_restart_device(&judge->world);
    judge->life++;
    judge->sent = 0;
    judge->stored = 0;
}

bool judge_settle(struct judge *judge)
{
    struct world *w = &judge->world;
    sim_faults(&w->sim, &(struct sim_faults){0});
    sim_run(&w->sim, SETTLE_US);
    judge_look(judge);
    judge_answers(judge);
    if (!world_ready(w))
        broke(judge, "no session");
    if (judge->stored != judge->sent)
        broke(judge, "%d of %d readings came", judge->stored, judge->sent);
    return judge->broken[0] == '\0';
}
