/*
 * What a reading costs on its way through the spool: written into a group, committed (fsync
 * included, so that only the CPU of the process is counted), read back, delivered and deleted.
 * The group sizes are what one board gives in 250 ms at 40 and 400 readings a second, and what a
 * backlog is made of.
 */
#define _GNU_SOURCE
#include "bench.h"
#include "spool/spool.h"
#include "uplink/uplink.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FRAME 10 /* readings of a message */

struct rig {
    struct spool *spool;
    struct spool_stream *stream;
    struct uplink uplink;
    bool loaded;
};

static void on_bound(void *user, bool changed)
{
    (void)user;
    (void)changed;
}

static void on_committed(void *user, uint64_t id, uint32_t clock)
{
    struct rig *rig = user;
    uplink_on_committed(&rig->uplink, id, clock);
}

static void on_settled(void *user)
{
    struct rig *rig = user;
    uplink_on_settled(&rig->uplink);
}

static bool on_row(void *user, const struct spool_row *row)
{
    struct rig *rig = user;
    return uplink_on_row(&rig->uplink, row->id, row->clock, row->upto, row->bytes, row->len);
}

static void on_loaded(void *user, bool end)
{
    struct rig *rig = user;
    uplink_on_loaded(&rig->uplink, end);
    rig->loaded = true;
}

static void on_delivered(void *user, uint64_t id, uint32_t upto, bool whole)
{
    struct rig *rig = user;
    spool_delivered(rig->stream, id, upto, whole);
}

static void on_refused(void *user, const struct uplink_sensor *sensor)
{
    (void)user;
    (void)sensor;
}

static void store(struct rig *rig)
{
    struct uplink_group *group = uplink_group_due(&rig->uplink, 0, true);
    const struct spool_group stored = {
        .device = group->device,
        .device_len = group->device_len,
        .epoch = group->epoch,
        .following = group->following,
        .count = group->count,
        .at_us = group->first_at_us,
        .bytes = group->bytes,
        .len = group->len,
    };
    spool_add(rig->stream, &stored);
}

static void one_group(struct rig *rig, uint32_t *number, unsigned readings)
{
    for (unsigned at = 0; at < readings; at += FRAME) {
        struct uplink_reading frame[FRAME];
        for (unsigned i = 0; i < FRAME; i++)
            frame[i] = (struct uplink_reading){.slot = (uint8_t)(i & 3),
                                               .value.i = (int32_t)(2000 + (*number & 63)),
                                               .at_us = UINT64_C(1000) * (*number * FRAME + i)};
        uplink_add(&rig->uplink, (*number)++, frame, FRAME, 0);
    }
    store(rig);
    spool_turn(rig->spool);
}

static void deliver_all(struct rig *rig)
{
    struct profile_upload upload;
    uint32_t clock;
    int slot;
    while ((slot = uplink_due(&rig->uplink, 1000000, &upload, &clock)) != UPLINK_NONE) {
        uplink_on_pushed(&rig->uplink, slot);
        uplink_on_ok(&rig->uplink, slot);
        spool_settle(rig->stream);
        spool_turn(rig->spool);
    }
}

static double cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double measure(struct rig *rig, unsigned readings, unsigned groups_an_upload)
{
    static uint32_t number;
    double best = 1e300;
    for (int round = 0; round < 5; round++) {
        unsigned done = 0;
        double start = cpu_ns();
        while (done < 4000) {
            for (unsigned i = 0; i < groups_an_upload; i++, done += readings)
                one_group(rig, &number, readings);
            deliver_all(rig);
        }
        double took = (cpu_ns() - start) / done;
        best = took < best ? took : best;
    }
    return best;
}

static int open_rig(struct rig *rig, const char *path)
{
    static const struct uplink_sensor sensors[] = {{"bme280", "temperature", MP_TYPE_I16, -2},
                                                   {"bme280", "pressure", MP_TYPE_I32, -1},
                                                   {"bme280", "humidity", MP_TYPE_I16, -1},
                                                   {"bh1750", "illuminance", MP_TYPE_I32, 0}};
    const struct spool_events events = {rig, on_bound, on_committed, on_settled, on_row, on_loaded};
    const struct spool_options options = {.path = path};
    const struct uplink_config config = {.profile = &profile_microcontrollers,
                                         .buffer_bytes = 256 << 10,
                                         .batch_readings = 500,
                                         .retry_min_ms = 1,
                                         .retry_max_ms = 1,
                                         .spooled = true,
                                         .io = {.user = rig, .delivered = on_delivered}};
    char error[4400];
    uint64_t after;
    if (spool_open(&rig->spool, &options, error, sizeof error) != 0)
        return -1;
    rig->stream = spool_stream_open(rig->spool, (const uint8_t *)"0123456", "ws://x/", &events);
    spool_turn(rig->spool);
    uplink_init(&rig->uplink, &config);
    uplink_describe(&rig->uplink, sensors, 4, on_refused, NULL);
    uplink_board(&rig->uplink, (const uint8_t *)"b", 1, NULL);
    uplink_session(&rig->uplink, 1, 0);
    if (uplink_wants(&rig->uplink, &after))
        spool_load(rig->stream, after);
    spool_turn(rig->spool);
    return rig->loaded ? 0 : -1;
}

static void figure(const char *name, double ns, double goal)
{
    printf("%s %.0f ns/reading %.2f %.0f %s\n", name, ns, ns / goal, goal,
           ns <= goal ? "ok" : "short");
}

int main(void)
{
    struct rig rig = {.spool = NULL};
    char folder[] = "/tmp/bench-spool-XXXXXX", path[64];
    if (mkdtemp(folder) == NULL)
        return EXIT_FAILURE;
    snprintf(path, sizeof path, "%s/spool.db", folder);
    if (open_rig(&rig, path) != 0)
        return EXIT_FAILURE;
    /* Goals: 1 % of a core at 40 and at 400 readings a second, and half of the script's 920 ns. */
    figure("spool.groups_of_10.cpu", measure(&rig, 10, 50), 250000);
    figure("spool.groups_of_100.cpu", measure(&rig, 100, 5), 25000);
    figure("spool.groups_of_500.cpu", measure(&rig, 500, 1), 460);
    spool_close(rig.spool);
    uplink_deinit(&rig.uplink);
    unlink(path);
    snprintf(path, sizeof path, "%s/spool.db.lock", folder);
    unlink(path);
    rmdir(folder);
    return EXIT_SUCCESS;
}
