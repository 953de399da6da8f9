/*
 * bench_mirror URL TTY: the least that a bridge can do for latency. It joins, writes the value of
 * each control that comes to the terminal and sends each reading of the terminal as an upload, with
 * the libraries of mcu-bridge, one read and one write each, understanding nothing else. The board
 * is a blind one of bench_boards.
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

#define TOPIC         "microcontroller:v1:1"
#define COMMAND_BYTES 23 /* a command's frame */
#define MESSAGE_BYTES 256

static struct lws *connection;
static int tty;
static int reading; /* to be sent; 0: none */

static int say(struct lws *wsi, const char *text)
{
    uint8_t message[LWS_PRE + MESSAGE_BYTES];
    size_t n = strlen(text);
    memcpy(message + LWS_PRE, text, n);
    return lws_write(wsi, message + LWS_PRE, n, LWS_WRITE_TEXT) < 0 ? -1 : 0;
}

static void pass_control_on(const void *in, size_t n)
{
    char text[MESSAGE_BYTES] = "", frame[COMMAND_BYTES + 1];
    memcpy(text, in, n < sizeof text - 1 ? n : sizeof text - 1);
    const char *value = strstr(text, "\"motor\":");
    if (value == NULL)
        return;
    snprintf(frame, sizeof frame, "%-*d", COMMAND_BYTES, (int)strtol(value + 8, NULL, 10));
    if (write(tty, frame, COMMAND_BYTES) < 0)
        perror("write");
}

static int pass_reading_on(struct lws *wsi)
{
    char text[MESSAGE_BYTES];
    if (reading == 0)
        return 0;
    snprintf(text, sizeof text,
             "[\"1\",\"2\",\"" TOPIC "\",\"upload_readings\",{\"s0\":[{\"type\":\"temperature\","
             "\"value\":%d.%d}]}]",
             reading / 10, reading % 10);
    reading = 0;
    return say(wsi, text);
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
        pass_control_on(in, n);
        break;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        if (connection != NULL)
            return pass_reading_on(wsi);
        connection = wsi;
        puts("joined");
        fflush(stdout);
        return say(wsi, "[\"1\",\"1\",\"" TOPIC "\",\"phx_join\",{}]");
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    case LWS_CALLBACK_CLIENT_CLOSED:
        fputs("bench_mirror: the connection ended\n", stderr);
        exit(1);
    default:
        break;
    }
    return 0;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    char bytes[MESSAGE_BYTES];
    (void)poll;
    (void)status;
    (void)events;
    ssize_t n = read(tty, bytes, sizeof bytes - 1);
    if (n <= 0)
        return;
    bytes[n] = '\0';
    reading = (int)strtol(bytes, NULL, 10);
    if (connection != NULL && !lws_send_pipe_choked(connection) && pass_reading_on(connection) != 0)
        exit(1);
}

static int open_tty(uv_loop_t *loop, const char *path)
{
    static uv_poll_t poll;
    struct termios raw;
    if ((tty = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)) < 0 ||
        tcgetattr(tty, &raw) != 0)
        return -1;
    cfmakeraw(&raw);
    tcsetattr(tty, TCSANOW, &raw);
    return uv_poll_init(loop, &poll, tty) || uv_poll_start(&poll, UV_READABLE, on_readable);
}

int main(int argc, char **argv)
{
    static const struct lws_protocols protocols[] = {{.name = "mirror", .callback = on_event},
                                                     {.name = NULL}};
    uv_loop_t loop;
    void *loops[] = {&loop};
    const char *scheme, *host, *path;
    int port;
    char whole[256];
    if (argc != 3)
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
    if (open_tty(&loop, argv[2]) != 0 || lws_client_connect_via_info(&connect) == NULL)
        return 1;
    return uv_run(&loop, UV_RUN_DEFAULT) != 0;
}
