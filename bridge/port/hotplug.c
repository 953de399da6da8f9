/*
 * The watch of bridge/serial on the loop. What a change means is the ports'; here is only that a
 * storm of them (a hub that is plugged in, a board that starts anew all the time) costs one look in
 * a while.
 */
#include "hotplug.h"
#include "base/log.h"
#include "serial/serial_watch.h"

#include <stdlib.h>

#define WHO      "bridge"
#define PAUSE_MS 20 /* at least so long between two looks */

struct hotplug {
    struct serial_watch *watch;
    uv_poll_t poll;
    uv_timer_t pause;
    void (*changed)(void *user);
    void *user;
    bool pending; /* something came during the pause */
    int open;     /* handles that the loop has not given back */
};

static void on_pause_over(uv_timer_t *timer);

static void tell(struct hotplug *hotplug)
{
    hotplug->pending = uv_is_active((uv_handle_t *)&hotplug->pause) != 0;
    if (hotplug->pending)
        return;
    uv_timer_start(&hotplug->pause, on_pause_over, PAUSE_MS, 0);
    hotplug->changed(hotplug->user);
}

static void on_pause_over(uv_timer_t *timer)
{
    struct hotplug *hotplug = timer->data;
    if (hotplug->pending)
        tell(hotplug);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct hotplug *hotplug = poll->data;
    (void)events;
    if (status == 0 && serial_watch_read(hotplug->watch))
        tell(hotplug);
}

struct hotplug *hotplug_open(struct loop *loop, void (*changed)(void *user), void *user)
{
    struct hotplug *hotplug = calloc(1, sizeof *hotplug);
    if (hotplug == NULL)
        return NULL;
    hotplug->changed = changed;
    hotplug->user = user;
    hotplug->watch = serial_watch_open();
    if (hotplug->watch == NULL ||
        uv_poll_init(&loop->uv, &hotplug->poll, serial_watch_fd(hotplug->watch)) != 0) {
        log_warning(WHO, "the system tells nothing of new ports: they are looked for every second");
        serial_watch_close(hotplug->watch);
        free(hotplug);
        return NULL;
    }
    uv_timer_init(&loop->uv, &hotplug->pause);
    hotplug->open = 2;
    hotplug->poll.data = hotplug->pause.data = hotplug;
    uv_poll_start(&hotplug->poll, UV_READABLE, on_readable);
    return hotplug;
}

static void on_closed(uv_handle_t *handle)
{
    struct hotplug *hotplug = handle->data;
    if (--hotplug->open == 0)
        free(hotplug);
}

void hotplug_close(struct hotplug *hotplug)
{
    if (hotplug == NULL)
        return;
    uv_close((uv_handle_t *)&hotplug->poll, on_closed);
    uv_close((uv_handle_t *)&hotplug->pause, on_closed);
    serial_watch_close(hotplug->watch);
    hotplug->watch = NULL;
}

void hotplug_path(struct hotplug *hotplug, const char *path)
{
    serial_watch_path(hotplug->watch, path);
}
