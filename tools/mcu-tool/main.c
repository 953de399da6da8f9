/*
 * main.c - the table of commands and the help.
 */
#include "commands.h"
#include "options.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name, *arguments, *help;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"list", "[--port PATH]... [--wait 1500ms] [--json]",
     "serial ports and what answers on them; --port adds another", cmd_list},
    {"monitor", "PORT [--raw | --frames] [--for 10s] [--json]",
     "readings, logs and control changes as they come; the device\n"
     "counts readings shown here as delivered",
     cmd_monitor},
    {"send", "PORT CONTROL VALUE [--ttl 2s] [--hold 10s]",
     "set a control; without --hold it falls back to fail-safe soon", cmd_send},
    {"set-id", "PORT ID [--reset]",
     "give a board an identity: text, or 0x and hex digits;\n"
     "it counts from the board's next start (--reset: now)",
     cmd_set_id},
    {"identify", "PORT [--for 5s]", "make a board show which one it is", cmd_identify},
    {"reset", "PORT [--bootloader]", "restart a board", cmd_reset},
    {"upload", "PORT FILE", "bring an image into a board, and see it run; interrupted, it goes on",
     cmd_upload},
    {"console", "PORT", "type at a board and see what it prints; Ctrl-D ends it", cmd_console},
};

static void print_help(void)
{
    puts("mcu-tool: boards that speak mcu-protocol on serial lines\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        printf("  mcu-tool %s %s\n", commands[i].name, commands[i].arguments);
        for (const char *line = commands[i].help; *line;) {
            size_t length = strcspn(line, "\n");
            printf("      %.*s\n", (int)length, line);
            line += length + (line[length] == '\n');
        }
    }
    puts("\nAll take --baud N (115200), and --wait DURATION for the board's first answer.\n"
         "Durations are written 500ms, 2s, 1m. Stop mcu-bridge first: it holds its ports.\n"
         "Exit status: 0 done, 1 refused by the device, 2 wrong command line, 3 no device.");
}

/* Also behind a command, where people look for what it takes. */
static bool is_help_asked(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return argc > 1 && strcmp(argv[1], "help") == 0;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (is_help_asked(argc, argv)) {
        print_help();
        return TOOL_OK;
    }
    if (strcmp(name, "--version") == 0) {
        printf("mcu-tool %s\n", MCU_VERSION);
        return TOOL_OK;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    if (*name)
        fprintf(stderr, "mcu-tool: there is no command \"%s\"; see mcu-tool --help\n", name);
    else
        fprintf(stderr, "mcu-tool: which command? See mcu-tool --help\n");
    return TOOL_USAGE;
}
