/*
 * Storage of messages for both directions of the link. What stands in the records is said there.
 */
#include "mp_queue.h"

#include <string.h>

void mp_queue_init(struct mp_queue *queue, uint8_t *mem, size_t cap)
{
    queue->mem = mem;
    queue->end = mem;
    queue->stop = mem + cap;
}

uint8_t *mp_queue_put(struct mp_queue *queue, size_t size)
{
    uint8_t *record = queue->end;
    if ((size_t)(queue->stop - record) < size)
        return NULL;
    memset(record, 0, size);
    record[0] = (uint8_t)size;
    queue->end += size;
    return record;
}

void mp_queue_take(struct mp_queue *queue, uint8_t *record)
{
    uint8_t *younger = record + *record;
    size_t n = (size_t)(queue->end - younger);
    queue->end = record + n;
    memmove(record, younger, n);
}
