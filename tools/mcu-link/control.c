/*
 * Clients of the control socket. What their lines mean is commands'.
 */
#define _GNU_SOURCE
#include "control.h"

#include "commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct client {
    uv_pipe_t pipe;
    struct control *control;
    struct client *next;
    char text[CONTROL_LINE_MAX];
    size_t len;
};

struct answer {
    uv_write_t write;
    char text[COMMANDS_ANSWER_MAX];
};

static void free_client(uv_handle_t *handle)
{
    free(handle->data);
}

static void hang_up(struct client *client)
{
    struct client **at = &client->control->clients;

    while (*at != client)
        at = &(*at)->next;
    *at = client->next;
    uv_close((uv_handle_t *)&client->pipe, free_client);
}

static void on_written(uv_write_t *write, int status)
{
    (void)status;
    free(write->data);
}

static void run_line(struct client *client, char *text)
{
    struct answer *answer = malloc(sizeof *answer);
    uv_buf_t piece;

    if (answer == NULL)
        return;
    commands_run(client->control->line, text, answer->text, sizeof answer->text);
    piece = uv_buf_init(answer->text, (unsigned)strlen(answer->text));
    answer->write.data = answer;
    if (uv_write(&answer->write, (uv_stream_t *)&client->pipe, &piece, 1, on_written) != 0)
        free(answer);
}

static void run_lines(struct client *client)
{
    char *end;

    while ((end = memchr(client->text, '\n', client->len)) != NULL) {
        size_t used = (size_t)(end - client->text) + 1;
        char line[CONTROL_LINE_MAX];

        memcpy(line, client->text, used);
        line[used - 1] = '\0';
        client->len -= used;
        memmove(client->text, end + 1, client->len);
        run_line(client, line);
    }
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *piece)
{
    struct client *client = handle->data;

    (void)suggested;
    *piece = uv_buf_init(client->text + client->len, (unsigned)(CONTROL_LINE_MAX - client->len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *piece)
{
    struct client *client = stream->data;

    (void)piece;
    if (n < 0) { /* its end, or no room left for a longer line */
        hang_up(client);
        return;
    }
    client->len += (size_t)n;
    run_lines(client);
}

static void on_client(uv_stream_t *server, int status)
{
    struct control *control = server->data;
    struct client *client;

    if (status < 0 || (client = calloc(1, sizeof *client)) == NULL)
        return;
    client->control = control;
    client->next = control->clients;
    control->clients = client;
    uv_pipe_init(server->loop, &client->pipe, 0);
    client->pipe.data = client;
    if (uv_accept(server, (uv_stream_t *)&client->pipe) != 0 ||
        uv_read_start((uv_stream_t *)&client->pipe, on_room, on_read) != 0)
        hang_up(client);
}

int control_open(struct control *control, struct line *line, const char *path, char *why,
                 size_t why_cap)
{
    int error;

    control->line = line;
    uv_pipe_init(line->loop, &control->server, 0);
    control->server.data = control;
    unlink(path);
    error = uv_pipe_bind(&control->server, path);
    if (error == 0)
        error = uv_listen((uv_stream_t *)&control->server, 8, on_client);
    if (error == 0)
        return 0;
    snprintf(why, why_cap, "%s: %s", path, uv_strerror(error));
    return -1;
}

void control_close(struct control *control)
{
    while (control->clients)
        hang_up(control->clients);
    if (control->line)
        uv_close((uv_handle_t *)&control->server, NULL);
}
