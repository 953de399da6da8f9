/*
 * mp_queue.h - records in a piece of the caller's memory, oldest first, taken out from anywhere.
 *
 * The first byte of a record is its size; the rest is the user's. A byte of 0 ends the last one.
 * Taking one out moves the younger ones down, so records hold no padding and never fragment;
 * whoever keeps a pointer into the queue corrects it (see mp_queue_take). An empty queue is a byte
 * of 0; how much memory there is is the user's to know.
 *
 *     for (uint8_t *r = queue; *r != 0; r += *r)
 */
#ifndef MP_QUEUE_H
#define MP_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MP_RECORD_MAX UINT8_MAX

/* Bytes of all records. */
size_t mp_queue_used(const uint8_t *queue);

/* Appends a record of `size` bytes, at most MP_RECORD_MAX, for which the caller has seen to room,
 * and one byte more. What is in it behind the first is left to the caller. */
uint8_t *mp_queue_put(uint8_t *queue, uint8_t size);

/* Takes the record out; what followed begins at `record` now. Pointers behind it must go down by
 * the size it had. */
void mp_queue_take(uint8_t *record);

#ifdef __cplusplus
}
#endif

#endif
