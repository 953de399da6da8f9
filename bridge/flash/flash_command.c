/*
 * The life of an external flasher: spawned, listened to, ended in time. What its words mean is
 * flash_argv's, its percentages flash_progress's, its last lines flash_tail's.
 *
 *   RUNNING --time-out, stop--> ENDING --term_ms--> KILLED --STUCK_MS--+
 *      |                          |                   |                |
 *      +--------- exit -----------+------- exit ------+                |
 *      v                                                               v
 *   DRAINING (until its output ends, or DRAIN_MS) ------------------> OVER, done
 *
 * A run is freed when its handles have closed, later than the command that it belonged to.
 */
#include "flash_command.h"

#include "base/utf8.h"
#include "flash_argv.h"
#include "flash_claim.h"
#include "flash_progress.h"
#include "flash_tail.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DRAIN_MS    1000 /* somebody else may hold the other end of its output */
#define STUCK_MS    5000 /* a killed process that does not go hangs in a driver */
#define READ_BYTES  4096
#define PIPE_BYTES  (1 << 20) /* most that everybody may have: all that a flasher ever prints */
#define STATUS_SAYS 200       /* bytes of the reason before the program's own words */
#define ENV_MAX     8
#define ENV_BYTES   4096

enum state { RUNNING, ENDING, KILLED, DRAINING, OVER };
enum reason { BY_ITSELF, BY_TIMEOUT, BY_STOP };

struct run {
    struct flash_command *command; /* NULL: freed meanwhile */
    enum state state;
    uv_process_t process;
    uv_pipe_t output;
    uv_timer_t timer;
    unsigned open; /* handles not yet closed */
    int claim;
    enum reason reason; /* why it ends */
    bool exited;
    int64_t status;
    int signal;
    struct flash_progress progress;
    struct flash_tail tail;
    char bytes[READ_BYTES];
};

struct flash_command {
    uv_loop_t *loop;
    struct flash_command_events events;
    char **words;
    uint32_t timeout_ms, term_ms;
    struct run *run; /* NULL: none */
};

/* -- The end of a run. */

static void on_closed(uv_handle_t *handle)
{
    struct run *run = handle->data;

    if (--run->open == 0)
        free(run);
}

static void close_all(struct run *run)
{
    run->state = OVER;
    if (run->claim >= 0)
        close(run->claim);
    uv_close((uv_handle_t *)&run->output, on_closed);
    uv_close((uv_handle_t *)&run->timer, on_closed);
    uv_close((uv_handle_t *)&run->process, on_closed);
}

/* The program's name without its folder. */
static const char *name_of(const struct flash_command *command)
{
    const char *slash = strrchr(command->words[0], '/');

    return slash ? slash + 1 : command->words[0];
}

/* Whether it ended badly, and in a few words how. */
static bool judge(const struct run *run, char *out, size_t cap)
{
    const struct flash_command *command = run->command;
    const char *name = name_of(command);
    const char *stuck = run->exited ? "" : ", but hangs in the system still: unplug the board";

    if (run->reason == BY_TIMEOUT)
        snprintf(out, cap, "%.60s did not end within %u s and was stopped%s", name,
                 (unsigned)(command->timeout_ms + 999u) / 1000u, stuck);
    else if (run->reason == BY_STOP)
        snprintf(out, cap, "%.60s was stopped before it had ended%s", name, stuck);
    else if (run->signal != 0)
        snprintf(out, cap, "%.60s was ended by signal %d", name, run->signal);
    else if (run->status != 0)
        snprintf(out, cap, "%.60s ended with status %d", name, (int)run->status);
    else
        return false;
    return true;
}

static void finish(struct run *run)
{
    struct flash_command *command = run->command;
    char says[STATUS_SAYS], text[FLASH_TAIL_TEXT_MAX];
    char all[FLASH_COMMAND_WHY_MAX], why[FLASH_COMMAND_WHY_MAX];
    bool bad = judge(run, says, sizeof(says));

    if (bad) {
        size_t n = flash_tail_text(&run->tail, text);
        snprintf(all, sizeof(all), "%s%s%s", says, n > 0 ? ": " : "; it printed nothing", text);
        utf8_clean(all, strlen(all), why, sizeof(why));
    }
    command->run = NULL;
    close_all(run);
    command->events.done(command->events.user, bad ? why : NULL);
}

/* -- Ending it. */

/* A session of its own: the group carries the program's number. */
static void kill_group(const struct run *run, int number)
{
    uv_pid_t pid = uv_process_get_pid(&run->process);

    assert(pid > 1);
    kill(-pid, number);
}

static void on_time(uv_timer_t *timer);

static void enter(struct run *run, enum state state, uint64_t ms)
{
    run->state = state;
    uv_timer_start(&run->timer, on_time, ms, 0);
}

static void ask_to_end(struct run *run, enum reason reason)
{
    run->reason = reason;
    kill_group(run, SIGTERM);
    enter(run, ENDING, run->command->term_ms);
}

static void on_time(uv_timer_t *timer)
{
    struct run *run = timer->data;

    switch (run->state) {
    case RUNNING:
        ask_to_end(run, BY_TIMEOUT);
        break;
    case ENDING:
        kill_group(run, SIGKILL);
        enter(run, KILLED, STUCK_MS);
        break;
    case KILLED:
    case DRAINING:
        finish(run);
        break;
    case OVER:
        break;
    }
}

/* What it has left behind of its group would be at the port still. The last of its output is on
 * its way. */
static void on_exited(uv_process_t *process, int64_t status, int number)
{
    struct run *run = process->data;

    if (run->state == OVER)
        return;
    run->exited = true;
    run->status = status;
    run->signal = number;
    kill_group(run, SIGKILL);
    if (uv_is_active((uv_handle_t *)&run->output))
        enter(run, DRAINING, DRAIN_MS);
    else
        finish(run);
}

/* -- What it prints. */

static void lend_buffer(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    struct run *run = handle->data;

    (void)wanted;
    *buffer = uv_buf_init(run->bytes, READ_BYTES);
}

static void on_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct run *run = stream->data;

    if (n < 0) {
        uv_read_stop(stream);
        if (run->state == DRAINING)
            finish(run);
        return;
    }
    flash_tail_bytes(&run->tail, buffer->base, (size_t)n);
    if (flash_progress_bytes(&run->progress, buffer->base, (size_t)n) && run->reason == BY_ITSELF)
        run->command->events.progress(run->command->events.user, run->progress.percent);
}

/* -- Starting it. */

/* The surroundings of a program that is to be read by another: plain English, nothing held back in
 * a buffer, no secrets. */
static void make_env(char *env[static ENV_MAX], char bytes[static ENV_BYTES])
{
    static const char *const inherited[] = {"PATH", "HOME", "TMPDIR"};
    static char locale[] = "LC_ALL=C.UTF-8", unbuffered[] = "PYTHONUNBUFFERED=1";
    static char path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
    size_t n = 0, used = 0;

    env[n++] = locale;
    env[n++] = unbuffered;
    if (getenv("PATH") == NULL)
        env[n++] = path;
    for (size_t i = 0; i < sizeof(inherited) / sizeof(*inherited); i++) {
        const char *value = getenv(inherited[i]);
        if (value == NULL)
            continue;
        int len = snprintf(bytes + used, ENV_BYTES - used, "%s=%s", inherited[i], value);
        if (len < 0 || (size_t)len >= ENV_BYTES - used)
            continue;
        env[n++] = bytes + used;
        used += (size_t)len + 1;
    }
    env[n] = NULL;
}

/* One pipe for both, so that what it prints stays in order. It holds the reading end as well: a
 * bridge that is killed leaves nobody who reads, and a flasher that is ended by SIGPIPE, or waits
 * for room, leaves half an image. */
static int spawn_with(struct run *run, char **argv, const int ends[static 2])
{
    int output = ends[1];
    char *env[ENV_MAX], bytes[ENV_BYTES];
    uv_stdio_container_t stdio[] = {
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = output},
        {.flags = UV_INHERIT_FD, .data.fd = output},
        {.flags = UV_INHERIT_FD, .data.fd = run->claim},
        {.flags = UV_INHERIT_FD, .data.fd = ends[0]},
    };
    uv_process_options_t options = {
        .file = argv[0],
        .args = argv,
        .env = env,
        .flags = UV_PROCESS_DETACHED,
        .stdio = stdio,
        .stdio_count = sizeof(stdio) / sizeof(*stdio),
        .exit_cb = on_exited,
    };

    make_env(env, bytes);
    close_range(3, ~0u, CLOSE_RANGE_CLOEXEC); /* whatever a library has left open for children */
    return uv_spawn(run->command->loop, &run->process, &options);
}

/* Returns 0 or libuv's error; then run->open says whether there are handles to close. */
static int launch(struct run *run, char **argv)
{
    uv_loop_t *loop = run->command->loop;
    int ends[2], result = uv_pipe(ends, UV_NONBLOCK_PIPE, 0);

    if (result != 0)
        return result;
    uv_timer_init(loop, &run->timer);
    uv_pipe_init(loop, &run->output, 0);
    uv_pipe_open(&run->output, ends[0]);
    fcntl(ends[0], F_SETPIPE_SZ, PIPE_BYTES);
    result = spawn_with(run, argv, ends); /* opens its handle, whatever it returns */
    close(ends[1]);
    run->process.data = run->timer.data = run->output.data = run;
    run->open = 3;
    if (result != 0)
        return result;
    uv_read_start((uv_stream_t *)&run->output, lend_buffer, on_output);
    enter(run, RUNNING, run->command->timeout_ms);
    return 0;
}

static void give_up(struct run *run)
{
    if (run->open > 0) {
        close_all(run);
        return;
    }
    if (run->claim >= 0)
        close(run->claim);
    free(run);
}

/* With the port claimed; NULL with one line in `why`. */
static struct run *make_run(struct flash_command *command, const char *port, char *why,
                            size_t why_cap)
{
    struct run *run = calloc(1, sizeof(*run));

    if (run == NULL) {
        snprintf(why, why_cap, "out of memory");
        return NULL;
    }
    run->command = command;
    run->claim = flash_claim(port, why, why_cap);
    if (run->claim >= 0)
        return run;
    free(run);
    return NULL;
}

static int check_start(const struct flash_command *command, const char *port, const char *file,
                       char *why, size_t why_cap)
{
    if (command->run != NULL)
        snprintf(why, why_cap, "%s is running already; wait until it has ended", name_of(command));
    else if (*port != '/' || *file != '/')
        snprintf(why, why_cap, "%s: not a whole path, which begins with a slash",
                 *port != '/' ? port : file);
    else if (access(file, R_OK) != 0)
        snprintf(why, why_cap, "%s: %s", file, strerror(errno));
    else
        return 0;
    return -1;
}

int flash_command_start(struct flash_command *command, const char *port, const char *file,
                        uint32_t baud, char *why, size_t why_cap)
{
    const struct flash_argv_values values = {.port = port, .file = file, .baud = baud};

    if (check_start(command, port, file, why, why_cap) != 0)
        return FLASH_COMMAND_NOT_NOW;
    struct run *run = make_run(command, port, why, why_cap);
    if (run == NULL)
        return FLASH_COMMAND_NOT_NOW;
    char **argv = flash_argv_fill((const char *const *)command->words, &values);
    int result = argv ? launch(run, argv) : UV_ENOMEM;
    flash_argv_free(argv);
    if (result == 0) {
        command->run = run;
        return 0;
    }
    snprintf(why, why_cap,
             "cannot run %s: %s; install it, or give its whole path in the configuration",
             command->words[0], uv_strerror(result));
    give_up(run);
    return FLASH_COMMAND_NEVER;
}

struct flash_command *flash_command_new(uv_loop_t *loop,
                                        const struct flash_command_options *options,
                                        const struct flash_command_events *events, char *why,
                                        size_t why_cap)
{
    if (flash_argv_check(options->words, why, why_cap) != 0)
        return NULL;
    struct flash_command *command = calloc(1, sizeof(*command));
    if (command)
        command->words = flash_argv_copy(options->words);
    if (command == NULL || command->words == NULL) {
        snprintf(why, why_cap, "out of memory");
        free(command);
        return NULL;
    }
    command->loop = loop;
    command->events = *events;
    command->timeout_ms = options->timeout_ms;
    command->term_ms = options->term_ms;
    return command;
}

bool flash_command_running(const struct flash_command *command)
{
    return command->run != NULL;
}

void flash_command_stop(struct flash_command *command)
{
    if (command->run != NULL && command->run->state == RUNNING)
        ask_to_end(command->run, BY_STOP);
}

void flash_command_free(struct flash_command *command)
{
    if (command == NULL)
        return;
    struct run *run = command->run;
    if (run != NULL) {
        if (!run->exited)
            kill_group(run, SIGKILL);
        run->command = NULL;
        close_all(run);
    }
    flash_argv_free(command->words);
    free(command);
}
