/*
 * mp_queue.h - records in a piece of the caller's memory, oldest first, taken out from anywhere.
 *
 * The first byte of a record is its size; the rest is the user's. Taking one out moves the younger
 * ones down, so records hold no padding and never fragment; whoever keeps a pointer into the queue
 * corrects it (see mp_queue_take). When full, mp_queue_put says so and keeps nothing.
 *
 *     for (uint8_t *r = queue.mem; r != queue.end; r += *r)
 */
#ifndef MP_QUEUE_H
#define MP_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#define MP_RECORD_MAX UINT8_MAX

struct mp_queue {
    uint8_t *mem;
    uint8_t *end;  /* of the records */
    uint8_t *stop; /* of the memory */
};

void mp_queue_init(struct mp_queue *queue, uint8_t *mem, size_t cap);

/* Appends a record of `size` bytes, at most MP_RECORD_MAX, zero behind the first. Returns it, or
 * NULL when there is no room. */
uint8_t *mp_queue_put(struct mp_queue *queue, size_t size);

/* Takes the record out; what followed begins at `record` now. Pointers behind it must go down by
 * the size it had. */
void mp_queue_take(struct mp_queue *queue, uint8_t *record);

#endif
