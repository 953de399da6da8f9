/*
 * mcu.h - the process that is the MCU: QEMU, avr-run, or any command that takes its UART as a
 * descriptor.
 * It dies with us, whatever happens.
 */
#ifndef MCU_H
#define MCU_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct mcu_config {
    /* Exactly one of these four. */
    const char *qemu_elf; /* image for QEMU's mps2-an385 */
    const char *avr_elf;  /* image for the AVR that avr_mcu names, run by avr-run beside us */
    const char *stub;     /* the sample firmware as a program: takes --fd, --id and --state */
    char **command;       /* any: "{fd}" in an argument becomes the UART's descriptor */
    const char *avr_mcu;  /* atmega328p, atmega2560 */
    const char *avr_boot; /* boot loader of an AVR; NULL: none */
    const char *id;       /* identity, at most 16 bytes */
    const char *state;    /* file for what the MCU keeps without power; NULL: nothing */
};

struct mcu {
    const struct mcu_config *config;
    pid_t pid; /* 0: dead */
    int uart;  /* non-blocking; -1: dead */
    int qmp;   /* -1: not QEMU */
    bool paused;
};

/* Starts it, and with QEMU waits until it answers. Returns 0, or -1 with one line in `why`. */
int mcu_start(struct mcu *mcu, const struct mcu_config *config, char *why, size_t why_cap);

/* Ends it at once. What it has sent and was not yet read is lost. Does nothing when dead. */
void mcu_kill(struct mcu *mcu);

/* Starts it anew: QEMU and an AVR by the reset line, any other by killing and starting it. With
 * `drop_sent`, what it has sent and was not yet read is thrown away, as if the reset had come
 * before. Returns 0, or -1 with one line in `why`. */
int mcu_reset(struct mcu *mcu, bool drop_sent, char *why, size_t why_cap);

/* Stops it in its tracks, while time goes on. */
void mcu_pause(struct mcu *mcu, bool paused);

/* Whether it has ended without being asked; *status is then as from waitpid, and mcu_kill lets go
 * of what is left. */
bool mcu_ended(struct mcu *mcu, int *status);

#endif
