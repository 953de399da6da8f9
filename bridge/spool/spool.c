/*
 * The spool as the loop sees it: what is asked for goes to the thread, what has come of it is told.
 * The thread's part is spool_work.c's, streams and requests are spool_stream.c's.
 *
 * A request belongs to the loop until it is in `asked`, to the worker until it is in `done`, and to
 * the loop again.
 */
#include "spool.h"

#include "spool_file.h"
#include "spool_request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- Clocks. */

uint32_t spool_clock(const struct spool *spool)
{
    struct spool *own = (struct spool *)spool;
    uv_mutex_lock(&own->mutex);
    uint32_t clock = spool->clock;
    uv_mutex_unlock(&own->mutex);
    return clock;
}

int64_t spool_unix_minus_clock_us(const struct spool *spool, uint32_t clock)
{
    struct spool *own = (struct spool *)spool;
    int64_t offset = spool_work_unix_minus_boot_us();
    uv_mutex_lock(&own->mutex);
    for (size_t i = 0; clock != spool->clock && i < spool->clock_count; i++)
        if (spool->clocks[i].clock == clock)
            offset = spool->clocks[i].unix_minus_us;
    uv_mutex_unlock(&own->mutex);
    return offset;
}

/* -- Devices. */

static struct device_mark *find_device(const struct spool *spool, const uint8_t *device,
                                       uint8_t len)
{
    for (size_t i = 0; i < spool->device_count; i++)
        if (spool->devices[i].len == len && memcmp(spool->devices[i].device, device, len) == 0)
            return &spool->devices[i];
    return NULL;
}

void spool_mark_locked(void *user, const uint8_t *device, uint8_t len, uint32_t epoch,
                       uint32_t next)
{
    struct spool *spool = user;
    struct device_mark *mark = find_device(spool, device, len);
    if (mark == NULL) {
        struct device_mark *grown =
            realloc(spool->devices, (spool->device_count + 1) * sizeof *grown);
        if (grown == NULL)
            return; /* what it repeats is taken again */
        spool->devices = grown;
        mark = &grown[spool->device_count++];
        mark->len = len;
        memcpy(mark->device, device, len);
    }
    mark->epoch = epoch;
    mark->next = next;
}

bool spool_is_ready(const struct spool *spool)
{
    struct spool *own = (struct spool *)spool;
    uv_mutex_lock(&own->mutex);
    bool ready = spool->ready;
    uv_mutex_unlock(&own->mutex);
    return ready;
}

bool spool_device(const struct spool *spool, const uint8_t *device, uint8_t len, uint32_t *epoch,
                  uint32_t *next)
{
    struct spool *own = (struct spool *)spool;
    uv_mutex_lock(&own->mutex);
    const struct device_mark *mark = find_device(spool, device, len);
    if (mark != NULL) {
        *epoch = mark->epoch;
        *next = mark->next;
    }
    uv_mutex_unlock(&own->mutex);
    return mark != NULL;
}

/* -- On the loop. */

static void ask(struct spool *spool, struct request *request)
{
    uv_mutex_lock(&spool->mutex);
    request_push(&spool->asked, request);
    uv_cond_signal(&spool->cond);
    uv_mutex_unlock(&spool->mutex);
}

void spool_ask(struct spool_stream *stream, struct request *request)
{
    stream->asked++;
    ask(stream->spool, request);
}

static void took_away(struct spool_stream *stream, const struct request *request)
{
    struct spool_stream_stats *told = &stream->told;
    stream->spool->total_readings -= request->readings;
    told->readings -= request->readings < told->readings ? request->readings : told->readings;
    told->bytes -= request->bytes < told->bytes ? request->bytes : told->bytes;
}

static void tell_rows(struct spool_stream *stream, struct request *request)
{
    struct spool_row row;
    size_t at = 0;
    while (request_rows_next(request, &at, &row) && stream->events.row(stream->events.user, &row))
        ;
    stream->events.loaded(stream->events.user, request->end && at == request->data_len);
}

static void tell_bound(struct spool *spool, struct spool_stream *stream,
                       const struct request *request)
{
    if (request->begun_anew)
        spool->total_readings = 0;
    if (request->changed || request->begun_anew) {
        stream->told.readings = request->bound.readings;
        stream->told.bytes = request->bound.bytes;
    }
    if (!request->begun_anew)
        stream->events.bound(stream->events.user, request->changed);
}

static void tell_added(struct spool *spool, struct spool_stream *stream,
                       const struct request *request)
{
    const struct spool_group *group = &request->group;
    uv_mutex_lock(&spool->mutex);
    spool_mark_locked(spool, group->device, group->device_len, group->epoch, group->following);
    uv_mutex_unlock(&spool->mutex);
    spool->total_readings += group->count;
    stream->told.readings += group->count;
    stream->told.bytes += group->len + 32;
    if (!stream->closed)
        stream->events.committed(stream->events.user, request->id, request->clock);
}

static void count_expired(struct spool *spool, const struct request *request)
{
    uv_mutex_lock(&spool->mutex);
    spool->stats.expired += request->readings;
    uv_mutex_unlock(&spool->mutex);
}

static void count_parked(struct spool *spool, const struct request *request)
{
    uint64_t parked = 0;
    for (size_t i = 0; i < request->item_count; i++)
        parked += request->items[i].kind == SETTLE_DELIVERED ? 0 : 1;
    uv_mutex_lock(&spool->mutex);
    spool->stats.parked += parked;
    uv_mutex_unlock(&spool->mutex);
}

static void tell(struct spool *spool, struct request *request)
{
    struct spool_stream *stream = request->stream;
    stream->asked--;
    switch (request->kind) {
    case REQUEST_BIND:
        if (!stream->closed)
            tell_bound(spool, stream, request);
        break;
    case REQUEST_ADD:
        if (!request->given_up)
            tell_added(spool, stream, request);
        break;
    case REQUEST_SETTLE:
        took_away(stream, request);
        count_parked(spool, request);
        if (!stream->closed)
            stream->events.settled(stream->events.user);
        break;
    case REQUEST_EXPIRE:
        stream->expiring = false;
        took_away(stream, request);
        count_expired(spool, request);
        break;
    case REQUEST_LOAD:
        if (!stream->closed)
            tell_rows(stream, request);
        break;
    }
    request_free(request);
    if (stream->closed && stream->asked == 0)
        spool_stream_unlink(stream);
}

/* A file that could not be opened at first is known later. */
static void note_found_locked(struct spool *spool)
{
    if (spool->found)
        spool->total_readings = spool->found_readings;
    spool->found = false;
}

static void tell_all(struct spool *spool)
{
    uv_mutex_lock(&spool->mutex);
    note_found_locked(spool);
    struct request_list done = spool->done;
    spool->done = (struct request_list){NULL, NULL};
    uv_mutex_unlock(&spool->mutex);
    struct request *request;
    while ((request = request_pop(&done)) != NULL)
        tell(spool, request);
}

static void on_async(uv_async_t *async)
{
    tell_all(async->data);
}

void spool_turn(struct spool *spool)
{
    spool_work_take(spool);
    spool_work_round(spool);
    tell_all(spool);
}

void spool_link(struct spool *spool, struct spool_stream *stream)
{
    uv_mutex_lock(&spool->mutex);
    stream->next = spool->streams;
    spool->streams = stream;
    uv_mutex_unlock(&spool->mutex);
}

void spool_unlink(struct spool *spool, struct spool_stream *stream)
{
    uv_mutex_lock(&spool->mutex);
    struct spool_stream **at = &spool->streams;
    while (*at != stream)
        at = &(*at)->next;
    *at = stream->next;
    uv_mutex_unlock(&spool->mutex);
}

void spool_stats(const struct spool *spool, struct spool_stats *stats)
{
    struct spool *own = (struct spool *)spool;
    uv_mutex_lock(&own->mutex);
    *stats = spool->stats;
    uv_mutex_unlock(&own->mutex);
    for (const struct spool_stream *s = spool->streams; s != NULL; s = s->next) {
        stats->readings += s->told.readings;
        stats->bytes += s->told.bytes;
    }
    if (spool->total_readings > stats->readings)
        stats->held_readings = spool->total_readings - stats->readings;
}

/* -- Life. */

static int take_place(struct spool *spool, char *error, size_t error_cap)
{
    if (spool_file_make_folders(spool->path) != 0) {
        snprintf(error, error_cap, "%s: %s: " SPOOL_ADVICE, spool->path, strerror(errno));
        return -1;
    }
    spool->lock = spool_file_lock(spool->path);
    if (spool->lock >= 0 || errno == ENOSPC || errno == EDQUOT || errno == EIO)
        return 0;
    if (errno == EWOULDBLOCK)
        snprintf(error, error_cap,
                 "%s is in use by another mcu-bridge: end that one, or give this one another spool:"
                 " path",
                 spool->path);
    else
        snprintf(error, error_cap, "%s.lock: %s: " SPOOL_ADVICE, spool->path, strerror(errno));
    return -1;
}

static int start(struct spool *spool, uv_loop_t *loop)
{
    spool->async = calloc(1, sizeof *spool->async);
    if (spool->async == NULL || uv_async_init(loop, spool->async, on_async) != 0) {
        free(spool->async);
        spool->async = NULL;
        return -1;
    }
    spool->async->data = spool;
    spool->threaded = uv_thread_create(&spool->thread, spool_work, spool) == 0;
    return spool->threaded ? 0 : -1;
}

int spool_open(struct spool **out, const struct spool_options *options, char *error,
               size_t error_cap)
{
    struct spool *spool = calloc(1, sizeof *spool);
    if (spool == NULL) {
        snprintf(error, error_cap, "out of memory");
        return -1;
    }
    snprintf(spool->path, sizeof spool->path, "%s", options->path);
    spool->vfs = options->vfs == NULL ? NULL : strdup(options->vfs);
    spool->max_age_ms = options->max_age_ms;
    spool->lock = -1;
    uv_mutex_init(&spool->mutex);
    uv_cond_init(&spool->cond);
    int result = take_place(spool, error, error_cap);
    if (result == 0)
        result = spool_work_open(spool, error, error_cap);
    note_found_locked(spool); /* there is no thread yet */
    if (result == 0 && options->loop != NULL) {
        result = start(spool, options->loop);
        if (result != 0)
            snprintf(error, error_cap, "no thread for the spool");
    }
    if (result == 0)
        *out = spool;
    else
        spool_close(spool);
    return result;
}

static void free_async(uv_handle_t *handle)
{
    free(handle);
}

static void forget(struct request_list *list)
{
    struct request *request;
    while ((request = request_pop(list)) != NULL)
        request_free(request);
}

void spool_close(struct spool *spool)
{
    uv_mutex_lock(&spool->mutex);
    spool->stop = true;
    uv_cond_signal(&spool->cond);
    uv_mutex_unlock(&spool->mutex);
    if (spool->threaded)
        uv_thread_join(&spool->thread);
    spool_work_take(spool);
    if (spool->pending.first != NULL)
        spool_work_round(spool);
    if (spool->async != NULL)
        uv_close((uv_handle_t *)spool->async, free_async);
    spool_db_close(spool->db);
    forget(&spool->pending);
    forget(&spool->done);
    while (spool->streams != NULL)
        spool_stream_unlink(spool->streams);
    if (spool->lock >= 0)
        close(spool->lock);
    uv_cond_destroy(&spool->cond);
    uv_mutex_destroy(&spool->mutex);
    free(spool->clocks);
    free(spool->devices);
    free(spool->vfs);
    free(spool);
}
