/*
 * The libuv loop and its clocks. What is due, and what ends when a signal comes, is the bridge's.
 *
 * One coalesced timer instead of one for each MCU: waking costs the same with one board or a
 * thousand. A gap is seen by the clock that runs on during suspend: the loop never sleeps longer
 * than LONGEST_SLEEP_MS, so a longer silence of its own means that it did not run.
 */
#include "loop.h"
#include "base/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LONGEST_SLEEP_MS 1000
#define GAP_MS           (LONGEST_SLEEP_MS + 1500)
#define SAME_SIGNAL_MS   500 /* a shell or supervisor may signal the process and its group */
#define EXIT_AT_ONCE     1

static uint64_t boot_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t loop_now_us(const struct loop *loop)
{
    (void)loop;
    return uv_hrtime() / 1000;
}

uint64_t loop_now_ms(const struct loop *loop)
{
    return loop_now_us(loop) / 1000;
}

uint32_t loop_gaps(struct loop *loop)
{
    uint64_t now_ms = boot_ms();
    if (now_ms - loop->alive_ms > GAP_MS) {
        loop->gaps++;
        log_warning("bridge", "the process did not run for %llu ms (suspended or stalled)",
                    (unsigned long long)(now_ms - loop->alive_ms));
    }
    loop->alive_ms = now_ms;
    return loop->gaps;
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;
    loop_gaps(loop);
}

/* A timer that is due at once is called before anything is read or written (libuv 1.44): what never
 * rests may not starve everybody else. */
#define AT_ONCE_MAX 100

static void on_timer(uv_timer_t *timer);

static void sleep_until(struct loop *loop, uint64_t next_us)
{
    uv_update_time(&loop->uv);
    uint64_t now_us = loop_now_us(loop);
    uint64_t delay_ms = next_us <= now_us ? 0 : (next_us - now_us + 999) / 1000;
    if (delay_ms > LONGEST_SLEEP_MS)
        delay_ms = LONGEST_SLEEP_MS;
    if (delay_ms == 0 && ++loop->at_once > AT_ONCE_MAX)
        delay_ms = 1;
    if (delay_ms != 0)
        loop->at_once = 0;
    uv_timer_start(&loop->timer, on_timer, delay_ms, 0);
    loop->due_us = now_us + (delay_ms + 1) * 1000; /* its resolution is a millisecond */
}

static void on_timer(uv_timer_t *timer)
{
    struct loop *loop = timer->data;
    loop_gaps(loop);
    uint64_t now_us = loop_now_us(loop);
    if (loop->due_us != 0)
        watch_lag_add(&loop->lag, now_us > loop->due_us ? now_us - loop->due_us : 0);
    loop->due_us = 0;
    uint64_t next_us = loop->events.tick(loop->events.user, now_us);
    if (!uv_is_closing((uv_handle_t *)timer))
        sleep_until(loop, next_us);
}

void loop_wake(struct loop *loop)
{
    if (uv_is_closing((uv_handle_t *)&loop->timer))
        return;
    loop->due_us = 0;
    uv_timer_start(&loop->timer, on_timer, 0, 0);
}

void loop_wake_at(struct loop *loop, uint64_t due_us)
{
    if (due_us < loop->due_us && !uv_is_closing((uv_handle_t *)&loop->timer))
        sleep_until(loop, due_us);
}

static void stop(struct loop *loop, const char *why)
{
    loop->stopping = true;
    loop->stop_ms = loop_now_ms(loop);
    log_info("bridge", "%s: stopping", why);
    loop->events.stop(loop->events.user);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct loop *loop = signal->data;
    uint64_t now_ms = loop_now_ms(loop);
    if (loop->stopping && now_ms - loop->stop_ms >= SAME_SIGNAL_MS) {
        log_warning("bridge", "second signal: exiting at once");
        _exit(EXIT_AT_ONCE);
    }
    if (!loop->stopping)
        stop(loop, number == SIGINT ? "interrupted" : "terminated");
}

static bool can_open_terminal(void)
{
    int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void on_hangup(uv_signal_t *signal, int number)
{
    struct loop *loop = signal->data;
    (void)number;
    if (loop->stopping)
        return;
    if (loop->has_terminal && !can_open_terminal())
        stop(loop, "the terminal has gone");
    else
        loop->events.reload(loop->events.user);
}

int loop_open(struct loop *loop, const struct loop_events *events)
{
    *loop = (struct loop){.events = *events, .alive_ms = boot_ms()};
    int error = uv_loop_init(&loop->uv);
    if (error != 0) {
        log_error("bridge", "no event loop: %s", uv_strerror(error));
        return -1;
    }
    uv_timer_init(&loop->uv, &loop->timer);
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_signal_init(&loop->uv, &loop->sigterm);
    uv_signal_init(&loop->uv, &loop->sigint);
    uv_signal_init(&loop->uv, &loop->sighup);
    loop->timer.data = loop->prepare.data = loop;
    loop->sigterm.data = loop->sigint.data = loop->sighup.data = loop;
    uv_prepare_start(&loop->prepare, on_prepare);
    uv_signal_start(&loop->sigterm, on_signal, SIGTERM);
    uv_signal_start(&loop->sigint, on_signal, SIGINT);
    uv_signal_start(&loop->sighup, on_hangup, SIGHUP);
    loop->has_terminal = can_open_terminal();
    loop_wake(loop);
    return 0;
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&loop->sigterm, NULL);
    uv_close((uv_handle_t *)&loop->sigint, NULL);
    uv_close((uv_handle_t *)&loop->sighup, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    if (uv_loop_close(&loop->uv) != 0)
        log_debug("bridge", "something is left open on the loop");
}

void loop_close(struct loop *loop)
{
    uv_close((uv_handle_t *)&loop->timer, NULL);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_unref((uv_handle_t *)&loop->sigterm); /* heard to the last */
    uv_unref((uv_handle_t *)&loop->sigint);
    uv_unref((uv_handle_t *)&loop->sighup);
}
