/*
 * session.c - the loop under every command: bytes from the lines to the hosts, bytes of the hosts
 * to the lines, and the clock. What the events mean is left to the commands.
 */
#define _DEFAULT_SOURCE
#include "session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define KEEPALIVE_MS 400
#define CREDIT       16000
#define POLL_MAX_MS  1000

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

void session_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

bool session_interrupted(void)
{
    return interrupted;
}

uint64_t session_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

enum serial_result session_open(struct session *session, const char *path, uint32_t baud,
                                enum session_readings readings, const struct mp_host_io *io)
{
    struct serial_target target = {.path = path, .baud = baud};
    struct mp_host_config config = {
        .tx_mem = session->tx_mem,
        .tx_bytes = sizeof session->tx_mem,
        .rx_mem = session->rx_mem,
        .rx_bytes = sizeof session->rx_mem,
        .space = &session->space,
        .credit = CREDIT,
        .baud = baud,
        .keepalive_ms = KEEPALIVE_MS,
        .safe_at_once = readings == SESSION_TAKE,
    };
    memset(session, 0, sizeof *session);
    if (getrandom(&config.seed, sizeof config.seed, 0) != sizeof config.seed)
        config.seed = (uint32_t)session_now();
    if (mp_host_init(&session->host, &config, io, session_now()) != MP_OK) {
        snprintf(session->why, sizeof session->why, "out of memory for the protocol");
        return SERIAL_FAILED;
    }
    enum serial_result result =
        serial_open(&session->line, &target, session->why, sizeof session->why);
    if (result == SERIAL_OK && serial_may_reset(session->line))
        mp_host_listen(&session->host, SERIAL_LISTEN_MS);
    return result;
}

void session_close(struct session *session)
{
    serial_close(session->line);
    session->line = NULL;
}

static bool is_live(const struct session *session)
{
    return session->line && !session->gone;
}

static void on_gone(struct session *session)
{
    session->gone = true;
    snprintf(session->why, sizeof session->why, "%s went away", serial_path(session->line));
    mp_host_line_lost(&session->host);
}

static void take_bytes(struct session *session)
{
    uint8_t bytes[4096];
    ssize_t n = serial_read(session->line, bytes, sizeof bytes);
    if (n < 0)
        on_gone(session);
    else if (n > 0 && session->silent)
        session->listen(session->user, bytes, (size_t)n);
    else if (n > 0)
        mp_host_bytes(&session->host, bytes, (size_t)n, session_now());
}

/* Until the line or the host has no more; what the line did not take waits in `out`. Returns
 * whether it took any. */
static bool give_bytes(struct session *session)
{
    bool gave = false;
    while (is_live(session)) {
        if (session->out_at == session->out_len) {
            session->out_at = 0;
            session->out_len =
                mp_host_output(&session->host, session->out, sizeof session->out, session_now());
        }
        if (session->out_len == 0)
            return gave;
        ssize_t n = serial_write(session->line, session->out + session->out_at,
                                 session->out_len - session->out_at);
        if (n < 0)
            on_gone(session);
        if (n <= 0)
            return gave;
        session->out_at += (size_t)n;
        gave = true;
    }
    return gave;
}

static void drive(struct session *session)
{
    if (session->silent || !is_live(session)) {
        session->due_us = SESSION_FOREVER;
        return;
    }
    uint32_t own = session->step ? session->step(session->user) : UINT32_MAX;
    uint64_t now = session_now();
    uint32_t wait = mp_host_poll(&session->host, now);
    if (give_bytes(session)) {
        now = session_now();
        wait = mp_host_poll(&session->host, now);
    }
    wait = own < wait ? own : wait;
    session->due_us = wait == UINT32_MAX ? SESSION_FOREVER : now + wait;
}

static int poll_timeout(uint64_t due_us)
{
    uint64_t now = session_now();
    if (due_us <= now)
        return 0;
    uint64_t wait_ms = (due_us - now + 999) / 1000;
    return wait_ms > POLL_MAX_MS ? POLL_MAX_MS : (int)wait_ms;
}

/* Waits for bytes, room or time on all sessions, and handles them. Returns how many lines are left.
 */
static size_t turn(struct session *const *sessions, struct pollfd *polled, size_t count,
                   uint64_t until_us)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        drive(sessions[i]);
        polled[i] = (struct pollfd){.fd = -1};
        polled[count + i] = (struct pollfd){.fd = -1, .events = POLLIN};
        if (!is_live(sessions[i]))
            continue;
        left++;
        bool waiting = sessions[i]->out_at < sessions[i]->out_len;
        polled[i].fd = serial_fd(sessions[i]->line);
        polled[i].events = (short)(POLLIN | (waiting ? POLLOUT : 0));
        if (sessions[i]->input)
            polled[count + i].fd = STDIN_FILENO;
        if (sessions[i]->due_us < until_us)
            until_us = sessions[i]->due_us;
    }
    if (left == 0 || poll(polled, (nfds_t)(2 * count), poll_timeout(until_us)) <= 0)
        return left;
    for (size_t i = 0; i < count; i++) {
        if (polled[i].revents & (POLLIN | POLLERR | POLLHUP | POLLNVAL))
            take_bytes(sessions[i]);
        if (polled[count + i].revents && sessions[i]->input)
            sessions[i]->input(sessions[i]->user);
    }
    return left;
}

bool session_run(struct session *const *sessions, size_t count, uint64_t until_us,
                 bool (*done)(void *user), void *user)
{
    struct pollfd *polled = calloc(2 * count + 1, sizeof *polled);
    bool finished = false;
    while (polled && !interrupted && session_now() < until_us) {
        size_t left = turn(sessions, polled, count, until_us);
        finished = done && done(user);
        if (finished || left == 0)
            break;
    }
    /* What the last event asked to be sent still goes out, as far as the line takes it. */
    for (size_t i = 0; i < count; i++)
        drive(sessions[i]);
    free(polled);
    return finished;
}

void session_say_silence(const struct session *session, const char *port, uint32_t baud)
{
    const struct mp_link_stats *stats = mp_link_stats(&session->host.link);
    if (stats->bytes_in && !stats->frames_in)
        fprintf(
            stderr,
            "mcu-tool: %s sends bytes that are no mcu-protocol at %u baud: another firmware, or "
            "another --baud\n",
            port, baud);
    else
        fprintf(stderr, "mcu-tool: nothing answers on %s at %u baud; see mcu-tool list --port %s\n",
                port, baud, port);
}
