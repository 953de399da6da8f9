/*
 * soak_boards FOLDER COUNT SEED: boards b1, b2, ... on pseudo-terminals FOLDER/tty1, ... that
 * number their readings, on lines that can be noisy or cut. When what happens is for the test that
 * reads and writes this program; faults.c makes the noise.
 *
 *     in    rate N (messages of a board in 10 s)   noise RATE (of all bytes, both ways)
 *           cut BOARD MS   reset BOARD   quiet
 *     out   ready   total MESSAGES   applied BOARD VALUE NS   plugged BOARD
 *           reset BOARD NEXT UNSAFE    values [NEXT - UNSAFE, NEXT) were this board's alone
 *           sent BOARD NEXT ... quiet  the first value that each has not sent
 *
 * A message is two readings with one value, counted from 1 by each board over all its resets. What
 * has no room in the board's window is not counted: it is taken again later.
 */
#define _GNU_SOURCE
#include "test_board.h"
#include "test_clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define POLL_MS 5
#define EVENTS  64

struct board {
    struct test_board part;
    struct test_line line;
    char path[512];
    int number;
    uint64_t plug_at_ns;
    int32_t next;
    struct faults up, down;
};

static struct board *boards;
static int count, epoll;
static uint64_t gap_ns;
static bool quiet;

static const struct mp_sensor sensors[] = {
    {"first", MP_KIND_TEMPERATURE, NULL, NULL, MP_TYPE_I32, 0},
    {"second", MP_KIND_PRESSURE, NULL, NULL, MP_TYPE_I32, 0},
};
static const struct mp_control controls[] = {
    {"motor", MP_TYPE_I32, 0, {.i = 0}, {.i = 1000000000}, {.i = 0}, {.i = 0}}};

/* 0 is what the board does by itself: at its start, and when its host is gone. */
static enum mp_status apply(void *user, uint8_t control, union mp_value value)
{
    const struct board *board = user;
    (void)control;
    if (value.i != 0)
        printf("applied %d %d %llu\n", board->number, (int)value.i,
               (unsigned long long)test_now_ns());
    return MP_STATUS_DONE;
}

static int boot(struct board *board)
{
    const struct mp_device_io io = {.user = board, .apply = apply};
    const struct mp_device_config config = {
        .firmware = {.product = "soak"},
        .sensors = sensors,
        .controls = controls,
        .sensor_count = 2,
        .control_count = 1,
        .deadman_ms = 3000,
        .max_body = 240,
    };
    char id[16];
    snprintf(id, sizeof id, "b%d", board->number);
    return test_board_start(&board->part, id, &config, &io);
}

static bool plug(struct board *board)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = board};
    return test_line_plug(&board->line, board->path) == 0 &&
           epoll_ctl(epoll, EPOLL_CTL_ADD, board->line.pty.master, &event) == 0;
}

static void cut(struct board *board, long ms)
{
    board->plug_at_ns = test_now_ns() + (uint64_t)ms * 1000000u;
    test_line_cut(&board->line);
}

/* Messages that the board alone has: each is a record of its queue, as may be an answer. */
static int32_t unsafe(const struct board *board)
{
    int32_t n = 0;
    for (const uint8_t *r = board->part.device.link.tx_queue; *r != 0; r += *r)
        n++;
    return n;
}

static void reset(struct board *board)
{
    printf("reset %d %d %d\n", board->number, (int)board->next, (int)unsafe(board));
    test_line_forget(&board->line);
    boot(board);
}

/* -- Bytes. */

static void serve(struct board *board)
{
    test_line_serve(&board->line, &board->part.device);
}

static void send_message(struct board *board)
{
    struct mp_device *device = &board->part.device;
    const union mp_value values[2] = {{.i = board->next}, {.i = board->next}};
    serve(board);
    if (mp_device_scan(device, 0, values, 2, mp_device_ticks(device), true) == MP_OK)
        board->next++;
    serve(board);
}

/* -- Commands. */

static void set_noise(double rate)
{
    for (int i = 0; i < count; i++) {
        boards[i].up.flip_rate = boards[i].down.flip_rate = rate / 2;
        boards[i].up.drop_rate = boards[i].down.drop_rate = rate / 4;
        boards[i].up.dup_rate = boards[i].down.insert_rate = rate / 4;
    }
}

static void say_sent(void)
{
    quiet = true;
    for (int i = 0; i < count; i++)
        printf("sent %d %d\n", boards[i].number, (int)boards[i].next);
    puts("quiet");
}

static void command(const char *line)
{
    char verb[16] = "";
    double first = 0;
    long second = 0;
    sscanf(line, "%15s %lf %ld", verb, &first, &second);
    int number = (int)first;
    struct board *board = number >= 1 && number <= count ? &boards[number - 1] : NULL;
    if (strcmp(verb, "noise") == 0)
        set_noise(first);
    else if (strcmp(verb, "rate") == 0 && first > 0)
        gap_ns = (uint64_t)(10e9 / first / count);
    else if (strcmp(verb, "quiet") == 0)
        say_sent();
    else if (strcmp(verb, "cut") == 0 && board != NULL)
        cut(board, second);
    else if (strcmp(verb, "reset") == 0 && board != NULL)
        reset(board);
    else
        fprintf(stderr, "soak_boards: what is %s", line);
}

/* A link that stays would soon lead to another's terminal. */
static void leave(void)
{
    for (int i = 0; i < count; i++)
        test_line_cut(&boards[i].line);
    exit(EXIT_SUCCESS);
}

/* Whole lines from the test; it has gone when there is nothing more. */
static void read_commands(void)
{
    static char text[4096];
    static size_t len;
    ssize_t n = read(STDIN_FILENO, text + len, sizeof text - 1 - len);
    if (n <= 0)
        leave();
    len += (size_t)n;
    text[len] = '\0';
    char *line = text, *end;
    while ((end = strchr(line, '\n')) != NULL) {
        *end = '\0';
        command(line);
        line = end + 1;
    }
    len = strlen(line);
    memmove(text, line, len);
}

/* -- The loop. */

static void say_total(void)
{
    static uint64_t due;
    long long total = 0;
    if (test_now_ns() < due)
        return;
    due = test_now_ns() + 500000000u;
    for (int i = 0; i < count; i++)
        total += boards[i].next - 1;
    printf("total %lld\n", total);
}

static void plug_what_is_due(struct board *board)
{
    if (board->line.pty.master >= 0 || test_now_ns() < board->plug_at_ns)
        return;
    if (!plug(board)) {
        perror(board->path);
        exit(EXIT_FAILURE);
    }
    printf("plugged %d\n", board->number);
}

static void run(void)
{
    struct epoll_event events[EVENTS];
    uint64_t due = test_now_ns();
    for (int next = 0;;) {
        int n = epoll_wait(epoll, events, EVENTS, POLL_MS);
        for (int i = 0; i < n; i++)
            if (events[i].data.ptr == NULL)
                read_commands();
        for (int i = 0; i < count; i++) {
            plug_what_is_due(&boards[i]);
            serve(&boards[i]);
        }
        if (test_now_ns() >
            due + 1000000000u) /* the machine stood still: what was missed is not sent */
            due = test_now_ns();
        for (; !quiet && due <= test_now_ns(); due += gap_ns, next = (next + 1) % count)
            send_message(&boards[next]);
        say_total();
        fflush(stdout);
    }
}

static bool begin(struct board *board, const char *folder, int number, uint64_t seed)
{
    board->number = number;
    board->next = 1;
    snprintf(board->path, sizeof board->path, "%s/tty%d", folder, number);
    faults_seed(&board->up, seed * 1000003u + (uint64_t)number * 2);
    faults_seed(&board->down, seed * 1000003u + (uint64_t)number * 2 + 1);
    board->line.up = &board->up;
    board->line.down = &board->down;
    return boot(board) == MP_OK && plug(board);
}

int main(int argc, char **argv)
{
    struct epoll_event event = {.events = EPOLLIN};
    if (argc != 4)
        return 2;
    count = (int)strtol(argv[2], NULL, 10);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    boards = count > 0 ? calloc((size_t)count, sizeof *boards) : NULL;
    if (boards == NULL || epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event) != 0)
        return 2;
    gap_ns = 1000000000u / (uint64_t)count;
    for (int i = 0; i < count; i++) {
        if (!begin(&boards[i], argv[1], i + 1, strtoull(argv[3], NULL, 10))) {
            perror(argv[1]);
            return 1;
        }
    }
    puts("ready");
    run();
}
