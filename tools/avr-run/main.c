/*
 * avr-run: an AVR's image on an open descriptor as its UART, in real time. Options, pacing, and the
 * line.
 */
#define _GNU_SOURCE
#include "chip.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SLICE_US       1000    /* the line is looked at so often */
#define MOST_BEHIND_US 1000000 /* after a longer pause the chip does not catch up */

static const char usage[] =
    "usage: avr-run --mcu NAME --image FILE --fd N [options]\n"
    "\n"
    "Runs an AVR's image at 16 MHz in real time, with its UART0 on an open\n"
    "descriptor.\n"
    "\n"
    "  --mcu NAME      atmega328p, atmega2560\n"
    "  --image FILE    what is in its flash: ELF or Intel HEX\n"
    "  --fd N          the descriptor: a socket\n"
    "  --id ID         the board's own identity, at most 16 bytes (default: none)\n"
    "  --boot FILE     a boot loader: the chip starts there, in the boot section\n"
    "  --state FILE    keeps its EEPROM without power; with --boot its flash too, in\n"
    "                  FILE.flash; then --image and --boot count only the first time\n"
    "  --baud N        speed of the line to it (default 115200)\n"
    "  --stack N       fail once fewer than N bytes lie between the variables and the\n"
    "                  stack's deepest end so far (default 0); not with malloc\n"
    "  --help, --version\n"
    "\n"
    "SIGUSR1 is a pulse at the reset pin. Ends with SIGTERM or SIGINT, or when the\n"
    "other end of the descriptor is closed.\n";

struct board {
    struct chip_config config;
    char flash_file[300];
    int fd;
    size_t least_stack;
    struct chip *chip;
    uint8_t in[64]; /* read from the line, on its way to the chip */
    size_t in_at, in_len;
    bool in_is_next; /* read after a reset was asked for: it is for the next life */
    uint64_t lost;   /* bytes sent while nobody made room */
    bool gone;       /* the other end is closed */
};

static volatile sig_atomic_t stop_asked, reset_asked;

static _Noreturn void fail(const char *what, const char *why)
{
    fprintf(stderr, "avr-run: %s: %s\n", what, why);
    exit(2);
}

/* -- Options. */

static unsigned long number(const char *option, const char *text, unsigned long min,
                            unsigned long max)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || value < min || value > max)
        fail(option, "not a whole number in its range; see avr-run --help");
    return value;
}

static void take_option(struct board *board, int option, const char *text)
{
    switch (option) {
    case 'm':
        board->config.mcu = text;
        break;
    case 'e':
        board->config.image = text;
        break;
    case 'f':
        board->fd = (int)number("--fd", text, 0, 1000000);
        break;
    case 'i':
        if (strlen(text) > 16)
            fail("--id", "at most 16 bytes");
        board->config.id = text;
        break;
    case 's':
        board->config.eeprom_file = text;
        break;
    case 'o':
        board->config.boot = text;
        break;
    case 'b':
        board->config.baud = (uint32_t)number("--baud", text, 300, 2000000);
        break;
    case 'k':
        board->least_stack = number("--stack", text, 0, 8192);
        break;
    case 'h':
        fputs(usage, stdout);
        exit(0);
    case 'v':
        puts("avr-run " MCU_VERSION);
        exit(0);
    default:
        fputs("avr-run: see avr-run --help\n", stderr);
        exit(2);
    }
}

static void read_options(struct board *board, int argc, char **argv)
{
    static const struct option known[] = {
        {"mcu", required_argument, NULL, 'm'},
        {"image", required_argument, NULL, 'e'},
        {"fd", required_argument, NULL, 'f'},
        {"id", required_argument, NULL, 'i'},
        {"state", required_argument, NULL, 's'},
        {"baud", required_argument, NULL, 'b'},
        {"stack", required_argument, NULL, 'k'},
        {"boot", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1)
        take_option(board, option, optarg);
    if (optind < argc || board->config.mcu == NULL || board->config.image == NULL || board->fd < 0)
        fail("usage", "--mcu, --image and --fd; see avr-run --help");
    if (fcntl(board->fd, F_SETFL, O_NONBLOCK) != 0)
        fail("--fd", strerror(errno));
    if (board->config.eeprom_file == NULL)
        return;
    if (snprintf(board->flash_file, sizeof board->flash_file, "%s.flash",
                 board->config.eeprom_file) >= (int)sizeof board->flash_file)
        fail("--state", "too long a name");
    board->config.flash_file = board->flash_file;
}

static void on_signal(int number)
{
    if (number == SIGUSR1)
        reset_asked = 1;
    else
        stop_asked = 1;
}

/* Their flags are looked at in every slice. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* -- The line. */

/* A UART holds nothing back: what the other end has no room for is lost. What still leaves the chip
 * once a reset was asked for counts as sent after it. */
static void sent(void *user, uint8_t byte)
{
    struct board *board = user;

    if (reset_asked)
        return;
    if (write(board->fd, &byte, 1) == 1)
        return;
    if (errno != EAGAIN && errno != EINTR)
        board->gone = true;
    board->lost++;
}

static bool arrived(void *user, uint8_t *byte)
{
    struct board *board = user;

    if (reset_asked || board->in_at == board->in_len)
        return false;
    *byte = board->in[board->in_at++];
    return true;
}

static void fetch(struct board *board)
{
    ssize_t n;

    if (board->in_at < board->in_len)
        return;
    n = read(board->fd, board->in, sizeof board->in);
    board->in_is_next = reset_asked;
    board->in_at = 0;
    board->in_len = n > 0 ? (size_t)n : 0;
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        board->gone = true;
}

/* -- Time. */

static uint64_t micros(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* While the chip still has bytes to take, only time is waited for. */
static void wait_for_line_or_time(const struct board *board)
{
    struct pollfd fd = {.fd = board->fd, .events = POLLIN};
    struct timespec slice = {.tv_nsec = SLICE_US * 1000};

    ppoll(&fd, board->in_at == board->in_len ? 1 : 0, &slice, NULL);
}

static void run(struct board *board)
{
    const uint64_t cycles_us = CHIP_HZ / 1000000u;
    uint64_t began = micros(); /* when the chip's cycle 0 was, in real time */
    const char *wrong;

    while (!stop_asked && !board->gone) {
        uint64_t now = micros() - began, chip = chip_cycle(board->chip) / cycles_us;
        uint64_t slice_end = chip + SLICE_US < now ? chip + SLICE_US : now;

        if (now > chip + MOST_BEHIND_US)
            began += now - chip - MOST_BEHIND_US;
        if (reset_asked) {
            reset_asked = 0;
            if (!board->in_is_next)
                board->in_at = board->in_len;
            board->in_is_next = false;
            chip_reset(board->chip);
        }
        fetch(board);
        wrong = chip_run(board->chip, slice_end * cycles_us);
        if (wrong)
            fail("the chip", wrong);
        if (chip_stack_left(board->chip, board->least_stack) < board->least_stack)
            fail("the stack", "grew into the variables, or nearly");
        if (slice_end == now)
            wait_for_line_or_time(board);
    }
}

int main(int argc, char **argv)
{
    struct board board = {.fd = -1, .config = {.id = "", .baud = 115200}};
    char why[300];

    read_options(&board, argc, argv);
    catch_signals();
    board.config.user = &board;
    board.config.sent = sent;
    board.config.arrived = arrived;
    board.chip = chip_open(&board.config, why, sizeof why);
    if (board.chip == NULL)
        fail("cannot start", why);
    run(&board);
    chip_close(board.chip);
    return 0;
}
