/*
 * chip.h - one emulated AVR: the only file that knows libsimavr.
 *
 * Its time is counted in clock cycles and goes on only in chip_run. UART0 takes bytes at the line's
 * speed, whatever the firmware set, as a real receiver gets them; a byte that the firmware does not
 * fetch in time is lost there.
 */
#ifndef CHIP_H
#define CHIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHIP_HZ 16000000u

struct chip;

struct chip_config {
    const char *mcu;   /* as libsimavr calls it: atmega328p, atmega2560 */
    const char *image; /* ELF file */
    const char *id;    /* the board's own identity, at most 16 bytes; "": none */
    uint32_t baud;     /* of the line */
    void *user;
    void (*sent)(void *user, uint8_t byte);     /* the firmware's byte has left */
    bool (*arrived)(void *user, uint8_t *byte); /* the next byte for it, if there is one */
};

/* Powered on, at its first instruction. `eeprom` (may be empty) is what it kept from before. NULL
 * with one line in `why`. */
struct chip *chip_open(const struct chip_config *config, const uint8_t *eeprom, size_t eeprom_bytes,
                       char *why, size_t why_cap);
void chip_close(struct chip *chip);

/* Goes on until `cycle`. False: it has stopped for good, asleep with interrupts off or crashed. */
bool chip_run(struct chip *chip, uint64_t cycle);
uint64_t chip_cycle(const struct chip *chip);

/* A pulse at the reset pin: registers are cleared, RAM stays. */
void chip_reset(struct chip *chip);

const uint8_t *chip_eeprom(const struct chip *chip, size_t *bytes);

/* How many bytes of RAM behind the variables, at most `most`, were never written by the stack. */
size_t chip_stack_left(const struct chip *chip, size_t most);

#endif
