/*
 * Orders on standard input, cut into lines. What they mean is their probe's.
 */
#include "orders.h"

#include <stdbool.h>
#include <string.h>

static struct {
    uv_pipe_t pipe;
    void (*order)(void *user, char *line);
    void *user;
    char text[ORDERS_LINE_MAX];
    size_t len;
    bool open;
} in;

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(in.text + in.len, (unsigned)(sizeof in.text - in.len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    char *end;
    (void)buf;
    if (n < 0) {
        uv_read_stop(stream);
        in.order(in.user, NULL);
        return;
    }
    in.len += (size_t)n;
    while (in.open && (end = memchr(in.text, '\n', in.len)) != NULL) {
        *end = '\0';
        in.order(in.user, in.text);
        in.len -= (size_t)(end + 1 - in.text);
        memmove(in.text, end + 1, in.len);
    }
}

void orders_open(uv_loop_t *loop, void (*order)(void *user, char *line), void *user)
{
    in.order = order;
    in.user = user;
    in.open = true;
    uv_pipe_init(loop, &in.pipe, 0);
    uv_pipe_open(&in.pipe, 0);
    uv_read_start((uv_stream_t *)&in.pipe, on_room, on_read);
}

void orders_close(void)
{
    if (in.open)
        uv_close((uv_handle_t *)&in.pipe, NULL);
    in.open = false;
}
