/*
 * cmd_console.c - standard input to the board's console, line by line or as it comes, and what the
 * board prints to standard output. A board is told how large the terminal is that shows it.
 */
#define _DEFAULT_SOURCE
#include "commands.h"
#include "request.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LAST_WORDS_MS 500 /* for the answer to what was typed last */

struct console {
    struct request request;
    uint8_t typed[MP_BODY_MIN]; /* the link has no room for it yet */
    size_t count;
    bool closed;   /* standard input has ended */
    bool size_due; /* the board is to be told of the terminal's size */
};

static volatile sig_atomic_t resized;

static void on_resize(int number)
{
    (void)number;
    resized = 1;
}

static void show(const uint8_t *bytes, size_t n)
{
    fwrite(bytes, 1, n, stdout);
    fflush(stdout);
}

/* Again for every session: a board that was restarted has forgotten it. */
static void tell_size(struct console *console)
{
    struct winsize size;
    if (resized || !console->request.ready)
        console->size_due = true;
    if (!console->size_due || !console->request.ready)
        return;
    resized = 0;
    console->size_due =
        ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0 &&
        mp_host_console_size(&console->request.session.host, size.ws_row, size.ws_col) ==
            MP_ERR_FULL;
}

static void read_input(void *user);

/* What does not fit waits here, and standard input with it. */
static uint32_t step(void *user)
{
    struct console *console = user;
    tell_size(console);
    if (console->count > 0 &&
        mp_host_console(&console->request.session.host, console->typed, console->count) == MP_OK)
        console->count = 0;
    console->request.session.input =
        console->count == 0 && !console->closed && console->request.ready ? read_input : NULL;
    return UINT32_MAX;
}

static void read_input(void *user)
{
    struct console *console = user;
    ssize_t n = read(STDIN_FILENO, console->typed, sizeof console->typed);
    if (n > 0)
        console->count = (size_t)n;
    else
        console->closed = true;
    step(console);
}

static bool has_ended(void *user)
{
    const struct console *console = user;
    return console->closed && console->count == 0;
}

int cmd_console(int argc, char **argv)
{
    struct options options;
    static struct console console;
    struct request *request = &console.request;
    struct session *sessions[] = {&request->session};
    if (options_read(&options, argc, argv, "bw", 1, 1))
        return TOOL_USAGE;
    int status = request_open(request, options.words[0], &options);
    if (status)
        return status;
    sigaction(SIGWINCH, &(struct sigaction){.sa_handler = on_resize}, NULL);
    console.size_due = true; /* of the session that stands already */
    request->console = show;
    request->session.user = &console;
    request->session.step = step;
    if (session_run(sessions, 1, SESSION_FOREVER, has_ended, &console))
        session_run(sessions, 1, session_now() + LAST_WORDS_MS * 1000u, NULL, NULL);
    if (request->session.gone) {
        fprintf(stderr, "mcu-tool: %s\n", request->session.why);
        status = TOOL_NO_DEVICE;
    }
    session_close(&request->session);
    return status;
}
