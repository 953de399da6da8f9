/*
 * uplink_private.h - what uplink.c (what comes, and when it is safe), uplink_send.c (what goes) and
 * uplink_batch.c (how it goes) share. Nobody else includes it.
 */
#ifndef UPLINK_PRIVATE_H
#define UPLINK_PRIVATE_H

#include "uplink.h"

/* uplink.c: index in the table of sensors, which may grow; UPLINK_REFUSED: no room for another. */
uint16_t uplink_intern(struct uplink *uplink, const struct uplink_sensor *sensor);
/* uplink.c: before a group is read: where it may need more sensors than there are places, drops
 * those that are no slot, unless rows wait. */
void uplink_forget_unused(struct uplink *uplink);

/* uplink_send.c */
void uplink_queue_deinit(struct uplink_queue *queue);
/* Makes room for `n` more rows behind the last, within `max`. */
bool uplink_reserve(struct uplink_queue *queue, size_t n, size_t max);
/* Takes the oldest `n` rows away, and tells of which groups they were. */
void uplink_pop(struct uplink *uplink, struct uplink_queue *queue, size_t n);
/* More may be loaded: it is half empty. */
bool uplink_has_room(const struct uplink_queue *queue);
/* Rows that are in no batch. */
size_t uplink_unbegun(const struct uplink *uplink, uint8_t which);

#endif
