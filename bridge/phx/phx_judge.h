/*
 * phx_judge.h - what an answer of the server to our attempt means, in words and for the machine.
 */
#ifndef PHX_JUDGE_H
#define PHX_JUDGE_H

#include "phx_machine.h"

/* Sets cause, http_status and text of *end from the status of a refused upgrade. */
void phx_judge_status(struct phx_end *end, int status);

/* A Retry-After header in seconds as milliseconds; 0: not a number of seconds, a date included. */
uint32_t phx_judge_retry_after(const char *value, size_t len);

#endif
