/*
 * bench_boards FOLDER COUNT FRAMES_PER_SECOND READINGS_PER_FRAME [blind]
 *
 * COUNT boards on pseudo-terminals FOLDER/tty0, tty1, ...: mp_device with ten 16-bit sensors and a
 * control, one frame of readings at a time, evenly spread over the boards. Says "ready", and for
 * each control that a board applies "applied VALUE NS", for each single reading "sent VALUE NS",
 * with the monotonic clock. `blind`: no session, only frames of the same length, for programs that
 * understand none: of one reading, its value as text; in answer to "?", a time's; any other input
 * is the value of a control.
 */
#define _GNU_SOURCE
#include "test_board.h"
#include "test_clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define SENSORS    10
#define EVENTS     64
#define POLL_MS    5
#define TIME_BYTES 21 /* of the answer to a time question */

struct board {
    struct test_board part;
    struct test_line line;
    uint64_t poll_at_us;
};

static struct board *boards;
static int count, readings;
static bool blind;

static void tell(const char *what, int value, uint64_t at_ns)
{
    printf("%s %d %llu\n", what, value, (unsigned long long)at_ns);
    fflush(stdout);
}

static enum mp_status apply(void *user, uint8_t control, union mp_value value)
{
    (void)user;
    (void)control;
    if (value.i != 0)
        tell("applied", (int)value.i, test_now_ns());
    return MP_STATUS_DONE;
}

static const struct mp_sensor sensors[SENSORS] = {
    {"s0", MP_KIND_TEMPERATURE, NULL, NULL, MP_TYPE_I16, -1},
    {"s1", MP_KIND_PRESSURE, NULL, NULL, MP_TYPE_I16, -1},
    {"s2", MP_KIND_HUMIDITY, NULL, NULL, MP_TYPE_I16, -1},
    {"s3", MP_KIND_ILLUMINANCE, NULL, NULL, MP_TYPE_I16, -1},
    {"s4", MP_KIND_TEMPERATURE, NULL, NULL, MP_TYPE_I16, -1},
    {"s5", MP_KIND_PRESSURE, NULL, NULL, MP_TYPE_I16, -1},
    {"s6", MP_KIND_HUMIDITY, NULL, NULL, MP_TYPE_I16, -1},
    {"s7", MP_KIND_ILLUMINANCE, NULL, NULL, MP_TYPE_I16, -1},
    {"s8", MP_KIND_TEMPERATURE, NULL, NULL, MP_TYPE_I16, -1},
    {"s9", MP_KIND_TEMPERATURE, NULL, NULL, MP_TYPE_I16, -1},
};
static const struct mp_control controls[] = {
    {"motor", MP_TYPE_I32, 0, {.i = 0}, {.i = 1000000}, {.i = 0}, {.i = 0}}};

static int begin(struct board *board, const char *folder, int number)
{
    static const uint8_t image[] = "BENCH-01"; /* what a NervesHub wants to know */
    const struct mp_device_io io = {.user = board, .apply = apply};
    const struct mp_device_config config = {
        .firmware = {.product = "bench"},
        .image_id = image,
        .image_id_len = sizeof image - 1,
        .sensors = sensors,
        .controls = controls,
        .sensor_count = SENSORS,
        .control_count = 1,
        .deadman_ms = 10000,
        .max_body = 240,
    };
    char id[16], path[512];
    snprintf(id, sizeof id, "b%d", number);
    snprintf(path, sizeof path, "%s/tty%d", folder, number);
    return test_line_plug(&board->line, path) != 0 ||
           test_board_start(&board->part, id, &config, &io) != MP_OK;
}

static void serve_blind(struct board *board)
{
    static const char answer[TIME_BYTES] = {0};
    char in[4096];
    ssize_t n = read(board->line.pty.master, in, sizeof in - 1);
    if (n <= 0)
        return;
    in[n] = '\0';
    if (in[0] != '?')
        tell("applied", (int)strtol(in, NULL, 10), test_now_ns());
    else if (write(board->line.pty.master, answer, sizeof answer) < 0)
        perror("write");
}

static void serve(struct board *board)
{
    if (blind)
        serve_blind(board);
    else
        board->poll_at_us = test_now_us() + test_line_serve(&board->line, &board->part.device);
}

static int next_value(void)
{
    static int value = 0;
    return value = value % 30000 + 1;
}

/* A frame of the same length, of nothing that means anything but a single value. */
static void send_blind(struct board *board)
{
    char frame[8 + 4 + 4 * SENSORS];
    uint64_t at_ns = test_now_ns();
    int value = next_value();
    memset(frame, 'x', sizeof frame);
    frame[0] = frame[8 + 4 + 4 * readings - 2] = 0;
    if (readings == 1)
        snprintf(frame, sizeof frame, "%-15d", value);
    if (write(board->line.pty.master, frame, (size_t)(8 + 4 + 4 * readings - 1)) < 0 &&
        errno != EAGAIN)
        perror("write");
    if (readings == 1)
        tell("sent", value, at_ns);
}

static void send_frame(struct board *board)
{
    struct mp_device *device = &board->part.device;
    mp_device_poll(device, (uint32_t)test_now_us());
    if (!mp_link_is_up(&device->link))
        return;
    uint32_t ticks = mp_device_ticks(device);
    int value = next_value();
    for (int i = 0; i < readings; i++)
        mp_device_reading(device, (uint8_t)i, (union mp_value){.i = value}, ticks, true);
    mp_device_flush(device);
    uint64_t at_ns = test_now_ns();
    serve(board);
    if (readings == 1)
        tell("sent", value, at_ns);
}

static void run(int epoll, uint64_t gap_ns)
{
    struct epoll_event events[EVENTS];
    uint64_t due = test_now_ns();
    for (int next = 0;;) {
        int64_t left = (int64_t)(due - test_now_ns());
        int wait = left > 0 ? (int)(left / 1000000) : 0;
        int n = epoll_wait(epoll, events, EVENTS, wait < POLL_MS ? wait : POLL_MS);
        for (int i = 0; i < n; i++)
            serve(events[i].data.ptr);
        for (int i = 0; i < count && !blind; i++)
            if (test_now_us() >= boards[i].poll_at_us)
                serve(&boards[i]);
        for (; gap_ns > 0 && due <= test_now_ns(); due += gap_ns, next = (next + 1) % count)
            (blind ? send_blind : send_frame)(&boards[next]);
    }
}

int main(int argc, char **argv)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (argc < 5)
        return 2;
    count = (int)strtol(argv[2], NULL, 10);
    long frames = strtol(argv[3], NULL, 10);
    readings = (int)strtol(argv[4], NULL, 10);
    blind = argc > 5;
    boards = calloc((size_t)count, sizeof *boards);
    if (boards == NULL || count < 1 || readings < 1 || readings > SENSORS)
        return 2;
    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &boards[i]};
        if (begin(&boards[i], argv[1], i) != 0 ||
            epoll_ctl(epoll, EPOLL_CTL_ADD, boards[i].line.pty.master, &event) != 0) {
            perror("bench_boards");
            return 1;
        }
    }
    puts("ready");
    fflush(stdout);
    run(epoll, frames > 0 ? 1000000000u / (uint64_t)frames : 0);
}
