/*
 * libsimavr behind chip.h. Its own UART part is not used: it stops for good with 512 bytes under
 * way. Real time and the descriptor are main.c's.
 */
#include "chip.h"

#include "chip_flash.h"
#include "eeprom_id.h"
#include "image.h"
#include "store.h"

#include <avr_eeprom.h>
#include <avr_uart.h>
#include <sim_avr.h>
#include <sim_cycle_timers.h>
#include <sim_regbit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BITS_PER_BYTE 10
#define NEVER_WRITTEN 0xa5 /* RAM at power-on: what is read before it is written shows */
#define BURST_CYCLES  1000 /* at most so many between two looks at the time */

struct chip {
    struct chip_config config;
    avr_t *avr;
    avr_irq_t *uart;
    struct chip_flash self;
    uint32_t variables_end;  /* 0: not known */
    uint8_t *eeprom, *flash; /* flash: NULL, then it is libsimavr's own */
    size_t eeprom_bytes, flash_bytes;
};

/* -- Hooks of libsimavr. */

/* Only what it calls an error, and nothing of its banner. */
static void log_errors(avr_t *avr, const int level, const char *form, va_list values)
{
    (void)avr;
    if (level == LOG_ERROR)
        vfprintf(stderr, form, values);
}

/* Asleep it skips to its next event; real time is waited for elsewhere. */
static void sleep_at_once(avr_t *avr, avr_cycle_count_t cycles)
{
    (void)avr;
    (void)cycles;
}

static void on_sent(struct avr_irq_t *irq, uint32_t value, void *param)
{
    struct chip *chip = param;

    (void)irq;
    chip->config.sent(chip->config.user, (uint8_t)value);
}

/* Once in every byte time, until a reset. It also bounds how far a sleep skips. */
static avr_cycle_count_t on_byte_time(avr_t *avr, avr_cycle_count_t when, void *param)
{
    struct chip *chip = param;
    uint8_t byte;

    (void)avr;
    if (chip->config.arrived(chip->config.user, &byte))
        avr_raise_irq(chip->uart + UART_IRQ_INPUT, byte);
    return when + (avr_cycle_count_t)CHIP_HZ * BITS_PER_BYTE / chip->config.baud;
}

/* A reset, the watchdog's too, takes all timers away. */
static void keep_byte_times(struct chip *chip)
{
    if (avr_cycle_timer_status(chip->avr, on_byte_time, chip) == 0)
        avr_cycle_timer_register(chip->avr, 1, on_byte_time, chip);
}

/* -- Power on. */

static int load(struct chip *chip, const char *path, char *why, size_t why_cap)
{
    uint32_t flash_bytes = chip->avr->flashend + 1;
    struct image image;

    if (image_read(&image, path, flash_bytes, why, why_cap) != 0)
        return -1;
    for (uint32_t i = 0; i < image.bytes; i++)
        if (image.flash[i] != 0xff)
            chip->avr->flash[i] = image.flash[i];
    if (path == chip->config.image)
        chip->variables_end = image.ram_end;
    image_free(&image);
    return 0;
}

/* A chip's fuses say where its boot section begins; here the boot loader's image does. */
static int find_boot_section(struct chip_flash *self, const char *boot, const avr_t *avr, char *why,
                             size_t why_cap)
{
    struct image image;

    if (image_read(&image, boot, avr->flashend + 1, why, why_cap) != 0)
        return -1;
    self->boot_section = (uint32_t)image.first;
    image_free(&image);
    if (self->boot_section > avr->flashend / 2)
        return 0;
    snprintf(why, why_cap, "%s: no boot loader, it begins in the lower half of the flash", boot);
    return -1;
}

/* libsimavr reads a little beyond the end, where its own memory has a mark. */
static int open_flash(struct chip *chip, bool *fresh, char *why, size_t why_cap)
{
    avr_t *avr = chip->avr;

    chip->flash_bytes = avr->flashend + 5;
    chip->flash = store_open(chip->config.flash_file, chip->flash_bytes, fresh, why, why_cap);
    if (chip->flash == NULL)
        return -1;
    free(avr->flash);
    avr->flash = chip->flash;
    avr->codeend = avr->flashend;
    avr->reset_pc = avr->pc = chip->self.boot_section;
    chip_flash_attach(&chip->self, avr);
    return 0;
}

static int fill_flash(struct chip *chip, char *why, size_t why_cap)
{
    const char *boot = chip->config.boot;
    bool fresh = true;

    if (boot && open_flash(chip, &fresh, why, why_cap) != 0)
        return -1;
    if (!fresh || (load(chip, chip->config.image, why, why_cap) == 0 &&
                   (boot == NULL || load(chip, boot, why, why_cap) == 0)))
        return 0;
    if (boot && chip->config.flash_file)
        unlink(chip->config.flash_file); /* it is no board's flash yet */
    return -1;
}

static void connect_uart(struct chip *chip)
{
    uint32_t flags = 0;

    /* Else it sleeps in real time when the firmware polls, and prints what is sent. */
    avr_ioctl(chip->avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
    chip->uart = avr_io_getirq(chip->avr, AVR_IOCTL_UART_GETIRQ('0'), 0);
    avr_irq_register_notify(chip->uart + UART_IRQ_OUTPUT, on_sent, chip);
}

static avr_eeprom_t *eeprom_of(avr_t *avr)
{
    for (avr_io_t *io = avr->io_port; io; io = io->next)
        if (strcmp(io->kind, "eeprom") == 0)
            return (avr_eeprom_t *)io;
    return NULL;
}

static int open_eeprom(struct chip *chip, char *why, size_t why_cap)
{
    avr_eeprom_t *eeprom = eeprom_of(chip->avr);
    size_t len = strlen(chip->config.id);
    uint8_t *own;
    bool fresh;

    chip->eeprom_bytes = chip->avr->e2end + 1u;
    chip->eeprom = store_open(chip->config.eeprom_file, chip->eeprom_bytes, &fresh, why, why_cap);
    if (chip->eeprom == NULL)
        return -1;
    free(eeprom->eeprom);
    eeprom->eeprom = chip->eeprom;
    own = chip->eeprom + EEPROM_ID_OWN * EEPROM_ID_BYTES;
    own[0] = len > 0 ? EEPROM_ID_MARK : 0xff;
    own[1] = (uint8_t)len;
    memcpy(own + EEPROM_ID_HEAD, chip->config.id, len);
    return 0;
}

static int power_on(struct chip *chip, char *why, size_t why_cap)
{
    avr_t *avr = avr_make_mcu_by_name(chip->config.mcu);

    if (avr == NULL) {
        snprintf(why, why_cap, "no AVR is called %s", chip->config.mcu);
        return -1;
    }
    if (chip->config.boot &&
        find_boot_section(&chip->self, chip->config.boot, avr, why, why_cap) != 0) {
        free(avr); /* libsimavr's own way leaves things behind */
        return -1;
    }
    chip->avr = avr;
    avr_init(avr);
    avr->frequency = CHIP_HZ;
    avr->sleep = sleep_at_once;
    avr->run_cycle_limit = BURST_CYCLES;
    memset(avr->data + avr->ioend + 1, NEVER_WRITTEN, (size_t)avr->ramend - avr->ioend);
    if (fill_flash(chip, why, why_cap) != 0 || open_eeprom(chip, why, why_cap) != 0)
        return -1;
    connect_uart(chip);
    avr_regbit_set(avr, avr->reset_flags.porf);
    return 0;
}

struct chip *chip_open(const struct chip_config *config, char *why, size_t why_cap)
{
    struct chip *chip = calloc(1, sizeof *chip);

    if (chip == NULL) {
        snprintf(why, why_cap, "out of memory");
        return NULL;
    }
    avr_global_logger_set(log_errors);
    chip->config = *config;
    if (power_on(chip, why, why_cap) != 0) {
        chip_close(chip);
        return NULL;
    }
    return chip;
}

/* libsimavr frees what it has not been given. */
static void take_memory_back(struct chip *chip)
{
    if (chip->flash)
        chip->avr->flash = NULL;
    if (chip->eeprom)
        eeprom_of(chip->avr)->eeprom = NULL;
}

void chip_close(struct chip *chip)
{
    if (chip->avr) {
        take_memory_back(chip);
        avr_terminate(chip->avr);
        free(chip->avr);
    }
    store_close(chip->flash, chip->flash_bytes);
    store_close(chip->eeprom, chip->eeprom_bytes);
    free(chip);
}

/* -- Running. */

const char *chip_run(struct chip *chip, uint64_t cycle)
{
    keep_byte_times(chip);
    while (chip->avr->cycle < cycle) {
        chip_flash_look(&chip->self, chip->avr);
        int state = chip->self.wrong ? cpu_Crashed : avr_run(chip->avr);
        if (chip->self.wrong)
            return chip->self.wrong;
        if (state == cpu_Done || state == cpu_Crashed)
            return "stopped for good: crashed, or asleep with interrupts off";
    }
    return NULL;
}

uint64_t chip_cycle(const struct chip *chip)
{
    return chip->avr->cycle;
}

void chip_reset(struct chip *chip)
{
    avr_reset(chip->avr);
    avr_regbit_clear(chip->avr, chip->avr->reset_flags.porf);
    avr_regbit_set(chip->avr, chip->avr->reset_flags.extrf);
}

size_t chip_stack_left(const struct chip *chip, size_t most)
{
    size_t n = 0;

    if (chip->variables_end == 0 || chip->self.written)
        return most;
    while (n < most && chip->variables_end + n <= chip->avr->ramend &&
           chip->avr->data[chip->variables_end + n] == NEVER_WRITTEN)
        n++;
    return n;
}
