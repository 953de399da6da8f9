/*
 * nh_update_private.h - what nh_update.c and nh_update_flash.c have of each other. Nobody else
 * includes it.
 */
#ifndef NH_UPDATE_PRIVATE_H
#define NH_UPDATE_PRIVATE_H

#include "nh_update.h"

/* -- Of nh_update.c. */

void nh_update_say(struct nh_update *update, bool bad, const char *text);
/* Whether the server knows of this update and can be spoken to. */
bool nh_update_may_speak(const struct nh_update *update);
void nh_update_send_progress(struct nh_update *update, unsigned percent);

/* The stage, on disk first. False: it is not. */
bool nh_update_keep(struct nh_update *update, enum nh_stage stage);
void nh_update_become_idle(struct nh_update *update);
/* The update ends; the board was not touched, or does not matter. */
void nh_update_fail(struct nh_update *update, const char *why, bool for_good);
/* It ends, and the board gets its previous firmware. */
void nh_update_restore(struct nh_update *update, const char *why);

/* -- Of nh_update_flash.c. */

/* Begins to write the board, or a further try of it. */
void nh_update_flash(struct nh_update *update);
/* How long to wait for a board that was written. */
uint64_t nh_update_await_ms(const struct nh_update *update);

#endif
