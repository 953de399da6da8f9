/*
 * day_test: a board's day in seconds: a real lane, uplink and spool (crash_world.c has them with
 * deaths), one board with ten readings a second, and a server that is away for hours, under a
 * virtual clock. In the end every reading is there, once and in order; while the backlog went up,
 * new readings came within a second; and memory was what it was in the first hour of it.
 *
 *     day_test [--long]    four hours, three of them without a server; --long: a day, twenty-one
 *                          (MCU_LONG=yes is the same as --long)
 */
#include "base/log.h"
#include "scripted.h"
#include "spool/spool.h"
#include "test_args.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined __SANITIZE_ADDRESS__
#define HAS_ASAN 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifdef HAS_ASAN
size_t __sanitizer_get_current_allocated_bytes(void);
#endif

#define TURN_MS      20
#define SECOND       (1000 / TURN_MS) /* turns */
#define MINUTE       (60 * SECOND)
#define HOUR         (60 * MINUTE)
#define SENSORS      10
#define BATCH        100
#define BUFFER_BYTES (64u << 10)
#define WINDOW       64
#define TAKEN_US     200000       /* on the way to the server ... */
#define REPLIED_US   400000       /* ... and back again */
#define JOIN_GRACE   (2 * SECOND) /* after the join, before new readings have to be quick */
#define LIVE_MOST    SECOND
#define WARM         (50 * MINUTE) /* of the first outage: the caches of SQLite are full then */
#define MEMORY_MORE  (32u << 10)   /* than by then, at any later time */

struct outage {
    uint64_t from, until;
};

struct day {
    uint64_t turns;
    struct outage outages[4];
};

static const struct day short_day = {4 * HOUR,
                                     {{10 * MINUTE, 3 * HOUR + 5 * MINUTE},
                                      {3 * HOUR + 6 * MINUTE, 3 * HOUR + 6 * MINUTE + 5 * SECOND},
                                      {3 * HOUR + 20 * MINUTE, 3 * HOUR + 30 * MINUTE}}};
static const struct day long_day = {24 * HOUR,
                                    {{10 * MINUTE, 20 * HOUR},
                                     {20 * HOUR + 2 * MINUTE, 20 * HOUR + 3 * MINUTE},
                                     {22 * HOUR, 23 * HOUR}}};

/* What happened. */
static struct {
    uint64_t turn, joined_at, drained_at;
    uint32_t sent, safe; /* messages of the board: one a second, with a reading of each sensor */
    uint32_t readings, repeated, quick, replies_lost;
    uint64_t slowest;            /* turns that a new reading took while there was a backlog */
    uint32_t newest[SENSORS][2]; /* streams: live readings, and the backlog */
    uint32_t disorder, foreign;
    size_t warm_bytes, later_bytes, most_file;
} seen;

static const struct day *day = &short_day;
static struct lane *lane;
static uint8_t *times; /* that each reading came */
static char folder[32], path[64];

static size_t allocated(void)
{
#ifdef HAS_ASAN
    return __sanitizer_get_current_allocated_bytes();
#else
    return mallinfo2().uordblks;
#endif
}

/* -- The board: message n was due at second n. */

static struct mp_host_sensor sensors[SENSORS];
static const struct mp_description description = {.sensor_count = SENSORS, .sensors = sensors};

static void describe(void)
{
    static const char *const names[SENSORS] = {"s0", "s1", "s2", "s3", "s4",
                                               "s5", "s6", "s7", "s8", "s9"};
    for (int i = 0; i < SENSORS; i++)
        sensors[i] = (struct mp_host_sensor){names[i], "temperature", "C", MP_TYPE_I32, 0};
}

static void board_turn(void)
{
    if (!scripted.port.claimed)
        scripted_claim(lane, 0);
    while (scripted.port.claimed && (uint64_t)seen.sent * SECOND < seen.turn &&
           seen.turn < day->turns && seen.sent - seen.safe < WINDOW)
        scripted_send(seen.sent++);
}

static void on_safe(uint32_t number)
{
    if (number > seen.safe && number <= seen.sent)
        seen.safe = number;
}

/* -- The server. */

static bool is_up(void)
{
    for (size_t i = 0; i < sizeof day->outages / sizeof *day->outages; i++)
        if (seen.turn >= day->outages[i].from && seen.turn < day->outages[i].until)
            return false;
    return true;
}

/* Those of a sensor are in order in one of two streams: new ones may go before the backlog. */
static void note_order(uint32_t value)
{
    uint32_t *newest = seen.newest[value % SENSORS];
    int first = newest[0] >= newest[1] ? 0 : 1;
    if (value >= newest[first])
        newest[first] = value;
    else if (value >= newest[1 - first])
        newest[1 - first] = value;
    else
        seen.disorder++;
}

static void note_speed(uint32_t value)
{
    uint64_t due = (uint64_t)(value / SENSORS) * SECOND;
    if (!scripted.channel.joined || due < seen.joined_at + JOIN_GRACE)
        return;
    seen.slowest = seen.turn - due > seen.slowest ? seen.turn - due : seen.slowest;
    seen.quick++;
}

static void take_reading(uint32_t value, bool foreign)
{
    if (foreign || value / SENSORS >= seen.sent) {
        seen.foreign++;
        return;
    }
    if (times[value]++ > 0) {
        seen.repeated++;
        return;
    }
    seen.readings++;
    note_order(value);
    note_speed(value);
}

static void on_reply_lost(void)
{
    seen.replies_lost++;
}

static void server_turn(void)
{
    if (scripted.socket.up && !is_up())
        scripted_hang_up();
    else if (!scripted.socket.up && scripted.socket.wanted && is_up())
        scripted_greet();
    if (!scripted.socket.up)
        return;
    if (scripted.channel.asked) {
        seen.joined_at = seen.turn;
        scripted_join();
    }
    for (size_t i = 0; i < scripted.wire_count; i++) {
        struct scripted_upload *upload = &scripted.wire[i];
        if (upload->stage != SCRIPTED_ON_THE_WAY || scripted.now_us < upload->pushed_us + TAKEN_US)
            continue;
        upload->stage = SCRIPTED_TAKEN;
        scripted_each_reading(upload->payload, true, take_reading);
    }
    while (scripted.wire_count > 0 && scripted.now_us >= scripted.wire[0].pushed_us + REPLIED_US)
        scripted_end_upload(0, PHX_PUSH_REPLY);
}

/* -- A day. */

static void measure(void)
{
    struct stat file;
    size_t now = allocated();
    for (size_t i = 0; i < scripted.wire_count; i++)
        now -= strlen(scripted.wire[i].payload) + 1; /* the server's, not the bridge's */
    size_t *most = seen.turn < day->outages[0].from + WARM ? &seen.warm_bytes : &seen.later_bytes;
    *most = now > *most ? now : *most;
    if (stat(path, &file) == 0 && (size_t)file.st_size > seen.most_file)
        seen.most_file = (size_t)file.st_size;
}

static bool is_finished(void)
{
    return seen.turn >= day->turns && seen.safe == seen.sent && uplink_is_empty(&lane->uplink) &&
           scripted.wire_count == 0;
}

static void live(struct lane *bridge, struct spool *spool)
{
    lane = bridge;
    uint64_t most = day->turns + HOUR;
    while (seen.turn < most && !is_finished()) {
        scripted.now_us = ++seen.turn * TURN_MS * 1000;
        board_turn();
        server_turn();
        lane_tick(lane, scripted.now_us);
        spool_turn(spool);
        if (seen.turn % SECOND == 0)
            measure();
        if (seen.turn > day->outages[0].until && seen.drained_at == 0 &&
            lane_up_waiting(lane) < 2 * SENSORS)
            seen.drained_at = seen.turn;
    }
}

static void run(void)
{
    static char url[] = "ws://server/microcontrollers/websocket";
    struct config config = {.url = url,
                            .reading_at = true,
                            .batch_readings = BATCH,
                            .batch_ms = 50,
                            .reply_timeout_ms = 10000,
                            .buffer_bytes = BUFFER_BYTES,
                            .spool = true,
                            .spool_bytes = UINT64_C(1) << 30,
                            .command_ttl_ms = 1000,
                            .channel_loss_ms = 5000,
                            .linger_ms = 30000};
    if (scripted_run(folder, NULL, &config, live) != 0)
        exit(EXIT_FAILURE);
}

/* -- Judgement. */

static int wrong;

static void must(bool holds, const char *what)
{
    if (!holds)
        printf("WRONG: %s\n", what);
    wrong += holds ? 0 : 1;
}

static void judge(void)
{
    uint32_t all = seen.sent * SENSORS;
    uint64_t backlog_s = (seen.drained_at - day->outages[0].until) / SECOND;
    printf("%u readings in %u h, %u repeated after %u lost replies\n", all,
           (unsigned)(day->turns / HOUR), seen.repeated, seen.replies_lost);
    printf("the backlog was gone after %u s; the slowest of %u new readings took %u ms\n",
           (unsigned)backlog_s, seen.quick, (unsigned)(seen.slowest * TURN_MS));
    printf("memory: %zu KiB at most in the first hour, %zu KiB later; file: %zu KiB at most, %zu "
           "bytes a reading\n",
           seen.warm_bytes >> 10, seen.later_bytes >> 10, seen.most_file >> 10,
           seen.most_file / ((day->outages[0].until - day->outages[0].from) / SECOND * SENSORS));
    must(seen.sent == day->turns / SECOND, "the board was held back");
    must(seen.readings == all, "a reading is lost");
    must(seen.foreign == 0, "a reading that nobody sent, or under another's identity");
    must(seen.disorder == 0, "a reading out of order");
    must(seen.repeated <= seen.replies_lost * BATCH, "readings came twice without a lost reply");
    must(seen.drained_at > 0 && backlog_s > 20, "no backlog to speak of");
    must(seen.quick > 0 && seen.slowest <= LIVE_MOST, "a new reading waited behind the backlog");
    must(seen.later_bytes <= seen.warm_bytes + MEMORY_MORE, "memory grew with the backlog");
}

int main(int argc, char **argv)
{
    bool is_long = test_args_are_long();
    const struct test_arg known[] = {{"--long", .flag = &is_long}};
    test_args(argc, argv, known, 1);
    if (is_long)
        day = &long_day;
    /* Not of the memory that is measured. */
    times = mmap(NULL, (day->turns / SECOND + 1) * SENSORS, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (times == MAP_FAILED)
        return EXIT_FAILURE;
    if (scripted_make_folder(folder) != 0)
        return EXIT_FAILURE;
    snprintf(path, sizeof path, "%s/spool.db", folder);
    scripted = (struct scripted){
        .description = &description, .reply_lost = on_reply_lost, .safe = on_safe};
    describe();
    log_open(LOG_ERROR, false);
    run();
    judge();
    scripted_remove_folder(folder);
    return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
