/*
 * Streams: how the loop puts together what it asks of the spool's thread. What becomes of it is
 * spool.c's.
 */
#include "spool_request.h"

#include <stdlib.h>
#include <string.h>

/* -- Requests. */

void request_push(struct request_list *list, struct request *request)
{
    request->next = NULL;
    if (list->first == NULL)
        list->first = request;
    else
        list->last->next = request;
    list->last = request;
}

struct request *request_pop(struct request_list *list)
{
    struct request *request = list->first;
    if (request != NULL)
        list->first = request->next;
    return request;
}

struct request *request_new(struct spool_stream *stream, enum request_kind kind)
{
    struct request *request = calloc(1, sizeof *request);
    if (request == NULL)
        return NULL;
    request->stream = stream;
    request->kind = kind;
    return request;
}

void request_free(struct request *request)
{
    if (request == NULL)
        return;
    for (size_t i = 0; i < request->item_count; i++) {
        free((char *)request->items[i].parked.sensor);
        free((char *)request->items[i].parked.kind);
    }
    free(request->items);
    free(request->topic);
    free(request->data);
    free(request);
}

/* -- Rows of a load: a head and the bytes, one behind the other. */

struct row_head {
    uint64_t id;
    uint32_t clock, upto;
    size_t len;
};

bool request_rows_add(void *user, const struct spool_row *row)
{
    struct request *request = user;
    const struct row_head head = {row->id, row->clock, row->upto, row->len};
    size_t need = request->data_len + sizeof head + row->len;
    if (need > request->data_cap) {
        uint8_t *grown = realloc(request->data, need + SPOOL_LOAD_BYTES / 2);
        if (grown == NULL)
            return false;
        request->data = grown;
        request->data_cap = need + SPOOL_LOAD_BYTES / 2;
    }
    memcpy(request->data + request->data_len, &head, sizeof head);
    if (row->len > 0)
        memcpy(request->data + request->data_len + sizeof head, row->bytes, row->len);
    request->data_len = need;
    return true;
}

void request_rows_clear(struct request *request)
{
    request->data_len = 0;
}

bool request_rows_next(const struct request *request, size_t *at, struct spool_row *row)
{
    struct row_head head;
    if (*at == request->data_len)
        return false;
    memcpy(&head, request->data + *at, sizeof head);
    *row = (struct spool_row){head.id, head.clock, head.upto, request->data + *at + sizeof head,
                              head.len};
    *at += sizeof head + head.len;
    return true;
}

/* -- Streams. */

static bool ask_bind(struct spool_stream *stream, const uint8_t key[SPOOL_KEY_BYTES],
                     const char *topic)
{
    struct request *request = request_new(stream, REQUEST_BIND);
    if (request != NULL)
        request->topic = strndup(topic, SPOOL_TOPIC_MAX - 1);
    if (request == NULL || request->topic == NULL) {
        request_free(request);
        return false;
    }
    memcpy(request->key, key, SPOOL_KEY_BYTES);
    spool_ask(stream, request);
    return true;
}

struct spool_stream *spool_stream_open(struct spool *spool, const uint8_t key[SPOOL_KEY_BYTES],
                                       const char *url, const struct spool_events *events)
{
    struct spool_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return NULL;
    stream->spool = spool;
    stream->url = url;
    stream->events = *events;
    spool_link(spool, stream);
    if (ask_bind(stream, key, ""))
        return stream;
    spool_stream_unlink(stream);
    return NULL;
}

void spool_stream_unlink(struct spool_stream *stream)
{
    spool_unlink(stream->spool, stream);
    request_free(stream->draft);
    free(stream);
}

void spool_stream_close(struct spool_stream *stream)
{
    uv_mutex_lock(&stream->spool->mutex); /* the thread asks whose its rows are */
    stream->closed = true;
    uv_mutex_unlock(&stream->spool->mutex);
    if (stream->asked == 0)
        spool_stream_unlink(stream);
}

bool spool_bind(struct spool_stream *stream, const uint8_t key[SPOOL_KEY_BYTES], const char *topic)
{
    return ask_bind(stream, key, topic);
}

bool spool_add(struct spool_stream *stream, const struct spool_group *group)
{
    struct request *request = request_new(stream, REQUEST_ADD);
    if (request != NULL)
        request->data = malloc(group->device_len + group->len);
    if (request == NULL || request->data == NULL) {
        request_free(request);
        return false;
    }
    memcpy(request->data, group->device, group->device_len);
    memcpy(request->data + group->device_len, group->bytes, group->len);
    request->group = *group;
    request->group.device = request->data;
    request->group.bytes = request->data + group->device_len;
    spool_ask(stream, request);
    return true;
}

static struct settle_item *new_item(struct spool_stream *stream, enum settle_kind kind)
{
    if (stream->draft == NULL)
        stream->draft = request_new(stream, REQUEST_SETTLE);
    struct request *draft = stream->draft;
    if (draft == NULL)
        return NULL;
    if ((draft->item_count & (draft->item_count - 1)) == 0) { /* a power of two: it is full */
        size_t room = draft->item_count == 0 ? 1 : draft->item_count * 2;
        struct settle_item *grown = realloc(draft->items, room * sizeof *grown);
        if (grown == NULL)
            return NULL;
        draft->items = grown;
    }
    struct settle_item *item = &draft->items[draft->item_count++];
    *item = (struct settle_item){.kind = kind};
    return item;
}

void spool_delivered(struct spool_stream *stream, uint64_t id, uint32_t upto, bool whole)
{
    struct settle_item *item = new_item(stream, SETTLE_DELIVERED);
    if (item == NULL)
        return; /* it will be pushed again after the next start */
    item->id = id;
    item->upto = upto;
    item->whole = whole;
}

void spool_park(struct spool_stream *stream, const struct spool_parked *parked)
{
    struct settle_item *item = new_item(stream, SETTLE_PARKED);
    if (item == NULL)
        return;
    item->parked = *parked;
    item->parked.sensor = strdup(parked->sensor);
    item->parked.kind = strdup(parked->kind);
}

void spool_damaged(struct spool_stream *stream, uint64_t id)
{
    struct settle_item *item = new_item(stream, SETTLE_DAMAGED);
    if (item != NULL)
        item->id = id;
}

bool spool_settle(struct spool_stream *stream)
{
    struct request *draft = stream->draft;
    stream->draft = NULL;
    if (draft == NULL)
        return false;
    spool_ask(stream, draft);
    return true;
}

bool spool_load(struct spool_stream *stream, uint64_t after)
{
    struct request *request = request_new(stream, REQUEST_LOAD);
    if (request == NULL)
        return false;
    request->after = after;
    spool_ask(stream, request);
    return true;
}

void spool_expire(struct spool_stream *stream, uint64_t after)
{
    struct request *request = stream->expiring ? NULL : request_new(stream, REQUEST_EXPIRE);
    if (request == NULL)
        return;
    stream->expiring = true;
    request->after = after;
    spool_ask(stream, request);
}

void spool_stream_stats(const struct spool_stream *stream, struct spool_stream_stats *stats)
{
    *stats = stream->told;
}
