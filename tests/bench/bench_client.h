/*
 * bench_client.h - a bridge that understands nothing: one WebSocket and some terminals on one loop,
 * with the libraries of mcu-bridge. What goes from one to the other is bench_mirror's and
 * bench_pump's; any end of the connection ends the program, with 1.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#define BENCH_MESSAGE_MAX 20000

struct bench_client {
    const char *name;                                     /* of the program */
    void (*opened)(void);                                 /* it may send; "joined" has been said */
    void (*message)(int tty, const char *text, size_t n); /* `tty`: the first; NULL: dropped */
    void (*writable)(void);                               /* asked for by bench_client_ask */
    /* Bytes of a terminal, with a NUL behind them. */
    void (*bytes)(int tty, const char *bytes, size_t n);
};

/* Connects to `url` and serves the terminals until the connection ends. Returns 1 when there is
 * none, or a terminal cannot be opened. */
int bench_client_run(const struct bench_client *client, const char *url, char *const paths[],
                     int count);

/* One text message of at most BENCH_MESSAGE_MAX bytes, within `opened` and `writable` and wherever
 * bench_client_is_free. */
void bench_client_send(const char *text, size_t n);
void bench_client_ask(void);
/* Whether it is connected and would take a message at once. */
bool bench_client_is_free(void);

#endif
