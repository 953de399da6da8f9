/*
 * Storage of messages for both directions of the link. What numbers and flags mean is said there.
 */
#include "mp_queue.h"

#include <string.h>

void mp_queue_init(struct mp_queue *queue, uint8_t *mem, size_t cap, uint8_t extra)
{
    queue->mem = mem;
    queue->cap = cap;
    queue->used = 0;
    queue->extra = extra;
}

size_t mp_queue_need(const struct mp_queue *queue, size_t len)
{
    return (size_t)MP_RECORD_HEAD + queue->extra + len;
}

uint8_t *mp_queue_body(const struct mp_queue *queue, uint8_t *record)
{
    return record + mp_queue_need(queue, 0);
}

uint8_t *mp_queue_put(struct mp_queue *queue, uint8_t id, const uint8_t *body, size_t len)
{
    size_t need = mp_queue_need(queue, len);
    if (queue->cap - queue->used < need)
        return NULL;
    uint8_t *record = queue->mem + queue->used;
    memset(record, 0, need - len);
    record[MP_RECORD_LEN] = (uint8_t)len;
    record[MP_RECORD_ID] = id;
    if (len > 0)
        memcpy(mp_queue_body(queue, record), body, len);
    queue->used += need;
    return record;
}

uint8_t *mp_queue_here(const struct mp_queue *queue, uint8_t *record)
{
    return record == queue->mem + queue->used ? NULL : record;
}

uint8_t *mp_queue_next(const struct mp_queue *queue, uint8_t *record)
{
    if (record == NULL)
        return mp_queue_here(queue, queue->mem);
    return mp_queue_here(queue, record + mp_queue_need(queue, record[MP_RECORD_LEN]));
}

size_t mp_queue_take(struct mp_queue *queue, uint8_t *record)
{
    size_t size = mp_queue_need(queue, record[MP_RECORD_LEN]);
    uint8_t *end = queue->mem + queue->used;
    memmove(record, record + size, (size_t)(end - record) - size);
    queue->used -= size;
    return size;
}
