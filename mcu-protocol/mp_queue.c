/*
 * Storage of messages for both directions of the link. What stands in the records is said there.
 */
#include "mp_queue.h"

#include <string.h>

size_t mp_queue_used(const uint8_t *queue)
{
    const uint8_t *end = queue;
    while (*end != 0)
        end += *end;
    return (size_t)(end - queue);
}

uint8_t *mp_queue_put(uint8_t *queue, uint8_t size)
{
    uint8_t *record = queue + mp_queue_used(queue);
    record[0] = size;
    record[size] = 0;
    return record;
}

void mp_queue_take(uint8_t *record)
{
    uint8_t *younger = record + *record;
    memmove(record, younger, mp_queue_used(younger) + 1u);
}
