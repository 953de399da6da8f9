/*
 * mp_queue.h - messages in a piece of the caller's memory, oldest first, taken out from anywhere.
 *
 * One record is [length][id][number][flags], `extra` bytes for the user, and the body. Taking one
 * out moves the younger ones down, so records hold no padding and never fragment; whoever keeps a
 * pointer into the queue corrects it (see mp_queue_take). When full, mp_queue_put says so and keeps
 * nothing.
 */
#ifndef MP_QUEUE_H
#define MP_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#define MP_RECORD_HEAD 4

enum mp_record_field { MP_RECORD_LEN, MP_RECORD_ID, MP_RECORD_NUMBER, MP_RECORD_FLAGS };

struct mp_queue {
    uint8_t *mem;
    size_t cap, used;
    uint8_t extra;
};

void mp_queue_init(struct mp_queue *queue, uint8_t *mem, size_t cap, uint8_t extra);

/* Appends a record with number, flags and extra bytes zero. Returns it, or NULL when there is no
 * room. `len` is at most 255. */
uint8_t *mp_queue_put(struct mp_queue *queue, uint8_t id, const uint8_t *body, size_t len);

/* Walks: begin with NULL; NULL at the end. */
uint8_t *mp_queue_next(const struct mp_queue *queue, uint8_t *record);

/* The record that begins at `record`, after one was taken out there; NULL at the end. */
uint8_t *mp_queue_here(const struct mp_queue *queue, uint8_t *record);

uint8_t *mp_queue_body(const struct mp_queue *queue, uint8_t *record);

/* Bytes of memory a body of `len` needs. */
size_t mp_queue_need(const struct mp_queue *queue, size_t len);

/* Takes the record out; what followed begins at `record` now. Pointers behind it must go down by
 * the returned number of bytes. */
size_t mp_queue_take(struct mp_queue *queue, uint8_t *record);

#endif
