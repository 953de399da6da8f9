/*
 * The line on libuv: which descriptor is watched for what follows from the state of the two pumps
 * and the two ends, in one place (watch). Byte times are pump's, the process mcu's, the PTY pty's.
 */
#define _GNU_SOURCE
#include "line.h"

#include "opens.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_AT_ONCE    1024
#define CUT_PATIENCE_NS 500000000u
#define NS_PER_MS       1000000u

static void watch(struct line *line);
static void deliver(struct line *line);
static void reset_if_opened(struct line *line);
static void reset_here(struct line *line);

/* -- Descriptors on the loop. */

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

static uv_poll_t *start_watching(struct line *line, int fd)
{
    uv_poll_t *poll = malloc(sizeof *poll);

    if (poll == NULL || uv_poll_init(line->loop, poll, fd) != 0) {
        free(poll);
        return NULL;
    }
    poll->data = line;
    return poll;
}

static void stop_watching(uv_poll_t **poll)
{
    if (*poll)
        uv_close((uv_handle_t *)*poll, free_handle);
    *poll = NULL;
}

/* -- Moving bytes. */

/* Reads what `way` has room for, or what nobody will get. Returns false at the end of the file. */
static bool take(struct line_way *way, int from, bool wanted)
{
    uint8_t bytes[READ_AT_ONCE];
    size_t cap = wanted ? pump_room(&way->pump) : sizeof bytes;
    ssize_t n = read(from, bytes, cap < sizeof bytes ? cap : sizeof bytes);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (wanted)
        pump_feed(&way->pump, bytes, (size_t)n, uv_hrtime());
    else
        pump_discard(&way->pump, (size_t)n);
    return n > 0;
}

static void give(struct line_way *way, int to)
{
    uint64_t now = uv_hrtime();
    size_t n = pump_ready(&way->pump, now);
    ssize_t written = n > 0 && to >= 0 ? write(to, way->pump.bytes, n) : 0;

    if (written > 0)
        pump_delivered(&way->pump, (size_t)written, now);
    else if (n > 0)
        pump_stalled(&way->pump, now);
}

static void on_mcu(uv_poll_t *poll, int status, int events)
{
    struct line *line = poll->data;

    if (status < 0 ||
        ((events & UV_READABLE) && !take(&line->up, line->mcu.uart, line->pty.master >= 0)))
        stop_watching(&line->mcu_watch); /* its end is told by SIGCHLD */
    deliver(line);
}

static void on_pty(uv_poll_t *poll, int status, int events)
{
    struct line *line = poll->data;

    (void)status;
    reset_if_opened(line); /* before what came after the open */
    if (events & UV_READABLE)
        (void)take(&line->down, line->pty.master, line->mcu.uart >= 0);
    if (line->auto_reset && line->down.pump.len > 0)
        reset_here(line);
    deliver(line);
}

/* -- What happens after so many bytes. */

static bool host_has_read(const struct line *line)
{
    return pty_unread(&line->pty) <= 0;
}

/* A hang-up takes from the host what it has not read yet, so the bytes before it are waited for. */
static void cut_when_read(struct line *line)
{
    char why[LINE_WHY_MAX];
    uint64_t now = uv_hrtime();

    if (line->cut_deadline_ns == 0)
        line->cut_deadline_ns = now + CUT_PATIENCE_NS;
    if (host_has_read(line) || now >= line->cut_deadline_ns)
        (void)line_cut(line, why, sizeof why);
}

static void forget_stops(struct line *line)
{
    line->cut_deadline_ns = 0;
    line->auto_reset = false;
    line->up.then = line->down.then = LINE_GO_ON;
    pump_release(&line->up.pump);
    pump_release(&line->down.pump);
}

/* Nothing that the MCU sent behind the last byte is to be seen. */
static void reset_here(struct line *line)
{
    char why[LINE_WHY_MAX];

    stop_watching(&line->mcu_watch);
    pump_discard(&line->up.pump, 0);
    forget_stops(line);
    if (mcu_reset(&line->mcu, true, why, sizeof why) == 0)
        line->resets++;
    else
        fprintf(stderr, "mcu-link: %s\n", why);
    if (line->mcu.uart >= 0)
        line->mcu_watch = start_watching(line, line->mcu.uart);
}

static void reset_if_opened(struct line *line)
{
    if (line->opens >= 0 && opens_happened(line->opens))
        reset_here(line);
}

static void on_opens(uv_poll_t *poll, int status, int events)
{
    struct line *line = poll->data;

    (void)status;
    (void)events;
    reset_if_opened(line);
    deliver(line);
}

static void act(struct line *line, struct line_way *way)
{
    if (!pump_stopped(&way->pump))
        return;
    switch (way->then) {
    case LINE_GO_ON:
        break;
    case LINE_CUT:
        cut_when_read(line);
        break;
    case LINE_RESET:
        reset_here(line);
        break;
    }
}

static void deliver(struct line *line)
{
    give(&line->up, line->pty.master);
    give(&line->down, line->mcu.uart);
    act(line, &line->up);
    act(line, &line->down);
    watch(line);
}

/* -- What is waited for. */

static void on_timer(uv_timer_t *timer)
{
    deliver(timer->data);
}

static int wanted_events(const struct line_way *in, bool in_wanted, const struct line_way *out)
{
    int events = 0;

    if (!in_wanted || (pump_room(&in->pump) > 0 && !pump_stopped(&in->pump)))
        events |= UV_READABLE;
    if (pump_ready(&out->pump, uv_hrtime()) > 0)
        events |= UV_WRITABLE;
    return events;
}

static void watch_fd(uv_poll_t *poll, int events, uv_poll_cb call)
{
    if (poll == NULL)
        return;
    if (events)
        uv_poll_start(poll, events, call);
    else
        uv_poll_stop(poll);
}

/* What is ready now waits for the descriptor, not for the clock. */
static uint64_t wait_ns(const struct line *line, const struct line_way *way)
{
    uint64_t wait = pump_wait(&way->pump, uv_hrtime());

    if (pump_stopped(&way->pump) && line->cut_deadline_ns)
        return NS_PER_MS;
    return wait > 0 ? wait : UINT64_MAX;
}

static void watch(struct line *line)
{
    uint64_t up = wait_ns(line, &line->up), down = wait_ns(line, &line->down);
    uint64_t wait = up < down ? up : down;

    watch_fd(line->mcu_watch, wanted_events(&line->up, line->pty.master >= 0, &line->down), on_mcu);
    watch_fd(line->pty_watch, wanted_events(&line->down, line->mcu.uart >= 0, &line->up), on_pty);
    if (wait == UINT64_MAX) {
        uv_timer_stop(&line->timer);
    } else {
        uv_update_time(line->loop);
        uv_timer_start(&line->timer, on_timer, (wait + NS_PER_MS - 1) / NS_PER_MS, 0);
    }
}

/* -- The two ends. */

static int refuse(char *why, size_t why_cap, const char *reason)
{
    snprintf(why, why_cap, "%s", reason);
    return -1;
}

static int open_pty(struct line *line, char *why, size_t why_cap)
{
    if (pty_open(&line->pty, line->link) != 0) {
        snprintf(why, why_cap, "%s: %s", line->link, strerror(errno));
        return -1;
    }
    line->pty_watch = start_watching(line, line->pty.master);
    if (!line->reset_on_open)
        return 0;
    line->opens = opens_watch(line->pty.path);
    line->opens_watch = line->opens >= 0 ? start_watching(line, line->opens) : NULL;
    if (line->opens_watch == NULL) {
        snprintf(why, why_cap, "cannot watch %s: %s", line->pty.path, strerror(errno));
        return -1;
    }
    uv_poll_start(line->opens_watch, UV_READABLE, on_opens);
    return 0;
}

static void close_pty(struct line *line)
{
    stop_watching(&line->pty_watch);
    stop_watching(&line->opens_watch);
    if (line->opens >= 0)
        close(line->opens);
    line->opens = -1;
    pty_close(&line->pty);
}

static int start_mcu(struct line *line, char *why, size_t why_cap)
{
    if (mcu_start(&line->mcu, &line->config, why, why_cap) != 0)
        return -1;
    line->mcu_watch = start_watching(line, line->mcu.uart);
    return 0;
}

static void on_child(uv_signal_t *child, int number)
{
    struct line *line = child->data;
    int status;

    (void)number;
    if (!mcu_ended(&line->mcu, &status))
        return;
    stop_watching(&line->mcu_watch);
    mcu_kill(&line->mcu);
    line->mcu_ended(line->user, status);
}

int line_open(struct line *line, char *why, size_t why_cap)
{
    line->mcu = (struct mcu){.uart = -1, .qmp = -1};
    line->pty = (struct pty){.master = -1, .slave = -1};
    line->opens = -1;
    uv_timer_init(line->loop, &line->timer);
    uv_signal_init(line->loop, &line->child);
    line->timer.data = line->child.data = line;
    /* Before the MCU: one that ends at once is heard of too. */
    if (uv_signal_start(&line->child, on_child, SIGCHLD) != 0)
        return refuse(why, why_cap, "cannot listen for the end of the MCU");
    if (open_pty(line, why, why_cap) != 0 || start_mcu(line, why, why_cap) != 0)
        return -1;
    watch(line);
    return 0;
}

void line_close(struct line *line)
{
    stop_watching(&line->mcu_watch);
    uv_close((uv_handle_t *)&line->timer, NULL);
    uv_close((uv_handle_t *)&line->child, NULL);
    mcu_kill(&line->mcu);
    close_pty(line);
}

/* -- What a person does to them. */

int line_cut(struct line *line, char *why, size_t why_cap)
{
    if (line->pty.master < 0)
        return refuse(why, why_cap, "the line is cut already");
    close_pty(line);
    pump_discard(&line->up.pump, 0);
    pump_discard(&line->down.pump, 0);
    forget_stops(line);
    line->cuts++;
    watch(line);
    return 0;
}

int line_plug(struct line *line, const char *link, char *why, size_t why_cap)
{
    if (line->pty.master >= 0)
        return refuse(why, why_cap, "the line is plugged already");
    if (link) {
        if (strlen(link) >= sizeof line->link)
            return refuse(why, why_cap, "the path is too long");
        memcpy(line->link, link, strlen(link) + 1);
    }
    if (open_pty(line, why, why_cap) != 0)
        return -1;
    watch(line);
    return 0;
}

int line_reset(struct line *line, char *why, size_t why_cap)
{
    int result;

    /* A process is started anew, with a new UART. */
    stop_watching(&line->mcu_watch);
    result = mcu_reset(&line->mcu, false, why, why_cap);
    if (line->mcu.uart >= 0)
        line->mcu_watch = start_watching(line, line->mcu.uart);
    if (result == 0)
        line->resets++;
    watch(line);
    return result;
}

int line_kill(struct line *line, char *why, size_t why_cap)
{
    if (line->mcu.pid == 0)
        return refuse(why, why_cap, "the MCU is dead already");
    stop_watching(&line->mcu_watch);
    mcu_kill(&line->mcu);
    pump_discard(&line->down.pump, 0);
    watch(line);
    return 0;
}

int line_start(struct line *line, char *why, size_t why_cap)
{
    if (line->mcu.pid != 0)
        return refuse(why, why_cap, "the MCU runs already");
    if (start_mcu(line, why, why_cap) != 0)
        return -1;
    watch(line);
    return 0;
}

int line_pause(struct line *line, bool paused, char *why, size_t why_cap)
{
    if (line->mcu.pid == 0)
        return refuse(why, why_cap, "the MCU is dead");
    mcu_pause(&line->mcu, paused);
    return 0;
}

void line_after(struct line *line, struct line_way *way, uint64_t bytes, enum line_then then)
{
    way->then = then;
    pump_stop_after(&way->pump, bytes);
    deliver(line);
}

void line_auto_reset(struct line *line)
{
    line->auto_reset = true;
}

void line_set_baud(struct line *line, uint32_t baud)
{
    pump_set_baud(&line->up.pump, baud);
    pump_set_baud(&line->down.pump, baud);
    watch(line);
}
