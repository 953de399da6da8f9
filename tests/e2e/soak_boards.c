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
#include "faults.h"
#include "mp_device.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define WINDOW_BYTES 4096
#define POLL_MS      5
#define EVENTS       64

struct board {
    struct mp_device device;
    char id[16], path[512];
    int number, fd, slave; /* fd -1: cut */
    uint64_t plug_at_ns;
    int32_t next;
    struct faults up, down;
    uint8_t tx[WINDOW_BYTES], rx[1024];
    uint8_t out[1024 * FAULTS_MOST_BYTES]; /* bytes that the terminal did not take */
    size_t out_at, out_len;
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

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint32_t now_us(void)
{
    return (uint32_t)(now_ns() / 1000);
}

/* 0 is what the board does by itself: at its start, and when its host is gone. */
static enum mp_status apply(void *user, uint8_t control, union mp_value value)
{
    const struct board *board = user;
    (void)control;
    if (value.i != 0)
        printf("applied %d %d %llu\n", board->number, (int)value.i, (unsigned long long)now_ns());
    return MP_STATUS_DONE;
}

static int boot(struct board *board)
{
    const struct mp_device_io io = {.user = board, .apply = apply};
    const struct mp_device_config config = {
        .firmware = {"soak", "1", "host", "posix"},
        .sensors = sensors,
        .controls = controls,
        .sensor_count = 2,
        .control_count = 1,
        .device_id = (const uint8_t *)board->id,
        .device_id_len = (uint8_t)strlen(board->id),
        .tick_us = 1000,
        .deadman_ms = 3000,
        .tx_mem = board->tx,
        .rx_mem = board->rx,
        .tx_bytes = sizeof board->tx,
        .rx_bytes = sizeof board->rx,
        .max_body = 240,
    };
    return mp_device_init(&board->device, &config, &io, now_us());
}

static bool plug(struct board *board)
{
    struct termios raw;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = board};
    board->out_at = board->out_len = 0;
    board->fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (board->fd < 0 || grantpt(board->fd) != 0 || unlockpt(board->fd) != 0)
        return false;
    /* Stays open: no hang-up between two users. */
    board->slave = open(ptsname(board->fd), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (board->slave < 0 || tcgetattr(board->slave, &raw) != 0)
        return false;
    cfmakeraw(&raw);
    tcsetattr(board->slave, TCSANOW, &raw);
    return symlink(ptsname(board->fd), board->path) == 0 &&
           epoll_ctl(epoll, EPOLL_CTL_ADD, board->fd, &event) == 0;
}

static void cut(struct board *board, long ms)
{
    board->plug_at_ns = now_ns() + (uint64_t)ms * 1000000u;
    if (board->fd < 0)
        return;
    unlink(board->path);
    close(board->slave);
    close(board->fd);
    board->fd = -1;
}

/* Messages that the board alone has: each is a record of its queue, as may be an answer. */
static int32_t unsafe(const struct board *board)
{
    int32_t n = 0;
    for (const uint8_t *r = board->device.link.tx_queue; *r != 0; r += *r)
        n++;
    return n;
}

static void reset(struct board *board)
{
    printf("reset %d %d %d\n", board->number, (int)board->next, (int)unsafe(board));
    board->out_at = board->out_len = 0;
    boot(board);
}

/* -- Bytes. */

static void fill(struct board *board)
{
    uint8_t clean[1024];
    size_t n = mp_device_output(&board->device, clean, sizeof clean, now_us());
    board->out_at = board->out_len = 0;
    for (size_t i = 0; i < n; i++)
        board->out_len += faults_pass(&board->up, clean[i], board->out + board->out_len);
}

static void write_out(struct board *board)
{
    for (;;) {
        if (board->out_at == board->out_len)
            fill(board);
        if (board->out_len == 0)
            return;
        ssize_t n = board->fd < 0 ? (ssize_t)(board->out_len - board->out_at)
                                  : write(board->fd, board->out + board->out_at,
                                          board->out_len - board->out_at);
        if (n <= 0)
            return;
        board->out_at += (size_t)n;
    }
}

static void serve(struct board *board)
{
    uint8_t in[1024], noisy[1024 * FAULTS_MOST_BYTES];
    ssize_t n;
    while (board->fd >= 0 && (n = read(board->fd, in, sizeof in)) > 0) {
        size_t got = 0;
        for (ssize_t i = 0; i < n; i++)
            got += faults_pass(&board->down, in[i], noisy + got);
        mp_device_bytes(&board->device, noisy, got, now_us());
    }
    mp_device_poll(&board->device, now_us());
    write_out(board);
}

static void send_message(struct board *board)
{
    const union mp_value values[2] = {{.i = board->next}, {.i = board->next}};
    serve(board);
    if (mp_device_scan(&board->device, 0, values, 2, mp_device_ticks(&board->device), true) ==
        MP_OK)
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
        unlink(boards[i].path);
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
    if (now_ns() < due)
        return;
    due = now_ns() + 500000000u;
    for (int i = 0; i < count; i++)
        total += boards[i].next - 1;
    printf("total %lld\n", total);
}

static void plug_what_is_due(struct board *board)
{
    if (board->fd >= 0 || now_ns() < board->plug_at_ns)
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
    uint64_t due = now_ns();
    for (int next = 0;;) {
        int n = epoll_wait(epoll, events, EVENTS, POLL_MS);
        for (int i = 0; i < n; i++)
            if (events[i].data.ptr == NULL)
                read_commands();
        for (int i = 0; i < count; i++) {
            plug_what_is_due(&boards[i]);
            serve(&boards[i]);
        }
        if (now_ns() > due + 1000000000u) /* the machine stood still: what was missed is not sent */
            due = now_ns();
        for (; !quiet && due <= now_ns(); due += gap_ns, next = (next + 1) % count)
            send_message(&boards[next]);
        say_total();
        fflush(stdout);
    }
}

static bool begin(struct board *board, const char *folder, int number, uint64_t seed)
{
    board->number = number;
    board->next = 1;
    snprintf(board->id, sizeof board->id, "b%d", number);
    snprintf(board->path, sizeof board->path, "%s/tty%d", folder, number);
    faults_seed(&board->up, seed * 1000003u + (uint64_t)number * 2);
    faults_seed(&board->down, seed * 1000003u + (uint64_t)number * 2 + 1);
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
