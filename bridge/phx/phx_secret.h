/*
 * phx_secret.h - a credential out of a file or of a command's output.
 */
#ifndef PHX_SECRET_H
#define PHX_SECRET_H

#include "phx.h"

#define PHX_SECRET_MAX PHX_HEADER_MAX

/* Reads the one line of a regular file that nobody but its owner may read, white space around it
 * cut, into `out`, which has room for PHX_SECRET_MAX + 1 bytes. False: a line for people, without
 * the secret, in `error`. */
bool phx_secret_read(const char *file, char *out, char *error, size_t cap);

struct phx_command;

/* Runs argv without a shell. `done` is called later from the loop, with the line it printed, or
 * with NULL and an error for people. NULL: it could not be started, see `error`. */
struct phx_command *phx_command_start(uv_loop_t *loop, const char *const *argv, uint32_t timeout_ms,
                                      void (*done)(void *user, const char *secret,
                                                   const char *error),
                                      void *user, char *error, size_t cap);
/* Kills it: `done` is not called; `over` is, when nothing of it is left on the loop. */
void phx_command_cancel(struct phx_command *command, void (*over)(void *user), void *user);

#endif
