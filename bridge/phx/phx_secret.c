/*
 * phx_secret.c - files read and commands run; for what, is phx_attempt.c's business. What a secret
 * was is wiped.
 */
#include "phx_secret.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

/* Cuts white space around the one line in `text`, and moves it to the front. False: empty, several
 * lines, or anything but printable ASCII. */
static bool trim(char *text)
{
    size_t start = strspn(text, " \t\r\n"), len = strlen(text + start);

    while (len > 0 && strchr(" \t\r\n", text[start + len - 1]))
        len--;
    memmove(text, text + start, len);
    text[len] = '\0';
    for (size_t i = 0; i < len; i++)
        if (text[i] < ' ' || text[i] > '~')
            return false;
    return len > 0;
}

/* ---- files ---- */

static bool refuse(int fd, const char *file, const char *why, char *error, size_t cap)
{
    if (fd >= 0)
        close(fd);
    snprintf(error, cap, "secret file %.80s: %s", file, why);
    return false;
}

bool phx_secret_read(const char *file, char *out, char *error, size_t cap)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    ssize_t n;

    if (fd < 0 || fstat(fd, &status))
        return refuse(fd, file, strerror(errno), error, cap);
    if (!S_ISREG(status.st_mode))
        return refuse(fd, file, "not a regular file", error, cap);
    if (status.st_mode & 077)
        return refuse(fd, file, "others may read it: chmod 600", error, cap);
    n = read(fd, out, PHX_SECRET_MAX + 1);
    if (n < 0)
        return refuse(fd, file, strerror(errno), error, cap);
    if (n > PHX_SECRET_MAX)
        return refuse(fd, file, "too long", error, cap);
    out[n] = '\0';
    if (strlen(out) != (size_t)n || !trim(out))
        return refuse(fd, file, "expected one line of printable ASCII", error, cap);
    close(fd);
    return true;
}

/* ---- commands ---- */

struct phx_command {
    uv_process_t process;
    uv_pipe_t output;
    uv_timer_t timer;
    int handles; /* still to be closed */
    bool exited, ended, late, too_long;
    int64_t status;
    int signal;
    void (*done)(void *user, const char *secret, const char *error);
    void (*over)(void *user);
    void *user;
    size_t len;
    char text[PHX_SECRET_MAX + 2];
};

static void on_handle_closed(uv_handle_t *handle)
{
    struct phx_command *command = handle->data;

    if (--command->handles > 0)
        return;
    if (command->over)
        command->over(command->user);
    explicit_bzero(command->text, sizeof command->text);
    free(command);
}

static void close_all(struct phx_command *command)
{
    uv_close((uv_handle_t *)&command->process, on_handle_closed);
    uv_close((uv_handle_t *)&command->output, on_handle_closed);
    uv_close((uv_handle_t *)&command->timer, on_handle_closed);
}

static const char *explain(struct phx_command *command, char *room, size_t cap)
{
    if (command->late)
        return "took too long and was killed";
    if (command->too_long)
        return "printed too much";
    if (command->signal)
        snprintf(room, cap, "was killed by signal %d", command->signal);
    else if (command->status)
        snprintf(room, cap, "failed with exit status %d", (int)command->status);
    else
        return trim(command->text) ? NULL : "did not print one line of printable ASCII";
    return room;
}

static void finish(struct phx_command *command)
{
    char room[60];
    const char *error;

    if (!command->exited || !command->ended || !command->done)
        return;
    command->text[command->len] = '\0';
    error = strlen(command->text) == command->len ? explain(command, room, sizeof room)
                                                  : "printed a NUL";
    command->done(command->user, error ? NULL : command->text, error);
    command->done = NULL;
    close_all(command);
}

/* It leads a group of its own: what it started goes with it. */
static void kill_group(struct phx_command *command)
{
    if (!command->exited)
        kill(-command->process.pid, SIGKILL);
}

static void end_output(struct phx_command *command)
{
    uv_read_stop((uv_stream_t *)&command->output);
    command->ended = true;
    finish(command);
}

static void on_exit_status(uv_process_t *process, int64_t status, int signal)
{
    struct phx_command *command = process->data;

    command->exited = true;
    command->status = status;
    command->signal = signal;
    finish(command);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct phx_command *command = handle->data;

    (void)suggested;
    *buf = uv_buf_init(command->text + command->len,
                       (unsigned)(sizeof command->text - 1 - command->len));
}

static void on_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct phx_command *command = stream->data;

    (void)buf;
    if (n > 0)
        command->len += (size_t)n;
    if (command->len > PHX_SECRET_MAX) {
        command->too_long = true;
        kill_group(command);
    }
    if (n < 0 || command->too_long)
        end_output(command);
}

/* Whoever still holds its output is not waited for. */
static void on_late(uv_timer_t *timer)
{
    struct phx_command *command = timer->data;

    command->late = true;
    kill_group(command);
    if (!command->ended)
        end_output(command);
}

static void init(struct phx_command *command, uv_loop_t *loop)
{
    uv_pipe_init(loop, &command->output, 0);
    uv_timer_init(loop, &command->timer);
    command->process.data = command->output.data = command->timer.data = command;
    command->handles = 3;
}

struct phx_command *phx_command_start(uv_loop_t *loop, const char *const *argv, uint32_t timeout_ms,
                                      void (*done)(void *user, const char *secret,
                                                   const char *error),
                                      void *user, char *error, size_t cap)
{
    struct phx_command *command = calloc(1, sizeof *command);
    uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE},
                                     {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE},
                                     {.flags = UV_INHERIT_FD}};
    uv_process_options_t options = {
        .exit_cb = on_exit_status,
        .file = argv[0],
        .args = (char **)argv,
        .flags = UV_PROCESS_DETACHED,
        .stdio_count = 3,
        .stdio = stdio,
    };
    int failed;

    snprintf(error, cap, "secret command %.60s: out of memory", argv[0]);
    if (!command)
        return NULL;
    init(command, loop);
    stdio[1].data.stream = (uv_stream_t *)&command->output;
    stdio[2].data.fd = 2;
    failed = uv_spawn(loop, &command->process, &options);
    if (failed) {
        snprintf(error, cap, "secret command %.60s: %s", argv[0], uv_strerror(failed));
        close_all(command);
        return NULL;
    }
    command->done = done;
    command->user = user;
    uv_read_start((uv_stream_t *)&command->output, on_room, on_output);
    uv_timer_start(&command->timer, on_late, timeout_ms, 0);
    return command;
}

void phx_command_cancel(struct phx_command *command, void (*over)(void *user), void *user)
{
    command->done = NULL;
    command->over = over;
    command->user = user;
    kill_group(command);
    close_all(command);
}
