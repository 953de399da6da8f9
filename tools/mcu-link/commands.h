/*
 * commands.h - the commands of the control socket, one a line.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "line.h"

#include <stdio.h>

#define COMMANDS_ANSWER_MAX 1024

/* Runs one line (changed in place, no line end) and writes the answer, one line with its end: "ok",
 * "error: ...", or what was asked for. */
void commands_run(struct line *line, char *text, char *answer, size_t cap);

/* All commands with a line of explanation each, for --help. */
void commands_print_help(FILE *out);

#endif
