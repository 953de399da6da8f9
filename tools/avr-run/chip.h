/*
 * chip.h - one emulated AVR. Beside chip_flash, the only file that knows libsimavr.
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
    const char *image; /* ELF file: what is in the flash at first */
    const char *boot;  /* ELF file of a boot loader: its first byte begins the boot
                          section, where the chip then starts; NULL: at 0 */
    const char *eeprom_file, *flash_file; /* keep them without power; NULL: nothing does */
    const char *id;                       /* the board's own identity, at most 16 bytes; "": none */
    uint32_t baud;                        /* of the line */
    void *user;
    void (*sent)(void *user, uint8_t byte);     /* the firmware's byte has left */
    bool (*arrived)(void *user, uint8_t *byte); /* the next byte for it, if there is one */
};

/* Powered on, at its first instruction. `flash_file` only counts with a boot loader; where there is
 * such a file, it has the flash, and of the ELF files only the boot loader's place is read. NULL
 * with one line in `why`. */
struct chip *chip_open(const struct chip_config *config, char *why, size_t why_cap);
void chip_close(struct chip *chip);

/* Goes on until `cycle`. NULL, or why it has stopped for good. */
const char *chip_run(struct chip *chip, uint64_t cycle);
uint64_t chip_cycle(const struct chip *chip);

/* A pulse at the reset pin: registers are cleared, RAM stays. */
void chip_reset(struct chip *chip);

/* How many bytes of RAM behind the variables, at most `most`, were never written by the stack. Once
 * the flash holds other than the ELF file, where the variables end is not known, and it is `most`.
 */
size_t chip_stack_left(const struct chip *chip, size_t most);

#endif
