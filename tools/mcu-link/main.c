/*
 * mcu-link: gives an emulated MCU a serial port on this machine, and a hand on the line in between.
 * Options, signals and the order of start and end.
 */
#define _GNU_SOURCE
#include "commands.h"
#include "control.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char usage[] =
    "usage: mcu-link --link PATH [options] --qemu ELF | --avr FILE | --stub PROGRAM |\n"
    "                -- COMMAND...\n"
    "\n"
    "Runs an emulated microcontroller and puts its serial line at PATH, a symbolic\n"
    "link to a pseudo-terminal. The MCU ends with mcu-link, whatever ends that.\n"
    "\n"
    "  --qemu ELF        the MCU is QEMU's mps2-an385 (Cortex-M3) with this image\n"
    "  --avr FILE        the MCU is an AVR at 16 MHz with this image (ELF, Intel HEX)\n"
    "  --mcu NAME        which: atmega328p (default) or atmega2560\n"
    "  --boot FILE       its boot loader: it takes updates\n"
    "  --stub PROGRAM    the MCU is the sample firmware built as a program\n"
    "  -- COMMAND...     or any command; {fd} in it is the descriptor of its UART\n"
    "  --board N         identity stub-N (default 1); not with -- COMMAND\n"
    "  --id ID           identity, at most 16 bytes, may be empty\n"
    "  --state FILE      keeps there what the MCU stores for good\n"
    "  --baud N          throttle both ways to N baud (default 0: no limit)\n"
    "  --seed N          of the faults below (default 1)\n"
    "  --reset-on-open   reset it whenever the port is opened, as DTR does\n"
    "  --control PATH    take the commands below on a UNIX socket there, one a line\n"
    "  --help, --version\n"
    "\n"
    "Prints \"mcu-link ready on PATH\" when the port is there. Commands:\n";

struct options {
    struct mcu_config mcu;
    const char *link, *control;
    uint64_t seed;
    uint32_t baud;
    bool reset_on_open;
    char board_id[16];
};

/* One program, one line. */
struct program {
    uv_loop_t loop;
    struct line line;
    struct control control;
    uv_signal_t term, interrupt;
    int status;
};

static _Noreturn void fail(const char *what, const char *why)
{
    fprintf(stderr, "mcu-link: %s: %s\n", what, why);
    exit(2);
}

static uint64_t number(const char *option, const char *text, uint64_t max)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || value > max)
        fail(option, "not a whole number in its range; see mcu-link --help");
    return value;
}

static void take_option(struct options *options, int option, const char *text)
{
    switch (option) {
    case 'l':
        options->link = text;
        break;
    case 'q':
        options->mcu.qemu_elf = text;
        break;
    case 'a':
        options->mcu.avr_elf = text;
        break;
    case 'm':
        options->mcu.avr_mcu = text;
        break;
    case 'o':
        options->mcu.avr_boot = text;
        break;
    case 's':
        options->mcu.stub = text;
        break;
    case 'n':
        snprintf(options->board_id, sizeof options->board_id, "stub-%u",
                 (unsigned)number("--board", text, UINT32_MAX));
        options->mcu.id = options->board_id;
        break;
    case 'i':
        if (strlen(text) > 16)
            fail("--id", "at most 16 bytes");
        options->mcu.id = text;
        break;
    case 'k':
        options->mcu.state = text;
        break;
    case 'b':
        options->baud = (uint32_t)number("--baud", text, 100000000);
        break;
    case 'd':
        options->seed = number("--seed", text, UINT64_MAX);
        break;
    case 'c':
        options->control = text;
        break;
    case 'r':
        options->reset_on_open = true;
        break;
    case 'h':
        fputs(usage, stdout);
        commands_print_help(stdout);
        exit(0);
    case 'v':
        puts("mcu-link " MCU_VERSION);
        exit(0);
    default:
        fputs("mcu-link: see mcu-link --help\n", stderr);
        exit(2);
    }
}

static void refuse_missing(const char *image)
{
    if (image && access(image, R_OK) != 0)
        fail(image, "no such image: build it first");
}

static void read_options(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"link", required_argument, NULL, 'l'},    {"qemu", required_argument, NULL, 'q'},
        {"avr", required_argument, NULL, 'a'},     {"mcu", required_argument, NULL, 'm'},
        {"stub", required_argument, NULL, 's'},    {"board", required_argument, NULL, 'n'},
        {"id", required_argument, NULL, 'i'},      {"state", required_argument, NULL, 'k'},
        {"baud", required_argument, NULL, 'b'},    {"seed", required_argument, NULL, 'd'},
        {"control", required_argument, NULL, 'c'}, {"reset-on-open", no_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},          {"boot", required_argument, NULL, 'o'},
        {"version", no_argument, NULL, 'v'},       {NULL, 0, NULL, 0},
    };
    int option, kinds;

    while ((option = getopt_long(argc, argv, "+h", known, NULL)) != -1)
        take_option(options, option, optarg);
    if (optind < argc)
        options->mcu.command = argv + optind;
    kinds = (options->mcu.qemu_elf != NULL) + (options->mcu.avr_elf != NULL) +
            (options->mcu.stub != NULL) + (options->mcu.command != NULL);
    if (options->link == NULL || kinds != 1)
        fail("usage",
             "--link, and one of --qemu, --avr, --stub or -- COMMAND; see mcu-link --help");
    refuse_missing(options->mcu.qemu_elf);
    refuse_missing(options->mcu.avr_elf);
    refuse_missing(options->mcu.avr_boot);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    (void)signum;
    uv_stop(handle->loop);
}

static void on_mcu_ended(void *user, int status)
{
    struct program *program = user;

    if (WIFSIGNALED(status))
        fprintf(stderr, "mcu-link: the MCU was ended by signal %d\n", WTERMSIG(status));
    else
        fprintf(stderr, "mcu-link: the MCU ended, status %d\n", WEXITSTATUS(status));
    program->status = 1;
    uv_stop(&program->loop);
}

static void catch_signals(struct program *program)
{
    signal(SIGPIPE, SIG_IGN);
    uv_signal_init(&program->loop, &program->term);
    uv_signal_init(&program->loop, &program->interrupt);
    uv_signal_start(&program->term, on_signal, SIGTERM);
    uv_signal_start(&program->interrupt, on_signal, SIGINT);
}

static void close_handle(uv_handle_t *handle, void *user)
{
    (void)user;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void close_rest(struct program *program)
{
    uv_walk(&program->loop, close_handle, NULL);
    uv_run(&program->loop, UV_RUN_DEFAULT);
    uv_loop_close(&program->loop);
}

static int open_all(struct program *program, const struct options *options)
{
    struct line *line = &program->line;
    char why[LINE_WHY_MAX];

    line->loop = &program->loop;
    line->mcu_ended = on_mcu_ended;
    line->user = program;
    line->config = options->mcu;
    line->reset_on_open = options->reset_on_open;
    snprintf(line->link, sizeof line->link, "%s", options->link);
    faults_seed(&line->up.pump.faults, options->seed);
    faults_seed(&line->down.pump.faults, ~options->seed);
    if (line_open(line, why, sizeof why) == 0 &&
        (options->control == NULL ||
         control_open(&program->control, line, options->control, why, sizeof why) == 0)) {
        line_set_baud(line, options->baud);
        return 0;
    }
    fprintf(stderr, "mcu-link: %s\n", why);
    return -1;
}

int main(int argc, char **argv)
{
    struct options options = {.mcu = {.id = "stub-1", .avr_mcu = "atmega328p"}, .seed = 1};
    static struct program program;

    read_options(&options, argc, argv);
    uv_loop_init(&program.loop);
    catch_signals(&program);
    if (open_all(&program, &options) == 0) {
        printf("mcu-link ready on %s\n", options.link);
        fflush(stdout);
        uv_run(&program.loop, UV_RUN_DEFAULT);
    } else {
        program.status = 1;
    }
    control_close(&program.control);
    line_close(&program.line);
    close_rest(&program);
    return program.status;
}
