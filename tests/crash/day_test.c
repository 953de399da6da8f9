/*
 * day_test: a board's day in seconds: a real lane, uplink and spool (crash_world.h has them with
 * deaths), one board with ten readings a second, and a server that is away for hours, under a
 * virtual clock. In the end every reading is there, once and in order; while the backlog went up,
 * new readings came within a second; and memory was what it was in the first hour of it.
 *
 *     day_test [--long]    four hours, three of them without a server; --long: a day, twenty-one
 *                          (MCU_LONG=yes is the same as --long)
 */
#include "lane.h"
#include "lane_private.h"
#include "log.h"
#include "spool.h"

#include <fcntl.h>
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

#define TURN_MS       20
#define SECOND        (1000 / TURN_MS) /* turns */
#define MINUTE        (60 * SECOND)
#define HOUR          (60 * MINUTE)
#define SENSORS       10
#define BATCH         100
#define BUFFER_BYTES  (64u << 10)
#define WINDOW        64
#define EPOCH         4711u
#define WIRE_MAX      8
#define TAKEN_AFTER   (SECOND / 5)     /* on the way to the server ... */
#define REPLIED_AFTER (SECOND * 2 / 5) /* ... and back again */
#define JOIN_GRACE    (2 * SECOND)     /* after the join, before new readings have to be quick */
#define LIVE_MOST     SECOND
#define WARM          (50 * MINUTE) /* of the first outage: the caches of SQLite are full then */
#define MEMORY_MORE   (32u << 10)   /* than by then, at any later time */

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

struct upload {
    char *payload;
    void *token;
    uint64_t pushed;
    bool taken;
};

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
static struct spool *spool;
static struct port the_port;
static struct phx_socket sock;
static struct phx_channel the_channel;
static struct upload wire[WIRE_MAX];
static size_t wire_count;
static uint8_t *times; /* that each reading came */
static char folder[] = "/dev/shm/day-XXXXXX";
static char slower[] = "/tmp/day-XXXXXX"; /* where there is no memory file system */
static char path[64], key_path[64];

static size_t allocated(void)
{
#ifdef HAS_ASAN
    return __sanitizer_get_current_allocated_bytes();
#else
    return mallinfo2().uordblks;
#endif
}

/* -- The board: message n has the values 10 n to 10 n + 9, and was due at second n. */

static void claim(void)
{
    static const char *const names[SENSORS] = {"s0", "s1", "s2", "s3", "s4",
                                               "s5", "s6", "s7", "s8", "s9"};
    static struct mp_host_sensor sensors[SENSORS];
    static const struct mp_description description = {.sensor_count = SENSORS, .sensors = sensors};
    struct mp_peer peer = {.device_len = 2, .epoch = EPOCH};
    memcpy(peer.device, "m1", 2);
    for (int i = 0; i < SENSORS; i++)
        sensors[i] = (struct mp_host_sensor){names[i], "temperature", "C", MP_TYPE_I32, 0};
    the_port.claimed = lane_claim(lane, &the_port, &peer, &description, &the_port.client);
}

static void send_one(uint32_t number)
{
    for (uint16_t i = 0; i < SENSORS; i++) {
        const struct mp_host_reading reading = {.slot = (uint8_t)i,
                                                .reliable = true,
                                                .value = number * SENSORS + i,
                                                .number = number,
                                                .index = i,
                                                .device_us = seen.turn * TURN_MS * 1000};
        the_port.client.reading(the_port.client.user, &reading);
    }
    the_port.client.received(the_port.client.user, number);
}

static void board_turn(void)
{
    if (!the_port.claimed)
        claim();
    while (the_port.claimed && (uint64_t)seen.sent * SECOND < seen.turn && seen.turn < day->turns &&
           seen.sent - seen.safe < WINDOW)
        send_one(seen.sent++);
}

void port_safe(struct port *port, uint32_t number)
{
    (void)port;
    if (number > seen.safe && number <= seen.sent)
        seen.safe = number;
}

void port_hold(struct port *port, uint32_t ms)
{
    (void)ms;
    port->claimed = false;
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
    if (!the_channel.joined || due < seen.joined_at + JOIN_GRACE)
        return;
    seen.slowest = seen.turn - due > seen.slowest ? seen.turn - due : seen.slowest;
    seen.quick++;
}

static void take_reading(uint32_t value)
{
    if (value / SENSORS >= seen.sent) {
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

static void take_upload(struct upload *upload)
{
    static const char before[] = "\"value\":";
    upload->taken = true;
    for (const char *at = upload->payload; (at = strstr(at, before)) != NULL;) {
        char *end;
        uint32_t value = (uint32_t)strtoul(at + strlen(before), &end, 10);
        char seq[48];
        snprintf(seq, sizeof seq, "\"seq\":\"%08x-%u-%u\"", EPOCH, value / SENSORS,
                 value % SENSORS);
        const char *found = strstr(end, seq);
        seen.foreign += found == NULL || found > strchr(end, '}') ? 1 : 0;
        take_reading(value);
        at = end;
    }
}

static void end_upload(enum phx_push_end end)
{
    const struct upload upload = wire[0];
    memmove(&wire[0], &wire[1], --wire_count * sizeof *wire);
    free(upload.payload);
    seen.replies_lost += end == PHX_PUSH_LOST && upload.taken ? 1 : 0;
    const struct phx_push_result result = {
        .end = end, .ok = end == PHX_PUSH_REPLY, .response = {"{}", 2}, .status = {"ok", 2}};
    the_channel.events.push_end(the_channel.events.user, upload.token, &result);
}

static void hang_up(void)
{
    const struct phx_disconnect why = {.cause = PHX_CAUSE_CLOSED, .was_connected = true};
    sock.up = the_channel.joined = false;
    while (wire_count > 0)
        end_upload(PHX_PUSH_LOST);
    sock.events.disconnected(sock.events.user, &why);
}

static void greet(void)
{
    static const char payload[] = "{\"controller_id\":3}";
    const struct phx_message metadata = {.topic = {"microcontroller:3", 17},
                                         .event = {"metadata", 8},
                                         .payload = {payload, sizeof payload - 1}};
    sock.up = true;
    sock.events.credentials(sock.events.user, NULL);
    sock.events.connected(sock.events.user);
    sock.events.message(sock.events.user, &metadata);
}

static void server_turn(void)
{
    if (sock.up && !is_up())
        hang_up();
    else if (!sock.up && sock.wanted && is_up())
        greet();
    if (!sock.up)
        return;
    if (the_channel.asked) {
        the_channel.asked = false;
        the_channel.joined = true;
        seen.joined_at = seen.turn;
        the_channel.events.joined(the_channel.events.user, (struct phx_text){"{}", 2});
    }
    for (size_t i = 0; i < wire_count; i++)
        if (!wire[i].taken && seen.turn >= wire[i].pushed + TAKEN_AFTER)
            take_upload(&wire[i]);
    while (wire_count > 0 && seen.turn >= wire[0].pushed + REPLIED_AFTER)
        end_upload(PHX_PUSH_REPLY);
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
    while (wire_count > 0)
        end_upload(PHX_PUSH_LOST);
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
    if (wire_count == WIRE_MAX)
        return PHX_ERR_FULL;
    wire[wire_count++] = (struct upload){strndup(payload.at, payload.len), token, seen.turn, false};
    return PHX_OK;
}

/* -- The loop. */

uint64_t loop_now_us(const struct loop *loop)
{
    (void)loop;
    return seen.turn * TURN_MS * 1000;
}

uint64_t loop_now_ms(const struct loop *loop)
{
    return loop_now_us(loop) / 1000;
}

static void on_freed(void *user)
{
    (void)user;
}

static void on_stopped(void *user, struct lane *stopped)
{
    (void)user;
    (void)stopped;
}

/* -- A day. */

static void measure(void)
{
    struct stat file;
    size_t now = allocated();
    for (size_t i = 0; i < wire_count; i++)
        now -= strlen(wire[i].payload) + 1; /* the server's, not the bridge's */
    size_t *most = seen.turn < day->outages[0].from + WARM ? &seen.warm_bytes : &seen.later_bytes;
    *most = now > *most ? now : *most;
    if (stat(path, &file) == 0 && (size_t)file.st_size > seen.most_file)
        seen.most_file = (size_t)file.st_size;
}

static bool is_finished(void)
{
    return seen.turn >= day->turns && seen.safe == seen.sent && uplink_is_empty(&lane->uplink) &&
           wire_count == 0;
}

static void live(void)
{
    uint64_t most = day->turns + HOUR;
    while (seen.turn < most && !is_finished()) {
        seen.turn++;
        board_turn();
        server_turn();
        lane_tick(lane, loop_now_us(NULL));
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
    static struct loop loop;
    static char name[] = "m", url[] = "ws://server/microcontrollers/websocket";
    char error[600];
    struct config_mcu mcu = {.name = name, .any_device = true, .api_key_file = key_path};
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
    const struct spool_options options = {.path = path};
    if (spool_open(&spool, &options, error, sizeof error) != 0) {
        fprintf(stderr, "%s\n", error);
        exit(EXIT_FAILURE);
    }
    const struct lane_shared shared = {.loop = &loop,
                                       .seats = seats_new(NULL),
                                       .config = &config,
                                       .profile = &profile_microcontrollers,
                                       .spool = spool,
                                       .freed = on_freed,
                                       .stopped = on_stopped};
    lane = lane_new(&shared, &mcu);
    live();
    lane_free(lane);
    spool_close(spool);
    seats_free(shared.seats);
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

static void clean_up(void)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal", ".lock"};
    char name[96];
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
    unlink(key_path);
    rmdir(folder);
}

int main(int argc, char **argv)
{
    static const char text[] = "API_TOKEN_MC_0123456789ABCDEF\n";
    const char *set = getenv("MCU_LONG");
    if ((set != NULL && set[0] != '\0') || (argc > 1 && strcmp(argv[1], "--long") == 0))
        day = &long_day;
    /* Not of the memory that is measured. */
    times = mmap(NULL, (day->turns / SECOND + 1) * SENSORS, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (times == MAP_FAILED)
        return EXIT_FAILURE;
    if (mkdtemp(folder) == NULL) {
        if (mkdtemp(slower) == NULL)
            return EXIT_FAILURE;
        memcpy(folder, slower, sizeof slower);
    }
    snprintf(path, sizeof path, "%s/spool.db", folder);
    snprintf(key_path, sizeof key_path, "%s/key", folder);
    int fd = open(key_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, sizeof text - 1) != (ssize_t)(sizeof text - 1))
        return EXIT_FAILURE;
    close(fd);
    log_open(LOG_ERROR, false);
    run();
    judge();
    clean_up();
    return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
