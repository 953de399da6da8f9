/*
 * bench_pump URL TTY...: what is left of a bridge when it understands nothing. Reads the same bytes
 * as mcu-bridge and sends equally large messages through the same libraries: for every UPLOAD_IN
 * bytes that came, one text message of UPLOAD_OUT bytes.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <uv.h>

#define TTYS_MAX   64
#define UPLOAD_IN  (50 * 51) /* 50 frames of ten 16-bit readings */
#define UPLOAD_OUT 19600     /* 500 readings as the bridge writes them, about 39 bytes each */

struct tty {
    uv_poll_t poll;
    int fd;
};

static struct lws *connection;
static size_t received, sendable;
static uint8_t message[LWS_PRE + UPLOAD_OUT];

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t n)
{
    (void)user;
    (void)in;
    (void)n;
    switch ((int)reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        connection = wsi;
        puts("joined");
        fflush(stdout);
        break;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        if (sendable == 0)
            break;
        sendable--;
        memset(message + LWS_PRE, 'x', UPLOAD_OUT); /* the mask is put over it */
        if (lws_write(wsi, message + LWS_PRE, UPLOAD_OUT, LWS_WRITE_TEXT) < 0)
            return -1;
        if (sendable > 0)
            lws_callback_on_writable(wsi);
        break;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    case LWS_CALLBACK_CLIENT_CLOSED:
        fputs("bench_pump: the connection ended\n", stderr);
        exit(1);
    default:
        break;
    }
    return 0;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct tty *tty = poll->data;
    uint8_t bytes[4096];
    (void)status;
    (void)events;
    ssize_t n = read(tty->fd, bytes, sizeof bytes);
    if (n <= 0)
        return;
    received += (size_t)n;
    for (; received >= UPLOAD_IN; received -= UPLOAD_IN)
        sendable++;
    if (sendable > 0 && connection != NULL)
        lws_callback_on_writable(connection);
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

int main(int argc, char **argv)
{
    static const struct lws_protocols protocols[] = {{.name = "pump", .callback = on_event},
                                                     {.name = NULL}};
    uv_loop_t loop;
    void *loops[] = {&loop};
    const char *scheme, *host, *path;
    int port;
    char whole[256];
    if (argc < 3)
        return 2;
    uv_loop_init(&loop);
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN,
                                             .protocols = protocols,
                                             .options = LWS_SERVER_OPTION_LIBUV,
                                             .foreign_loops = loops};
    struct lws_context *context = lws_create_context(&info);
    if (context == NULL || lws_parse_uri(argv[1], &scheme, &host, &port, &path) != 0)
        return 1;
    snprintf(whole, sizeof whole, "/%s", path);
    struct lws_client_connect_info connect = {.context = context,
                                              .address = host,
                                              .port = port,
                                              .path = whole,
                                              .host = host,
                                              .origin = host};
    static struct tty ttys[TTYS_MAX];
    if (argc > TTYS_MAX || lws_client_connect_via_info(&connect) == NULL)
        return 1;
    int failed = 0;
    for (int i = 2; i < argc; i++)
        failed |= open_tty(&loop, &ttys[i], argv[i]);
    if (!failed)
        failed = uv_run(&loop, UV_RUN_DEFAULT);
    return failed != 0;
}
