/*
 * The libraries of mcu-bridge with nothing between them: libuv's loop, a WebSocket of
 * libwebsockets, raw terminals.
 */
#define _GNU_SOURCE
#include "bench_client.h"

#include <fcntl.h>
#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <uv.h>

#define TTYS_MAX 64

struct tty {
    uv_poll_t poll;
    int fd;
};

static const struct bench_client *its; /* what the program does */
static struct lws *connection;
static struct tty ttys[TTYS_MAX];

static void give_up(void)
{
    fprintf(stderr, "%s: the connection ended\n", its->name);
    exit(1);
}

static void on_writable(struct lws *wsi)
{
    if (connection != NULL) {
        its->writable();
        return;
    }
    connection = wsi;
    puts("joined");
    fflush(stdout);
    its->opened();
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t n)
{
    (void)user;
    switch ((int)reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        lws_callback_on_writable(wsi);
        break;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        if (its->message != NULL)
            its->message(ttys[0].fd, in, n);
        break;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        on_writable(wsi);
        break;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    case LWS_CALLBACK_CLIENT_CLOSED:
        give_up();
        break;
    default:
        break;
    }
    return 0;
}

void bench_client_send(const char *text, size_t n)
{
    static uint8_t message[LWS_PRE + BENCH_MESSAGE_MAX];
    memcpy(message + LWS_PRE, text, n); /* the mask is put over it */
    if (lws_write(connection, message + LWS_PRE, n, LWS_WRITE_TEXT) < 0)
        give_up();
}

void bench_client_ask(void)
{
    if (connection != NULL)
        lws_callback_on_writable(connection);
}

bool bench_client_is_free(void)
{
    return connection != NULL && !lws_send_pipe_choked(connection);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    const struct tty *tty = poll->data;
    char bytes[4096 + 1];
    (void)status;
    (void)events;
    ssize_t n = read(tty->fd, bytes, sizeof bytes - 1);
    if (n <= 0)
        return;
    bytes[n] = '\0';
    its->bytes(tty->fd, bytes, (size_t)n);
}

static int open_tty(uv_loop_t *loop, struct tty *tty, const char *path)
{
    struct termios raw;
    if ((tty->fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)) < 0 ||
        tcgetattr(tty->fd, &raw) != 0)
        return -1;
    cfmakeraw(&raw);
    tcsetattr(tty->fd, TCSANOW, &raw);
    tty->poll.data = tty;
    return uv_poll_init(loop, &tty->poll, tty->fd) ||
           uv_poll_start(&tty->poll, UV_READABLE, on_readable);
}

static int connect_to(uv_loop_t *loop, const char *url)
{
    static const struct lws_protocols protocols[] = {{.name = "bench", .callback = on_event},
                                                     {.name = NULL}};
    static char copy[256], whole[256];
    void *loops[] = {loop};
    const char *scheme, *host, *path;
    int port;
    const struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN,
                                                   .protocols = protocols,
                                                   .options = LWS_SERVER_OPTION_LIBUV,
                                                   .foreign_loops = loops};
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context *context = lws_create_context(&info);
    snprintf(copy, sizeof copy, "%s", url);
    if (context == NULL || lws_parse_uri(copy, &scheme, &host, &port, &path) != 0)
        return -1;
    snprintf(whole, sizeof whole, "/%s", path);
    const struct lws_client_connect_info connect = {.context = context,
                                                    .address = host,
                                                    .port = port,
                                                    .path = whole,
                                                    .host = host,
                                                    .origin = host};
    return lws_client_connect_via_info(&connect) != NULL ? 0 : -1;
}

int bench_client_run(const struct bench_client *client, const char *url, char *const paths[],
                     int count)
{
    uv_loop_t loop;
    its = client;
    uv_loop_init(&loop);
    if (count > TTYS_MAX)
        return 1;
    for (int i = 0; i < count; i++)
        if (open_tty(&loop, &ttys[i], paths[i]) != 0)
            return 1;
    return connect_to(&loop, url) != 0 || uv_run(&loop, UV_RUN_DEFAULT) != 0;
}
