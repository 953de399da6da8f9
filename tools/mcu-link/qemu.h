/*
 * qemu.h - how the MCU's command line is put together, and QEMU's machine monitor (QMP).
 */
#ifndef QEMU_H
#define QEMU_H

#include "mcu.h"

/* The command for this MCU, NULL-terminated; free it with qemu_command_free, which takes NULL too.
 * NULL with errno set when out of memory. */
char **qemu_command(const struct mcu_config *config, int uart, int qmp);
void qemu_command_free(char **command);

/* Waits for QEMU's greeting and answers it. Returns 0, or -1 with one line in `why`. */
int qemu_hello(int qmp, char *why, size_t why_cap);

/* Runs one command without arguments and waits for its end. Returns as qemu_hello. */
int qemu_execute(int qmp, const char *command, char *why, size_t why_cap);

#endif
