/*
 * boot.h - the boot loader's decisions: what is to be copied before the application starts, and
 * whether it starts on trial. The same code on every board; what a slot is made of is
 * boot_port.h's.
 *
 * Whatever moment the power goes at, the next start goes on, and RUN is at last the old image or
 * the new one, whole.
 */
#ifndef BOOT_H
#define BOOT_H

#include <stdbool.h>

enum boot_start {
    BOOT_START_NONE,    /* no slot holds an image: there is nothing to start */
    BOOT_START_SETTLED, /* start RUN */
    BOOT_START_TRIAL    /* start RUN with a watchdog that resets the board when it hangs */
};

/* Finishes what the state asks for. `hung`: the watchdog made this start, and nobody had asked it
 * to. Blocks for as long as two slots take to be copied. */
enum boot_start boot_prepare(bool hung);

#endif
