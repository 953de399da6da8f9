/*
 * phx_queue.c - a list that counts its bytes. What is urgent, and what to do when full, is left to
 * the callers.
 */
#include "phx_queue.h"

#include <stdlib.h>

struct phx_send *phx_send_new(size_t len)
{
    struct phx_send *send = malloc(sizeof *send + PHX_SEND_ROOM + len);

    if (send) {
        send->next = NULL;
        send->len = len;
        send->binary = false;
        send->ref = 0;
    }
    return send;
}

char *phx_send_text(struct phx_send *send)
{
    return (char *)send->bytes + PHX_SEND_ROOM;
}

bool phx_queue_has_room(const struct phx_queue *queue, size_t len)
{
    return len <= queue->max_bytes && queue->bytes + queue->promised <= queue->max_bytes - len;
}

void phx_queue_put(struct phx_queue *queue, struct phx_send *send)
{
    if (queue->last)
        queue->last->next = send;
    else
        queue->first = send;
    queue->last = send;
    queue->bytes += send->len;
}

void phx_queue_put_first(struct phx_queue *queue, struct phx_send *send)
{
    send->next = queue->first;
    queue->first = send;
    if (!queue->last)
        queue->last = send;
    queue->bytes += send->len;
}

struct phx_send *phx_queue_take(struct phx_queue *queue)
{
    struct phx_send *send = queue->first;

    if (!send)
        return NULL;
    queue->first = send->next;
    if (!queue->first)
        queue->last = NULL;
    queue->bytes -= send->len;
    send->next = NULL;
    return send;
}

uint64_t phx_queue_least_ref(const struct phx_queue *queue)
{
    uint64_t least = UINT64_MAX;

    for (const struct phx_send *send = queue->first; send; send = send->next)
        if (send->ref && send->ref < least)
            least = send->ref;
    return least;
}

void phx_queue_clear(struct phx_queue *queue)
{
    struct phx_send *send;

    while ((send = phx_queue_take(queue)) != NULL)
        free(send);
}
