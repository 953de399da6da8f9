/*
 * One firmware file from a server to a folder. The thread works on a job of its own and hands over
 * only numbers; nh_transfer.c is what it does there. What a failure means for the update is
 * nh_update.c's.
 */
#include "nh_download.h"

#include "nh_transfer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct nh_download {
    struct nh_download_options options;
    struct nh_download_events events;
    char *folder, *ca_file, *proxy;
    uv_async_t news;
    struct nh_transfer *transfer; /* NULL: none under way */
    struct nh_offer *next;        /* to be begun when the one that was stopped has ended */
    bool stopped;                 /* nobody waits for the transfer */
    bool freed;
    pthread_t thread;
    unsigned said_percent;
};

static void *run(void *arg)
{
    nh_transfer_run(arg);
    return NULL;
}

static void begin(struct nh_download *d, const struct nh_offer *offer);

static void free_all(struct nh_download *d)
{
    free(d->folder);
    free(d->ca_file);
    if (d->proxy != NULL)
        explicit_bzero(d->proxy, strlen(d->proxy));
    free(d->proxy);
    free(d->next);
    free(d);
}

static void on_closed(uv_handle_t *handle)
{
    free_all(handle->data);
}

/* The thread has nothing left to do but to return. */
static void reap(struct nh_download *d)
{
    pthread_join(d->thread, NULL);
    nh_transfer_free(d->transfer);
    d->transfer = NULL;
}

static void go_on(struct nh_download *d)
{
    struct nh_offer *next = d->next;
    d->next = NULL;
    d->stopped = false;
    if (d->freed)
        uv_close((uv_handle_t *)&d->news, on_closed);
    else if (next != NULL)
        begin(d, next);
    free(next);
}

static void say_percent(struct nh_download *d)
{
    unsigned percent = nh_transfer_percent(d->transfer);
    if (d->stopped || percent == d->said_percent || d->events.percent == NULL)
        return;
    d->said_percent = percent;
    d->events.percent(d->events.user, percent);
}

static void on_news(uv_async_t *async)
{
    struct nh_download *d = async->data;
    char why[NH_TRANSFER_WHY_MAX];
    bool for_good = false;
    if (d->transfer != NULL)
        say_percent(d);
    if (d->transfer == NULL || !nh_transfer_ended(d->transfer, why, &for_good))
        return;
    reap(d);
    if (d->stopped)
        go_on(d);
    else
        d->events.done(d->events.user, why[0] != '\0' ? why : NULL, for_good);
}

static void wake(void *user)
{
    uv_async_send(&((struct nh_download *)user)->news);
}

static char *copy(const char *text)
{
    return text != NULL ? strdup(text) : NULL;
}

struct nh_download *nh_download_new(uv_loop_t *loop, const struct nh_download_options *options,
                                    const struct nh_download_events *events)
{
    struct nh_download *d = calloc(1, sizeof(*d));
    if (d == NULL)
        return NULL;
    d->options = *options;
    d->events = *events;
    d->options.folder = d->folder = copy(options->folder);
    d->options.ca_file = d->ca_file = copy(options->ca_file);
    d->options.proxy = d->proxy = copy(options->proxy);
    d->news.data = d;
    bool copied =
        d->folder != NULL && !options->ca_file == !d->ca_file && !options->proxy == !d->proxy;
    if (!copied || uv_async_init(loop, &d->news, on_news) != 0) {
        free_all(d);
        return NULL;
    }
    uv_unref((uv_handle_t *)&d->news);
    return d;
}

static void begin(struct nh_download *d, const struct nh_offer *offer)
{
    d->said_percent = 0;
    d->transfer = nh_transfer_new(&d->options, offer, wake, d);
    if (d->transfer != NULL && pthread_create(&d->thread, NULL, run, d->transfer) == 0)
        return;
    nh_transfer_free(d->transfer);
    d->transfer = NULL;
    d->events.done(d->events.user, "out of memory for a download", false);
}

void nh_download_start(struct nh_download *d, const struct nh_offer *offer)
{
    nh_download_stop(d);
    if (d->transfer == NULL) {
        begin(d, offer);
        return;
    }
    d->next = malloc(sizeof(*d->next));
    if (d->next != NULL)
        *d->next = *offer;
    else
        d->events.done(d->events.user, "out of memory for a download", false);
}

void nh_download_stop(struct nh_download *d)
{
    free(d->next);
    d->next = NULL;
    if (d->transfer == NULL)
        return;
    nh_transfer_cancel(d->transfer);
    d->stopped = true;
}

bool nh_download_is_busy(const struct nh_download *d)
{
    return d->transfer != NULL;
}

void nh_download_free(struct nh_download *d)
{
    if (d == NULL)
        return;
    nh_download_stop(d);
    d->freed = true;
    if (d->transfer != NULL)
        uv_ref((uv_handle_t *)&d->news); /* the loop waits for the thread */
    else
        uv_close((uv_handle_t *)&d->news, on_closed);
}
