/*
 * port.h for a process: the UART is a descriptor, the clock the system's, the reset a return to
 * main. Opening the PTY and the options are main.c's.
 */
#define _GNU_SOURCE
#include "board.h"

#include "images.h"
#include "port.h"

#include <errno.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WATCHDOG_US 4000000u

static struct board *board;
static uint8_t stored_id[MP_DEVICE_ID_MAX];
static uint8_t stored_len;
static uint8_t cause, next_cause;
static bool reset_asked, line_gone, room_wanted, muted;
static volatile sig_atomic_t stop_asked;

/* -- Start and end. */

static void on_signal(int number)
{
    (void)number;
    stop_asked = 1;
}

/* Both are blocked but while port_idle waits, so that none slips in just before it. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t both;

    sigemptyset(&both);
    sigaddset(&both, SIGTERM);
    sigaddset(&both, SIGINT);
    sigprocmask(SIG_BLOCK, &both, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void load_stored_id(void)
{
    char line[64];
    FILE *file = board->state ? fopen(board->state, "r") : NULL;
    int len;

    if (file == NULL)
        return;
    if (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        len = board_read_id(line, stored_id);
        stored_len = (uint8_t)(len > 0 ? len : 0);
    }
    fclose(file);
}

void board_power_on(struct board *given)
{
    board = given;
    cause = MP_RESET_POWER;
    catch_signals();
    load_stored_id();
}

bool board_take_reset(void)
{
    bool asked = reset_asked;

    reset_asked = false;
    if (asked)
        cause = next_cause;
    return asked;
}

static void reset(enum mp_reset_cause why)
{
    next_cause = (uint8_t)why;
    reset_asked = true;
}

void port_reset(void)
{
    reset(MP_RESET_SOFTWARE);
}

void board_hang(void)
{
    uint32_t begun = port_micros();

    while (port_running() && port_micros() - begun < WATCHDOG_US)
        port_idle(WATCHDOG_US);
    if (port_running())
        reset(MP_RESET_WATCHDOG);
}

void board_mute(bool mute)
{
    muted = mute;
}

bool port_running(void)
{
    return !stop_asked && !reset_asked && !line_gone;
}

uint8_t port_reset_cause(void)
{
    return cause;
}

/* -- Time and the UART. */

uint32_t port_micros(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)(uint64_t)(((double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3) *
                                board->time_scale);
}

size_t port_uart_read(uint8_t *out, size_t cap)
{
    ssize_t n = read(board->fd, out, cap);

    if (n > 0)
        return (size_t)n;
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
        line_gone = true;
    return 0;
}

size_t port_uart_write(const uint8_t *bytes, size_t n)
{
    ssize_t taken = muted ? (ssize_t)n : write(board->fd, bytes, n);

    if (taken < 0) {
        if (errno != EAGAIN && errno != EINTR)
            line_gone = true;
        taken = 0;
    }
    room_wanted = (size_t)taken < n;
    return (size_t)taken;
}

void port_idle(uint32_t us)
{
    struct pollfd fd = {.fd = board->fd, .events = POLLIN};
    uint64_t ns = (uint64_t)((double)us * 1e3 / board->time_scale);
    struct timespec wait = {.tv_sec = (time_t)(ns / 1000000000u),
                            .tv_nsec = (long)(ns % 1000000000u)};
    sigset_t none;

    if (room_wanted)
        fd.events |= POLLOUT;
    sigemptyset(&none);
    ppoll(&fd, 1, &wait, &none);
}

/* -- Identity. */

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c ? strchr(digits, c | ('a' ^ 'A')) : NULL;

    return at ? (int)(at - digits) : -1;
}

static int read_hex(const char *digits, uint8_t out[MP_DEVICE_ID_MAX])
{
    size_t n = strlen(digits);

    if (n % 2 != 0 || n > 2 * MP_DEVICE_ID_MAX)
        return -1;
    for (size_t i = 0; i < n; i += 2) {
        int high = hex_digit(digits[i]), low = hex_digit(digits[i + 1]);
        if (high < 0 || low < 0)
            return -1;
        out[i / 2] = (uint8_t)(high << 4 | low);
    }
    return (int)(n / 2);
}

int board_read_id(const char *text, uint8_t out[MP_DEVICE_ID_MAX])
{
    size_t n = strlen(text);

    if (strncmp(text, "hex:", 4) == 0)
        return read_hex(text + 4, out);
    if (n > MP_DEVICE_ID_MAX)
        return -1;
    memcpy(out, text, n);
    return (int)n;
}

uint8_t port_device_id(uint8_t out[MP_DEVICE_ID_MAX])
{
    uint8_t len = stored_len ? stored_len : board->id_len;

    memcpy(out, stored_len ? stored_id : board->id, len);
    return len;
}

/* By rename, so that a crash leaves the old file or the new one. */
static bool save_id(const uint8_t *id, uint8_t len)
{
    char fresh[300];
    FILE *file;
    bool good;

    if (snprintf(fresh, sizeof fresh, "%s.new", board->state) >= (int)sizeof fresh)
        return false;
    file = fopen(fresh, "w");
    if (file == NULL)
        return false;
    good = fputs("hex:", file) >= 0;
    for (uint8_t i = 0; i < len; i++)
        good = fprintf(file, "%02x", id[i]) == 2 && good;
    good = fputs("\n", file) >= 0 && good;
    good = fflush(file) == 0 && fsync(fileno(file)) == 0 && good;
    good = fclose(file) == 0 && good;
    return good && rename(fresh, board->state) == 0;
}

bool port_store_id(const uint8_t *id, uint8_t len)
{
    if (len > MP_DEVICE_ID_MAX || (board->state && !save_id(id, len)))
        return false;
    memcpy(stored_id, id, len);
    stored_len = len;
    return true;
}

/* The first object is the program itself; its build id stands in a note of it. */
static int find_build_id(struct dl_phdr_info *info, size_t size, void *user)
{
    static const char name[] = "GNU";
    struct {
        uint8_t *out;
        uint8_t len;
    } *found = user;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        const uint8_t *at = (const uint8_t *)(info->dlpi_addr + segment->p_vaddr);
        const uint8_t *end = at + segment->p_memsz;
        ElfW(Nhdr) note;

        if (segment->p_type != PT_NOTE)
            continue;
        while (at + sizeof note <= end) {
            memcpy(&note, at, sizeof note);
            at += sizeof note;
            if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof name &&
                memcmp(at, name, sizeof name) == 0) {
                found->len =
                    note.n_descsz < MP_IMAGE_ID_MAX ? (uint8_t)note.n_descsz : MP_IMAGE_ID_MAX;
                memcpy(found->out, at + sizeof name, found->len);
                return 1;
            }
            at += ((note.n_namesz + 3) & ~3u) + ((note.n_descsz + 3) & ~3u);
        }
    }
    return 1;
}

uint8_t port_image_id(uint8_t out[MP_IMAGE_ID_MAX])
{
    struct {
        uint8_t *out;
        uint8_t len;
    } found = {out, 0};

    if (images_id(out))
        return MP_IMAGE_ID_MAX;
    dl_iterate_phdr(find_build_id, &found);
    return found.len;
}

const char *port_version(void)
{
    const char *version = images_version();

    return version ? version : FW_VERSION;
}

const char *port_architecture(void)
{
#if defined __x86_64__
    return "x86_64";
#elif defined __aarch64__
    return "aarch64";
#elif defined __arm__
    return "arm";
#else
    return "other";
#endif
}

const char *port_platform(void)
{
    return "posix";
}

void port_identify(bool on)
{
    fputs(on ? "identify: on\n" : "identify: off\n", stdout);
    fflush(stdout);
}

uint32_t port_seed(void)
{
    return board->seed;
}
