/*
 * phx_queue.h - messages waiting to be written to one connection, oldest first.
 *
 * When full: a message that is limited is refused; those that keep a connection and its channels
 * alive (heartbeat, join, leave) are always taken. They are few: one heartbeat, and a join and a
 * leave for each channel.
 */
#ifndef PHX_QUEUE_H
#define PHX_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PHX_SEND_ROOM 16 /* bytes free before each message, for the transport's header */

struct phx_send {
    struct phx_send *next;
    size_t len;
    bool binary;
    uint64_t ref;          /* of the message; 0: none */
    unsigned char bytes[]; /* PHX_SEND_ROOM of room, then `len` of message */
};

struct phx_queue {
    struct phx_send *first, *last;
    size_t bytes, max_bytes;
    size_t promised; /* bytes that count as if they were in it */
};

/* A message to be filled, of `len` bytes, of text unless made binary; NULL: out of memory. Freed
 * with free(). */
struct phx_send *phx_send_new(size_t len);
char *phx_send_text(struct phx_send *send);

bool phx_queue_has_room(const struct phx_queue *queue, size_t len);
/* The queue owns `send` from here on. */
void phx_queue_put(struct phx_queue *queue, struct phx_send *send);
void phx_queue_put_first(struct phx_queue *queue, struct phx_send *send);
/* The oldest, now the caller's; NULL: none. */
struct phx_send *phx_queue_take(struct phx_queue *queue);
/* The least ref of those in it; UINT64_MAX: none. */
uint64_t phx_queue_least_ref(const struct phx_queue *queue);
void phx_queue_clear(struct phx_queue *queue);

#endif
