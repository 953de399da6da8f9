/*
 * bench_mirror URL TTY: the least that a bridge can do for latency. It joins, writes the value of
 * each control that comes to the terminal and sends each reading of the terminal as an upload, with
 * the libraries of mcu-bridge, one read and one write each, understanding nothing else. The board
 * is a blind one of bench_boards.
 */
#define _GNU_SOURCE
#include "bench_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOPIC         "microcontroller:v1:1"
#define COMMAND_BYTES 23 /* a command's frame */
#define MESSAGE_BYTES 256

static int reading; /* to be sent; 0: none */

static void join(void)
{
    static const char text[] = "[\"1\",\"1\",\"" TOPIC "\",\"phx_join\",{}]";
    bench_client_send(text, sizeof text - 1);
}

static void pass_control_on(int tty, const char *in, size_t n)
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

static void pass_reading_on(void)
{
    char text[MESSAGE_BYTES];
    if (reading == 0)
        return;
    int n = snprintf(text, sizeof text,
                     "[\"1\",\"2\",\"" TOPIC "\",\"upload_readings\",{\"s0\":[{\"type\":"
                     "\"temperature\",\"value\":%d.%d}]}]",
                     reading / 10, reading % 10);
    reading = 0;
    bench_client_send(text, (size_t)n);
}

static void take_reading(int tty, const char *bytes, size_t n)
{
    (void)tty;
    (void)n;
    reading = (int)strtol(bytes, NULL, 10);
    if (bench_client_is_free())
        pass_reading_on();
}

int main(int argc, char **argv)
{
    static const struct bench_client client = {.name = "bench_mirror",
                                               .opened = join,
                                               .message = pass_control_on,
                                               .writable = pass_reading_on,
                                               .bytes = take_reading};
    return argc == 3 ? bench_client_run(&client, argv[1], argv + 2, 1) : 2;
}
