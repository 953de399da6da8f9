/*
 * The boards of tests and benchmarks as far as they are alike: starting one, and moving its bytes.
 * Noise is made by faults.c, terminals by pty.c.
 */
#define _GNU_SOURCE
#include "test_board.h"

#include "test_clock.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static uint32_t now_us(void)
{
    return (uint32_t)test_now_us();
}

/* -- A device. */

static void complete(struct mp_device_config *config, struct test_board *board)
{
    struct mp_firmware *firmware = &config->firmware;
    firmware->version = firmware->version != NULL ? firmware->version : "1";
    firmware->architecture = firmware->architecture != NULL ? firmware->architecture : "any";
    firmware->platform = firmware->platform != NULL ? firmware->platform : "posix";
    config->device_id = (const uint8_t *)board->id;
    config->device_id_len = (uint8_t)strlen(board->id);
    config->tick_us = config->tick_us != 0 ? config->tick_us : 1000;
    config->deadman_ms = config->deadman_ms != 0 ? config->deadman_ms : 1500;
    config->tx_mem = board->tx;
    config->rx_mem = board->rx;
    config->tx_bytes = config->tx_bytes != 0 ? config->tx_bytes : sizeof board->tx;
    config->rx_bytes = config->rx_bytes != 0 ? config->rx_bytes : sizeof board->rx;
    config->max_body = config->max_body != 0 ? config->max_body : 128;
}

int test_board_start(struct test_board *board, const char *id,
                     const struct mp_device_config *config, const struct mp_device_io *io)
{
    struct mp_device_config whole = *config;
    snprintf(board->id, sizeof board->id, "%s", id);
    complete(&whole, board);
    return mp_device_init(&board->device, &whole, io, now_us());
}

void test_board_run(struct mp_device *device, int fd, int wait_ms,
                    void (*turn)(struct mp_device *device))
{
    for (;;) {
        uint8_t bytes[256];
        struct pollfd line = {.fd = fd, .events = POLLIN};
        if (poll(&line, 1, wait_ms) < 0)
            return;
        if (line.revents != 0) {
            ssize_t got = read(fd, bytes, sizeof bytes);
            if (got <= 0)
                return;
            mp_device_bytes(device, bytes, (size_t)got, now_us());
        }
        turn(device);
        mp_device_poll(device, now_us());
        size_t n;
        while ((n = mp_device_output(device, bytes, sizeof bytes, now_us())) > 0)
            if (write(fd, bytes, n) != (ssize_t)n)
                return;
    }
}

/* -- A line. */

int test_line_plug(struct test_line *line, const char *link)
{
    test_line_forget(line);
    return pty_open(&line->pty, link);
}

void test_line_cut(struct test_line *line)
{
    pty_close(&line->pty);
}

void test_line_forget(struct test_line *line)
{
    line->out_at = line->out_len = 0;
}

static size_t pass(struct faults *faults, const uint8_t *bytes, size_t n, uint8_t *out)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++)
        len += faults_pass(faults, bytes[i], out + len);
    return len;
}

static void read_in(struct test_line *line, struct mp_device *device)
{
    uint8_t in[1024], noisy[sizeof in * FAULTS_MOST_BYTES];
    ssize_t n;
    while (line->pty.master >= 0 && (n = read(line->pty.master, in, sizeof in)) > 0) {
        if (line->down == NULL)
            mp_device_bytes(device, in, (size_t)n, now_us());
        else
            mp_device_bytes(device, noisy, pass(line->down, in, (size_t)n, noisy), now_us());
    }
}

static void fill(struct test_line *line, struct mp_device *device)
{
    uint8_t clean[sizeof line->out / FAULTS_MOST_BYTES];
    test_line_forget(line);
    if (line->up == NULL)
        line->out_len = mp_device_output(device, line->out, sizeof line->out, now_us());
    else
        line->out_len = pass(line->up, clean,
                             mp_device_output(device, clean, sizeof clean, now_us()), line->out);
}

static void write_out(struct test_line *line, struct mp_device *device)
{
    for (;;) {
        if (line->out_at == line->out_len)
            fill(line, device);
        if (line->out_len == 0)
            return;
        size_t left = line->out_len - line->out_at;
        ssize_t n = line->pty.master < 0 ? (ssize_t)left
                                         : write(line->pty.master, line->out + line->out_at, left);
        if (n <= 0)
            return;
        line->out_at += (size_t)n;
    }
}

uint32_t test_line_serve(struct test_line *line, struct mp_device *device)
{
    read_in(line, device);
    uint32_t wait_us = mp_device_poll(device, now_us());
    write_out(line, device);
    return wait_us;
}
