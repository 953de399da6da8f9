/*
 * board_probe.c - boards at a NervesHub without boards, for tests: each is a file that stands for
 * its flash. Words on the command line, NAME=VALUE:
 *
 *   url, key, secret, ca, cert, certkey, folder, pubkey (a .pub file), resource, file_max,
 *   image_max, keep_free   as nh_board.h and nh_files.h have them
 *   board=NAME:FILE        may be repeated; FILE is the board's flash
 *   keeps_old=1            a boot loader with two slots
 *   speed=N                the clock of the boards runs so much faster
 *   die_at=N               SIGKILL before the Nth time that a file is synced, renamed or removed
 *   do=NAME:WORD           as if WORD had come on standard input, before the first hello
 *
 * A board says hello when its flash holds a whole image, which ends in "END!". Orders on standard
 * input, "NAME WORD [N]": old (the next image is taken back), silent (the board says nothing after
 * the next flash), fail N (the next N flashes end half way), missing N (the next N are not begun),
 * refuse, pull, plug, reset, print TEXT, lines N, log TEXT, hold (a flash waits half way), go on,
 * deaf (takes no keys), hear, blank (says no product), swap (another board from the next hello on),
 * stop; "quit" alone. One JSON object a line comes out.
 */
#include "board_probe.h"

#include "json_out.h"
#include "orders.h"
#include "phx.h"

#include <assert.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#define BOARDS_MAX 4
#define TICK_MS    5

static struct board boards[BOARDS_MAX];
static size_t board_count;
static uint64_t speed = 1;
static atomic_uint operations;
static unsigned die_at;
static uv_timer_t timer;
static struct phx_context *context;
static struct nh_files *files;
static bool quitting;

int __real_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __real_unlinkat(int folder, const char *path, int flags);
int __wrap_fsync(int fd);
int __wrap_rename(const char *from, const char *to);
int __wrap_unlink(const char *path);
int __wrap_unlinkat(int folder, const char *path, int flags);

void probe_line(const char *board, const char *event, const char *text)
{
    flockfile(stdout);
    json_begin(event);
    json_text("board", board);
    json_text("text", text);
    json_end();
    funlockfile(stdout);
}

/* -- Dying before a step that is to last. */

static void step(const char *what, const char *path)
{
    char text[600];
    unsigned n = atomic_fetch_add(&operations, 1) + 1;
    const char *name = strrchr(path, '/');
    snprintf(text, sizeof(text), "%u %s %.500s", n, what, name != NULL ? name + 1 : path);
    probe_line("", "step", text);
    if (n == die_at)
        kill(getpid(), SIGKILL);
}

int __wrap_fsync(int fd)
{
    char path[64], name[512];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(path, name, sizeof(name) - 1);
    name[n > 0 ? n : 0] = '\0';
    step("fsync", name);
    return __real_fsync(fd);
}

int __wrap_rename(const char *from, const char *to)
{
    step("rename", to);
    return __real_rename(from, to);
}

int __wrap_unlink(const char *path)
{
    step("unlink", path);
    return __real_unlink(path);
}

int __wrap_unlinkat(int folder, const char *path, int flags)
{
    step("unlink", path);
    return __real_unlinkat(folder, path, flags);
}

/* -- Time. */

uint64_t probe_real_ms(void)
{
    return uv_hrtime() / 1000000;
}

uint64_t probe_now_ms(void *user)
{
    (void)user;
    return probe_real_ms() * speed;
}

int64_t probe_unix_us(void *user)
{
    struct timespec now;
    (void)user;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void probe_wake(void *user)
{
    ((struct board *)user)->next_tick = 0;
    uv_timer_start(&timer, timer.timer_cb, 0, TICK_MS);
}

static void on_tick(uv_timer_t *t)
{
    (void)t;
    for (struct board *b = boards; b < boards + board_count && !quitting; b++) {
        board_turn(b);
        if (probe_now_ms(NULL) >= b->next_tick) {
            b->next_tick = UINT64_MAX;
            uint64_t now_ms = probe_now_ms(NULL);
            uint64_t next = nh_board_tick(b->board, now_ms);
            assert(next > now_ms); /* or a bridge would do nothing else */
            b->next_tick = b->next_tick == 0 ? 0 : next;
        }
        board_show(b);
    }
}

/* -- Orders. */

static void quit(void)
{
    quitting = true;
    for (struct board *b = boards; b < boards + board_count; b++)
        board_free(b);
    nh_files_close(files);
    phx_context_close(context, NULL, NULL);
    uv_close((uv_handle_t *)&timer, NULL);
    orders_close();
}

static void obey(struct board *b, const char *word, const char *rest)
{
    bool *const flags[] = {&b->old,  &b->silent, &b->refuse, &b->holding,
                           &b->deaf, &b->blank,  &b->swapped};
    static const char *const names[] = {"old", "silent", "refuse", "hold", "deaf", "blank", "swap"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(word, names[i]) == 0)
            *flags[i] = true;
    if (strcmp(word, "fail") == 0)
        b->fail = (unsigned)strtoul(rest, NULL, 10);
    else if (strcmp(word, "missing") == 0)
        b->missing = (unsigned)strtoul(rest, NULL, 10);
    else if (strcmp(word, "go") == 0)
        b->holding = false;
    else if (strcmp(word, "hear") == 0)
        b->deaf = false;
    else if (strcmp(word, "pull") == 0)
        board_pull(b);
    else if (strcmp(word, "plug") == 0)
        board_plug(b);
    else if (strcmp(word, "reset") == 0)
        board_reboot(b);
    else if (strcmp(word, "print") == 0)
        nh_board_console(b->board, (const uint8_t *)rest, strlen(rest));
    else if (strcmp(word, "lines") == 0)
        b->lines += (unsigned)strtoul(rest, NULL, 10);
    else if (strcmp(word, "log") == 0)
        nh_board_log(b->board, "info", rest);
    else if (strcmp(word, "stop") == 0) {
        nh_board_stop(b->board);
        probe_line(b->name, nh_board_is_stopped(b->board) ? "stopped" : "stopping", "");
    }
}

static void take_order(void *user, char *order)
{
    char *word = order != NULL ? strchr(order, ' ') : NULL;
    (void)user;
    if (word == NULL) {
        quit();
        return;
    }
    *word++ = '\0';
    char *rest = strchr(word, ' ');
    if (rest != NULL)
        *rest++ = '\0';
    for (struct board *b = boards; b < boards + board_count; b++)
        if (strcmp(b->name, order) == 0)
            obey(b, word, rest != NULL ? rest : "");
}

/* -- */

static struct nh_board_options options;
static struct nh_files_options file_options = {
    .allow_http = true, .retry_ms = 20, .tries = 4, .stall_s = 2};

static const struct {
    const char *name;
    const char **at;
} TEXTS[] = {
    {"url", &options.url},           {"key", &options.key},
    {"secret", &options.secret},     {"ca", &options.ca_file},
    {"cert", &options.cert_file},    {"certkey", &options.key_file},
    {"resource", &options.resource}, {"folder", &file_options.folder},
};

static void add_board(char *value)
{
    struct board *b = &boards[board_count++];
    char *colon = strchr(value, ':');
    *colon = '\0';
    b->name = value;
    b->flash = colon + 1;
    b->hello_at = 1;
}

static void add_key(const char *path)
{
    size_t n;
    char *text = board_read_whole(path, &n);
    if (text == NULL || fw_keys_add(&file_options.keys, text, n) != 0)
        probe_line("", "trouble", "no such public key");
    free(text);
}

static void take_number(const char *name, uint64_t number)
{
    if (strcmp(name, "speed") == 0)
        speed = number;
    else if (strcmp(name, "die_at") == 0)
        die_at = (unsigned)number;
    else if (strcmp(name, "file_max") == 0)
        file_options.file_max = number;
    else if (strcmp(name, "image_max") == 0)
        file_options.image_max = number;
    else if (strcmp(name, "keep_free") == 0)
        file_options.keep_free = number;
    else if (strcmp(name, "keeps_old") == 0)
        board_io.keeps_old = number != 0;
}

static void take_word(char *word)
{
    char *value = strchr(word, '=');
    if (value == NULL)
        return;
    *value++ = '\0';
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++)
        if (strcmp(TEXTS[i].name, word) == 0)
            *TEXTS[i].at = value;
    if (strcmp(word, "board") == 0)
        add_board(value);
    else if (strcmp(word, "pubkey") == 0)
        add_key(value);
    else if (strcmp(word, "do") != 0)
        take_number(word, strtoull(value, NULL, 10));
}

static bool begin(void)
{
    char why[300];
    file_options.loop = uv_default_loop();
    file_options.ca_file = options.ca_file;
    options.backoff_min_ms = options.rejoin_min_ms = 30;
    options.backoff_max_ms = 300;
    files = nh_files_open(&file_options, why, sizeof(why));
    if (files == NULL) {
        probe_line("", "trouble", why);
        return false;
    }
    for (struct board *b = boards; b < boards + board_count; b++) {
        struct nh_board_shared shared = {context, files};
        board_io.user = b;
        options.identifier = b->name;
        b->board = nh_board_new(&shared, &options, &board_io);
        if (b->board == NULL)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct phx_context_options none = {0};
    for (int i = 1; i < argc; i++)
        take_word(argv[i]);
    context = phx_context_open(uv_default_loop(), &none);
    uv_timer_init(uv_default_loop(), &timer);
    uv_timer_start(&timer, on_tick, 0, TICK_MS);
    if (!begin())
        return 1;
    for (int i = 1; i < argc; i++) /* take_word put a NUL where the = was */
        if (strcmp(argv[i], "do") == 0) {
            char order[100];
            snprintf(order, sizeof(order), "%s", argv[i] + 3);
            *strchr(order, ':') = ' ';
            take_order(NULL, order);
        }
    orders_open(uv_default_loop(), take_order, NULL);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    uv_loop_close(uv_default_loop());
    return 0;
}
