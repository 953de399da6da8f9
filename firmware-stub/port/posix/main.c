/*
 * mcu-stub: the sample firmware as a process. Options, the PTY, and the loop over resets.
 */
#define _GNU_SOURCE
#include "board.h"
#include "fw_app.h"
#include "images.h"
#include "port.h"
#include "pty.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: mcu-stub [--pty-link PATH] [--id ID] [options]\n"
    "\n"
    "The sample firmware as a process on a pseudo-terminal of its own.\n"
    "\n"
    "  --pty-link PATH   put a symbolic link to the pseudo-terminal there\n"
    "  --fd N            use this open descriptor as the UART, no pseudo-terminal\n"
    "  --id ID           identity: text, or hex:DIGITS; at most 16 bytes (stub-1)\n"
    "  --state FILE      keep an identity set over the line there; and take uploads\n"
    "                    of images made for this program, into FILE.flash\n"
    "  --seed N          noise of the simulated sensors (default 1)\n"
    "  --time-scale X    run X times as fast, 0.01 to 1000 (default 1)\n"
    "  --help, --version\n"
    "\n"
    "Ends with SIGTERM or SIGINT, or when the other end of --fd is closed.\n";

struct options {
    struct board board;
    const char *link;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "mcu-stub: %s: %s\n", what, why);
    exit(2);
}

static double number(const char *option, const char *text, double min, double max)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || !(value >= min && value <= max))
        fail(option, "not a number in its range; see mcu-stub --help");
    return value;
}

static void take_option(struct options *options, int option, const char *text)
{
    int len;

    switch (option) {
    case 'p':
        options->link = text;
        break;
    case 'f':
        options->board.fd = (int)number("--fd", text, 0, 1e6);
        break;
    case 'i':
        len = board_read_id(text, options->board.id);
        if (len < 0)
            fail("--id", "at most 16 bytes, as text or as hex:DIGITS");
        options->board.id_len = (uint8_t)len;
        break;
    case 's':
        options->board.state = text;
        if (images_open(text) != 0)
            fail(text, strerror(errno));
        break;
    case 'r':
        options->board.seed = (uint32_t)number("--seed", text, 0, UINT32_MAX);
        break;
    case 't':
        options->board.time_scale = number("--time-scale", text, 0.01, 1000);
        break;
    case 'h':
        fputs(usage, stdout);
        exit(0);
    case 'v':
        puts("mcu-stub " FW_VERSION);
        exit(0);
    default:
        fputs("mcu-stub: see mcu-stub --help\n", stderr);
        exit(2);
    }
}

static void read_options(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"pty-link", required_argument, NULL, 'p'},
        {"fd", required_argument, NULL, 'f'},
        {"id", required_argument, NULL, 'i'},
        {"state", required_argument, NULL, 's'},
        {"seed", required_argument, NULL, 'r'},
        {"time-scale", required_argument, NULL, 't'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1)
        take_option(options, option, optarg);
    if (optind < argc)
        fail(argv[optind], "unexpected; see mcu-stub --help");
    if (options->link && options->board.fd >= 0)
        fail("--pty-link", "not together with --fd");
}

/* Returns the UART's descriptor. */
static int open_line(struct options *options, struct pty *pty)
{
    int fd = options->board.fd;

    if (fd >= 0) {
        if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
            fail("--fd", strerror(errno));
        return fd;
    }
    if (pty_open(pty, options->link) != 0)
        fail(options->link ? options->link : "pseudo-terminal", strerror(errno));
    printf("mcu-stub ready on %s\n", options->link ? options->link : pty->path);
    fflush(stdout);
    return pty->master;
}

/* From reset to reset. */
static int play(bool hung)
{
    enum images_play play = images_boot(hung);

    board_mute(play == IMAGES_MUTE);
    if (play != IMAGES_HANG)
        return fw_main();
    board_hang();
    return MP_OK;
}

int main(int argc, char **argv)
{
    struct options options = {
        .board = {.fd = -1, .id = "stub-1", .id_len = 6, .seed = 1, .time_scale = 1.0}};
    struct pty pty = {.master = -1, .slave = -1};
    int result;

    read_options(&options, argc, argv);
    board_power_on(&options.board);
    options.board.fd = open_line(&options, &pty);
    do
        result = play(port_reset_cause() == MP_RESET_WATCHDOG);
    while (board_take_reset());
    pty_close(&pty);
    return result == MP_OK ? 0 : 1;
}
