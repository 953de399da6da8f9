/*
 * Jobs for libuv's threads: one line opened or closed each. When to do so is port.c's, how
 * bridge/serial's.
 */
#include "port_line.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define WHY_BYTES 768

struct port_line {
    uv_work_t work;
    struct loop *loop;
    bool forgotten;
    port_line_opened *opened;
    void (*closed)(void *user);
    void *user;
    struct serial *serial;
    struct serial_target target;
    enum serial_result result;
    char path[PATH_MAX], why[WHY_BYTES];
};

static void open_there(uv_work_t *work)
{
    struct port_line *line = work->data;
    line->result = serial_open(&line->serial, &line->target, line->why, sizeof line->why);
}

static void on_opened(uv_work_t *work, int status)
{
    struct port_line *line = work->data;
    (void)status;
    if (!line->forgotten)
        line->opened(line->user, line->result, line->serial, line->why);
    else if (line->serial != NULL)
        port_line_close(line->loop, line->serial, NULL, NULL);
    free(line);
}

static void close_there(uv_work_t *work)
{
    struct port_line *line = work->data;
    serial_close(line->serial);
}

static void on_closed(uv_work_t *work, int status)
{
    struct port_line *line = work->data;
    (void)status;
    if (!line->forgotten && line->closed != NULL)
        line->closed(line->user);
    free(line);
}

struct port_line *port_line_open(struct loop *loop, const struct serial_target *target,
                                 port_line_opened *done, void *user)
{
    struct port_line *line = calloc(1, sizeof *line);
    if (line == NULL)
        return NULL;
    line->work.data = line;
    line->loop = loop;
    line->opened = done;
    line->user = user;
    snprintf(line->path, sizeof line->path, "%s", target->path);
    line->target = *target;
    line->target.path = line->path;
    uv_queue_work(&loop->uv, &line->work, open_there, on_opened);
    return line;
}

struct port_line *port_line_close(struct loop *loop, struct serial *serial,
                                  void (*done)(void *user), void *user)
{
    struct port_line *line = calloc(1, sizeof *line);
    if (line == NULL) {
        serial_close(serial);
        return NULL;
    }
    line->work.data = line;
    line->loop = loop;
    line->closed = done;
    line->user = user;
    line->serial = serial;
    uv_queue_work(&loop->uv, &line->work, close_there, on_closed);
    return line;
}

void port_line_forget(struct port_line *line)
{
    line->forgotten = true;
}
